//! What others know of tokens, tried on this filter: the vectors of other projects and of the RFCs, the published attacks,
//! and PyJWT, to which mutated tokens are shown as well.
//!
//! All of it decides natively, with the code of the filter and a time that is an argument. `cargo test --test vectors --
//! --nocapture` prints how many cases ran.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

mod attacks;
mod projects;
mod pyjwt;
mod rfcs;

use kinto_jwt_filter::{Gate, HostVerify, Rejection, parse_config};
use serde_json::Value;

use kit::http::authorization;
use kit::ring_host::ring_host;
use kit::table::Case;

/// Envoy's `verify_signature` with ring behind it, and none: then the module's own code verifies.
fn hosts() -> [Option<HostVerify>; 2] {
    [Some(ring_host), None]
}

/// The gate of these settings, or what the filter says against them.
fn gate(settings: &Value, host: Option<HostVerify>) -> Result<Gate, String> {
    let config = parse_config(settings.to_string().as_bytes(), host).map_err(|error| error.to_string())?;
    Ok(Gate::new(config))
}

/// The user that a token in `Authorization: JWT` proves at this time.
fn decide(gate: &Gate, token: &str, now: u64) -> Result<String, Rejection> {
    let decision = gate.decide(&Case::new("", vec![authorization(token)], Ok("")), now);
    match decision.rejection() {
        Some(rejection) => Err(rejection),
        None => Ok(decision.outcome.user_id().unwrap().as_str().to_owned()),
    }
}
