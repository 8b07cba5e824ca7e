//! New keys: the files, who may read them, and the settings that fit them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use kinto_jwt_filter::{HostVerify, parse_config};
use serde_json::Value;

use crate::{complained, printed};
use kit::ring_host::ring_host;

/// All algorithms that have a public half.
pub(crate) const SIGNATURES: [&str; 10] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];

/// The algorithms of secrets, with the bytes that a secret must have.
pub(crate) const SECRETS: [(&str, usize); 3] = [("HS256", 32), ("HS384", 48), ("HS512", 64)];

pub(crate) fn yaml(text: &str) -> Value {
    serde_yaml_ng::from_str(text).unwrap_or_else(|e| panic!("{e}:\n{text}"))
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn is_accepted(settings: &Value) {
    let host: HostVerify = ring_host;
    parse_config(settings.to_string().as_bytes(), Some(host)).unwrap_or_else(|e| panic!("{e}: {settings}"));
}

#[test]
fn a_key_pair_comes_with_settings_that_the_filter_accepts() {
    for algorithm in SIGNATURES {
        let folder = tempfile::TempDir::new().unwrap();
        let text = printed(folder.path(), &["keygen", "--algorithm", algorithm, "--out", "issuer", "--jwk"]);
        let file = |name: &str| folder.path().join(name);
        assert_eq!(names(folder.path()), ["issuer.jwks.json", "issuer.key.pem", "issuer.pub.pem"]);
        assert_eq!(mode(&file("issuer.key.pem")), 0o600);
        let private = fs::read_to_string(file("issuer.key.pem")).unwrap();
        assert!(private.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{algorithm}");
        for line in private.lines().filter(|line| !line.starts_with("-----")) {
            assert!(!text.contains(line), "{algorithm}: the private key is shown");
        }

        let settings = yaml(&text);
        assert_eq!(settings["algorithm"], algorithm);
        assert_eq!(
            settings["public_key"].as_str().unwrap(),
            fs::read_to_string(file("issuer.pub.pem")).unwrap()
        );
        is_accepted(&settings);
        let set: Value = serde_json::from_slice(&fs::read(file("issuer.jwks.json")).unwrap()).unwrap();
        let key = &set["keys"][0];
        assert_eq!((&key["alg"], &key["use"]), (&algorithm.into(), &"sig".into()));
        assert!(key.get("d").is_none());
        // The other settings are there as a comment.
        let commented = text.split_once("\n# jwks: ").unwrap().1.lines().next().unwrap();
        assert_eq!(yaml(commented), set);
        assert!(text.contains(&format!("the kid {}", key["kid"])), "{text}");
        is_accepted(&serde_json::json!({"algorithm": algorithm, "jwks": set}));
    }
}

#[test]
fn a_secret_is_as_long_as_it_must_be_and_ends_without_a_line_feed() {
    for (algorithm, bytes) in SECRETS {
        let folder = tempfile::TempDir::new().unwrap();
        let text = printed(folder.path(), &["keygen", "--algorithm", algorithm]);
        assert_eq!(names(folder.path()), ["kinto-jwt.secret"]);
        assert_eq!(mode(&folder.path().join("kinto-jwt.secret")), 0o600);
        let secret = fs::read_to_string(folder.path().join("kinto-jwt.secret")).unwrap();
        assert_eq!(secret.len(), (bytes * 4).div_ceil(3), "base64url of the bytes, without padding");
        assert!(secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert!(!text.contains(&secret), "the secret is shown");

        let mut settings = yaml(&text);
        assert_eq!(settings["publicKeyEnv"], "KINTO_JWT_SECRET");
        settings.as_object_mut().unwrap().remove("publicKeyEnv");
        settings["public_key"] = secret.into();
        is_accepted(&settings);
    }
}

#[test]
fn no_two_keys_are_the_same() {
    for algorithm in ["ES256", "ES384", "ES512", "EdDSA", "HS256"] {
        let folder = tempfile::TempDir::new().unwrap();
        for name in ["a", "b"] {
            printed(folder.path(), &["keygen", "--algorithm", algorithm, "--out", name]);
        }
        let files: Vec<Vec<u8>> = names(folder.path())
            .iter()
            .filter(|name| !name.ends_with(".pub.pem"))
            .map(|name| fs::read(folder.path().join(name)).unwrap())
            .collect();
        assert_eq!(files.len(), 2);
        assert_ne!(files[0], files[1], "{algorithm}");
    }
}

#[test]
fn an_rsa_key_has_the_bits_that_are_asked_for() {
    let folder = tempfile::TempDir::new().unwrap();
    for (bits, name) in [("2048", "a"), ("2049", "b"), ("3072", "c")] {
        printed(
            folder.path(),
            &["keygen", "--algorithm", "RS256", "--bits", bits, "--out", name, "--jwk", "--kid", "k 1"],
        );
        let set = fs::read_to_string(folder.path().join(format!("{name}.jwks.json"))).unwrap();
        let key = serde_json::from_str::<Value>(&set).unwrap()["keys"][0].take();
        let text = key["n"].as_str().unwrap();
        let modulus =
            base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text).unwrap();
        let length = modulus.len() * 8 - usize::try_from(modulus[0].leading_zeros()).unwrap();
        assert_eq!(length.to_string(), bits);
        assert_eq!(key["kid"], "k 1");
    }
}

#[test]
fn no_file_is_overwritten() {
    for (algorithm, ending) in
        [("ES256", "key.pem"), ("ES256", "pub.pem"), ("ES256", "jwks.json"), ("HS256", "secret")]
    {
        let folder = tempfile::TempDir::new().unwrap();
        let name = format!("kinto-jwt.{ending}");
        let file = folder.path().join(&name);
        let mut arguments = vec!["keygen", "--algorithm", algorithm];
        arguments.extend((ending == "jwks.json").then_some("--jwk"));
        fs::write(&file, "precious").unwrap();
        complained(folder.path(), &arguments, &[&name, "never overwritten", "--out"]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        assert_eq!(names(folder.path()), [name.as_str()], "and no other file is written");

        // Nor is a file made where a link leads.
        fs::remove_file(&file).unwrap();
        symlink(folder.path().join("elsewhere"), &file).unwrap();
        complained(folder.path(), &arguments, &[&name, "never overwritten"]);
        assert_eq!(names(folder.path()), [name.as_str()]);
    }
}

#[test]
fn arguments_that_do_not_fit_are_refused_with_a_remedy() {
    let folder = tempfile::TempDir::new().unwrap();
    let cases: [(&[&str], &[&str]); 8] = [
        (&["--algorithm", "HS256", "--jwk"], &["HS256 has a shared secret", "leave --jwk out"]),
        (&["--algorithm", "ES256", "--bits", "2048"], &["--bits is for RSA keys", "leave --bits out"]),
        (&["--algorithm", "RS256", "--bits", "2047"], &["not from 2048 to 8192"]),
        (&["--algorithm", "PS256", "--bits", "8193"], &["not from 2048 to 8192"]),
        (&["--algorithm", "RS256", "--kid", "k"], &["--jwk"]),
        (&["--algorithm", "none"], &["invalid value 'none'", "EdDSA"]),
        (&[], &["--algorithm"]),
        (
            &["--algorithm", "ES256", "--out", "missing/key"],
            &["missing/key.key.pem cannot be written", "--out"],
        ),
    ];
    for (arguments, words) in cases {
        complained(folder.path(), &[&["keygen"], arguments].concat(), words);
        assert!(names(folder.path()).is_empty(), "{arguments:?}");
    }
}
