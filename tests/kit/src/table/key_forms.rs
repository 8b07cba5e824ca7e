//! Keys on P-521, and the other name of EdDSA.

use kinto_jwt_filter::Rejection::*;
use serde_json::json;

use super::{Policy, add_policy};
use crate::tokens::{jwk, jws};

pub(super) fn curves(policies: &mut Vec<Policy>, now: u64) {
    let good = json!({"sub": "alice", "exp": now + 600});
    let under = |alg: &str, kid: &str, signs: &str, key: &str| {
        jws(signs, key, json!({"alg": alg, "kid": kid}).to_string(), good.to_string())
    };
    let damaged = {
        let mut key = jwk("damaged", "p521");
        key["y"] = key["x"].clone();
        key
    };
    let short = {
        let mut key = jwk("short", "p521");
        key["x"] = json!(key["x"].as_str().unwrap()[4..]);
        key
    };
    let set =
        json!({"keys": [jwk("p256", "p256"), jwk("p384", "p384"), jwk("p521", "p521"), damaged, short]});
    let settings = json!({"jwks": set, "algorithm": ["ES256", "ES384", "ES512"]});
    add_policy(policies, "ES512 in a set", settings, |list| {
        let kinds = [("ES256", "p256"), ("ES384", "p384"), ("ES512", "p521")];
        for (alg, key) in kinds {
            for (signs, signer) in kinds {
                for (_, kid) in kinds {
                    let expected = match (kid == key, signs == alg) {
                        (true, true) => Ok("alice"),
                        (true, false) => Err(BadSignature),
                        (false, _) => Err(AlgNotAllowed),
                    };
                    let name = format!("{alg} as {kid}, signed by {signer}");
                    list.token(&name, &under(alg, kid, signs, signer), expected);
                }
            }
        }
        for kid in ["damaged", "short"] {
            list.token(kid, &under("ES512", kid, "ES512", "p521"), Err(KidUnknown));
        }
    });
    // RFC 9864 section 2.2: one algorithm with two names.
    for (name, algorithm, alg) in [
        ("EdDSA in a key", "EdDSA", "EdDSA"),
        ("EdDSA in a key, Ed25519 in the setting", "Ed25519", "EdDSA"),
        ("Ed25519 in a key", "EdDSA", "Ed25519"),
        ("Ed25519 in a key and in the setting", "Ed25519", "Ed25519"),
    ] {
        let mut key = jwk("k", "ed25519");
        key["alg"] = json!(alg);
        let settings = json!({"jwks": {"keys": [key]}, "algorithm": algorithm});
        add_policy(policies, name, settings, |list| {
            for alg in ["EdDSA", "Ed25519"] {
                list.token(alg, &under(alg, "k", "EdDSA", "ed25519"), Ok("alice"));
            }
            for alg in ["Ed448", "ed25519", "ES256"] {
                list.token(alg, &under(alg, "k", "EdDSA", "ed25519"), Err(AlgNotAllowed));
            }
        });
    }
}
