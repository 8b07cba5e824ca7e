//! What an operator may ask of a token beyond its signature: an issuer, a lifetime, claims, scopes, a type.

use kinto_jwt_filter::Rejection::*;
use serde_json::{Value, json};

use super::{AUTH0, KEYCLOAK, Policy, add_policy, settings_with};
use crate::tokens::{jws, sha256, token, x5c};

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
    add_policy(policies, "age", settings_with(json!({"maxAgeSeconds": 3600, "leeway": 300})), |list| {
        list.claims("new", json!({"sub": "alice", "iat": now - 60}), Ok("alice"));
        list.claims("nearly an hour old", json!({"sub": "alice", "iat": now - 3500}), Ok("alice"));
        list.claims("within the leeway", json!({"sub": "alice", "iat": now - 3700, "exp": exp}), Ok("alice"));
        list.claims("too old", json!({"sub": "alice", "iat": now - 3910, "exp": exp}), Err(TooOld));
        list.claims(
            "too old, expired",
            json!({"sub": "alice", "iat": now - 9000, "exp": now - 600}),
            Err(Expired),
        );
        list.claims("of 1970", json!({"sub": "alice", "iat": 0, "exp": exp}), Err(TooOld));
        list.claims("of the future", json!({"sub": "alice", "iat": now + 900}), Err(IssuedInFuture));
        list.claims("no iat", json!({"sub": "alice", "exp": exp}), Err(IatMissing));
        list.claims("nbf only", json!({"sub": "alice", "nbf": now - 60, "exp": exp}), Err(IatMissing));
        list.claims(
            "iat of text",
            json!({"sub": "alice", "iat": (now - 60).to_string()}),
            Err(NotNumericDate),
        );
        // Not its lifetime, which may be longer.
        list.claims("for a year", json!({"sub": "alice", "iat": now, "exp": now + 31_536_000}), Ok("alice"));
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
    refused(policies, now);
    bound(policies);
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

/// Tokens that are bound to a key of their client. Here no connection has a client certificate.
fn bound(policies: &mut Vec<Policy>) {
    let thumbprint = sha256(&x5c("rsa"));
    let long = format!("{thumbprint}A");
    let with_padding = format!("{thumbprint}=");
    // The last of 43 characters has two bits that count for nothing, and must be 0.
    let other_bits = format!("{}B", &thumbprint[..42]);
    let verified = vec![json!({"x5t#S256": thumbprint})];
    let never = vec![
        json!(null),
        json!(true),
        json!(""),
        json!([]),
        json!({}),
        json!(thumbprint),
        json!([{"x5t#S256": thumbprint}]),
        json!({"jkt": thumbprint}),
        json!({"kid": "1"}),
        json!({"jwk": {"kty": "oct", "k": ""}}),
        json!({"x5t": thumbprint}),
        json!({"X5T#S256": thumbprint}),
        json!({"x5t#S256": thumbprint, "jkt": thumbprint}),
        json!({"x5t#S256": thumbprint, "": null}),
        json!({"x5t#S256": null}),
        json!({"x5t#S256": ""}),
        json!({"x5t#S256": [thumbprint]}),
        json!({"x5t#S256": &thumbprint[1..]}),
        json!({"x5t#S256": long}),
        json!({"x5t#S256": with_padding}),
        json!({"x5t#S256": other_bits}),
    ];
    for (name, settings, of_verified, of_others) in [
        ("bound tokens", json!({}), Err(TokenBound), Err(TokenBound)),
        ("boundTokens: verify", json!({"boundTokens": "verify"}), Err(TokenBoundElsewhere), Err(TokenBound)),
        ("boundTokens: ignore", json!({"boundTokens": "ignore"}), Ok("alice"), Ok("alice")),
        (
            "bound tokens, verifyToken: false",
            json!({"verifyToken": false, "boundTokens": "verify"}),
            Ok("alice"),
            Ok("alice"),
        ),
    ] {
        add_policy(policies, name, settings_with(settings), |list| {
            list.claims("no cnf", json!({"sub": "alice"}), Ok("alice"));
            list.claims("another claim", json!({"sub": "alice", "Cnf": {"jkt": ""}}), Ok("alice"));
            for (cnfs, expected) in [(&verified, of_verified), (&never, of_others)] {
                for cnf in cnfs {
                    list.claims(&format!("cnf {cnf}"), json!({"sub": "alice", "cnf": cnf}), expected);
                }
            }
            // Other faults are named first.
            let other = json!({"sub": 5, "cnf": null});
            let is_verified = !name.contains("false");
            list.claims("another fault", other, if is_verified { Err(SubjectNotString) } else { Ok("5") });
        });
    }
    // Each policy has its own way.
    let several = json!({
        "boundTokens": "verify",
        "policies": [
            {"name": "auth0", "issuer": AUTH0, "boundTokens": "ignore"},
            {"name": "keycloak", "issuer": KEYCLOAK},
            {"name": "others", "boundTokens": null},
        ],
    });
    add_policy(policies, "boundTokens of several policies", settings_with(several), |list| {
        for (iss, expected) in
            [(AUTH0, Ok("alice")), (KEYCLOAK, Err(TokenBoundElsewhere)), ("another", Err(TokenBound))]
        {
            let claims = json!({"sub": "alice", "iss": iss, "cnf": {"x5t#S256": thumbprint}});
            list.claims(iss, claims, expected);
        }
    });
}

/// Tokens that the operator has shut out.
fn refused(policies: &mut Vec<Policy>, now: u64) {
    let claims = json!({"sub": ["mallory", "42"], "jti": "stolen", "/realm/roles": ["guest", "trial"],
        "level": 7, "disabled": true, "zero": "0", "huge": "100000000000000000000", "big": "9007199254740993"});
    add_policy(policies, "refusedClaims", settings_with(json!({"refusedClaims": claims})), |list| {
        let alice = |name: &str, value: Value| json!({"sub": "alice", name: value});
        for (name, value) in [
            ("jti", json!("another")),
            ("realm", json!({"roles": ["user"]})),
            ("realm", json!("guest")),
            ("level", json!(70)),
            ("level", json!([[7]])),
            ("level", json!({"7": 7})),
            ("disabled", json!(false)),
            ("disabled", json!(1)),
            ("big", json!(9_007_199_254_740_992_u64)),
        ] {
            list.claims(&format!("{name}: {value}"), alice(name, value), Ok("alice"));
        }
        for (name, value) in [
            ("sub", json!("mallory")),
            ("sub", json!("42")),
            ("jti", json!("stolen")),
            ("realm", json!({"roles": ["user", "guest"]})),
            ("realm", json!({"roles": "trial"})),
            ("level", json!(7)),
            ("level", json!(7.0)),
            ("level", json!("7")),
            ("level", json!([1, 7])),
            ("disabled", json!(true)),
            ("disabled", json!("true")),
            ("disabled", json!("True")),
            ("level", json!([6, 7.0])),
            ("zero", json!(-0.0)),
            ("zero", json!(0.0)),
            ("huge", json!(1e20)),
            ("big", json!(9_007_199_254_740_993_u64)),
        ] {
            list.claims(&format!("{name}: {value}"), alice(name, value), Err(ClaimRefused));
        }
        // A claim of the literal name hides no other one.
        for literal in [json!("user"), json!(null), json!(["user"])] {
            let both = json!({"sub": "alice", "realm": {"roles": ["guest"]}, "/realm/roles": literal});
            list.claims(&format!("hidden by {literal}"), both, Err(ClaimRefused));
        }
        list.claims("literal", json!({"sub": "alice", "/realm/roles": "guest"}), Err(ClaimRefused));
        list.claims("other letters", json!({"sub": "Mallory"}), Ok("Mallory"));
        list.claims("expired", json!({"sub": "mallory", "exp": now - 1}), Err(Expired));
        list.token("bad", "a.b.c", Err(NotBase64Url));
    });
    let uid = json!({"userIdTokenKey": "uid", "refusedClaims": {"uid": 42}});
    add_policy(policies, "refusedClaims of a number", settings_with(uid), |list| {
        list.claims("the number", json!({"uid": 42}), Err(ClaimRefused));
        list.claims("its text", json!({"uid": "42"}), Err(ClaimRefused));
        list.claims("another", json!({"uid": 420}), Ok("420"));
    });
    let truth = json!({"userIdTokenKey": "uid", "refusedClaims": {"uid": "True"}});
    add_policy(policies, "refusedClaims of a boolean", settings_with(truth), |list| {
        list.claims("true", json!({"uid": true}), Err(ClaimRefused));
        list.claims("its text", json!({"uid": "True"}), Err(ClaimRefused));
        list.claims("false", json!({"uid": false}), Ok("False"));
    });
    // 2001-09-09T01:46:40Z is 1000000000.
    let since = json!({"issuedAfter": "2001-09-09T01:46:40Z", "leeway": 100});
    add_policy(policies, "issuedAfter", settings_with(since), |list| {
        for (iat, expected) in [
            (json!(1_000_000_000), Ok("alice")),
            (json!(1_000_000_000.5), Ok("alice")),
            (json!(now), Ok("alice")),
            (json!(999_999_999), Err(IssuedTooEarly)),
            (json!(999_999_999.9), Err(IssuedTooEarly)),
            (json!(0), Err(IssuedTooEarly)),
            (json!(null), Err(NotNumericDate)),
            (json!("1000000000"), Err(NotNumericDate)),
        ] {
            list.claims(&format!("iat {iat}"), json!({"sub": "alice", "iat": iat}), expected);
        }
        list.claims("no iat", json!({"sub": "alice", "nbf": now}), Err(IssuedTooEarly));
    });
    let part = json!({"issuedAfter": "2001-09-09T01:46:40.001Z"});
    add_policy(policies, "issuedAfter, a part of a second", settings_with(part), |list| {
        list.claims("before", json!({"sub": "alice", "iat": 1_000_000_000}), Err(IssuedTooEarly));
        list.claims("after", json!({"sub": "alice", "iat": 1_000_000_001}), Ok("alice"));
    });
    // What is refused at the top is refused in each policy, in addition to the policy's own.
    let several = json!({
        "refusedClaims": {"sub": "mallory"}, "issuedAfter": "2001-09-09T01:46:40Z",
        "policies": [
            {"name": "auth0", "issuer": AUTH0, "refusedClaims": {"sub": "trudy", "jti": "1"}, "issuedAfter": "2001-09-09T01:46:50Z"},
            {"name": "keycloak", "issuer": KEYCLOAK, "issuedAfter": "2000-01-01T00:00:00Z"},
        ],
    });
    add_policy(policies, "refused in several policies", settings_with(several), |list| {
        let claims = |iss: &str, sub: &str, seconds: u64| json!({"iss": iss, "sub": sub, "iat": 1_000_000_000 + seconds});
        for (iss, sub, seconds, expected) in [
            (AUTH0, "alice", 10, Ok("alice")),
            (AUTH0, "alice", 9, Err(IssuedTooEarly)),
            (AUTH0, "mallory", 10, Err(ClaimRefused)),
            (AUTH0, "trudy", 10, Err(ClaimRefused)),
            (KEYCLOAK, "trudy", 0, Ok("trudy")),
            (KEYCLOAK, "mallory", 0, Err(ClaimRefused)),
        ] {
            list.claims(&format!("{iss} {sub} {seconds}"), claims(iss, sub, seconds), expected);
        }
        list.claims(
            "before",
            json!({"iss": KEYCLOAK, "sub": "alice", "iat": 999_999_999}),
            Err(IssuedTooEarly),
        );
    });
}
