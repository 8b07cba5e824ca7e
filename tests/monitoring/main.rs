//! The dashboard and the alerts of `envoy/grafana` and `envoy/prometheus`, on what a real Prometheus has scraped
//! from the real Envoy while real requests went through the filter.
//!
//! `make monitoring-test` runs this, and fails, and says what to run, when something that it needs is missing.

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
#[path = "../end_to_end/issuer.rs"]
#[allow(dead_code, reason = "issuers that misbehave are tested elsewhere")]
mod issuer;
#[path = "../end_to_end/servers.rs"]
#[allow(dead_code, reason = "bad configurations are tested elsewhere")]
mod servers;
#[path = "../end_to_end/tokens.rs"]
#[allow(dead_code, reason = "other algorithms are tested elsewhere")]
mod tokens;

mod alerts;
mod counts;
mod dashboard;
mod prometheus;
mod promql;
mod stack;
