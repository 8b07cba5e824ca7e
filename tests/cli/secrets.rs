//! `kinto-jwt check` shows no secret, in whatever state a file is.

use std::fs;

use crate::kinto_jwt;
use crate::warnings::{example, settings};

#[test]
fn no_secret_is_shown() {
    let envoy = example("envoy.yaml");
    let key = kit::tokens::key_file("rsa.key.pem");
    let private: String = key.lines().map(|line| format!("  {line}\n")).collect();
    // A line of base64 of the private key.
    let line = key.lines().nth(3).unwrap().to_owned();
    let mark = "s3cret0mark";
    let rows: Vec<(String, &str)> = vec![
        (format!("public_key: {mark}\nalgorithm: HS256\n"), mark),
        (format!("public_key: {mark}{mark}{mark}{mark}\nalgorithm: HS256\n"), mark),
        (format!("public_keyy: {mark}\nalgorithm: HS256\n"), mark),
        (format!("public_key: {{ inner: {mark} }}\nalgorithm: HS256\n"), mark),
        (format!("public_key: [{mark}]\n"), mark),
        (format!("{{ public_key {mark}, algorithm: HS256 }}\n"), mark),
        (format!("{{ public_key: x, batch: {{ maxBytes {mark} }} }}\n"), mark),
        ("public_key: 31415926535897932384626433832795.0\n".to_owned(), "31415926535"),
        ("public_key: 0271828182845904523536\nalgorithm: HS256\n".to_owned(), "2718281828"),
        (format!("public_key: |\n{private}"), &line),
        (format!("jwks: {{ keys: [{{ kty: oct, k: {mark} }}] }}\nalgorithm: HS256\n"), mark),
        (
            "jwks: { keys: [{ kty: oct, k: 0271828182845904523536 }] }\nalgorithm: HS256\n".to_owned(),
            "2718281828",
        ),
        (format!("jwks: {{ keys: [{mark}] }}\nalgorithm: HS256\n"), mark),
        (format!("jwks: {{ kty: oct, k: {mark} }}\nalgorithm: HS256\n"), mark),
        (format!("jwks: [{{ kty: oct, k: {mark} }}]\nalgorithm: HS256\n"), mark),
        (format!("policies: [[{{ name: a, public_key: {mark} }}]]\n"), mark),
        (format!("policies: [a, {mark}]\n"), mark),
        (format!("jwks: {{ keys: [{{ kty: RSA, n: AQAB, e: AQAB, d: {mark} }}] }}\n"), mark),
        (
            format!("jwks: '{{\"keys\": [{{\"kty\": \"oct\", \"k\": \"{mark}\"}}]}}'\nalgorithm: HS256\n"),
            mark,
        ),
        (format!("policies:\n  - {{ name: a, public_key: {mark}, algorithm: HS256 }}\n"), mark),
        (format!("policies:\n  - {{ name: \"a b\", public_key: {mark}, algorithm: HS256 }}\n"), mark),
        (format!("policies: {{ name: a, public_key: {mark} }}\n"), mark),
        (format!("public_key: {mark}\nalgorithm: [HS256\n"), mark),
        (format!("public_key: {mark}\n  algorithm: HS256\n"), mark),
        (settings(&format!("userIdHeader: user_{mark}\n")), mark),
        (settings(&format!("ticket: {{ secret: {mark} }}\n")), mark),
        (settings(&format!("ticket: {mark}\n")), mark),
        (settings(&format!("ticket: [{mark}]\n")), mark),
        (settings(&format!("ticket: {{ secret: [{mark}], cookieName: a }}\n")), mark),
        (
            settings(&format!(
                "ticket: {{ secret: {mark}{mark}{mark}{mark}, secretEnv: A, timeoutSeconds: a }}\n"
            )),
            mark,
        ),
        (settings(&format!("ticket: {{ secrets: {mark}, cookieName: 5 }}\n")), mark),
        (settings(&format!("leeway: a # was: {mark}\n")), mark),
        (format!("{{ !ignore old: {mark}, leeway: a }}\n"), mark),
        (
            format!(
                "leeway: a\npolicies: [{{ name: a, public_key: &a {mark} }}, {{ name: b, public_key: *a }}]\n"
            ),
            mark,
        ),
        (
            format!(
                "{{ \"a\": &a {mark}, \"@type\": x.filters.http.wasm.v3.Wasm, config: {{ configuration: {{ \"@type\": x.Struct, value: {{ \
                 public_key: *a, leeway: a }} }} }} }}\n"
            ),
            mark,
        ),
        (
            format!(
                "{{ tls: {{ private_key: {{ inline_string: {mark} }} }}, \"@type\": x.filters.http.wasm.v3.Wasm, config: {{ configuration: {{ \
                 \"@type\": x.Struct, value: {{ leeway: a }} }} }} }}\n"
            ),
            mark,
        ),
        (
            format!(
                "{{ \"@type\": x.filters.http.wasm.v3.Wasm, config: {{ vmConfig: {{ environmentVariables: {{ keyValues: {{ A: {mark} }} }} }}, \
                 configuration: {{ \"@type\": x.Struct, value: {{ publicKeyEnv: A }} }} }} }}\n"
            ),
            mark,
        ),
        (
            settings("userIdCharset: latin-1\n")
                + &format!("claimsToHeaders: {{ X-{mark}-0123456789abcdef0123456789abcdef: a }}\n"),
            "0123456789abcdef",
        ),
        (settings(&format!("userIdHeader: x-{mark}\nclaimsToHeaders: {{ X-{mark}: a }}\n")), mark),
        (settings(&format!("userIdHeader: x-{mark}\nhttp_header: X-{mark}\n")), mark),
        (
            envoy.replace(
                "ticket: { secretEnv: MULTIAUTH_POLICY_KINTO_JWT_SECRET, timeoutSeconds: 120 }",
                &format!("userIdHeader: x-{mark}\n{0}leeway: a", " ".repeat(28)),
            ),
            mark,
        ),
        (
            envoy
                .replace(
                    "runtime: envoy.wasm.runtime.v8",
                    &format!("environment_variables: {{ key_values: {{ A: {mark} }} }}"),
                )
                .replace("algorithm: RS256", "publicKeyEnv: A"),
            mark,
        ),
        (
            envoy.split("configuration:\n").next().unwrap().to_owned()
                + &format!(
                    "configuration: {{ \"@type\": type.googleapis.com/google.protobuf.StringValue, value: '{{\"public_key\": {mark}' }}\n"
                ),
            mark,
        ),
    ];
    for (text, secret) in rows {
        let folder = tempfile::TempDir::new().unwrap();
        fs::write(folder.path().join("a.yaml"), &text).unwrap();
        for format in ["text", "json", "sarif"] {
            let done = kinto_jwt(folder.path(), &["check", "--strict", "--format", format, "a.yaml"]);
            assert_eq!(done.code, 1, "{format}: {}{}\n{text}", done.out, done.err);
            let shown = format!("{}{}", done.out, done.err).to_ascii_lowercase();
            assert!(!shown.contains(&secret.to_ascii_lowercase()), "{format}: {shown}\nfor\n{text}");
        }
    }
}
