//! The tests that need more than one file: the decision table natively and through the real Envoy to the
//! real Kinto, parity with the real `kinto_jwt`, batches, hostile bytes, configurations;
//! `differential` makes up requests and compares what becomes of them with what Kinto makes of them.
//!
//! They fail, and say what to run, when something that `make test` sets up is missing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod answers;
mod batches;
mod configurations;
mod decisions;
mod differential;
mod documentation;
mod failing_host;
mod forgeries;
mod hostile;
mod http;
mod issuer;
mod peers;
mod promise;
mod rewriting;
#[path = "../../src/keys/verify/ring_host.rs"]
mod ring_host;
mod rotation;
mod servers;
mod table;
mod table_of_policies;
mod tokens;
mod wsgi;
