//! Several keys in one set, told apart by their `kid` and their algorithm, and no key at all.

use kinto_jwt_filter::Rejection::{self, *};
use serde_json::{Value, json};

use super::{Policy, add_policy};
use crate::tokens::{SECRET, b64, jwk, jws, public_key, rs256, token, token_with_kid};

/// A JWK, and these members in it.
fn jwk_with(mut jwk: Value, more: Value) -> Value {
    jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    jwk
}

pub(super) fn key_sets(policies: &mut Vec<Policy>, now: u64) {
    let good = json!({"sub": "alice", "exp": now + 600});
    let set = json!({"keys": [
        jwk_with(jwk("a", "rsa"), json!({"alg": "RS256", "use": "sig"})),
        jwk_with(jwk("b", "rsa-other"), json!({"key_ops": ["verify"]})),
        jwk("c", "p256"),
        jwk("d", "ed25519"),
        jwk("p384", "p384"),
        jwk_with(jwk("encryption", "rsa-4096"), json!({"use": "enc"})),
        jwk_with(jwk("signing", "rsa-4096"), json!({"key_ops": ["sign"]})),
        jwk_with(jwk("oaep", "rsa-4096"), json!({"alg": "RSA-OAEP"})),
        jwk("p521", "p521"),
        jwk("short", "rsa-1024"),
        jwk_with(jwk("private", "rsa-4096"), json!({"d": "AQAB"})),
        {"kty": "future", "kid": "future"},
        {"kty": "RSA", "kid": "damaged", "n": "*", "e": "AQAB"},
        "not a key",
    ]});
    let algorithms = json!(["RS256", "RS512", "ES256", "EdDSA"]);
    for (name, set) in [("jwks", set.clone()), ("jwks as text", json!(set.to_string()))] {
        add_policy(policies, name, json!({"jwks": set, "algorithm": algorithms}), |list| {
            let mut signed_as = |alg: &str, key: &str, kid: &str, expected: Result<&str, Rejection>| {
                list.token(
                    &format!("{alg} by {key} as {kid}"),
                    &token_with_kid(alg, key, kid, &good),
                    expected,
                );
            };
            signed_as("RS256", "rsa", "a", Ok("alice"));
            signed_as("RS512", "rsa", "a", Err(AlgNotAllowed));
            signed_as("RS256", "rsa-other", "b", Ok("alice"));
            signed_as("RS512", "rsa-other", "b", Ok("alice"));
            signed_as("ES256", "p256", "c", Ok("alice"));
            signed_as("EdDSA", "ed25519", "d", Ok("alice"));
            signed_as("ES384", "p384", "p384", Err(AlgNotAllowed));
            signed_as("RS256", "rsa", "b", Err(BadSignature));
            signed_as("RS256", "rsa-other", "a", Err(BadSignature));
            signed_as("ES256", "p256-other", "c", Err(BadSignature));
            signed_as("RS256", "rsa", "c", Err(AlgNotAllowed));
            signed_as("ES256", "p256", "a", Err(AlgNotAllowed));
            signed_as("RS256", "rsa", "A", Err(KidUnknown));
            signed_as("RS256", "rsa", "", Err(KidUnknown));
            for unusable in ["encryption", "signing", "oaep", "private", "short", "damaged", "future", "p521"]
            {
                signed_as("RS256", "rsa-4096", unusable, Err(KidUnknown));
            }
            signed_as("PS256", "rsa", "a", Err(AlgNotAllowed));
            signed_as("none", "", "a", Err(AlgNotAllowed));
            signed_as("HS256", &public_key("rsa"), "a", Err(AlgNotAllowed));
            list.token("no kid, one key fits", &token("ES256", "p256", &good), Ok("alice"));
            list.token(
                "no kid, one key fits, another signed",
                &token("ES256", "p256-other", &good),
                Err(BadSignature),
            );
            list.token("no kid, two keys fit", &token("RS256", "rsa", &good), Err(KidMissing));
            list.token("no kid, one key fits RS512", &token("RS512", "rsa-other", &good), Ok("alice"));
            let header = r#"{"alg":"RS256","kid":7}"#;
            list.token("kid 7", &jws("RS256", "rsa", header, good.to_string()), Err(KidNotString));
            let own =
                json!({"alg": "RS256", "kid": "a", "jwk": jwk("a", "rsa-other"), "jku": "http://evil/"});
            list.token(
                "a key in the token",
                &jws("RS256", "rsa-other", own.to_string(), good.to_string()),
                Err(BadSignature),
            );
            list.token(
                "expired",
                &token_with_kid("RS256", "rsa", "a", &json!({"sub": "a", "exp": now - 1})),
                Err(Expired),
            );
            list.headers("no token", vec![], Err(NoToken));
        });
    }
    let secret = json!({"keys": [{"kty": "oct", "kid": "s", "k": b64(SECRET)}]});
    add_policy(policies, "jwks with a secret", json!({"jwks": secret, "algorithm": "HS256"}), |list| {
        list.token("good", &token_with_kid("HS256", SECRET, "s", &good), Ok("alice"));
        list.token("other secret", &token_with_kid("HS256", &SECRET[1..], "s", &good), Err(BadSignature));
        list.token("other kid", &token_with_kid("HS256", SECRET, "t", &good), Err(KidUnknown));
    });
    // Long enough for HS256, too short for HS512.
    let short = &SECRET[..40];
    let secret = json!({"keys": [{"kty": "oct", "kid": "s", "k": b64(short)}]});
    let settings = json!({"jwks": secret, "algorithm": ["HS256", "HS512"]});
    add_policy(policies, "jwks with a short secret", settings, |list| {
        list.token("HS256", &token_with_kid("HS256", short, "s", &good), Ok("alice"));
        list.token("HS512", &token_with_kid("HS512", short, "s", &good), Err(AlgNotAllowed));
    });
    // RFC 7517 section 4.5 asks for different names, and an issuer in the middle of a rotation may forget.
    let twins = json!({"keys": [jwk("a", "rsa"), jwk("a", "rsa-other"), jwk("a", "p256")]});
    add_policy(policies, "one kid thrice", json!({"jwks": twins, "algorithm": ["RS256", "ES256"]}), |list| {
        for (alg, key) in [("RS256", "rsa"), ("RS256", "rsa-other"), ("ES256", "p256")] {
            list.token(key, &token_with_kid(alg, key, "a", &good), Ok("alice"));
        }
        list.token("another", &token_with_kid("RS256", "rsa-4096", "a", &good), Err(BadSignature));
    });
    let remote = json!({"remoteJwks": {"uri": "http://issuer.example/keys", "cluster": "kinto", "timeoutSeconds": 1,
        "cooldownSeconds": 3600}});
    add_policy(policies, "no keys", remote, |list| {
        // Kinto itself is no issuer: it never gives a key.
        list.token("good", &rs256(&good), Err(KeysUnavailable));
        list.token("alg none", &token("none", "", &good), Err(KeysUnavailable));
        list.token("junk", "a.b.c", Err(NotBase64Url));
        list.headers("no token", vec![], Err(NoToken));
    });
}
