//! The decision table: every rule of who a request is, as one list of requests and answers.
//!
//! It runs natively at a fixed time, through the real Envoy to the real Kinto, and against the real
//! `kinto_jwt`; `differs` names the entry of docs/kinto_jwt.md where `kinto_jwt` answers otherwise.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kinto_jwt_filter::{
    Cause, Outcome,
    Rejection::{self, *},
    Request,
};
use serde_json::{Value, json};

use crate::http::{Headers, authorization, header};
use crate::tokens::{SECRET, b64, jws, key_file, public_key, rs256, sign, token};

/// A configuration of the filter.
pub struct Policy {
    pub name: &'static str,
    pub settings: Value,
    pub cases: Vec<Case>,
    /// Whether its settings are those of `kinto_jwt`.
    pub is_of_kinto_jwt: bool,
}

pub struct Case {
    pub name: String,
    pub method: &'static str,
    pub path: String,
    pub headers: Headers,
    pub expected: Result<String, Rejection>,
    /// What the client sees where that does not follow from `expected` and the settings.
    pub answer: Option<&'static str>,
    pub differs: Option<&'static str>,
}

impl Policy {
    /// What the client sees: who Kinto says that it is, or a status.
    pub fn answer(&self, case: &Case) -> String {
        match (&case.expected, case.answer) {
            (_, Some(answer)) => answer.to_owned(),
            (Ok(user), None) => format!("kinto_jwt:{user}"),
            (Err(rejection), None) => self.failure(*rejection),
        }
    }

    fn failure(&self, rejection: Rejection) -> String {
        let (setting, default, status) = match rejection.cause() {
            Cause::Missing => ("onMissing", "unauthorizedUser", 401),
            Cause::Invalid => ("onInvalid", "unauthorizedUser", 401),
            Cause::KeysUnavailable => ("onKeysUnavailable", "reject", 503),
        };
        match self.settings[setting].as_str().unwrap_or(default) {
            "reject" => format!("HTTP {status}"),
            "anonymous" => "anonymous".into(),
            _ => self.unauthorized(),
        }
    }

    /// Who Kinto says a request of the unauthorized user is.
    pub fn unauthorized(&self) -> String {
        match self.settings.get("unauthorizedUserId") {
            Some(Value::Null) => "anonymous".into(),
            Some(Value::String(user)) => format!("kinto_jwt:{user}"),
            Some(Value::Number(user)) => format!("kinto_jwt:{user}"),
            _ => "kinto_jwt:public".into(),
        }
    }

    /// The same in terms of the gate.
    pub fn answer_of(&self, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Rejected(answer) => format!("HTTP {}", answer.status),
            outcome => outcome
                .user_id()
                .map_or_else(|| "anonymous".into(), |user| format!("kinto_jwt:{}", user.as_str())),
        }
    }
}

/// Builds the cases of a policy.
pub struct List(pub Vec<Case>);

impl List {
    pub fn headers(&mut self, name: &str, headers: Headers, expected: Result<&str, Rejection>) -> &mut Case {
        self.0.push(Case::new(name, headers, expected));
        self.0.last_mut().unwrap()
    }

    /// A token in `Authorization: JWT`.
    pub fn token(&mut self, name: &str, token: &str, expected: Result<&str, Rejection>) -> &mut Case {
        self.headers(name, vec![authorization(token)], expected)
    }

    /// RS256-signed claims.
    pub fn claims(&mut self, name: &str, claims: Value, expected: Result<&str, Rejection>) -> &mut Case {
        self.token(name, &rs256(&claims), expected)
    }

    /// An RS256-signed payload of exactly these bytes.
    fn payload(
        &mut self,
        name: &str,
        payload: impl AsRef<[u8]>,
        expected: Result<&str, Rejection>,
    ) -> &mut Case {
        self.token(name, &jws("RS256", "rsa", r#"{"alg":"RS256"}"#, payload), expected)
    }
}

/// The fields as Envoy would hand them over: outer white space trimmed, `Authorization` joined by commas.
impl Request for Case {
    fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, [u8]>> {
        let fields = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let mut values: Vec<Cow<'r, [u8]>> = match name {
            ":method" => vec![self.method.as_bytes().into()],
            ":path" => vec![self.path.as_bytes().into()],
            _ => fields.map(|(_, value)| value.trim_ascii().into()).collect(),
        };
        if name == "authorization" && values.len() > 1 {
            values = vec![values.join(&b","[..]).into()];
        }
        values.into_iter()
    }
}

impl Case {
    pub fn new(name: &str, headers: Headers, expected: Result<&str, Rejection>) -> Self {
        Self {
            name: name.to_owned(),
            method: "GET",
            path: "/v1/".to_owned(),
            headers,
            expected: expected.map(str::to_owned),
            answer: None,
            differs: None,
        }
    }

    pub fn to(&mut self, method: &'static str, path: &str) -> &mut Self {
        (self.method, self.path) = (method, path.to_owned());
        self
    }

    pub fn answer(&mut self, answer: &'static str) -> &mut Self {
        self.answer = Some(answer);
        self
    }

    pub fn differs(&mut self, entry: &'static str) {
        self.differs = Some(entry);
    }
}

/// The main test key, and these settings over it.
pub fn with(more: Value) -> Value {
    let mut settings = json!({"public_key": public_key("rsa")});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    settings
}

/// The table for tokens that are used at the time `now`.
pub fn policies(now: u64) -> Vec<Policy> {
    let good = json!({"sub": "alice", "exp": now + 600});
    let policy = |name, settings, fill: &dyn Fn(&mut List)| {
        let mut list = List(Vec::new());
        fill(&mut list);
        Policy { name, settings, cases: list.0, is_of_kinto_jwt: true }
    };
    let few = |list: &mut List, good: &str| {
        list.headers("no token", vec![], Err(NoToken));
        list.token("good", good, Ok("alice"));
        list.token("expired", &rs256(&json!({"sub": "alice", "exp": now - 1})), Err(Expired));
        list.token("other key", &token("RS256", "rsa-other", &json!({"sub": "alice"})), Err(BadSignature));
        list.token("alg none", &token("none", "", &json!({"sub": "alice"})), Err(AlgNotAllowed));
        list.token("junk", "a.b.c", Err(NotBase64Url));
    };

    let mut policies = vec![
        policy("defaults", with(json!({})), &|list| {
            places(list, &good);
            times(list, now);
            audiences_without_one(list);
            signatures(list, &good);
            jose_headers(list, &good);
            payloads(list, now);
            user_ids(list);
            encodings(list, &good);
        }),
        policy(
            "readme of kinto_jwt",
            with(
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
        policy("several audiences", with(json!({"audience": ["a", "b"]})), &|list| {
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
        policy("leeway", with(json!({"leeway": 30})), &|list| {
            few(list, &rs256(&good));
            list.0.retain(|case| case.name != "expired");
            for (name, claim, at, expected) in [
                ("exp 10 s ago", "exp", now - 10, Ok("alice")),
                ("exp 40 s ago", "exp", now - 40, Err(Expired)),
                ("nbf in 10 s", "nbf", now + 10, Ok("alice")),
                ("nbf in 60 s", "nbf", now + 60, Err(NotYetValid)),
                ("iat in 10 s", "iat", now + 10, Ok("alice")),
                ("iat in 60 s", "iat", now + 60, Err(IssuedInFuture)),
            ] {
                list.claims(name, json!({"sub": "alice", claim: at}), expected);
            }
        }),
        policy("bearer", with(json!({"auth_type": "Bearer"})), &|list| {
            let token = rs256(&good);
            list.headers("Bearer", vec![header("Authorization", format!("Bearer {token}"))], Ok("alice"));
            list.headers("bearer", vec![header("Authorization", format!("bearer {token}"))], Ok("alice"))
                .differs("scheme-case");
            list.headers("JWT", vec![authorization(&token)], Err(ForeignScheme));
        }),
        policy("basic", with(json!({"auth_type": "Basic"})), &|list| {
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
        policy("other header", with(json!({"http_header": "X-Auth-Token"})), &|list| {
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
        policy("authorization in lower case", with(json!({"http_header": "authorization"})), &|list| {
            let token = rs256(&good);
            list.headers("scheme and token", vec![authorization(&token)], Ok("alice"))
                .differs("authorization-case");
            list.headers("bare token", vec![header("Authorization", &token)], Err(ForeignScheme))
                .differs("authorization-case");
        }),
        policy("cookie", with(json!({"http_header": "Cookie"})), &|list| {
            list.headers("bare token", vec![header("Cookie", rs256(&good))], Ok("alice"));
            list.headers("cookies", vec![header("Cookie", "a=b; c=d")], Err(NotThreeParts));
        }),
        policy("no verification", with(json!({"verifyToken": false, "audience": "app"})), &|list| {
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
        policies.push(policy(name, with(json!({"unauthorizedUserId": unauthorized})), &|list| {
            few(list, &rs256(&good));
            list.claims("no sub", json!({"x": 1}), Err(NoUserIdClaim));
        }));
    }
    for (name, claim) in [
        ("email", "email"),
        ("URL claim", "https://example.com/user.id"),
        ("dotted claim", "user.id"),
        ("exp as user", "exp"),
    ] {
        policies.push(policy(name, with(json!({"userIdTokenKey": claim})), &|list| {
            user_id_claims(list, claim, now)
        }));
    }
    policies.push(policy("pointer", with(json!({"userIdTokenKey": "/user/id"})), &|list| {
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
        ("EdDSA", "ed25519"),
    ] {
        let name = if key == "rsa-4096" { "RS256 of 4096 bits" } else { alg };
        policies.push(policy(name, json!({"public_key": public_key(key), "algorithm": alg}), &|list| {
            algorithm(list, alg, key, &good)
        }));
    }
    policies.push(policy("PKCS#1 key", json!({"public_key": key_file("rsa.pkcs1.pem")}), &|list| {
        few(list, &rs256(&good))
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
    policies.extend(crate::table_of_policies::policies(now));
    policies
}

fn places(list: &mut List, good: &Value) {
    let good = rs256(good);
    let auth = |value: &str| vec![header("Authorization", value)];
    list.headers("no Authorization", vec![], Err(NoToken));
    list.headers("JWT", auth(&format!("JWT {good}")), Ok("alice"));
    for scheme in ["jwt", "Jwt"] {
        list.headers(scheme, auth(&format!("{scheme} {good}")), Ok("alice")).differs("scheme-case");
    }
    for scheme in ["Bearer", "Basic", "Digest", "Token", "JWT:", "XJWT"] {
        list.headers(scheme, auth(&format!("{scheme} {good}")), Err(ForeignScheme));
    }
    for (name, value, expected) in [
        ("a password", "Basic YWxpY2U6cHc=".to_owned(), Err(ForeignScheme)),
        ("bare token", good.clone(), Err(ForeignScheme)),
        ("two spaces", format!("JWT  {good}"), Err(NotBase64Url)),
        ("tab", format!("JWT\t{good}"), Err(ForeignScheme)),
        ("space and tab", format!("JWT \t{good}"), Err(NotBase64Url)),
        ("spaces around", format!("   JWT {good}  "), Ok("alice")),
        ("tab around", format!("\tJWT {good}\t"), Ok("alice")),
        ("scheme only", "JWT".to_owned(), Err(NoToken)),
        ("scheme and space", "JWT ".to_owned(), Err(NoToken)),
        ("empty", String::new(), Err(NoToken)),
        ("equals sign", format!("JWT={good}"), Err(ForeignScheme)),
        ("parameter", format!("JWT token=\"{good}\""), Err(NotBase64Url)),
        ("list in one field", format!("JWT {good}, Basic YTpi"), Err(MultipleTokens)),
        ("list in one field, ours last", format!("Basic YTpi, JWT {good}"), Err(MultipleTokens)),
    ] {
        list.headers(name, auth(&value), expected);
    }
    let field = |value: &str| header("Authorization", value);
    list.headers("two, the same", vec![authorization(&good), authorization(&good)], Err(MultipleTokens));
    list.headers("two, good first", vec![authorization(&good), authorization("x.y.z")], Err(MultipleTokens));
    list.headers("two, good last", vec![field("Basic YTpi"), authorization(&good)], Err(MultipleTokens));
    for name in ["Proxy-Authorization", "X-Authorization"] {
        list.headers(name, vec![header(name, format!("JWT {good}"))], Err(NoToken));
    }
    list.headers("name in lower case", vec![header("authorization", format!("JWT {good}"))], Ok("alice"));
    list.headers("name in upper case", vec![header("AUTHORIZATION", format!("JWT {good}"))], Ok("alice"));
    list.headers(
        "bytes that are not UTF-8",
        vec![header("Authorization", b"JWT \xff\xfe.\xe5.\xe5")],
        Err(NotBase64Url),
    );
    list.headers("scheme that is not ASCII", vec![header("Authorization", b"JWT\xe5 x")], Err(ForeignScheme));
    for name in ["userId", "USERID", "userid", "UserID"] {
        let spoof = header(name, "mallory");
        list.headers(&format!("{name}, no token"), vec![spoof.clone()], Err(NoToken));
        list.headers(
            &format!("{name}, bad token"),
            vec![spoof.clone(), authorization("a.b.c")],
            Err(NotBase64Url),
        );
        list.headers(&format!("{name}, good token"), vec![spoof.clone(), authorization(&good)], Ok("alice"));
        list.headers(&format!("{name}, twice"), vec![spoof.clone(), spoof], Err(NoToken));
    }
    list.headers("empty userId", vec![header("userId", "")], Err(NoToken));
}

fn times(list: &mut List, now: u64) {
    let at = |claim: &str, value: Value| json!({"sub": "alice", claim: value});
    list.claims("no exp", json!({"sub": "alice"}), Ok("alice"));
    for claim in ["exp", "nbf", "iat"] {
        for value in [json!("soon"), json!(""), json!(null), json!([1]), json!({})] {
            list.claims(&format!("{claim} {value}"), at(claim, value), Err(NotNumericDate));
        }
    }
    list.claims("exp as text", at("exp", json!((now + 600).to_string())), Err(NotNumericDate))
        .differs("text-dates");
    list.claims("exp with spaces", at("exp", json!(format!(" {} ", now + 600))), Err(NotNumericDate))
        .differs("text-dates");
    list.claims("exp as past text", at("exp", json!((now - 600).to_string())), Err(NotNumericDate));
    list.claims("nbf as text", at("nbf", json!((now - 5).to_string())), Err(NotNumericDate))
        .differs("text-dates");
    list.claims("iat as text", at("iat", json!((now - 5).to_string())), Err(NotNumericDate))
        .differs("text-dates");
    list.claims("exp true", at("exp", json!(true)), Err(NotNumericDate));
    list.claims("nbf false", at("nbf", json!(false)), Err(NotNumericDate)).differs("text-dates");
    list.claims("iat true", at("iat", json!(true)), Err(NotNumericDate)).differs("text-dates");
    list.claims("exp negative", at("exp", json!(-5)), Err(NotNumericDate));
    list.claims("nbf negative", at("nbf", json!(-5)), Err(NotNumericDate)).differs("negative-dates");
    list.claims("iat negative", at("iat", json!(-5)), Err(NotNumericDate)).differs("negative-dates");
    for (name, claim, value, expected) in [
        ("exp 10 s ago", "exp", json!(now - 10), Err(Expired)),
        ("exp a day ago", "exp", json!(now - 86_400), Err(Expired)),
        ("exp 0", "exp", json!(0), Err(Expired)),
        ("exp in 60 s", "exp", json!(now + 60), Ok("alice")),
        ("exp in decimals", "exp", serde_json::from_str(&format!("{}.75", now + 60)).unwrap(), Ok("alice")),
        ("exp in the far future", "exp", json!(1e30), Ok("alice")),
        ("nbf 5 s ago", "nbf", json!(now - 5), Ok("alice")),
        ("nbf now", "nbf", json!(now), Ok("alice")),
        ("nbf in 300 s", "nbf", json!(now + 300), Err(NotYetValid)),
        ("iat 5 s ago", "iat", json!(now - 5), Ok("alice")),
        ("iat in 300 s", "iat", json!(now + 300), Err(IssuedInFuture)),
    ] {
        list.claims(name, at(claim, value), expected);
    }
    list.claims("jti", at("jti", json!("1")), Ok("alice"));
    list.claims("jti of a number", at("jti", json!(1)), Err(JwtIdNotString));
    list.claims("jti null", at("jti", json!(null)), Err(JwtIdNotString));
    list.claims("iss", at("iss", json!("https://issuer.example")), Ok("alice"));
    list.claims("iss of a number", at("iss", json!(5)), Ok("alice"));
}

fn audiences_without_one(list: &mut List) {
    for aud in [json!(""), json!([]), json!(null), json!(0), json!(0.0), json!(false), json!({})] {
        list.claims(&format!("aud {aud}"), json!({"sub": "alice", "aud": aud}), Ok("alice"));
    }
    for aud in [json!("x"), json!(["x"]), json!([""]), json!(7), json!(true), json!({"x": 1})] {
        list.claims(&format!("aud {aud}"), json!({"sub": "alice", "aud": aud}), Err(AudienceUnexpected));
    }
}

fn signatures(list: &mut List, good: &Value) {
    let signed = rs256(good);
    let parts: Vec<&str> = signed.split('.').collect();
    list.token("other key", &token("RS256", "rsa-other", good), Err(BadSignature));
    let forged = format!("{}.{}.{}", parts[0], b64(r#"{"sub":"mallory"}"#), parts[2]);
    list.token("other payload", &forged, Err(BadSignature));
    list.token("no signature", &format!("{}.{}.", parts[0], parts[1]), Err(BadSignature));
    let short = &sign("RS256", "rsa", format!("{}.{}", parts[0], parts[1]).as_bytes())[..248];
    list.token("short signature", &format!("{}.{}.{}", parts[0], parts[1], b64(short)), Err(BadSignature));
    let zero = format!("{}.{}.{}", parts[0], parts[1], b64([0; 256]));
    list.token("signature of zeros", &zero, Err(BadSignature));
    for alg in ["none", "RS384", "RS512", "PS256"] {
        list.token(&format!("alg {alg}"), &token(alg, "rsa", good), Err(AlgNotAllowed));
    }
    list.token("alg ES256", &token("ES256", "p256", good), Err(AlgNotAllowed));
    list.token("alg EdDSA", &token("EdDSA", "ed25519", good), Err(AlgNotAllowed));
    list.token("alg HS256 of the public key", &token("HS256", &public_key("rsa"), good), Err(AlgNotAllowed));
    list.token(
        "alg HS256 of the public key, trimmed",
        &token("HS256", public_key("rsa").trim(), good),
        Err(AlgNotAllowed),
    );
    for alg in
        [json!("None"), json!("NONE"), json!("rs256"), json!(null), json!(256), json!(["RS256"]), json!("")]
    {
        let header = json!({"typ": "JWT", "alg": alg}).to_string();
        list.token(
            &format!("alg {alg}, signed"),
            &jws("RS256", "rsa", header, good.to_string()),
            Err(AlgNotAllowed),
        );
    }
    list.token("no alg", &jws("RS256", "rsa", r#"{"typ":"JWT"}"#, good.to_string()), Err(AlgNotAllowed));
}

fn jose_headers(list: &mut List, good: &Value) {
    let mut header = |name: &str, header: &str, expected| {
        let token = jws("RS256", "rsa", header, good.to_string());
        let entry = match (expected, name) {
            (Err(HeaderNotJson), "alg twice, ours last" | "UTF-8 BOM" | "UTF-16") => Some("strict-json"),
            (Err(CriticalExtension), "crit b64 true") => Some("crit"),
            _ => None,
        };
        list.token(name, &token, expected).differs = entry;
    };
    for more in [
        r#""typ":"jwt""#,
        r#""typ":"at+jwt""#,
        r#""typ":5"#,
        r#""typ":null"#,
        r#""cty":"JWT""#,
        r#""kid":"k1""#,
        r#""kid":"""#,
        r#""jwk":{"kty":"RSA"}"#,
        r#""jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","x5c":[1]"#,
        r#""b64":true"#,
        r#""b64":0"#,
        r#""ver":1,"nested":{"a":[1,2]}"#,
    ] {
        header(more, &format!(r#"{{"alg":"RS256",{more}}}"#), Ok("alice"));
    }
    for (name, text, expected) in [
        ("white space", " {\"alg\" : \"RS256\"}\r\n", Ok("alice")),
        ("kid of a number", r#"{"alg":"RS256","kid":5}"#, Err(KidNotString)),
        ("kid null", r#"{"alg":"RS256","kid":null}"#, Err(KidNotString)),
        ("crit", r#"{"alg":"RS256","crit":["exp"],"exp":1}"#, Err(CriticalExtension)),
        ("crit empty", r#"{"alg":"RS256","crit":[]}"#, Err(CriticalExtension)),
        ("crit null", r#"{"alg":"RS256","crit":null}"#, Err(CriticalExtension)),
        ("crit b64 true", r#"{"alg":"RS256","crit":["b64"],"b64":true}"#, Err(CriticalExtension)),
        ("b64 false", r#"{"alg":"RS256","b64":false}"#, Err(UnencodedPayload)),
        ("b64 false, crit", r#"{"alg":"RS256","b64":false,"crit":["b64"]}"#, Err(CriticalExtension)),
        ("not JSON", "hello", Err(HeaderNotJson)),
        ("an array", r#"["RS256"]"#, Err(HeaderNotJson)),
        ("null", "null", Err(HeaderNotJson)),
        ("empty", "", Err(HeaderNotJson)),
        ("alg twice, ours last", r#"{"alg":"none","alg":"RS256"}"#, Err(HeaderNotJson)),
        ("alg twice, ours first", r#"{"alg":"RS256","alg":"none"}"#, Err(HeaderNotJson)),
        ("UTF-8 BOM", "\u{feff}{\"alg\":\"RS256\"}", Err(HeaderNotJson)),
    ] {
        header(name, text, expected);
    }
    let attacker = r#"{"alg":"RS256","jwk":{"kty":"RSA","n":"AQAB","e":"AQAB"}}"#;
    list.token("own key in jwk", &jws("RS256", "rsa-other", attacker, good.to_string()), Err(BadSignature));
    let utf_16: Vec<u8> = r#"{"alg":"RS256"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    list.token("UTF-16", &jws("RS256", "rsa", utf_16, good.to_string()), Err(HeaderNotJson))
        .differs("strict-json");
    list.token(
        "not UTF-8",
        &jws("RS256", "rsa", b"{\"alg\":\"RS256\",\"x\":\"\xff\"}", good.to_string()),
        Err(HeaderNotJson),
    );
}

fn payloads(list: &mut List, now: u64) {
    for (name, payload, expected, entry) in [
        (
            "sub twice",
            r#"{"sub":"first","sub":"second"}"#.to_owned(),
            Err(ClaimsNotJson),
            Some("strict-json"),
        ),
        (
            "exp twice, past first",
            format!(r#"{{"sub":"alice","exp":1,"exp":{}}}"#, now + 600),
            Err(ClaimsNotJson),
            Some("strict-json"),
        ),
        (
            "exp twice, past last",
            format!(r#"{{"sub":"alice","exp":{},"exp":1}}"#, now + 600),
            Err(ClaimsNotJson),
            None,
        ),
        (
            "names twice, nested",
            r#"{"sub":"alice","x":{"a":1,"a":2}}"#.into(),
            Err(ClaimsNotJson),
            Some("strict-json"),
        ),
        ("escaped name", r#"{"\u0073ub":"alice"}"#.into(), Ok("alice"), None),
        ("white space", " \n\t{\"sub\" : \"alice\"} \r\n".into(), Ok("alice"), None),
        ("8 KiB", format!(r#"{{"sub":"alice","x":"{}"}}"#, "y".repeat(8192)), Ok("alice"), None),
        (
            "over 16 KiB",
            format!(r#"{{"sub":"alice","x":"{}"}}"#, "y".repeat(12_500)),
            Err(TokenTooLong),
            Some("size"),
        ),
        (
            "depth 100",
            format!(r#"{{"sub":"alice","x":{}{}}}"#, "[".repeat(100), "]".repeat(100)),
            Ok("alice"),
            None,
        ),
        (
            "depth 200",
            format!(r#"{{"sub":"alice","x":{}{}}}"#, "[".repeat(200), "]".repeat(200)),
            Err(ClaimsNotJson),
            Some("size"),
        ),
        (
            "depth 5000",
            format!(r#"{{"sub":"alice","x":{}{}}}"#, "[".repeat(5000), "]".repeat(5000)),
            Err(ClaimsNotJson),
            None,
        ),
        ("5000 digits", format!(r#"{{"sub":"alice","x":{}}}"#, "9".repeat(5000)), Err(ClaimsNotJson), None),
        ("exp 1e400", r#"{"sub":"alice","exp":1e400}"#.into(), Err(ClaimsNotJson), None),
        ("exp NaN", r#"{"sub":"alice","exp":NaN}"#.into(), Err(ClaimsNotJson), None),
        ("exp Infinity", r#"{"sub":"alice","exp":Infinity}"#.into(), Err(ClaimsNotJson), None),
        ("NaN", r#"{"sub":"alice","x":NaN}"#.into(), Err(ClaimsNotJson), Some("strict-json")),
        ("UTF-8 BOM", "\u{feff}{\"sub\":\"alice\"}".into(), Err(ClaimsNotJson), Some("strict-json")),
        ("not JSON", "hello".into(), Err(ClaimsNotJson), None),
        ("an array", r#"["sub","alice"]"#.into(), Err(ClaimsNotJson), None),
        ("a string", r#""alice""#.into(), Err(ClaimsNotJson), None),
        ("null", "null".into(), Err(ClaimsNotJson), None),
        ("empty", String::new(), Err(ClaimsNotJson), None),
        ("empty object", "{}".into(), Err(NoUserIdClaim), None),
        ("trailing comma", r#"{"sub":"alice",}"#.into(), Err(ClaimsNotJson), None),
        ("trailing text", r#"{"sub":"alice"} x"#.into(), Err(ClaimsNotJson), None),
        ("two objects", r#"{"sub":"alice"}{"sub":"bob"}"#.into(), Err(ClaimsNotJson), None),
        ("a comment", r#"{"sub":"alice"/*x*/}"#.into(), Err(ClaimsNotJson), None),
        ("single quotes", "{'sub':'alice'}".into(), Err(ClaimsNotJson), None),
        ("raw line feed", "{\"sub\":\"al\nice\"}".into(), Err(ClaimsNotJson), None),
        ("leading zero", r#"{"sub":"alice","x":01}"#.into(), Err(ClaimsNotJson), None),
        ("lone surrogate", r#"{"sub":"a\ud800b"}"#.into(), Err(ClaimsNotJson), Some("crash")),
    ] {
        list.payload(name, payload, expected).differs = entry;
    }
    let utf_16: Vec<u8> = r#"{"sub":"alice"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    list.payload("UTF-16", utf_16, Err(ClaimsNotJson)).differs("strict-json");
    list.payload("not UTF-8", b"{\"sub\":\"al\xffice\"}", Err(ClaimsNotJson));
}

fn user_ids(list: &mut List) {
    for sub in [
        "inner space",
        "auth0|5f:x",
        "alice, bob",
        "a%20b",
        "a\"b\\c",
        "/buckets/b/groups/g",
        "kinto_jwt:alice",
        "account:admin",
        "public",
        "system.everyone",
    ] {
        list.claims(&format!("sub {sub}"), json!({"sub": sub}), Ok(sub));
    }
    list.claims("sub of 1000 characters", json!({"sub": "a".repeat(1000)}), Ok(&"a".repeat(1000)));
    for (sub, expected) in [
        ("ålice", UserIdNotAscii),
        ("ÿ", UserIdNotAscii),
        ("日本", UserIdNotAscii),
        ("a😀b", UserIdNotAscii),
        ("a\u{30a}lice", UserIdNotAscii),
        ("al\nice", UserIdControl),
        ("alice\r\nuserId: admin", UserIdControl),
        ("al\0ice", UserIdControl),
        ("al\tice", UserIdControl),
        ("al\u{7f}ice", UserIdControl),
        ("al\u{85}ice", UserIdControl),
        ("  alice  ", UserIdOuterSpace),
        (" ", UserIdOuterSpace),
        ("\u{a0}alice", UserIdOuterSpace),
        ("", UserIdEmpty),
    ] {
        list.claims(&format!("sub {sub:?}"), json!({"sub": sub}), Err(expected)).differs("user-id");
    }
    list.claims("no sub", json!({"x": 1}), Err(NoUserIdClaim));
    list.claims("Sub", json!({"Sub": "alice"}), Err(NoUserIdClaim));
    for sub in [json!(null), json!(42), json!(0), json!(1.5), json!(true), json!({"id": "a"}), json!(["a"])] {
        list.claims(&format!("sub {sub}"), json!({"sub": sub}), Err(SubjectNotString));
    }
}

fn encodings(list: &mut List, good: &Value) {
    let signed = rs256(good);
    let parts: Vec<&str> = signed.split('.').collect();
    let pad = |text: &str| format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
    let input = format!("{}.{}", pad(&b64(r#"{"alg":"RS256"} "#)), pad(&b64(r#"{"sub":"alice"}"#)));
    let padded = format!("{input}.{}", pad(&b64(sign("RS256", "rsa", input.as_bytes()))));
    list.token("padding", &padded, Err(NotBase64Url)).differs("padding");
    let padded = format!("{}.{}.{}", parts[0], parts[1], pad(parts[2]));
    list.token("padded signature", &padded, Err(NotBase64Url)).differs("padding");
    let last = signed.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let other = alphabet.chars().nth(alphabet.find(last).unwrap() ^ 1).unwrap();
    for (name, token, expected) in [
        ("unused bits set", format!("{}{other}", &signed[..signed.len() - 1]), Err(NotBase64Url)),
        ("leading dot", format!(".{signed}"), Err(NotThreeParts)),
        ("trailing dot", format!("{signed}."), Err(NotThreeParts)),
        ("four parts", format!("{signed}.abcd"), Err(NotThreeParts)),
        ("five parts", "a.b.c.d.e".to_owned(), Err(NotThreeParts)),
        ("two parts", format!("{}.{}", parts[0], parts[1]), Err(NotThreeParts)),
        ("one part", parts[0].to_owned(), Err(NotThreeParts)),
        ("trailing text", format!("{signed} junk"), Err(NotBase64Url)),
        ("trailing comma", format!("{signed},"), Err(MultipleTokens)),
        ("trailing semicolon", format!("{signed};"), Err(NotBase64Url)),
        (
            "junk inside",
            format!("{}!{}", &signed[..signed.len() - 5], &signed[signed.len() - 5..]),
            Err(NotBase64Url),
        ),
        ("in quotes", format!("\"{signed}\""), Err(NotBase64Url)),
        ("percent-encoded dots", signed.replace('.', "%2E"), Err(NotThreeParts)),
        (
            "JSON serialization",
            json!({"protected": parts[0], "payload": parts[1]}).to_string(),
            Err(MultipleTokens),
        ),
        ("null", "null".into(), Err(NotThreeParts)),
        ("dots", "..".into(), Err(HeaderNotJson)),
        ("letters", "a.b.c".into(), Err(NotBase64Url)),
    ] {
        list.token(name, &token, expected);
    }
}

fn user_id_claims(list: &mut List, claim: &str, now: u64) {
    let with = |value: Value| json!({"sub": "alice", claim: value});
    if claim == "exp" {
        list.claims("exp", with(json!(now + 600)), Ok(&(now + 600).to_string()));
        list.claims("no exp", json!({"sub": "alice"}), Err(NoUserIdClaim));
        return;
    }
    for (value, expected, entry) in [
        (json!("bob"), Ok("bob"), None),
        (json!(42), Ok("42"), None),
        (json!(0), Ok("0"), None),
        (json!(-3), Ok("-3"), None),
        (json!(12_345_678_901_234_567_890_u64), Ok("12345678901234567890"), None),
        (json!(true), Ok("True"), None),
        (json!(false), Ok("False"), None),
        (json!(1.5), Err(UserIdType), Some("user-id-type")),
        (json!(null), Err(UserIdType), Some("user-id-type")),
        (json!({"id": "x"}), Err(UserIdType), Some("crash")),
        (json!(["x"]), Err(UserIdType), Some("crash")),
        (json!(""), Err(UserIdEmpty), Some("user-id")),
        (json!("ålice"), Err(UserIdNotAscii), Some("user-id")),
        (json!("日本"), Err(UserIdNotAscii), Some("user-id")),
        (json!("a\nb"), Err(UserIdControl), Some("user-id")),
    ] {
        list.claims(&format!("{claim} {value}"), with(value), expected).differs = entry;
    }
    list.claims("not there", json!({"sub": "alice"}), Err(NoUserIdClaim));
    list.claims("sub of a number", json!({"sub": 5, claim: "bob"}), Err(SubjectNotString));
    list.claims("other case", json!({"sub": "alice", claim.to_uppercase(): "bob"}), Err(NoUserIdClaim));
    if claim == "user.id" {
        list.claims("nested", json!({"sub": "alice", "user": {"id": "bob"}}), Err(NoUserIdClaim));
    }
    let huge = format!(r#"{{"sub":"alice","{claim}":{}}}"#, "9".repeat(30));
    list.payload("30 digits", huge, Err(UserIdType)).differs("user-id-type");
}

fn algorithm(list: &mut List, alg: &str, key: &str, good: &Value) {
    list.headers("no token", vec![], Err(NoToken));
    list.token("good", &token(alg, key, good), Ok("alice"));
    list.token("alg none", &token("none", "", good), Err(AlgNotAllowed));
    if alg != "RS256" {
        list.token("RS256", &rs256(good), Err(AlgNotAllowed));
    }
    let other = match alg {
        "ES256" => "p256-other",
        "ES384" | "EdDSA" => "",
        _ => "rsa-other",
    };
    if !other.is_empty() {
        list.token("other key", &token(alg, other, good), Err(BadSignature));
    }
    let signed = token(alg, key, good);
    let (input, signature) = signed.rsplit_once('.').unwrap();
    for zeros in [0, 32, 64, 96, 256] {
        list.token(&format!("{zeros} zeros"), &format!("{input}.{}", b64(vec![0; zeros])), Err(BadSignature));
    }
    let longer = [URL_SAFE_NO_PAD.decode(signature).unwrap(), vec![0]].concat();
    list.token("a byte more", &format!("{input}.{}", b64(longer)), Err(BadSignature));
    if alg == "ES256" {
        let der = sign("ES256-DER", key, input.as_bytes());
        list.token("DER signature", &format!("{input}.{}", b64(der)), Err(BadSignature));
    }
}

fn secret(list: &mut List, alg: &str, good: &Value) {
    list.token("good", &token(alg, SECRET, good), Ok("alice"));
    list.token("other secret", &token(alg, &SECRET.replace('c', "d"), good), Err(BadSignature));
    list.token("secret and a line feed", &token(alg, &format!("{SECRET}\n"), good), Err(BadSignature));
    list.token("empty secret", &token(alg, "", good), Err(BadSignature));
    for other in ["HS256", "HS384", "HS512"].into_iter().filter(|other| *other != alg) {
        list.token(other, &token(other, SECRET, good), Err(AlgNotAllowed));
    }
    list.token("RS256", &rs256(good), Err(AlgNotAllowed));
    let signed = token(alg, SECRET, good);
    let (input, _) = signed.rsplit_once('.').unwrap();
    let tag = sign(alg, SECRET, input.as_bytes());
    list.token("half a tag", &format!("{input}.{}", b64(&tag[..16])), Err(BadSignature));
}
