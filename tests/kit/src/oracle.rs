//! What must hold for every input. Each check is written once, for libFuzzer (`fuzz/targets`) and for proptest
//! (`tests/properties.rs`).
//!
//! A check makes what it needs of any bytes, and panics where the filter breaks its promise. It returns how far the
//! input came, so that a test can see whether the inputs come far at all. What it compares the filter with is written
//! anew here, or is another library or program: nothing of the filter judges the filter.

pub mod batch;
pub mod configuration;
mod host;
pub mod json;
pub mod jwks;
pub mod path;
pub mod places;
mod python;
pub mod reader;
pub mod ticket;
pub mod token;

/// A check of any bytes, which says how far they came.
pub type Check = fn(&[u8]) -> &'static str;

/// A target: its name, which its corpus and its fuzz target have too, its check, and all that the check may return.
/// Every one of these must be reached by the corpus.
pub type Target = (&'static str, Check, &'static [&'static str]);

/// All targets.
pub const TARGETS: [Target; 8] = [
    ("configuration", configuration::check, configuration::REACHED),
    ("token", token::check, token::REACHED),
    ("jwks", jwks::check, jwks::REACHED),
    ("batch", batch::check, batch::REACHED),
    ("path", path::check, path::REACHED),
    ("places", places::check, places::REACHED),
    ("json", json::check, json::REACHED),
    ("ticket", ticket::check, ticket::REACHED),
];

/// The time of all checks, in seconds since 1970.
pub const NOW: u64 = 1_700_000_000;

/// Whether an input is itself what a check reads: JSON, or a protobuf message whose first field is a message. In others each
/// byte is a choice.
fn is_itself(input: &[u8]) -> bool {
    matches!(input.first(), Some(b'{' | b'\n'))
}
