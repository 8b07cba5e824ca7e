//! What kinto-http, the client that Kinto's users have, raises: from the filter's answers as from Kinto's own.

use std::process::Command;

use serde_json::{Value, json};

use crate::proxy::{Proxy, token_that_is};
use kit::servers::{made, project};

/// What each operation of `client.py` ends in with this token.
fn outcomes(proxy: &Proxy, policy: &str, token: &str) -> Value {
    let output = Command::new(made(".venv/bin/python"))
        .arg(project("tests/browser/client.py"))
        .arg(proxy.url(policy))
        .args(token_that_is("good"))
        .args(token_that_is(token))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn unauthorized(errno: u16, message: &str) -> Value {
    let body = json!({"code": 401, "errno": errno, "error": "Unauthorized", "message": message});
    json!({"raises": "KintoException", "status": 401, "body": body})
}

fn in_a_batch(each: &[&Value]) -> Value {
    json!({"raises": "KintoBatchException", "each": each})
}

#[test]
fn kinto_http_works_with_a_good_token() {
    let proxy = Proxy::start();
    for policy in ["anonymous", "reject"] {
        let outcomes = outcomes(&proxy, policy, "good");
        assert!(outcomes.as_object().unwrap().values().all(|outcome| outcome == "works"), "{outcomes}");
    }
}

#[test]
fn kinto_http_raises_for_a_missing_token_what_it_raises_from_kinto_itself() {
    let proxy = Proxy::start();
    let missing = unauthorized(104, "Please authenticate yourself to use this endpoint.");
    let kinto = outcomes(&proxy, "anonymous", "none");
    assert_eq!(kinto["server_info"], "works");
    assert_eq!(kinto["get_bucket"], missing);
    assert_eq!(kinto["create_bucket"], missing);
    assert_eq!(kinto["batch"], in_a_batch(&[&missing, &missing]));
    assert_eq!(outcomes(&proxy, "reject", "none"), kinto);
}

#[test]
fn kinto_http_raises_for_an_invalid_token_what_it_raises_from_kinto_itself() {
    let proxy = Proxy::start();
    // Kinto itself knows no invalid tokens: their request is as good as one without.
    let missing = unauthorized(104, "Please authenticate yourself to use this endpoint.");
    let invalid = unauthorized(105, "Invalid Authorization Token");
    let expected = |error: &Value, at_once: Value, batch: Value| {
        json!({
            "server_info": at_once,
            "create_bucket": error,
            "get_bucket": error,
            "batch": batch,
            "batch, later in a session": in_a_batch(&[error, error]),
            "batch, one with its own": in_a_batch(&[error]),
        })
    };
    for token in ["bad", "expired"] {
        let kinto = expected(&missing, json!("works"), in_a_batch(&[&missing, &missing]));
        assert_eq!(outcomes(&proxy, "anonymous", token), kinto, "{token}");
        // It reads GET /v1/ before its first batch, and that is open to nobody's token, but not to an invalid one.
        let filter = expected(&invalid, invalid.clone(), invalid.clone());
        assert_eq!(outcomes(&proxy, "reject", token), filter, "{token}");
    }
}
