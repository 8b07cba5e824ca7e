//! The command `kinto-jwt`, run as an operator runs it.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

mod check;
mod example_files;
mod explain;
mod files;
mod honest;
mod keygen;
mod pages;
mod private_keys;
mod readings;
mod schema;
mod secrets;
mod token;
mod transcripts;
mod warnings;

use std::path::Path;
use std::process::Command;

use kinto_jwt_filter::{Gate, HostVerify, Rejection, parse_config};
use serde_json::Value;

use kit::http::header;
use kit::ring_host::ring_host;
use kit::table::Case;

/// What the command did: its exit code, what it printed, and what it complained about.
struct Done {
    code: i32,
    out: String,
    err: String,
}

/// Runs the command in this folder.
fn kinto_jwt(folder: &Path, arguments: &[&str]) -> Done {
    let output =
        Command::new(env!("CARGO_BIN_EXE_kinto-jwt")).args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs the command, which must do its work in silence, and returns what it printed.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let done = kinto_jwt(folder, arguments);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{arguments:?}");
    done.out
}

/// Runs the command, which must fail with these words, and returns all of them.
fn complained(folder: &Path, arguments: &[&str], words: &[&str]) -> String {
    let done = kinto_jwt(folder, arguments);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{arguments:?}: {}", done.err);
    for word in words {
        assert!(done.err.contains(word), "{arguments:?}: {word:?} is not in: {}", done.err);
    }
    done.err
}

/// As whom a filter with these settings lets the token pass, with Envoy's cryptography or without.
fn user_of(settings: &Value, token: &str, now: u64) -> Result<String, Rejection> {
    let host: HostVerify = ring_host;
    let config = parse_config(settings.to_string().as_bytes(), Some(host)).unwrap_or_else(|e| panic!("{e}"));
    let gate = Gate::new(config);
    let case = Case::new("", vec![header("Authorization", format!("JWT {token}"))], Ok(""));
    let decision = gate.decide(&case, now);
    let user = || decision.outcome.user_id().unwrap().as_str().to_owned();
    decision.rejection().map_or_else(|| Ok(user()), Err)
}
