//! The dashboard and the alerts of `envoy/grafana` and `envoy/prometheus`, on what a real Prometheus has scraped
//! from the real Envoy while real requests went through the filter.
//!
//! `make monitoring-test` runs this, and fails, and says what to run, when something that it needs is missing.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

mod alerts;
mod counts;
mod dashboard;
mod prometheus;
mod promql;
mod relabel;
mod stack;
