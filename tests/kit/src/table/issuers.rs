//! Key sets as issuers publish them: the members of each key and their form are the issuer's, and the numbers are those
//! of the test keys, so that the tests can sign. The source of each shape is beside it.

use kinto_jwt_filter::Rejection::*;
use serde_json::{Value, json};

use super::{Policy, add_policy};
use crate::tokens::{jwk, jws, sha1, sha256, token, token_with_kid, x5c};

/// A key set, and the keys in it that sign tokens: `kid`, `alg`, and the name of the test key.
type Published = (&'static str, Value, Vec<(String, &'static str, &'static str)>);

/// The numbers of a test key under these names, and the other members that the issuer gives.
fn with(own: Value, key: &str, numbers: &[&str]) -> Value {
    let (mut members, public) = (own, jwk("", key));
    for name in numbers {
        members[*name] = public[*name].clone();
    }
    members
}

fn thumbprint(key: &str) -> String {
    sha1(&x5c(key))
}

pub(super) fn published(policies: &mut Vec<Policy>, now: u64) {
    let claims = json!({"sub": "alice", "iat": now, "exp": now + 600});
    for (name, set, signing) in sets() {
        let algorithms: Vec<&str> = signing.iter().map(|(_, alg, _)| *alg).collect();
        let mut listed = algorithms.clone();
        listed.dedup();
        add_policy(policies, name, json!({"jwks": set, "algorithm": listed}), |list| {
            for (kid, alg, key) in &signing {
                list.token(&format!("{alg} by {key}"), &token_with_kid(alg, key, kid, &claims), Ok("alice"));
            }
            let (kid, alg, key) = &signing[0];
            list.token("another kid", &token_with_kid(alg, key, "another", &claims), Err(KidUnknown));
            list.token("another key", &token_with_kid(alg, "rsa-4096", kid, &claims), Err(BadSignature));
            let secret = set.to_string();
            list.token("HS256", &token_with_kid("HS256", &secret, kid, &claims), Err(AlgNotAllowed));
            let is_only = algorithms.iter().filter(|other| *other == alg).count() == 1;
            let without = if is_only { Ok("alice") } else { Err(KidMissing) };
            list.token("no kid", &token(alg, key, &claims), without);
            let header =
                json!({"alg": alg, "kid": kid, "x5t": thumbprint("rsa-4096"), "x5c": [x5c("rsa-4096")]});
            let own = jws(alg, "rsa-4096", header.to_string(), claims.to_string());
            list.token("another key with its certificate in the token", &own, Err(BadSignature));
            for encrypts in set["keys"].as_array().unwrap().iter().filter(|key| key["use"] == "enc") {
                let kid = encrypts["kid"].as_str().unwrap();
                let signed = token_with_kid("RS256", "rsa-other", kid, &claims);
                list.token("a key that encrypts", &signed, Err(KidUnknown));
            }
        });
    }
}

fn sets() -> Vec<Published> {
    let (rsa, other) = ("rsa", "rsa-other");
    // https://login.microsoftonline.com/common/discovery/v2.0/keys, as https://github.com/panva/wellknown has it
    // (issuers/entra-common/entra-common.mjs): no alg, kid is x5t, and the issuer of each key.
    let issuer = "https://login.microsoftonline.com/{tenantid}/v2.0";
    let entra = |key: &str| {
        let print = thumbprint(key);
        let mut members =
            with(json!({"kty": "RSA", "use": "sig", "kid": print, "x5t": print}), key, &["n", "e"]);
        members["x5c"] = json!([x5c(key)]);
        members["issuer"] = json!(issuer);
        members
    };
    // https://auth0.com/docs/secure/tokens/json-web-tokens/json-web-key-set-properties: x5t is in base64 of hexadecimal
    // digits there, and is the kid of older tenants.
    let auth0 = |key: &str, kid: &str| {
        let own = json!({"alg": "RS256", "kty": "RSA", "use": "sig", "x5c": [x5c(key)]});
        let mut members = with(own, key, &["n", "e"]);
        members["kid"] = json!(kid);
        members["x5t"] = json!(thumbprint(key));
        members
    };
    // https://github.com/keycloak/keycloak, core/src/main/java/org/keycloak/jose/jwk (AbstractJWKBuilder, JWK): a key
    // that signs and one that encrypts, each with its certificate. The second is no key for tokens.
    let keycloak = |key: &str, kid: &str, alg: &str, usage: &str| {
        let own = json!({"kid": kid, "kty": "RSA", "alg": alg, "use": usage, "x5c": [x5c(key)],
            "x5t": thumbprint(key), "x5t#S256": sha256(&x5c(key))});
        with(own, key, &["n", "e"])
    };
    // https://developer.okta.com/docs/api/openapi/okta-oauth/oauth/orgas/oauthkeys: two or three keys, no certificate.
    let okta = |key: &str, kid: &str| {
        with(json!({"kty": "RSA", "alg": "RS256", "kid": kid, "use": "sig"}), key, &["e", "n"])
    };
    // https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html:
    // two keys, for ID tokens and for access tokens; their kid has the padding of base64.
    let cognito = |key: &str, kid: &str| {
        let mut members = with(json!({"kid": kid, "alg": "RS256", "kty": "RSA"}), key, &["e", "n"]);
        members["use"] = json!("sig");
        members
    };
    // https://www.googleapis.com/oauth2/v3/certs, as https://github.com/panva/wellknown has it
    // (issuers/google/google.mjs): no certificate.
    let google = [
        with(
            json!({"kty": "RSA", "use": "sig", "kid": "6719678351a5faed", "alg": "RS256"}),
            rsa,
            &["e", "n"],
        ),
        with(
            json!({"alg": "RS256", "kid": "674dbba8faee69ac", "use": "sig", "kty": "RSA"}),
            other,
            &["e", "n"],
        ),
    ];
    // https://appleid.apple.com/auth/keys, as https://github.com/panva/wellknown has it (issuers/apple/apple.mjs): short
    // kid, no certificate.
    let apple = |key: &str, kid: &str| {
        with(json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256"}), key, &["n", "e"])
    };
    // .../adfs/discovery/keys of AD FS 2016 and later, as a client of https://login.ref.ug.kth.se/adfs has it in its code:
    // kid is x5t.
    let adfs = |key: &str| {
        let print = thumbprint(key);
        let own = json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": print, "x5t": print});
        let mut members = with(own, key, &["n", "e"]);
        members["x5c"] = json!([x5c(key)]);
        members
    };
    // /openid/v1/jwks of an API server, https://github.com/kubernetes/kubernetes, pkg/serviceaccount/openidmetadata.go
    // (publicJWKSFromKeys): kid is the SHA-256 of the key; ECDSA keys too.
    let kubernetes = [
        with(
            json!({"use": "sig", "kty": "RSA", "kid": "khUqDxCWqx0X8Jv9", "alg": "RS256"}),
            rsa,
            &["n", "e"],
        ),
        with(
            json!({"use": "sig", "kty": "EC", "kid": "7cKZhbUmIXHzTWyC", "crv": "P-256", "alg": "ES256"}),
            "p256",
            &["x", "y"],
        ),
    ];
    let rs256 = |kid: &str, key| (kid.to_owned(), "RS256", key);
    vec![
        (
            "Entra",
            json!({"keys": [entra(rsa), entra(other)]}),
            vec![rs256(&thumbprint(rsa), rsa), rs256(&thumbprint(other), other)],
        ),
        (
            "Auth0",
            json!({"keys": [auth0(rsa, "NjVBRjY5MDlCMUIwNzU4RTA2"), auth0(other, "0K2N7yFq2XvUjS2mEcUZ9")]}),
            vec![rs256("NjVBRjY5MDlCMUIwNzU4RTA2", rsa), rs256("0K2N7yFq2XvUjS2mEcUZ9", other)],
        ),
        (
            "Keycloak",
            json!({"keys": [keycloak(other, "enc-1", "RSA-OAEP", "enc"), keycloak(rsa, "sig-1", "RS256", "sig")]}),
            vec![rs256("sig-1", rsa)],
        ),
        (
            "Okta",
            json!({"keys": [okta(rsa, "U5R8cHbGw445Qbq8zVO1PcCpXL8"), okta(other, "Y3vBOdYT-l-I0j-gRQ26Xjut")]}),
            vec![rs256("U5R8cHbGw445Qbq8zVO1PcCpXL8", rsa), rs256("Y3vBOdYT-l-I0j-gRQ26Xjut", other)],
        ),
        (
            "Cognito",
            json!({"keys": [cognito(rsa, "1234example="), cognito(other, "5678example=")]}),
            vec![rs256("1234example=", rsa), rs256("5678example=", other)],
        ),
        (
            "Google",
            json!({"keys": google}),
            vec![rs256("6719678351a5faed", rsa), rs256("674dbba8faee69ac", other)],
        ),
        (
            "Apple",
            json!({"keys": [apple(rsa, "pyaRQpAbnY"), apple(other, "lVHdOx8ltR")]}),
            vec![rs256("pyaRQpAbnY", rsa), rs256("lVHdOx8ltR", other)],
        ),
        ("AD FS", json!({"keys": [adfs(rsa)]}), vec![rs256(&thumbprint(rsa), rsa)]),
        (
            "Kubernetes",
            json!({"keys": kubernetes}),
            vec![rs256("khUqDxCWqx0X8Jv9", rsa), ("7cKZhbUmIXHzTWyC".to_owned(), "ES256", "p256")],
        ),
    ]
}
