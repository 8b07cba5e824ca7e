//! The tests that need more than one file: the decision table natively and through the real Envoy to the
//! real Kinto, parity with the real `kinto_jwt`, batches, hostile bytes, configurations;
//! `differential` makes up requests and compares what becomes of them with what Kinto makes of them.
//!
//! They fail, and say what to run, when something that `make test` sets up is missing.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

mod answers;
mod batches;
mod bound_tokens;
mod capabilities;

mod configurations;
mod day_two;
mod decisions;
mod differential;
mod documentation;
mod failing_host;
mod hostile;
mod issuer;
mod jwt_authn;
mod other_filters;
mod peers;
mod promise;
mod rewriting;
mod rotation;
mod ticket;
mod without_vm;
mod wsgi;
