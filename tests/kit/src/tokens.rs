//! Tokens signed by ring, with every part under the test's control.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use p521::ecdsa::{Signature, signature::Signer};
use p521::pkcs8::DecodePrivateKey;
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use ring::{digest, hmac, signature::KeyPair};
use rsa::pkcs1::RsaPublicKeyRef;
use serde_json::{Value, json};
use spki::SubjectPublicKeyInfoRef;
use spki::der::Decode;

use crate::servers::project;

/// The secret of the HS* tests.
pub const SECRET: &str = "correct-horse-battery-staple-0123456789-correct-horse-battery-staple";

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A file of `tests/keys`, or the key of the example.
pub fn key_file(name: &str) -> String {
    let path = match name {
        "demo.key.pem" => "envoy/demo/private-key.pem".to_owned(),
        _ => format!("tests/keys/{name}"),
    };
    std::fs::read_to_string(project(&path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

pub fn public_key(name: &str) -> String {
    key_file(&format!("{name}.pub.pem"))
}

fn private_key(name: &str) -> Vec<u8> {
    pem::parse(key_file(&format!("{name}.key.pem"))).unwrap().into_contents()
}

pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The certificate of this name as `x5c` has it (RFC 7517 section 4.7).
pub fn x5c(name: &str) -> String {
    base64(pem::parse(key_file(&format!("{name}.cert.pem"))).unwrap().contents())
}

/// The thumbprint of a certificate of `x5c`, as `x5t` has it.
pub fn sha1(x5c: &str) -> String {
    b64(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &STANDARD.decode(x5c).unwrap()))
}

/// The thumbprint of a certificate of `x5c`, as `x5t#S256` has it.
pub fn sha256(x5c: &str) -> String {
    b64(digest::digest(&digest::SHA256, &STANDARD.decode(x5c).unwrap()))
}

/// The public half of a key as a JWK (RFC 7517), its numbers taken from the PEM.
pub fn jwk(kid: &str, name: &str) -> Value {
    let spki = pem::parse(public_key(name)).unwrap().into_contents();
    let tail = |size: usize| &spki[spki.len() - size..];
    let ec = |crv: &str, size: usize| {
        let (x, y) = tail(2 * size).split_at(size);
        json!({"kty": "EC", "crv": crv, "kid": kid, "x": b64(x), "y": b64(y)})
    };
    match name {
        "p256" | "p256-other" => ec("P-256", 32),
        "p384" => ec("P-384", 48),
        "p521" | "p521-other" => ec("P-521", 66),
        "ed25519" => json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(tail(32))}),
        _ => {
            let info = SubjectPublicKeyInfoRef::from_der(&spki).unwrap();
            let key = RsaPublicKeyRef::from_der(info.subject_public_key.raw_bytes()).unwrap();
            json!({"kty": "RSA", "kid": kid, "n": b64(key.modulus.as_bytes()), "e": b64(key.public_exponent.as_bytes())})
        }
    }
}

/// A public key in each form in which a verifier may have it, and so take it for a secret.
pub fn public_forms(key: &str) -> Vec<(&'static str, Vec<u8>)> {
    let pem = public_key(key);
    let der = pem::parse(&pem).unwrap().into_contents();
    let public = jwk("k", key);
    let number = public[if key == "rsa" { "n" } else { "x" }].as_str().unwrap();
    let mut forms = vec![
        ("the PEM", pem.clone().into_bytes()),
        ("the PEM without its last line feed", pem.trim().into()),
        ("the PEM with CRLF", pem.replace('\n', "\r\n").into()),
        ("the PEM after a space", format!(" {pem}").into()),
        ("the PEM in one line", pem.replace('\n', "").into()),
        ("the certificate", key_file(&format!("{key}.cert.pem")).into()),
        ("the DER", der.clone()),
        ("the DER in base64", base64(&der).into()),
        ("the JWK", public.to_string().into()),
        ("the number of the JWK", number.into()),
        ("the number of the JWK, decoded", URL_SAFE_NO_PAD.decode(number).unwrap()),
    ];
    if key == "rsa" {
        forms.push(("the PKCS #1 PEM", key_file("rsa.pkcs1.pem").into()));
        forms.push(("the SSH key", key_file("rsa.ssh.pub").into()));
        let ssh = key_file("rsa.ssh.pub");
        forms
            .push(("the SSH key, decoded", STANDARD.decode(ssh.split_whitespace().nth(1).unwrap()).unwrap()));
    }
    forms
}

fn p521_key(name: &str) -> p521::ecdsa::SigningKey {
    p521::SecretKey::from_pkcs8_der(&private_key(name)).unwrap().into()
}

/// Signs with the private key of this name, or with these bytes as the secret of an HS* algorithm.
pub fn sign(alg: &str, key: &str, message: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    let rsa = |encoding: &'static dyn signature::RsaEncoding| {
        let pair = RsaKeyPair::from_pkcs8(&private_key(key)).unwrap();
        let mut signed = vec![0; pair.public().modulus_len()];
        pair.sign(encoding, &random, message, &mut signed).unwrap();
        signed
    };
    let ecdsa = |algorithm| {
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &private_key(key), &random).unwrap();
        pair.sign(&random, message).unwrap().as_ref().to_vec()
    };
    let mac = |algorithm| hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), message).as_ref().to_vec();
    match alg {
        "RS256" => rsa(&signature::RSA_PKCS1_SHA256),
        "RS384" => rsa(&signature::RSA_PKCS1_SHA384),
        "RS512" => rsa(&signature::RSA_PKCS1_SHA512),
        "PS256" => rsa(&signature::RSA_PSS_SHA256),
        "PS384" => rsa(&signature::RSA_PSS_SHA384),
        "PS512" => rsa(&signature::RSA_PSS_SHA512),
        "ES256" => ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        "ES384" => ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        "ES512" => Signer::<Signature>::sign(&p521_key(key), message).to_bytes().to_vec(),
        "ES256-DER" => ecdsa(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
        "EdDSA" | "Ed25519" => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&private_key(key)).unwrap();
            assert_eq!(pair.public_key().as_ref().len(), 32);
            pair.sign(message).as_ref().to_vec()
        }
        "HS256" => mac(hmac::HMAC_SHA256),
        "HS384" => mac(hmac::HMAC_SHA384),
        "HS512" => mac(hmac::HMAC_SHA512),
        "none" => Vec::new(),
        _ => panic!("no algorithm {alg}"),
    }
}

/// A compact JWS of exactly these two texts.
pub fn jws(alg: &str, key: &str, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let input = format!("{}.{}", b64(header), b64(payload));
    let signed = sign(alg, key, input.as_bytes());
    format!("{input}.{}", b64(signed))
}

/// A token of the usual header with these claims.
pub fn token(alg: &str, key: &str, claims: &Value) -> String {
    jws(alg, key, json!({"typ": "JWT", "alg": alg}).to_string(), claims.to_string())
}

/// A token whose header has this `kid` too.
pub fn token_with_kid(alg: &str, key: &str, kid: &str, claims: &Value) -> String {
    jws(alg, key, json!({"typ": "JWT", "alg": alg, "kid": kid}).to_string(), claims.to_string())
}

/// An RS256 token of the main test key.
pub fn rs256(claims: &Value) -> String {
    token("RS256", "rsa", claims)
}
