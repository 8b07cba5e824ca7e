//! The decision table's part on what `kinto_jwt` does not have: key sets, issuers, several policies, a policy
//! for each cause, other places for a token.

use kinto_jwt_filter::Rejection::{self, *};
use serde_json::{Value, json};

use crate::http::{Headers, authorization, header};
use crate::table::{List, Policy, with};
use crate::tokens::{SECRET, b64, jwk, jws, public_key, rs256, token, token_with_kid};

const AUTH0: &str = "https://kinto.auth0.example/";
const KEYCLOAK: &str = "https://keycloak.example/realms/kinto";

/// The table's part for tokens that are used at the time `now`.
pub fn policies(now: u64) -> Vec<Policy> {
    let mut policies = Vec::new();
    key_sets(&mut policies, now);
    claims(&mut policies, now);
    several(&mut policies, now);
    defaults(&mut policies, now);
    causes(&mut policies, now);
    places(&mut policies, now);
    charsets(&mut policies);
    policies
}

/// User ids beyond ASCII, which the WSGI server behind must be able to carry.
fn charsets(policies: &mut Vec<Policy>) {
    let users = |list: &mut List, latin_1: bool| {
        for sub in ["ålice", "élan", "müller", "ÿ", "\u{a1}a"] {
            let expected = if latin_1 { Ok(sub) } else { Err(UserIdNotAscii) };
            list.claims(sub, json!({"sub": sub}), expected);
        }
        for sub in ["日本", "a\u{30a}lice", "a\u{100}"] {
            let expected = if latin_1 { UserIdNotLatin1 } else { UserIdNotAscii };
            list.claims(sub, json!({"sub": sub}), Err(expected));
        }
        list.claims("ASCII", json!({"sub": "alice"}), Ok("alice"));
    };
    policy(policies, "ascii", with(json!({"userIdCharset": "ascii"})), |list| users(list, false));
    policy(policies, "latin-1", with(json!({"userIdCharset": "latin-1"})), |list| users(list, true));
    let unauthorized = json!({"userIdCharset": "latin-1", "unauthorizedUserId": "öffentlich"});
    policy(policies, "latin-1 unauthorized user", with(unauthorized), |list| {
        list.headers("no token", vec![], Err(NoToken));
    });
}

fn policy(policies: &mut Vec<Policy>, name: &'static str, settings: Value, fill: impl FnOnce(&mut List)) {
    let mut list = List(Vec::new());
    fill(&mut list);
    policies.push(Policy { name, settings, cases: list.0, is_of_kinto_jwt: false });
}

fn and(mut jwk: Value, more: Value) -> Value {
    jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    jwk
}

fn key_sets(policies: &mut Vec<Policy>, now: u64) {
    let good = json!({"sub": "alice", "exp": now + 600});
    let set = json!({"keys": [
        and(jwk("a", "rsa"), json!({"alg": "RS256", "use": "sig"})),
        and(jwk("b", "rsa-other"), json!({"key_ops": ["verify"]})),
        jwk("c", "p256"),
        jwk("d", "ed25519"),
        jwk("p384", "p384"),
        and(jwk("encryption", "rsa-4096"), json!({"use": "enc"})),
        and(jwk("signing", "rsa-4096"), json!({"key_ops": ["sign"]})),
        and(jwk("oaep", "rsa-4096"), json!({"alg": "RSA-OAEP"})),
        jwk("p521", "p521"),
        jwk("short", "rsa-1024"),
        and(jwk("private", "rsa-4096"), json!({"d": "AQAB"})),
        {"kty": "future", "kid": "future"},
        {"kty": "RSA", "kid": "damaged", "n": "*", "e": "AQAB"},
        "not a key",
    ]});
    let algorithms = json!(["RS256", "RS512", "ES256", "EdDSA"]);
    for (name, set) in [("jwks", set.clone()), ("jwks as text", json!(set.to_string()))] {
        policy(policies, name, json!({"jwks": set, "algorithm": algorithms}), |list| {
            let mut one = |alg: &str, key: &str, kid: &str, expected: Result<&str, Rejection>| {
                list.token(
                    &format!("{alg} by {key} as {kid}"),
                    &token_with_kid(alg, key, kid, &good),
                    expected,
                );
            };
            one("RS256", "rsa", "a", Ok("alice"));
            one("RS512", "rsa", "a", Err(AlgNotAllowed));
            one("RS256", "rsa-other", "b", Ok("alice"));
            one("RS512", "rsa-other", "b", Ok("alice"));
            one("ES256", "p256", "c", Ok("alice"));
            one("EdDSA", "ed25519", "d", Ok("alice"));
            one("ES384", "p384", "p384", Err(AlgNotAllowed));
            one("RS256", "rsa", "b", Err(BadSignature));
            one("RS256", "rsa-other", "a", Err(BadSignature));
            one("ES256", "p256-other", "c", Err(BadSignature));
            one("RS256", "rsa", "c", Err(AlgNotAllowed));
            one("ES256", "p256", "a", Err(AlgNotAllowed));
            one("RS256", "rsa", "A", Err(KidUnknown));
            one("RS256", "rsa", "", Err(KidUnknown));
            for unusable in ["encryption", "signing", "oaep", "private", "short", "damaged", "future", "p521"]
            {
                one("RS256", "rsa-4096", unusable, Err(KidUnknown));
            }
            one("PS256", "rsa", "a", Err(AlgNotAllowed));
            one("none", "", "a", Err(AlgNotAllowed));
            one("HS256", &public_key("rsa"), "a", Err(AlgNotAllowed));
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
    policy(policies, "jwks with a secret", json!({"jwks": secret, "algorithm": "HS256"}), |list| {
        list.token("good", &token_with_kid("HS256", SECRET, "s", &good), Ok("alice"));
        list.token("other secret", &token_with_kid("HS256", &SECRET[1..], "s", &good), Err(BadSignature));
        list.token("other kid", &token_with_kid("HS256", SECRET, "t", &good), Err(KidUnknown));
    });
    // Long enough for HS256, too short for HS512.
    let short = &SECRET[..40];
    let secret = json!({"keys": [{"kty": "oct", "kid": "s", "k": b64(short)}]});
    let settings = json!({"jwks": secret, "algorithm": ["HS256", "HS512"]});
    policy(policies, "jwks with a short secret", settings, |list| {
        list.token("HS256", &token_with_kid("HS256", short, "s", &good), Ok("alice"));
        list.token("HS512", &token_with_kid("HS512", short, "s", &good), Err(AlgNotAllowed));
    });
    // RFC 7517 section 4.5 asks for different names, and an issuer in the middle of a rotation may forget.
    let twins = json!({"keys": [jwk("a", "rsa"), jwk("a", "rsa-other"), jwk("a", "p256")]});
    policy(policies, "one kid thrice", json!({"jwks": twins, "algorithm": ["RS256", "ES256"]}), |list| {
        for (alg, key) in [("RS256", "rsa"), ("RS256", "rsa-other"), ("ES256", "p256")] {
            list.token(key, &token_with_kid(alg, key, "a", &good), Ok("alice"));
        }
        list.token("another", &token_with_kid("RS256", "rsa-4096", "a", &good), Err(BadSignature));
    });
    let remote = json!({"remoteJwks": {"uri": "http://issuer.example/keys", "cluster": "kinto", "timeoutSeconds": 1,
        "cooldownSeconds": 3600}});
    policy(policies, "no keys", remote, |list| {
        // Kinto itself is no issuer: it never gives a key.
        list.token("good", &rs256(&good), Err(KeysUnavailable));
        list.token("alg none", &token("none", "", &good), Err(KeysUnavailable));
        list.token("junk", "a.b.c", Err(NotBase64Url));
        list.headers("no token", vec![], Err(NoToken));
    });
}

fn claims(policies: &mut Vec<Policy>, now: u64) {
    let exp = now + 600;
    policy(policies, "issuer", with(json!({"issuer": AUTH0})), |list| {
        list.claims("ours", json!({"sub": "alice", "iss": AUTH0}), Ok("alice"));
        for iss in
            [json!("https://kinto.auth0.example"), json!(KEYCLOAK), json!([AUTH0]), json!(""), json!(null)]
        {
            list.claims(&format!("iss {iss}"), json!({"sub": "alice", "iss": iss}), Err(IssuerUnknown));
        }
        list.claims("no iss", json!({"sub": "alice"}), Err(IssuerUnknown));
    });
    policy(policies, "issuers", with(json!({"issuer": [AUTH0, KEYCLOAK]})), |list| {
        list.claims("one", json!({"sub": "alice", "iss": AUTH0}), Ok("alice"));
        list.claims("the other", json!({"sub": "alice", "iss": KEYCLOAK}), Ok("alice"));
        list.claims("both", json!({"sub": "alice", "iss": [AUTH0, KEYCLOAK]}), Err(IssuerUnknown));
    });
    policy(policies, "lifetime", with(json!({"maxLifetimeSeconds": 3600})), |list| {
        list.claims("an hour", json!({"sub": "alice", "iat": now - 60, "exp": now + 3540}), Ok("alice"));
        list.claims(
            "more",
            json!({"sub": "alice", "iat": now - 60, "exp": now + 3541}),
            Err(LifetimeTooLong),
        );
        list.claims("no exp", json!({"sub": "alice", "iat": now}), Err(ExpMissing));
        list.claims("no start", json!({"sub": "alice", "exp": exp}), Err(StartMissing));
    });
    policy(policies, "requireExp", with(json!({"requireExp": true})), |list| {
        list.claims("exp", json!({"sub": "alice", "exp": exp}), Ok("alice"));
        list.claims("no exp", json!({"sub": "alice"}), Err(ExpMissing));
        list.claims("exp null", json!({"sub": "alice", "exp": null}), Err(NotNumericDate));
    });
    let required = json!({"requiredClaims": {"/realm_access/roles": ["kinto", "admin"], "email_verified": true},
        "requiredScopes": ["kinto:read", "kinto:write"]});
    policy(policies, "required", with(required), |list| {
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
    policy(policies, "typ", with(json!({"typ": "at+jwt"})), |list| {
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
        policy(policies, name, with(json!({"typ": typ})), |list| {
            let of = |typ: &str| {
                let header = json!({"alg": "RS256", "typ": typ}).to_string();
                jws("RS256", "rsa", header, json!({"sub": "alice"}).to_string())
            };
            list.token("the same", &of(typ), Ok("alice"));
            list.token("another", &of(other), Err(TypMismatch));
        });
    }
    policy(policies, "algorithms", with(json!({"algorithm": ["RS256", "PS256"]})), |list| {
        for alg in ["RS256", "PS256"] {
            list.token(alg, &token(alg, "rsa", &json!({"sub": "alice"})), Ok("alice"))
                .differs("algorithm-list");
        }
        list.token("RS384", &token("RS384", "rsa", &json!({"sub": "alice"})), Err(AlgNotAllowed));
    });
    policies.last_mut().unwrap().is_of_kinto_jwt = true;
}

/// Two issuers and machines with a secret of their own.
fn several(policies: &mut Vec<Policy>, now: u64) {
    let list = json!([
        {"name": "auth0", "issuer": AUTH0, "jwks": {"keys": [jwk("k", "rsa")]}, "audience": "kinto"},
        {"name": "keycloak", "issuer": KEYCLOAK, "jwks": {"keys": [jwk("k", "rsa-other")]},
            "userIdTokenKey": "preferred_username"},
        {"name": "machines", "public_key": SECRET, "algorithm": "HS256", "http_header": "X-Machine-Token"},
    ]);
    let settings = json!({"policies": list, "auth_type": ["JWT", "Bearer"], "requireExp": true});
    policy(policies, "several", settings, |list| {
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
fn defaults(policies: &mut Vec<Policy>, now: u64) {
    let settings = json!({
        "public_key": public_key("rsa"), "http_header": "X-Token", "audience": "kinto",
        "policies": [
            {"name": "set", "issuer": AUTH0, "jwks": {"keys": [jwk("k", "rsa-other")]}, "from": {"cookie": "t"}},
            {"name": "audience", "issuer": KEYCLOAK, "audience": null},
            {"name": "rest"},
        ],
    });
    policy(policies, "defaults of policies", settings, |list| {
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

fn causes(policies: &mut Vec<Policy>, now: u64) {
    let good = json!({"sub": "alice", "exp": now + 600});
    let expired = rs256(&json!({"sub": "alice", "exp": now - 1}));
    let record = "/v1/buckets/b";
    for (name, missing, invalid, unauthorized) in [
        ("reject, reject", "reject", "reject", json!("public")),
        ("anonymous, anonymous", "anonymous", "anonymous", json!("public")),
        ("anonymous, reject", "anonymous", "reject", json!(null)),
        ("reject, anonymous", "reject", "anonymous", json!("guest")),
        ("report, report", "report", "report", json!("guest")),
        ("reject, unauthorizedUser", "reject", "unauthorizedUser", json!("guest")),
    ] {
        let settings =
            json!({"onMissing": missing, "onInvalid": invalid, "unauthorizedUserId": unauthorized});
        policy(policies, name, with(settings), |list| {
            list.token("good", &rs256(&good), Ok("alice"));
            list.token("expired", &expired, Err(Expired));
            list.token("junk", "a.b.c", Err(NotBase64Url));
            // Open without a token, though not with a bad one.
            let open = if missing == "reject" { Some("anonymous") } else { None };
            for path in ["/v1/", "/v1/?x=1", "/v1/./", "/%76%31/"] {
                list.headers(path, vec![], Err(NoToken)).to("GET", path).answer = open;
                list.headers(path, vec![header("Authorization", "Basic YTpi")], Err(ForeignScheme))
                    .to("GET", path)
                    .answer = open;
            }
            if missing == "reject" {
                for path in [record, "/v1/batches", "/v1/__heartbeat__/x", "/v1/buckets?x=/v1/"] {
                    list.headers(path, vec![], Err(NoToken)).to("GET", path);
                    list.headers(path, vec![], Err(NoToken)).to("DELETE", path);
                }
                list.headers("heartbeat", vec![], Err(NoToken)).to("GET", "/v1/__lbheartbeat__").answer =
                    open;
                list.headers("not a preflight", vec![], Err(NoToken)).to("OPTIONS", record);
                list.headers("no preflight either", vec![header("Origin", "http://a")], Err(NoToken))
                    .to("OPTIONS", record);
                let preflight =
                    || vec![header("Origin", "http://a"), header("Access-Control-Request-Method", "GET")];
                list.headers("a preflight", preflight(), Err(NoToken)).to("OPTIONS", record).answer = open;
                list.headers("no method of a preflight", preflight(), Err(NoToken)).to("GET", record);
            }
            if invalid == "reject" {
                let preflight = vec![
                    header("Origin", "http://a"),
                    header("Access-Control-Request-Method", "GET"),
                    authorization("junk"),
                ];
                list.headers("a preflight", preflight, Err(NotThreeParts))
                    .to("OPTIONS", record)
                    .answer("anonymous");
            }
        });
    }
    policy(policies, "own open paths", with(json!({"onMissing": "reject", "open": ["/v1/"]})), |list| {
        list.headers("open", vec![], Err(NoToken)).answer("anonymous");
        list.headers("closed", vec![], Err(NoToken)).to("GET", "/v1/__lbheartbeat__");
    });
}

fn places(policies: &mut Vec<Policy>, now: u64) {
    let alice = rs256(&json!({"sub": "alice", "exp": now + 600}));
    let bob = rs256(&json!({"sub": "bob", "exp": now + 600}));
    let bad = rs256(&json!({"sub": "bob", "exp": now - 1}));
    let from = json!([{"header": "Authorization", "schemes": ["Bearer"]}, {"cookie": "kinto_token"}, {"query": "access_token"}]);
    policy(policies, "from", with(json!({"from": from})), |list| {
        let bearer = |token: &str| header("Authorization", format!("Bearer {token}"));
        let cookie = |token: &str| header("Cookie", format!("a=b; kinto_token={token}; c=d"));
        let mut case =
            |name: &str, headers: Headers, query: Option<&str>, expected: Result<&str, Rejection>| {
                let path = query
                    .map_or_else(|| "/v1/".to_owned(), |token| format!("/v1/?_x=1&access_token={token}"));
                list.headers(name, headers, expected).to("GET", &path);
            };
        case("header", vec![bearer(&alice)], None, Ok("alice"));
        case("cookie", vec![cookie(&alice)], None, Ok("alice"));
        case("query", vec![], Some(&alice), Ok("alice"));
        case("scheme of auth_type", vec![authorization(&alice)], None, Err(ForeignScheme));
        case("the same everywhere", vec![bearer(&alice), cookie(&alice)], Some(&alice), Ok("alice"));
        case("two", vec![bearer(&alice), cookie(&bob)], None, Err(MultipleTokens));
        case("two more", vec![cookie(&bob)], Some(&alice), Err(MultipleTokens));
        case("good and bad", vec![bearer(&alice)], Some(&bad), Err(MultipleTokens));
        case("bad in a cookie", vec![cookie(&bad)], None, Err(Expired));
        case(
            "Basic and a cookie",
            vec![header("Authorization", "Basic YTpi"), cookie(&alice)],
            None,
            Ok("alice"),
        );
        case("Basic alone", vec![header("Authorization", "Basic YTpi")], None, Err(ForeignScheme));
        case("an empty cookie", vec![cookie("")], None, Err(NoToken));
        case("an empty parameter", vec![], Some(""), Err(NoToken));
        case("two cookie fields", vec![cookie(&alice), cookie(&bob)], None, Err(MultipleTokens));
        case("nothing", vec![], None, Err(NoToken));
        list.headers("encoded", vec![], Ok("alice"))
            .to("GET", &format!("/v1/?access%5Ftoken={}", alice.replace('.', "%2E")));
        list.headers("not a query", vec![], Err(NoToken)).to("GET", "/v1/?x=access_token=a").answer = None;
    });
    let from = json!([{"header": "X-Token"}, {"header": "X-Other", "schemes": ["Token"]}]);
    policy(policies, "from headers", with(json!({"from": from})), |list| {
        list.headers("bare", vec![header("X-Token", &alice)], Ok("alice"));
        list.headers("scheme", vec![header("X-Other", format!("Token {alice}"))], Ok("alice"));
        list.headers("no scheme", vec![header("X-Other", &alice)], Err(ForeignScheme));
        list.headers(
            "both",
            vec![header("X-Token", &alice), header("X-Other", format!("Token {bob}"))],
            Err(MultipleTokens),
        );
        list.token("neither", &alice, Err(NoToken));
    });
}
