//! Tokens: the filter and PyJWT believe them, and each wrong key is named.

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
use kit::tokens::{SECRET, jwk, key_file, now, public_key};

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

/// Keys in the older forms: PKCS #1 for RSA, and SEC 1 for EC, as `openssl genrsa -traditional` and
/// `openssl ecparam -genkey` write them.
#[test]
fn keys_in_older_forms_are_read() {
    use p256::pkcs8::{DecodePrivateKey, LineEnding};
    use rsa::pkcs1::EncodeRsaPrivateKey;

    let folder = tempfile::TempDir::new().unwrap();
    let pkcs8 = |name: &str| key_file(&format!("{name}.key.pem"));
    let ending = LineEnding::LF;
    let rsa = rsa::PrivateKey::from_pkcs8_pem(&pkcs8("rsa")).unwrap().to_pkcs1_pem(ending).unwrap();
    let p256 = p256::SecretKey::from_pkcs8_pem(&pkcs8("p256")).unwrap().to_sec1_pem(ending).unwrap();
    let p384 = p384::SecretKey::from_pkcs8_der(&der("p384")).unwrap().to_sec1_der().unwrap();
    let p521 = p521::SecretKey::from_pkcs8_pem(&pkcs8("p521")).unwrap().to_sec1_pem(ending).unwrap();
    let p384 = pem_of("EC PRIVATE KEY", &p384);
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let beside = format!("{parameters}{}", p256.as_str());
    let with_certificate = format!("{}{}", key_file("rsa.cert.pem"), pkcs8("rsa"));
    let crlf = pkcs8("ed25519").replace('\n', "\r\n");
    for (key, text, algorithm) in [
        ("rsa", rsa.as_str(), "RS256"),
        ("p256", p256.as_str(), "ES256"),
        ("p384", &p384, "ES384"),
        ("p521", p521.as_str(), "ES512"),
        ("p256", &beside, "ES256"),
        ("rsa", &with_certificate, "RS256"),
        ("ed25519", &crlf, "EdDSA"),
    ] {
        fs::write(folder.path().join("key"), text).unwrap();
        let token = printed(folder.path(), &["token", "--key", "key", "--sub", "alice"]);
        let settings = json!({"public_key": public_key(key), "algorithm": algorithm});
        assert_eq!(user_of(&settings, token.trim(), now()).as_deref(), Ok("alice"), "{key}");
    }
}

fn der(name: &str) -> Vec<u8> {
    pem::parse(key_file(&format!("{name}.key.pem"))).unwrap().into_contents()
}

fn pem_of(tag: &str, der: &[u8]) -> String {
    pem::encode(&pem::Pem::new(tag, der))
}

#[test]
fn each_wrong_key_is_named_and_never_shown() {
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGsME8G\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old_encrypted = format!(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n{}\n-----END RSA PRIVATE KEY-----\n",
        "MIGsME8G"
    );
    let key = |name: &str| key_file(&format!("{name}.key.pem")).into_bytes();
    let damaged = key_file("rsa.key.pem").replace("MIIE", "AAAA").into_bytes();
    let two = [key("rsa"), key("p256")].concat();
    let not_base64 = b"-----BEGIN PRIVATE KEY-----\n*\n-----END PRIVATE KEY-----\n".to_vec();
    let echoed = format!("{SECRET}\n").into_bytes();
    let openssh = pem_of("OPENSSH PRIVATE KEY", b"openssh-key-v1").into_bytes();
    let dsa = pem_of("DSA PRIVATE KEY", b"0").into_bytes();
    let k256 = pem_of(
        "EC PRIVATE KEY",
        &[&[48, 46, 2, 1, 1, 4, 32], &[7; 32][..], &[160, 7, 6, 5, 43, 129, 4, 0, 10]].concat(),
    );
    let cases: Vec<(Vec<u8>, &[&str], &[&str])> = vec![
        (key("rsa-1024"), &[], &["is an RSA key of 1024 bits", "2048", "RFC 7518 3.3"]),
        (key("rsa-pss"), &[], &["marked for PSS only", "kinto-jwt keygen"]),
        (key("rsa-pss"), &["--algorithm", "PS256"], &["marked for PSS only"]),
        (key("ed448"), &[], &["of another kind than RSA, P-256, P-384, P-521 and Ed25519", "keygen"]),
        (k256.into_bytes(), &[], &["of another kind than RSA"]),
        (dsa, &[], &["of another kind than RSA"]),
        (key("rsa"), &["--algorithm", "ES256"], &["is an RSA key, which is for RS256", "algorithm is ES256"]),
        (key("p256"), &["--algorithm", "ES384"], &["is an EC key on P-256, which is for ES256"]),
        (key("p384"), &["--algorithm", "EdDSA"], &["is an EC key on P-384, which is for ES384"]),
        (key("p521"), &["--algorithm", "RS256"], &["is an EC key on P-521, which is for ES512"]),
        (key("ed25519"), &["--algorithm", "PS256"], &["is an Ed25519 key, which is for EdDSA"]),
        (key("rsa"), &["--algorithm", "HS256"], &["is a PEM or SSH key, and HS256 takes a shared secret"]),
        (public_key("rsa").into_bytes(), &[], &["a PEM without a private key", "the private half"]),
        (public_key("rsa").into_bytes(), &["--algorithm", "HS256"], &["a PEM without a private key"]),
        (key_file("rsa.cert.pem").into_bytes(), &[], &["a PEM without a private key"]),
        (key_file("rsa.ssh.pub").trim().into(), &[], &["is a PEM or SSH key"]),
        (jwk("k", "rsa").to_string().into_bytes(), &[], &["is a JWK or another JSON text"]),
        (two, &[], &["holds more than one private key"]),
        (damaged, &[], &["is a damaged private key", "again"]),
        (not_base64, &[], &["is a damaged private key"]),
        (encrypted.into(), &[], &["is locked with a passphrase", "openssl pkey -in key.pem -out open.pem"]),
        (old_encrypted.into_bytes(), &[], &["is locked with a passphrase"]),
        (openssh, &[], &["in the format of OpenSSH", "ssh-keygen -p -m PKCS8"]),
        (der("rsa"), &[], &["is a private key in DER", "openssl pkey -inform DER"]),
        (der("p256"), &["--algorithm", "HS256"], &["is a private key in DER"]),
        (echoed, &[], &["begins or ends with white space", "printf %s"]),
        (SECRET[..31].into(), &[], &["is a secret of 31 bytes, and HS256 needs 32"]),
        (SECRET[..63].into(), &["--algorithm", "HS512"], &["is a secret of 63 bytes, and HS512 needs 64"]),
        (SECRET.into(), &["--algorithm", "RS256"], &["is a secret, and RS256 signs with a private key"]),
        (Vec::new(), &[], &["is a secret of 0 bytes"]),
    ];
    let folder = tempfile::TempDir::new().unwrap();
    for (content, more, words) in cases {
        fs::write(folder.path().join("the.key"), &content).unwrap();
        let message = complained(folder.path(), &[&["token", "--key", "the.key"], more].concat(), words);
        assert!(message.starts_with("kinto-jwt: the.key "), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        let shown = String::from_utf8_lossy(&content).into_owned();
        for line in shown.lines().filter(|line| line.len() > 3 && !line.starts_with("-----")) {
            assert!(!message.contains(line.trim()), "the key is in: {message}");
        }
    }
    complained(folder.path(), &["token", "--key", "missing"], &["missing cannot be read", "keygen"]);
    complained(folder.path(), &["token", "--key", "."], &[". cannot be read"]);
}

#[test]
fn the_claims_and_the_header_are_what_was_asked_for() {
    let now = NOW.to_string();
    let token = |more: &[&str]| parts(&minted("p256", &[&["--now", &now], more].concat()));
    assert_eq!(
        token(&["--sub", "alice", "--iss", "https://issuer.example", "--aud", "kinto", "--kid", "k"]),
        (
            json!({"typ": "JWT", "alg": "ES256", "kid": "k"}),
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
