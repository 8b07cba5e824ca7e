//! The module as an image: pushed to a real registry on loopback, read back as Istio and Envoy Gateway read it, and
//! started in the real Envoy. And the list of what it is built from.
//!
//! `make image-test` runs this, and fails, and says what to run, when something that it needs is missing.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

mod fetcher;
mod images;
mod registry;
mod sbom;
