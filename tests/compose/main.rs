//! The stack of `envoy/docker-compose.yaml`, proven with real traffic: every test composes one of its own, on
//! free ports, and takes it down again, volume and all.
//!
//! `make compose-test` runs this. It fails, and says what to install, where Docker is missing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

// The very files of the tests without containers.
#[path = "../end_to_end/forgeries.rs"]
mod forgeries;
#[path = "../end_to_end/http.rs"]
mod http;
#[path = "../end_to_end/servers.rs"]
#[allow(dead_code, reason = "the servers are containers here; its configurations and waits are used")]
mod servers;
#[path = "../end_to_end/table.rs"]
#[allow(dead_code, reason = "the differences from kinto_jwt are shown elsewhere")]
mod table;
#[path = "../end_to_end/table_of_policies.rs"]
mod table_of_policies;
#[path = "../end_to_end/tokens.rs"]
mod tokens;

mod bad_configuration;
mod before_and_after;
mod client;
mod decisions;
mod faults;
mod isolation;
mod load;
mod stack;
