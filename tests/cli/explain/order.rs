//! The steps are in the order of the filter: a token that breaks every rule is mended, one rule after the other.

use serde_json::{Map, Value, json};

use super::{Asked, Files};
use kit::servers::project;
use kit::tokens::{SECRET, b64, jwk, jws, sha256, sign, x5c};

/// 2026-11-24T10:00:00Z.
const NOW: u64 = 1_795_514_400;

/// In each token, and in no output.
const MARKER: &str = "marker-of-what-nobody-asked-for";

/// A request, of which each part can be mended.
struct Broken {
    /// What is sent beside the token, or in its place.
    cookie: bool,
    authorization: Option<&'static str>,
    padding: String,
    more_parts: &'static str,
    raw_header: Option<&'static str>,
    raw_claims: Option<String>,
    header: Value,
    claims: Value,
    alg: &'static str,
    key: &'static str,
}

impl Broken {
    /// Breaks every rule of [`settings`].
    fn new() -> Self {
        Self {
            cookie: true,
            authorization: Some(""),
            padding: "x".repeat(16_400),
            more_parts: ".e30",
            raw_header: Some("!"),
            raw_claims: Some("!".to_owned()),
            header: json!({
                "typ": "JWT", "crit": ["x"], "b64": false, "kid": 5, "alg": "HS256", "signer": MARKER, "more": MARKER,
            }),
            claims: json!({
                "iss": "https://other.example", "aud": "other", "exp": "soon", "nbf": NOW + 500, "iat": NOW + 500,
                "sub": 5, "jti": 5, "realm": "other", "scope": "read", "team": "red", "more": MARKER,
                "cnf": {"jkt": MARKER},
                "nested": {"more": [MARKER]},
            }),
            alg: "HS256",
            key: SECRET,
        }
    }

    fn token(&self) -> String {
        let header = self.raw_header.map_or_else(|| b64(self.header.to_string()), str::to_owned);
        let claims = self.raw_claims.clone().unwrap_or_else(|| b64(self.claims.to_string()));
        let input = format!("{header}.{claims}");
        let signature = b64(sign(self.alg, self.key, input.as_bytes()));
        format!("{input}.{signature}{}{}", self.more_parts, self.padding)
    }

    fn asked(&self, asked: &Asked) -> Asked {
        let mut asked = asked.clone();
        match self.authorization {
            Some(value) => asked = asked.and("--header").and(format!("Authorization: {value}")),
            None => asked = asked.and("--header").and(format!("Authorization: Bearer {}", self.token())),
        }
        if self.cookie && self.authorization.is_none() {
            asked = asked.and("--header").and(format!("Cookie: t={}", jws("none", "", "{}", "{}")));
        }
        asked
    }

    fn claim(&mut self, name: &str, value: Value) {
        self.claims[name] = value;
    }
}

fn settings() -> Value {
    json!({
        "jwks": {"keys": [jwk("a", "rsa"), jwk("b", "rsa-other"), jwk("c", "p256")]},
        "algorithm": ["RS256", "ES256"],
        "from": [{"header": "Authorization", "schemes": ["Bearer"]}, {"cookie": "t"}],
        "typ": "at+jwt",
        "requiredParameters": {"signer": "gateway"},
        "issuer": "https://issuer.example",
        "audience": "kinto",
        "requireExp": true,
        "maxAgeSeconds": 600,
        "maxLifetimeSeconds": 3600,
        "requiredClaims": {"realm": "kinto"},
        "requiredScopes": ["write"],
        "refusedClaims": {"team": ["red"]},
        "boundTokens": "verify",
        "issuedAfter": "2026-11-24T09:55:00Z",
        "userIdTokenKey": "name",
    })
}

/// What is mended, and the code and the step of what is refused next.
type Mend = (fn(&mut Broken), &'static str, &'static str);

const MENDS: [Mend; 44] = [
    (|_| {}, "no_token", "place"),
    (|b| b.authorization = Some("Basic YTpi"), "foreign_scheme", "place"),
    (|b| b.authorization = None, "token_too_long", "place"),
    (|b| b.padding.clear(), "multiple_tokens", "place"),
    (|b| b.cookie = false, "not_three_parts", "three parts"),
    (|b| b.more_parts = "", "not_base64url", "header"),
    (|b| b.raw_header = Some("bnVsbA"), "header_not_json", "header"),
    (|b| b.raw_header = None, "critical_extension", "crit, b64, kid"),
    (|b| drop(object(&mut b.header).remove("crit")), "unencoded_payload", "crit, b64, kid"),
    (|b| drop(object(&mut b.header).remove("b64")), "kid_not_string", "crit, b64, kid"),
    (|b| b.header["kid"] = json!("x"), "not_base64url", "base64url"),
    (|b| b.raw_claims = Some("W10".to_owned()), "typ_mismatch", "typ"),
    (|b| b.header["typ"] = json!("at+jwt"), "alg_not_allowed", "alg"),
    (
        |b| {
            (b.alg, b.key) = ("RS256", "rsa-other");
            b.header["alg"] = json!("RS256");
        },
        "kid_unknown",
        "key",
    ),
    (|b| b.header["kid"] = json!("c"), "alg_not_allowed", "key"),
    (|b| drop(object(&mut b.header).remove("kid")), "kid_missing", "key"),
    (|b| b.header["kid"] = json!("a"), "bad_signature", "signature"),
    (|b| b.key = "rsa", "claims_not_json", "claims"),
    (|b| b.raw_claims = None, "parameter_mismatch", "requiredParameters"),
    (|b| b.header["signer"] = json!("gateway"), "issuer_unknown", "iss"),
    (|b| b.claim("iss", json!("https://issuer.example")), "not_numeric_date", "dates"),
    (|b| b.claim("exp", json!(NOW - 10)), "issued_in_future", "iat"),
    (|b| drop(object(&mut b.claims).remove("iat")), "not_yet_valid", "nbf"),
    (|b| drop(object(&mut b.claims).remove("nbf")), "expired", "exp"),
    (|b| drop(object(&mut b.claims).remove("exp")), "iat_missing", "maxAgeSeconds"),
    (|b| b.claim("iat", json!(NOW - 900)), "too_old", "maxAgeSeconds"),
    (|b| b.claim("iat", json!(NOW - 400)), "exp_missing", "maxLifetimeSeconds"),
    (|b| b.claim("exp", json!(NOW + 9_000)), "lifetime_too_long", "maxLifetimeSeconds"),
    (|b| b.claim("exp", json!(NOW + 90)), "audience_mismatch", "aud"),
    (|b| drop(object(&mut b.claims).remove("aud")), "audience_missing", "aud"),
    (|b| b.claim("aud", json!(["x", "kinto"])), "subject_not_string", "sub"),
    (|b| b.claim("sub", json!(MARKER)), "jwt_id_not_string", "jti"),
    (|b| b.claim("jti", json!(MARKER)), "claim_mismatch", "requiredClaims"),
    (|b| b.claim("realm", json!("kinto")), "scope_missing", "requiredScopes"),
    (|b| b.claim("scope", json!("read write")), "issued_too_early", "issuedAfter"),
    (|b| b.claim("iat", json!(NOW - 100)), "claim_refused", "refusedClaims"),
    (|b| b.claim("team", json!("blue")), "token_bound", "cnf"),
    (|b| b.claim("cnf", json!({"x5t#S256": sha256(&x5c("rsa"))})), "no_user_id_claim", "user id"),
    (|b| b.claim("name", json!(["alice"])), "user_id_type", "user id"),
    (|b| b.claim("name", json!("")), "user_id_empty", "user id"),
    (|b| b.claim("name", json!("alice\u{1b}")), "user_id_control", "user id"),
    (|b| b.claim("name", json!("alice ")), "user_id_outer_space", "user id"),
    (|b| b.claim("name", json!("zoë")), "user_id_not_ascii", "user id"),
    (|b| b.claim("name", json!("alice")), "token_bound_elsewhere", "client certificate"),
];

fn object(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().unwrap()
}

/// The index of the step that refuses. All before it are passed, and none after it is reached.
fn refused_at(report: &Value) -> usize {
    let rows = report["steps"].as_array().unwrap();
    let marks: Vec<&str> = rows.iter().map(|row| row["mark"].as_str().unwrap()).collect();
    let at = marks.iter().position(|mark| *mark == "refused").unwrap();
    assert!(marks[..at].iter().all(|mark| *mark == "ok"), "{marks:?}");
    assert!(marks[at + 1..].iter().all(|mark| *mark == "-"), "{marks:?}");
    assert_eq!(rows[at]["step"], report["refused"]["step"]);
    at
}

#[test]
fn the_steps_only_go_forward_while_a_token_is_mended() {
    let files = Files::new();
    let asked = Asked::new(&files.settings("strict", &settings()), NOW);
    let mut broken = Broken::new();
    let mut before = 0;
    for (number, (mend, code, step)) in MENDS.into_iter().enumerate() {
        mend(&mut broken);
        let asked = broken.asked(&asked);
        let (_, report) = asked.report();
        assert_eq!(
            (&report["refused"]["code"], &report["refused"]["step"]),
            (&json!(code), &json!(step)),
            "{number}"
        );
        let at = refused_at(&report);
        assert!(at >= before, "{code} is at step {at}, after step {before}");
        before = at;
        shows_no_marker(&asked, &broken.token());
    }
    let of_another = broken.asked(&with_certificate(&asked, "rsa-other"));
    assert_eq!(of_another.report().1["refused"]["code"], "token_bound_elsewhere");
    let asked = broken.asked(&with_certificate(&asked, "rsa"));
    let (code, report) = asked.report();
    assert_eq!((code, &report["user"]), (0, &json!("alice")));
    assert!(report["steps"].as_array().unwrap().iter().all(|row| row["mark"] == "ok"));
    shows_no_marker(&asked, &broken.token());
}

/// The same request over a connection with this certificate of `tests/keys`.
fn with_certificate(asked: &Asked, name: &str) -> Asked {
    asked.clone().and("--client-certificate").and(project(&format!("tests/keys/{name}.cert.pem")))
}

/// No form of the output has the token, its signature or a claim that nobody asked for.
fn shows_no_marker(asked: &Asked, token: &str) {
    for format in ["text", "brief", "json"] {
        let done = asked.clone().and("--format").and(format).explain();
        let shown = format!("{}{}", done.out, done.err);
        let parts = token.split('.').filter(|part| part.len() > 10);
        for secret in parts.chain([token, MARKER]) {
            assert!(!shown.contains(secret), "{secret} is in {shown}");
        }
    }
}
