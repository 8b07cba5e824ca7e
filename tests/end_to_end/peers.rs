//! Tokens that other libraries have made.

use std::process::Command;

use kinto_jwt_filter::{Gate, HostVerify, parse_config};
use serde_json::{Value, json};

use kit::http;
use kit::ring_host::ring_host;
use kit::servers::{made, project};
use kit::table::Case;
use kit::tokens::now;

#[test]
fn tokens_of_pyjwt_and_joserfc_are_read() {
    let output = Command::new(made(".venv/bin/python"))
        .arg(project("tests/end_to_end/mint_tokens.py"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tokens: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(tokens.len(), 26);
    let host: HostVerify = ring_host;
    for minted in tokens {
        let settings = json!({"public_key": minted["public_key"], "algorithm": minted["alg"], "auth_type": "Bearer", "userIdCharset": "latin-1"});
        let gate = Gate::new(parse_config(settings.to_string().as_bytes(), Some(host)).unwrap());
        let header = format!("Bearer {}", minted["token"].as_str().unwrap());
        let decision =
            gate.decide(&Case::new("", vec![http::header("Authorization", &header)], Ok("")), now());
        let what = (&minted["library"], &minted["alg"]);
        assert_eq!(decision.rejection(), None, "{what:?}");
        assert_eq!(decision.outcome.user_id().unwrap().as_str(), "ålice", "{what:?}");
    }
}
