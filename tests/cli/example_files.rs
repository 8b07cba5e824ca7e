//! The tokens and keys in `docs/examples`, which the transcripts on the pages use. They are made with the keys of
//! `tests/keys`, which are no secrets; RS256 and HS256 make the same signature each time.
//!
//! `SNAPSHOTS=overwrite cargo test --features cli --test cli example_files` writes them anew.

use serde_json::{Value, json};
use snapbox::{Assert, Data};

use kit::servers::project;
use kit::tokens::{SECRET, jwk, jws, sha256, x5c};

/// 2026-11-24T10:00:00Z: the time in the transcripts.
pub(crate) const NOW: u64 = 1_795_514_400;

/// What is changed in a good token: members of its header and of its claims. `null` takes a member away.
type Change = (&'static str, Value, Value);

fn changes() -> Vec<Change> {
    let none = || json!({});
    let claims = |name, claims| (name, none(), claims);
    vec![
        claims("good", none()),
        ("typ_mismatch", json!({"typ": "JWT"}), none()),
        ("parameter_mismatch", json!({"signer": "somebody"}), none()),
        ("kid_not_string", json!({"kid": 2026}), none()),
        ("critical_extension", json!({"crit": ["exp"]}), none()),
        ("unencoded_payload", json!({"b64": false}), none()),
        ("kid_missing", json!({"kid": null}), none()),
        ("kid_unknown", json!({"kid": "2024"}), none()),
        claims("not_numeric_date", json!({"exp": "2026-11-24T10:09:00Z"})),
        claims("expired", json!({"exp": NOW - 312})),
        claims("not_yet_valid", json!({"nbf": NOW + 90})),
        claims("issued_in_future", json!({"iat": NOW + 90})),
        claims("exp_missing", json!({"exp": null})),
        claims("start_missing", json!({"iat": null})),
        claims("lifetime_too_long", json!({"exp": NOW + 86_400})),
        claims("iat_missing", json!({"iat": null})),
        claims("too_old", json!({"iat": NOW - 9_000})),
        claims("issuer_unknown", json!({"iss": "https://issuer.example/"})),
        claims("audience_missing", json!({"aud": null})),
        claims("audience_mismatch", json!({"aud": ["billing", "shop"]})),
        claims("claim_mismatch", json!({"realm_access": {"roles": ["shop"]}})),
        claims("scope_missing", json!({"scope": "profile email"})),
        claims("claim_refused", json!({"preferred_username": "mallory"})),
        claims("issued_too_early", json!({"iat": NOW - 4_000})),
        claims("token_bound", json!({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}})),
        claims("token_bound_elsewhere", json!({"cnf": {"x5t#S256": sha256(&x5c("rsa-other"))}})),
        claims("subject_not_string", json!({"sub": 5})),
        claims("jwt_id_not_string", json!({"jti": 5})),
        claims("no_user_id_claim", json!({"preferred_username": null})),
        claims("user_id_type", json!({"preferred_username": ["alice"]})),
        claims("user_id_empty", json!({"preferred_username": ""})),
        claims("user_id_not_ascii", json!({"preferred_username": "zoë"})),
        claims("user_id_not_latin1", json!({"preferred_username": "松本"})),
        claims("user_id_control", json!({"preferred_username": "alice\u{1b}[2J"})),
        claims("user_id_outer_space", json!({"preferred_username": "alice "})),
        claims("bob", json!({"preferred_username": "bob"})),
    ]
}

fn changed(mut object: Value, change: &Value) -> String {
    let members = object.as_object_mut().unwrap();
    members.extend(change.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    object.to_string()
}

fn header(change: &Value) -> String {
    changed(json!({"typ": "at+jwt", "alg": "RS256", "kid": "2026", "signer": "gateway"}), change)
}

fn claims(change: &Value) -> String {
    let good = json!({
        "iss": "https://issuer.example", "aud": "kinto", "iat": NOW - 60, "exp": NOW + 540,
        "sub": "5f2c", "jti": "0a1b", "preferred_username": "alice", "email": "alice@example.org",
        "scope": "kinto profile", "realm_access": {"roles": ["kinto"]},
    });
    changed(good, change)
}

fn tokens() -> Vec<(&'static str, String)> {
    let signed = |(name, header_change, claims_change): Change| {
        (name, jws("RS256", "rsa", header(&header_change), claims(&claims_change)))
    };
    let good = || claims(&json!({}));
    let twice = good().replacen('{', r#"{"aud":"shop","#, 1);
    let others = vec![
        ("alg_not_allowed", jws("HS256", SECRET, header(&json!({"alg": "HS256"})), good())),
        ("bad_signature", jws("RS256", "rsa-other", header(&json!({})), good())),
        ("claims_not_json", jws("RS256", "rsa", header(&json!({})), twice)),
    ];
    changes().into_iter().map(signed).chain(others).collect()
}

/// Each file that is made here, and what is in it.
fn files() -> Vec<(String, String)> {
    let tokens = tokens();
    let token =
        |wanted: &str| format!("Bearer {}", tokens.iter().find(|(name, _)| *name == wanted).unwrap().1);
    let batch = json!({"requests": [
        {"method": "GET", "path": "/buckets/blog/collections/posts/records"},
        {"method": "PUT", "path": "/buckets/blog/collections/posts/records/1", "headers": {"Authorization": token("bob")}},
        {"method": "DELETE", "path": "/buckets/blog", "headers": {"Authorization": token("expired")}},
    ]});
    let nested = json!({"requests": [{"method": "POST", "path": "/batch", "body": {"requests": []}}]});
    let keys = json!({"keys": [jwk("2026", "rsa"), jwk("2025", "rsa-other")]});
    let pretty = |value: &Value| format!("{value:#}\n");
    let others =
        [("batch.json", pretty(&batch)), ("nested.json", pretty(&nested)), ("jwks.json", pretty(&keys))];
    let others = others.map(|(name, text)| (name.to_owned(), text));
    let files = tokens.iter().map(|(name, token)| (format!("tokens/{name}.jwt"), format!("{token}\n")));
    files.chain(others).collect()
}

#[test]
fn each_example_file_is_as_it_is_made_here() {
    let files = files();
    for (name, text) in &files {
        let path = project("docs/examples").join(name);
        Assert::new()
            .action_env("SNAPSHOTS")
            .normalize_paths(false)
            .eq(text, Data::read_from(&path, None).raw());
    }
    for token in
        std::fs::read_dir(project("docs/examples/tokens")).unwrap().map(|file| file.unwrap().file_name())
    {
        let name = format!("tokens/{}", token.to_str().unwrap());
        assert!(files.iter().any(|(other, _)| *other == name), "{name} is made by nothing");
    }
}
