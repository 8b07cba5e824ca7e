//! Tokens: the filter and PyJWT believe them, and they say what was asked for.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kinto_jwt_filter::Rejection;
use serde_json::{Value, json};

use crate::keygen::{SECRETS, SIGNATURES};
use crate::{complained, printed, user_of};
use kit::servers::{made, project};
use kit::tokens::{SECRET, now, public_key};

/// 2026-11-24T10:00:00Z.
const NOW: u64 = 1_795_514_400;

/// The keys of `tests/keys`, for each algorithm.
const KEYS: [(&str, &[&str]); 6] = [
    ("rsa", &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
    ("rsa-4096", &["RS256", "PS512"]),
    ("p256", &["ES256"]),
    ("p384", &["ES384"]),
    ("p521", &["ES512"]),
    ("ed25519", &["EdDSA"]),
];

/// A token of the test key with this name, and these arguments.
fn minted(key: &str, more: &[&str]) -> String {
    let key = project(&format!("tests/keys/{key}.key.pem"));
    let text = printed(&project(""), &[&["token", "--key", key.to_str().unwrap()], more].concat());
    text.strip_suffix('\n').unwrap().to_owned()
}

/// The header and the claims of a token.
fn parts(token: &str) -> (Value, Value) {
    let part = |text: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    let mut texts = token.split('.');
    (part(texts.next().unwrap()), part(texts.next().unwrap()))
}

/// What a Python script prints for this input.
fn python(script: &str, input: &Value) -> Value {
    let mut child = Command::new(made(".venv/bin/python"))
        .arg(project(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Settings with the key that verifies, the algorithm and a token.
fn of_each_algorithm(folder: &Path) -> Vec<(String, Value, String)> {
    let mut all = Vec::new();
    for (name, algorithms) in KEYS {
        for algorithm in algorithms {
            let token = minted(name, &["--algorithm", algorithm, "--sub", "alice"]);
            all.push(((*algorithm).to_owned(), json!({"public_key": public_key(name)}), token));
        }
    }
    for algorithm in SIGNATURES {
        printed(folder, &["keygen", "--algorithm", algorithm, "--out", algorithm, "--jwk"]);
        let file = |ending: &str| fs::read_to_string(folder.join(format!("{algorithm}.{ending}"))).unwrap();
        let set: Value = serde_json::from_str(&file("jwks.json")).unwrap();
        let kid = set["keys"][0]["kid"].as_str().unwrap().to_owned();
        let key = format!("{algorithm}.key.pem");
        let arguments = ["token", "--key", &key, "--algorithm", algorithm, "--kid", &kid, "--sub", "alice"];
        let token = printed(folder, &arguments).trim().to_owned();
        all.push((algorithm.to_owned(), json!({"public_key": file("pub.pem")}), token.clone()));
        all.push((algorithm.to_owned(), json!({"jwks": set}), token));
    }
    for (algorithm, _) in SECRETS {
        printed(folder, &["keygen", "--algorithm", algorithm, "--out", algorithm]);
        let file = format!("{algorithm}.secret");
        let secret = fs::read_to_string(folder.join(&file)).unwrap();
        let token = printed(folder, &["token", "--key", &file, "--algorithm", algorithm, "--sub", "alice"]);
        all.push((algorithm.to_owned(), json!({"public_key": secret}), token.trim().to_owned()));
    }
    for (_, settings, _) in &mut all {
        settings["requireExp"] = json!(true);
    }
    all
}

#[test]
fn the_filter_and_pyjwt_believe_the_tokens_of_each_algorithm() {
    let folder = tempfile::TempDir::new().unwrap();
    let tokens = of_each_algorithm(folder.path());
    for (algorithm, settings, token) in &tokens {
        let mut settings = settings.clone();
        settings["algorithm"] = json!(algorithm);
        assert_eq!(parts(token).0["alg"], json!(algorithm));
        assert_eq!(user_of(&settings, token, now()).as_deref(), Ok("alice"), "{algorithm}");
        // Another payload with the same signature.
        let forged = token.split('.').enumerate().map(|(place, part)| {
            if place == 1 { URL_SAFE_NO_PAD.encode(r#"{"sub":"bob"}"#) } else { part.to_owned() }
        });
        let forged = forged.collect::<Vec<_>>().join(".");
        assert_eq!(user_of(&settings, &forged, now()), Err(Rejection::BadSignature), "{algorithm}");
    }
    let input: Vec<Value> = tokens
        .iter()
        .map(|(algorithm, settings, token)| json!({"alg": algorithm, "token": token, "settings": settings}))
        .collect();
    let read = python("tests/cli/verify_tokens.py", &json!(input));
    assert_eq!(read.as_array().unwrap().len(), 12 + 2 * 10 + 3);
    for (read, (algorithm, settings, token)) in read.as_array().unwrap().iter().zip(&tokens) {
        assert_eq!(read["claims"], parts(token).1, "{algorithm}");
        // The thumbprint of RFC 7638, as joserfc computes it.
        if let Some(set) = settings.get("jwks") {
            assert_eq!(read["thumbprint"], set["keys"][0]["kid"], "{algorithm}");
        }
    }
}

#[test]
fn the_algorithm_comes_from_the_key() {
    let usual =
        [("rsa", "RS256"), ("p256", "ES256"), ("p384", "ES384"), ("p521", "ES512"), ("ed25519", "EdDSA")];
    for (key, algorithm) in usual {
        assert_eq!(parts(&minted(key, &[])).0, json!({"typ": "JWT", "alg": algorithm}));
    }
    let folder = tempfile::TempDir::new().unwrap();
    fs::write(folder.path().join("secret"), SECRET).unwrap();
    let token = printed(folder.path(), &["token", "--key", "secret", "--sub", "alice"]);
    assert_eq!(parts(token.trim()).0["alg"], "HS256");
    let settings = json!({"public_key": SECRET, "algorithm": "HS256"});
    assert_eq!(user_of(&settings, token.trim(), now()).as_deref(), Ok("alice"));
    assert_eq!(parts(&minted("ed25519", &["--algorithm", "Ed25519"])).0["alg"], "EdDSA");
}

#[test]
fn the_claims_and_the_header_are_what_was_asked_for() {
    let now = NOW.to_string();
    let token = |more: &[&str]| parts(&minted("p256", &[&["--now", &now], more].concat()));
    assert_eq!(
        token(&["--sub", "alice", "--iss", "https://issuer.example", "--aud", "kinto", "--kid", "-k"]),
        (
            json!({"typ": "JWT", "alg": "ES256", "kid": "-k"}),
            json!({"sub": "alice", "iss": "https://issuer.example", "aud": "kinto", "iat": NOW, "exp": NOW + 3600})
        )
    );
    assert_eq!(token(&[]).1, json!({"iat": NOW, "exp": NOW + 3600}));
    assert_eq!(token(&["--no-exp"]).1, json!({"iat": NOW}));
    assert_eq!(token(&["--expires-in", "-60"]).1["exp"], NOW - 60);
    assert_eq!(token(&["--aud", "a", "--aud", "b"]).1["aud"], json!(["a", "b"]));
    assert_eq!(token(&["--no-exp", "--claim", "exp=5"]).1, json!({"iat": NOW, "exp": 5}));
    let claims = [
        "exp=\"x\"",
        "sub=7",
        "groups=[\"a\", 1]",
        "text=it is = text",
        "quoted=\"true\"",
        "on=true",
        "none=null",
        "empty=",
        "twice=1",
        "twice=2",
    ];
    let claims: Vec<&str> = claims.iter().flat_map(|claim| ["--claim", claim]).collect();
    assert_eq!(
        token(&[&["--sub", "alice"], claims.as_slice()].concat()).1,
        json!({
            "iat": NOW, "exp": "x", "sub": 7, "groups": ["a", 1], "text": "it is = text", "quoted": "true",
            "on": true, "none": null, "empty": "", "twice": 2
        })
    );
    let header = ["--header", "alg=none", "--header", "crit=[\"exp\"]", "--header", "typ=at+jwt"];
    assert_eq!(token(&header).0, json!({"typ": "at+jwt", "alg": "none", "crit": ["exp"]}));
    let date = parts(&minted("p256", &["--now", "2026-11-24T10:00:00Z"]));
    assert_eq!(date.1["iat"], NOW);

    let folder = project("");
    for (more, words) in [
        (["--claim", "sub"], "there is no ="),
        (["--header", "kid"], "there is no ="),
        (["--now", "yesterday"], "neither seconds since 1970 nor a time"),
        (["--now", "9223372036854775807"], "--now and --expires-in together are out of range"),
        (["--algorithm", "none"], "invalid value 'none'"),
    ] {
        complained(&folder, &[&["token", "--key", "tests/keys/p256.key.pem"][..], &more].concat(), &[words]);
    }
}

#[test]
fn a_bad_token_is_bad_in_the_way_that_was_asked_for() {
    let settings = json!({"public_key": public_key("p256"), "algorithm": "ES256"});
    for (more, rejection) in [
        (&["--expires-in", "-60"][..], Rejection::Expired),
        (&["--claim", "exp=\"x\""], Rejection::NotNumericDate),
        (&["--aud", "other"], Rejection::AudienceUnexpected),
        (&["--header", "alg=RS256"], Rejection::AlgNotAllowed),
        (&["--now", "2100-01-01T00:00:00Z"], Rejection::IssuedInFuture),
    ] {
        let token = minted("p256", &[&["--sub", "alice"], more].concat());
        assert_eq!(user_of(&settings, &token, now()), Err(rejection), "{more:?}");
    }
}

#[test]
fn with_a_time_the_token_is_always_the_same_but_for_ps() {
    let folder = tempfile::TempDir::new().unwrap();
    fs::write(folder.path().join("secret"), SECRET).unwrap();
    for (key, algorithm) in
        [("rsa", "RS256"), ("p256", "ES256"), ("p384", "ES384"), ("p521", "ES512"), ("ed25519", "EdDSA")]
    {
        let token = || minted(key, &["--algorithm", algorithm, "--now", "1795514400"]);
        assert_eq!(token(), token(), "{algorithm}");
    }
    let token = || printed(folder.path(), &["token", "--key", "secret", "--now", "1795514400"]);
    assert_eq!(token(), token());
    let random = || minted("rsa", &["--algorithm", "PS256", "--now", "1795514400"]);
    assert_ne!(random(), random());
}
