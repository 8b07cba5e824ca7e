//! What the programs of Kinto's users make of a rejected request: a page in a real browser, and kinto-http.
//!
//! `make browser-test` runs this, and fails, and says what to run, when something that it sets up is missing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

// The very files of the other tests.
#[path = "../end_to_end/http.rs"]
#[allow(dead_code, reason = "hostile bytes are sent elsewhere")]
mod http;
#[path = "../end_to_end/servers.rs"]
#[allow(dead_code, reason = "the logs and counters are read elsewhere")]
mod servers;
#[path = "../end_to_end/tokens.rs"]
#[allow(dead_code, reason = "other algorithms are tested elsewhere")]
mod tokens;

mod chromium;
mod client;
mod page;
mod proxy;
