//! What an operator may ask of a token beyond its signature: an issuer, a lifetime, claims, scopes, a type.

use kinto_jwt_filter::Rejection::*;
use serde_json::{Value, json};

use super::{AUTH0, KEYCLOAK, Policy, add_policy, settings_with};
use crate::tokens::{jws, token};

pub(super) fn rules(policies: &mut Vec<Policy>, now: u64) {
    let exp = now + 600;
    add_policy(policies, "issuer", settings_with(json!({"issuer": AUTH0})), |list| {
        list.claims("ours", json!({"sub": "alice", "iss": AUTH0}), Ok("alice"));
        for iss in
            [json!("https://kinto.auth0.example"), json!(KEYCLOAK), json!([AUTH0]), json!(""), json!(null)]
        {
            list.claims(&format!("iss {iss}"), json!({"sub": "alice", "iss": iss}), Err(IssuerUnknown));
        }
        list.claims("no iss", json!({"sub": "alice"}), Err(IssuerUnknown));
    });
    add_policy(policies, "issuers", settings_with(json!({"issuer": [AUTH0, KEYCLOAK]})), |list| {
        list.claims("one", json!({"sub": "alice", "iss": AUTH0}), Ok("alice"));
        list.claims("the other", json!({"sub": "alice", "iss": KEYCLOAK}), Ok("alice"));
        list.claims("both", json!({"sub": "alice", "iss": [AUTH0, KEYCLOAK]}), Err(IssuerUnknown));
    });
    add_policy(policies, "lifetime", settings_with(json!({"maxLifetimeSeconds": 3600})), |list| {
        list.claims("an hour", json!({"sub": "alice", "iat": now - 60, "exp": now + 3540}), Ok("alice"));
        list.claims(
            "more",
            json!({"sub": "alice", "iat": now - 60, "exp": now + 3541}),
            Err(LifetimeTooLong),
        );
        list.claims("no exp", json!({"sub": "alice", "iat": now}), Err(ExpMissing));
        list.claims("no start", json!({"sub": "alice", "exp": exp}), Err(StartMissing));
    });
    add_policy(policies, "requireExp", settings_with(json!({"requireExp": true})), |list| {
        list.claims("exp", json!({"sub": "alice", "exp": exp}), Ok("alice"));
        list.claims("no exp", json!({"sub": "alice"}), Err(ExpMissing));
        list.claims("exp null", json!({"sub": "alice", "exp": null}), Err(NotNumericDate));
    });
    let required = json!({"requiredClaims": {"/realm_access/roles": ["kinto", "admin"], "email_verified": true},
        "requiredScopes": ["kinto:read", "kinto:write"]});
    add_policy(policies, "required", settings_with(required), |list| {
        let claims = |roles: Value, verified: Value, scope: Value| json!({"sub": "alice", "realm_access": {"roles": roles}, "email_verified": verified, "scope": scope});
        let scope = json!("kinto:read kinto:write openid");
        list.claims("all", claims(json!(["x", "kinto"]), json!(true), scope.clone()), Ok("alice"));
        list.claims("no role", claims(json!(["x"]), json!(true), scope.clone()), Err(ClaimMismatch));
        list.claims("text true", claims(json!("kinto"), json!("true"), scope), Err(ClaimMismatch));
        list.claims("one scope", claims(json!("kinto"), json!(true), json!("kinto:read")), Err(ScopeMissing));
        list.claims(
            "joined",
            claims(json!("kinto"), json!(true), json!("kinto:readkinto:write")),
            Err(ScopeMissing),
        );
    });
    add_policy(policies, "typ", settings_with(json!({"typ": "at+jwt"})), |list| {
        let payload = json!({"sub": "alice"}).to_string();
        for (typ, expected) in [
            (json!("at+jwt"), Ok("alice")),
            (json!("application/at+jwt"), Ok("alice")),
            (json!("AT+JWT"), Ok("alice")),
            (json!("JWT"), Err(TypMismatch)),
            (json!(7), Err(TypMismatch)),
        ] {
            let header = json!({"alg": "RS256", "typ": typ}).to_string();
            list.token(&format!("typ {typ}"), &jws("RS256", "rsa", header, &payload), expected);
        }
        list.token("no typ", &jws("RS256", "rsa", r#"{"alg":"RS256"}"#, &payload), Err(TypMismatch));
    });
    // RFC 7515 section 4.1.9 leaves application/ out only where no other slash follows.
    for (name, typ, other) in [
        ("typ of two parts", "text/plain", "application/text/plain"),
        ("typ of three parts", "application/text/plain", "text/plain"),
    ] {
        add_policy(policies, name, settings_with(json!({"typ": typ})), |list| {
            let token_of_type = |typ: &str| {
                let header = json!({"alg": "RS256", "typ": typ}).to_string();
                jws("RS256", "rsa", header, json!({"sub": "alice"}).to_string())
            };
            list.token("the same", &token_of_type(typ), Ok("alice"));
            list.token("another", &token_of_type(other), Err(TypMismatch));
        });
    }
    add_policy(policies, "algorithms", settings_with(json!({"algorithm": ["RS256", "PS256"]})), |list| {
        for alg in ["RS256", "PS256"] {
            list.token(alg, &token(alg, "rsa", &json!({"sub": "alice"})), Ok("alice"))
                .differs("algorithm-list");
        }
        list.token("RS384", &token("RS384", "rsa", &json!({"sub": "alice"})), Err(AlgNotAllowed));
    });
    policies.last_mut().unwrap().is_of_kinto_jwt = true;
}
