//! What the programs of Kinto's users make of a rejected request: a page in a real browser, and kinto-http.
//!
//! `make browser-test` runs this, and fails, and says what to run, when something that it sets up is missing.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

mod chromium;
mod client;
mod page;
mod proxy;
