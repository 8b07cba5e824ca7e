//! Several policies in one configuration, and what each takes from the defaults.

use kinto_jwt_filter::Rejection::*;
use serde_json::{Value, json};

use super::{AUTH0, KEYCLOAK, Policy, add_policy};
use crate::http::{authorization, header};
use crate::tokens::{SECRET, jwk, jws, public_key, rs256, token, token_with_kid};

/// Two issuers and machines with a secret of their own.
pub(super) fn several(policies: &mut Vec<Policy>, now: u64) {
    let list = json!([
        {"name": "auth0", "issuer": AUTH0, "jwks": {"keys": [jwk("k", "rsa")]}, "audience": "kinto"},
        {"name": "keycloak", "issuer": KEYCLOAK, "jwks": {"keys": [jwk("k", "rsa-other")]},
            "userIdTokenKey": "preferred_username"},
        {"name": "machines", "public_key": SECRET, "algorithm": "HS256", "http_header": "X-Machine-Token"},
    ]);
    let settings = json!({"policies": list, "auth_type": ["JWT", "Bearer"], "requireExp": true});
    add_policy(policies, "several", settings, |list| {
        let exp = now + 600;
        let auth0 = json!({"sub": "alice", "iss": AUTH0, "aud": "kinto", "exp": exp});
        let keycloak = json!({"sub": "0-1", "preferred_username": "bob", "iss": KEYCLOAK, "exp": exp});
        let by = |key: &str, claims: &Value| token_with_kid("RS256", key, "k", claims);
        list.token("the first issuer's", &by("rsa", &auth0), Ok("alice"));
        list.token("the second's", &by("rsa-other", &keycloak), Ok("bob"));
        list.token("the first's, signed by the second", &by("rsa-other", &auth0), Err(BadSignature));
        list.token("the second's, signed by the first", &by("rsa", &keycloak), Err(BadSignature));
        list.token(
            "nobody's",
            &by("rsa", &json!({"sub": "alice", "iss": "x", "exp": exp})),
            Err(IssuerUnknown),
        );
        list.token("without iss", &by("rsa", &json!({"sub": "alice", "exp": exp})), Err(IssuerUnknown));
        list.token(
            "for another audience",
            &by("rsa", &json!({"sub": "alice", "iss": AUTH0, "aud": "x", "exp": exp})),
            Err(AudienceMismatch),
        );
        list.token(
            "without exp",
            &by("rsa", &json!({"sub": "alice", "iss": AUTH0, "aud": "kinto"})),
            Err(ExpMissing),
        );
        list.token(
            "iss twice",
            &jws(
                "RS256",
                "rsa",
                r#"{"alg":"RS256","kid":"k"}"#,
                format!(r#"{{"iss":"{KEYCLOAK}","iss":"{AUTH0}","sub":"alice","aud":"kinto","exp":{exp}}}"#),
            ),
            Err(IssuerUnknown),
        );
        list.token("junk", "a.b.c", Err(IssuerUnknown));
        let machine = token("HS256", SECRET, &json!({"sub": "backup", "exp": exp}));
        list.headers("a machine's", vec![header("X-Machine-Token", &machine)], Ok("backup"));
        list.token("a machine's in the wrong place", &machine, Err(IssuerUnknown));
        let both = vec![authorization(&by("rsa", &auth0)), header("X-Machine-Token", &machine)];
        list.headers("a user's and a machine's", both, Ok("alice"));
        let bad = vec![authorization(&by("rsa-other", &auth0)), header("X-Machine-Token", &machine)];
        list.headers("a bad user's and a machine's", bad, Err(BadSignature));
        let foreign =
            vec![authorization(&by("rsa", &json!({"iss": "x"}))), header("X-Machine-Token", &machine)];
        list.headers("nobody's and a machine's", foreign, Ok("backup"));
        list.headers("Basic", vec![header("Authorization", "Basic YTpi")], Err(ForeignScheme));
        list.headers("no token", vec![], Err(NoToken));
    });
}

/// What a policy says itself hides the default, and alternatives of it.
pub(super) fn defaults(policies: &mut Vec<Policy>, now: u64) {
    let settings = json!({
        "public_key": public_key("rsa"), "http_header": "X-Token", "audience": "kinto",
        "policies": [
            {"name": "set", "issuer": AUTH0, "jwks": {"keys": [jwk("k", "rsa-other")]}, "from": {"cookie": "t"}},
            {"name": "audience", "issuer": KEYCLOAK, "audience": null},
            {"name": "rest"},
        ],
    });
    add_policy(policies, "defaults of policies", settings, |list| {
        let exp = now + 600;
        let cookie = |token: &str| vec![header("Cookie", format!("t={token}"))];
        let bare = |token: &str| vec![header("X-Token", token)];
        let auth0 = json!({"sub": "alice", "iss": AUTH0, "aud": "kinto", "exp": exp});
        list.headers("own key", cookie(&token_with_kid("RS256", "rsa-other", "k", &auth0)), Ok("alice"));
        list.headers("default key", cookie(&token_with_kid("RS256", "rsa", "k", &auth0)), Err(BadSignature));
        list.headers(
            "own place",
            bare(&token_with_kid("RS256", "rsa-other", "k", &auth0)),
            Err(BadSignature),
        );
        list.headers(
            "default audience",
            bare(&rs256(&json!({"sub": "bob", "aud": "kinto", "exp": exp}))),
            Ok("bob"),
        );
        list.headers("no audience", bare(&rs256(&json!({"sub": "bob", "exp": exp}))), Err(AudienceMissing));
        let keycloak = |aud: Value| json!({"sub": "carol", "iss": KEYCLOAK, "aud": aud, "exp": exp});
        list.headers("null audience", bare(&rs256(&keycloak(json!(null)))), Ok("carol"));
        list.headers("null, and one", bare(&rs256(&keycloak(json!("kinto")))), Err(AudienceUnexpected));
        list.token("Authorization", &rs256(&auth0), Err(NoToken));
    });
}
