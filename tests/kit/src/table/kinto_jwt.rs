//! The policies that `kinto_jwt` has too.

use kinto_jwt_filter::Rejection::*;
use serde_json::json;

use super::claims::{audiences_without_one, bound, payloads, times, user_id_claims, user_ids};
use super::places;
use super::signatures::{algorithm, encodings, jose_headers, secret, signatures};
use super::{List, Policy, settings_with};
use crate::http::{authorization, header};
use crate::tokens::{SECRET, b64, jws, key_file, public_key, rs256, token};

/// Every policy that `kinto_jwt` has too.
pub(super) fn policies(now: u64) -> Vec<Policy> {
    let good = json!({"sub": "alice", "exp": now + 600});
    let policy = |name, settings, fill: &dyn Fn(&mut List)| {
        let mut list = List(Vec::new());
        fill(&mut list);
        Policy { name, settings, cases: list.0, is_of_kinto_jwt: true }
    };
    // What every configuration must get right.
    let few_cases = |list: &mut List, good: &str| {
        list.headers("no token", vec![], Err(NoToken));
        list.token("good", good, Ok("alice"));
        list.token("expired", &rs256(&json!({"sub": "alice", "exp": now - 1})), Err(Expired));
        list.token("other key", &token("RS256", "rsa-other", &json!({"sub": "alice"})), Err(BadSignature));
        list.token("alg none", &token("none", "", &json!({"sub": "alice"})), Err(AlgNotAllowed));
        list.token("junk", "a.b.c", Err(NotBase64Url));
    };

    let mut policies = vec![
        policy("defaults", settings_with(json!({})), &|list| {
            places::in_authorization(list, &good);
            times(list, now);
            bound(list);
            audiences_without_one(list);
            signatures(list, &good);
            jose_headers(list, &good);
            payloads(list, now);
            user_ids(list);
            encodings(list, &good);
        }),
        policy(
            "readme of kinto_jwt",
            settings_with(
                json!({"algorithm": "RS256", "audience": "app", "userIdTokenKey": "sub", "unauthorizedUserId": "public"}),
            ),
            &|list| {
                for (aud, expected) in [
                    (json!("app"), Ok("alice")),
                    (json!(["app"]), Ok("alice")),
                    (json!(["x", "app"]), Ok("alice")),
                    (json!("other"), Err(AudienceMismatch)),
                    (json!("App"), Err(AudienceMismatch)),
                    (json!("app "), Err(AudienceMismatch)),
                    (json!(["app", 1]), Err(AudienceMismatch)),
                    (json!({"app": 1}), Err(AudienceMismatch)),
                    (json!(7), Err(AudienceMismatch)),
                    (json!(""), Err(AudienceMissing)),
                    (json!([]), Err(AudienceMissing)),
                    (json!(null), Err(AudienceMissing)),
                ] {
                    list.claims(&format!("aud {aud}"), json!({"sub": "alice", "aud": aud}), expected);
                }
                list.claims("no aud", json!({"sub": "alice"}), Err(AudienceMissing));
                list.claims(
                    "aud, expired",
                    json!({"sub": "alice", "aud": "app", "exp": now - 1}),
                    Err(Expired),
                );
            },
        ),
        policy("several audiences", settings_with(json!({"audience": ["a", "b"]})), &|list| {
            for (aud, expected) in [
                (json!("a"), Ok("alice")),
                (json!("b"), Ok("alice")),
                (json!(["c", "b"]), Ok("alice")),
                (json!("a,b"), Err(AudienceMismatch)),
                (json!("c"), Err(AudienceMismatch)),
            ] {
                list.claims(&format!("aud {aud}"), json!({"sub": "alice", "aud": aud}), expected);
            }
        }),
        policy("leeway", settings_with(json!({"leeway": 300})), &|list| {
            few_cases(list, &rs256(&good));
            list.0.retain(|case| case.name != "expired");
            for (name, claim, at, expected) in [
                ("exp 10 s ago", "exp", now - 10, Ok("alice")),
                ("exp 600 s ago", "exp", now - 600, Err(Expired)),
                ("nbf in 10 s", "nbf", now + 10, Ok("alice")),
                ("nbf in 600 s", "nbf", now + 600, Err(NotYetValid)),
                ("iat in 10 s", "iat", now + 10, Ok("alice")),
                ("iat in 600 s", "iat", now + 600, Err(IssuedInFuture)),
            ] {
                list.claims(name, json!({"sub": "alice", claim: at}), expected);
            }
        }),
        policy("bearer", settings_with(json!({"auth_type": "Bearer"})), &|list| {
            let token = rs256(&good);
            list.headers("Bearer", vec![header("Authorization", format!("Bearer {token}"))], Ok("alice"));
            list.headers("bearer", vec![header("Authorization", format!("bearer {token}"))], Ok("alice"))
                .differs("scheme-case");
            list.headers("JWT", vec![authorization(&token)], Err(ForeignScheme));
        }),
        policy("basic", settings_with(json!({"auth_type": "Basic"})), &|list| {
            list.headers(
                "Basic",
                vec![header("Authorization", format!("Basic {}", rs256(&good)))],
                Ok("alice"),
            );
            list.headers(
                "Basic of a password",
                vec![header("Authorization", "Basic YWxpY2U6cHc=")],
                Err(NotThreeParts),
            );
        }),
        policy("other header", settings_with(json!({"http_header": "X-Auth-Token"})), &|list| {
            let token = rs256(&good);
            list.headers("no token", vec![], Err(NoToken));
            list.headers("bare token", vec![header("X-Auth-Token", &token)], Ok("alice"));
            list.headers("lower case", vec![header("x-auth-token", &token)], Ok("alice"));
            list.headers(
                "with a scheme",
                vec![header("X-Auth-Token", format!("JWT {token}"))],
                Err(NotBase64Url),
            );
            list.headers("empty", vec![header("X-Auth-Token", "")], Err(NoToken));
            list.headers(
                "twice",
                vec![header("X-Auth-Token", &token), header("X-Auth-Token", &token)],
                Err(MultipleTokens),
            );
            list.headers(
                "twice, one empty",
                vec![header("X-Auth-Token", &token), header("X-Auth-Token", "")],
                Err(MultipleTokens),
            );
            list.headers("only Authorization", vec![authorization(&token)], Err(NoToken));
            list.headers(
                "Authorization of junk too",
                vec![header("X-Auth-Token", &token), authorization("x")],
                Ok("alice"),
            );
        }),
        policy(
            "authorization in lower case",
            settings_with(json!({"http_header": "authorization"})),
            &|list| {
                let token = rs256(&good);
                list.headers("scheme and token", vec![authorization(&token)], Ok("alice"))
                    .differs("authorization-case");
                list.headers("bare token", vec![header("Authorization", &token)], Err(ForeignScheme))
                    .differs("authorization-case");
            },
        ),
        policy("cookie", settings_with(json!({"http_header": "Cookie"})), &|list| {
            list.headers("bare token", vec![header("Cookie", rs256(&good))], Ok("alice"));
            list.headers("cookies", vec![header("Cookie", "a=b; c=d")], Err(NotThreeParts));
        }),
        policy("no verification", settings_with(json!({"verifyToken": false, "audience": "app"})), &|list| {
            list.headers("no token", vec![], Err(NoToken));
            list.token("good", &rs256(&json!({"sub": "alice", "aud": "app"})), Ok("alice"));
            list.token("junk", "a.b.c", Err(NotBase64Url));
            list.token(
                "duplicate names",
                &jws("RS256", "rsa", r#"{"alg":"RS256"}"#, r#"{"sub":"a","sub":"b"}"#),
                Err(ClaimsNotJson),
            )
            .differs("strict-json");
            list.claims("no sub", json!({"x": 1}), Err(NoUserIdClaim));
            for (name, token) in [
                ("expired", rs256(&json!({"sub": "alice", "exp": 1}))),
                ("nbf", rs256(&json!({"sub": "alice", "nbf": now + 600}))),
                ("other audience", rs256(&json!({"sub": "alice", "aud": "other"}))),
                ("other key", token("RS256", "rsa-other", &good)),
                (
                    "signature of junk",
                    format!("{}.{}.{}", b64(r#"{"alg":"RS256"}"#), b64(good.to_string()), b64("junk")),
                ),
            ] {
                list.token(name, &token, Ok("alice"));
            }
            list.token("other alg", &token("HS256", SECRET, &good), Err(AlgNotAllowed))
                .differs("unverified-alg");
        }),
    ];
    for (name, unauthorized) in [
        ("anonymous", json!(null)),
        ("other unauthorized user", json!("nobody:1 x")),
        ("unauthorized user of digits", json!(7)),
    ] {
        policies.push(policy(name, settings_with(json!({"unauthorizedUserId": unauthorized})), &|list| {
            few_cases(list, &rs256(&good));
            list.claims("no sub", json!({"x": 1}), Err(NoUserIdClaim));
        }));
    }
    for (name, claim) in [
        ("email", "email"),
        ("URL claim", "https://example.com/user.id"),
        ("dotted claim", "user.id"),
        ("exp as user", "exp"),
    ] {
        policies.push(policy(name, settings_with(json!({"userIdTokenKey": claim})), &|list| {
            user_id_claims(list, claim, now)
        }));
    }
    policies.push(policy("pointer", settings_with(json!({"userIdTokenKey": "/user/id"})), &|list| {
        list.claims("nested", json!({"user": {"id": "bob"}}), Ok("bob")).differs("pointer");
        list.claims("literal first", json!({"/user/id": "carol", "user": {"id": "bob"}}), Ok("carol"));
        list.claims("not there", json!({"user": {}, "sub": "alice"}), Err(NoUserIdClaim));
    }));
    for (alg, key) in [
        ("RS384", "rsa"),
        ("RS512", "rsa"),
        ("RS256", "rsa-4096"),
        ("PS256", "rsa"),
        ("PS384", "rsa"),
        ("PS512", "rsa"),
        ("ES256", "p256"),
        ("ES384", "p384"),
        ("ES512", "p521"),
        ("EdDSA", "ed25519"),
    ] {
        let name = if key == "rsa-4096" { "RS256 of 4096 bits" } else { alg };
        policies.push(policy(name, json!({"public_key": public_key(key), "algorithm": alg}), &|list| {
            algorithm(list, alg, key, &good)
        }));
    }
    policies.push(policy("PKCS#1 key", json!({"public_key": key_file("rsa.pkcs1.pem")}), &|list| {
        few_cases(list, &rs256(&good))
    }));
    policies.push(policy("certificate", json!({"public_key": key_file("rsa.cert.pem")}), &|list| {
        few_cases(list, &rs256(&good));
        for case in list.0.iter_mut().filter(|case| ["good", "expired", "other key"].contains(&&*case.name)) {
            case.differs("certificate");
        }
    }));
    for alg in ["HS256", "HS384", "HS512"] {
        policies.push(policy(alg, json!({"public_key": SECRET, "algorithm": alg}), &|list| {
            secret(list, alg, &good)
        }));
    }
    let utf_8 = "schlüssel-ключ-0123456789-0123456789";
    policies.push(policy("secret in UTF-8", json!({"public_key": utf_8, "algorithm": "HS256"}), &|list| {
        list.token("good", &token("HS256", utf_8, &good), Ok("alice"));
        list.token("other secret", &token("HS256", SECRET, &good), Err(BadSignature));
    }));
    policies
}
