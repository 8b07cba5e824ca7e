//! The stack of `envoy/docker-compose.yaml`, proven with real traffic: every test composes one of its own, on
//! free ports, and takes it down again, volume and all.
//!
//! `make compose-test` runs this. It fails, and says what to install, where Docker is missing.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

mod bad_configuration;
mod before_and_after;
mod client;
mod decisions;
mod faults;
mod isolation;
mod load;
mod stack;
