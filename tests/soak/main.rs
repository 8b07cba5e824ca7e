//! Load and faults: ten minutes of every kind of request while keys and configurations change, VMs that are killed, and
//! clients that use as much as they can. Through the real Envoy with two workers to the real Kinto.
//!
//! `make soak` runs this, for `SOAK_SECONDS` (600) of load. `SOAK_SEED` repeats the choices of a run.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

mod client;
mod crash;
mod figures;
mod keys;
mod limits;
mod load;
mod mix;
mod process;
mod stack;
