//! The requests that are sent before and after a migration, and the differences that each may show.

use serde_json::{Value, json};

use kit::http::{Headers, header};
use kit::tokens::{b64, jws, sign, token};

use crate::files::IniFile;

/// Differences that every request with a token may show.
const OF_TOKENS: [&str; 6] =
    ["verify", "algorithm-list", "certificate", "scheme-list", "authorization-case", "shared-scheme"];

/// A request, and the codes of the differences that it may show.
pub(crate) struct Request {
    pub(crate) name: String,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) headers: Headers,
    pub(crate) body: String,
    pub(crate) codes: Vec<&'static str>,
}

/// The tokens and headers that the settings of a file ask for.
struct Issuer<'f> {
    key: &'f str,
    algorithm: String,
    header: String,
    scheme: String,
    claim: String,
    /// The claims of a good token.
    good: Value,
}

/// The first text of a setting that may be a list.
fn first(value: Option<&Value>, default: &str) -> String {
    let value = match value {
        Some(Value::Array(items)) => items.first(),
        value => value,
    };
    value.and_then(Value::as_str).unwrap_or(default).to_owned()
}

impl<'f> Issuer<'f> {
    fn new(file: &'f IniFile, now: u64) -> Self {
        let settings = file.settings().unwrap();
        let policies = settings["multiauth.policies"].as_str().unwrap().split_whitespace();
        let class = |name: &&str| {
            let class = settings.get(&format!("multiauth.policy.{name}.use"));
            class.and_then(Value::as_str).is_some_and(|class| class.starts_with("kinto_jwt"))
        };
        let policy = policies.into_iter().find(class).unwrap();
        let setting = |name: &str| settings.get(&format!("multiauth.policy.{policy}.{name}"));
        let claim = first(setting("userIdTokenKey"), "sub");
        let mut good = json!({"sub": "somebody", "exp": now + 600, &claim: "alice"});
        if let Some(audience) = setting("audience").filter(|audience| !audience.is_null()) {
            good["aud"] = json!(first(Some(audience), ""));
        }
        Self {
            key: file.key(),
            algorithm: first(setting("algorithm"), "RS256"),
            header: first(setting("http_header"), "Authorization").replace('_', "-"),
            scheme: first(setting("auth_type"), "JWT"),
            claim,
            good,
        }
    }

    fn has_scheme(&self) -> bool {
        self.header.eq_ignore_ascii_case("Authorization")
    }

    /// A token of the good claims with these in their place; `null` takes a claim away.
    fn token(&self, claims: &Value) -> String {
        token(&self.algorithm, self.key, &self.claims(claims))
    }

    fn claims(&self, other: &Value) -> Value {
        let mut claims = self.good.clone();
        for (name, value) in other.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| *value != json!("absent"));
        claims
    }

    /// A token that another key has signed, or whose signature is of another token.
    fn forged(&self) -> String {
        match self.key {
            "rsa" | "p256" | "p521" => {
                token(&self.algorithm, &format!("{}-other", self.key), &self.claims(&json!({})))
            }
            _ => {
                let (good, other) = (self.token(&json!({})), self.token(&json!({"x": 1})));
                format!("{}.{}", good.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1)
            }
        }
    }

    fn header(&self, token: &str) -> Headers {
        let scheme = if self.has_scheme() { format!("{} ", self.scheme) } else { String::new() };
        vec![header(&self.header, format!("{scheme}{token}"))]
    }
}

struct List(Vec<Request>);

impl List {
    fn get(&mut self, name: &str, path: &'static str, headers: Headers, codes: &[&'static str]) {
        let (name, codes) = (name.to_owned(), codes.to_vec());
        self.0.push(Request { name, method: "GET", path, headers, body: String::new(), codes });
    }

    fn token(&mut self, name: &str, headers: Headers, codes: &[&'static str]) {
        self.get(name, "/v1/", headers, &[codes, &OF_TOKENS].concat());
    }

    fn batch(&mut self, name: &str, headers: Headers, body: String, codes: &[&'static str]) {
        let headers = [headers, vec![header("Content-Type", "application/json")]].concat();
        let codes = [codes, &OF_TOKENS].concat();
        self.0.push(Request {
            name: name.to_owned(),
            method: "POST",
            path: "/v1/batch",
            headers,
            body,
            codes,
        });
    }
}

/// The requests for a file.
pub(crate) fn requests(file: &IniFile, now: u64) -> Vec<Request> {
    let issuer = Issuer::new(file, now);
    let mut list = List(Vec::new());
    let good = issuer.header(&issuer.token(&json!({})));
    list.token("good", good.clone(), &[]);
    without_token(&mut list, &good);
    claims(&mut list, &issuer, now);
    forms(&mut list, &issuer);
    schemes(&mut list, &issuer);
    batches(&mut list, &issuer, &good);
    list.0
}

fn without_token(list: &mut List, good: &Headers) {
    let basic = vec![header("Authorization", "Basic YWxpY2U6cHc=")];
    let own = vec![header("userId", "mallory")];
    list.get("no token", "/v1/", vec![], &[]);
    list.get("a password", "/v1/", basic.clone(), &["policy-order", "shared-scheme"]);
    let bearer = vec![header("Authorization", "Bearer opaque")];
    list.get("a bearer", "/v1/", bearer, &["policy-order", "shared-scheme"]);
    list.get("another scheme", "/v1/", vec![header("Authorization", "Other abc")], &[]);
    list.get("own userId", "/v1/", own.clone(), &[]);
    list.token("own userId, good token", [own, good.clone()].concat(), &[]);
    if good[0].0.eq_ignore_ascii_case("Authorization") {
        let second = header("Authorization", "");
        list.token("good and an empty one", [good.clone(), vec![second]].concat(), &["second-empty"]);
    } else {
        list.token("good and a password", [good.clone(), basic].concat(), &["policy-order"]);
    }
    list.get("a slash at the end", "/v1/buckets/", vec![], &["redirects"]);
    list.get("no version", "/buckets", vec![], &["redirects"]);
    list.get("buckets", "/v1/buckets", good.clone(), &OF_TOKENS);
}

fn claims(list: &mut List, issuer: &Issuer<'_>, now: u64) {
    let claim = issuer.claim.as_str();
    for (name, claims, codes) in [
        ("expired 10 s ago", json!({"exp": now - 10}), vec![]),
        ("expired an hour ago", json!({"exp": now - 3600}), vec![]),
        ("no exp", json!({"exp": "absent"}), vec![]),
        ("nbf in an hour", json!({"nbf": now + 3600}), vec![]),
        ("iat in 10 s", json!({"iat": now + 20}), vec![]),
        ("iat in an hour", json!({"iat": now + 3600}), vec![]),
        ("another audience", json!({"aud": "elsewhere"}), vec![]),
        ("no audience", json!({"aud": "absent"}), vec![]),
        ("several audiences", json!({"aud": ["x", "app"]}), vec![]),
        ("no user", json!({claim: "absent"}), vec![]),
        ("a user in a claim", json!({claim: "absent", "user": {"id": "bob"}}), vec!["pointer"]),
        ("user 42", json!({claim: 42}), vec![]),
        ("user true", json!({claim: true}), vec![]),
        ("user 1.5", json!({claim: 1.5}), vec!["user-id-type"]),
        ("user null", json!({claim: null}), vec!["user-id-type"]),
        ("user of a list", json!({claim: ["alice"]}), vec!["crash"]),
        ("user of nothing", json!({claim: ""}), vec!["user-id"]),
        ("user beyond ASCII", json!({claim: "ålice"}), vec!["user-id"]),
        ("user with spaces", json!({claim: " alice "}), vec!["user-id"]),
        ("exp as text", json!({"exp": (now + 600).to_string()}), vec!["text-dates"]),
        ("nbf below 0", json!({"nbf": -5}), vec!["negative-dates"]),
        ("large", json!({"x": "y".repeat(13_000)}), vec!["size"]),
    ] {
        list.token(name, issuer.header(&issuer.token(&claims)), &codes);
    }
}

fn forms(list: &mut List, issuer: &Issuer<'_>) {
    let (alg, key) = (issuer.algorithm.as_str(), issuer.key);
    let claims = issuer.claims(&json!({})).to_string();
    let head = |more: &str| format!(r#"{{"typ":"JWT","alg":"{alg}"{more}}}"#);
    let signed = |header: &str, claims: &str| issuer.header(&jws(alg, key, header, claims));
    list.token("another key", issuer.header(&issuer.forged()), &[]);
    let none = token("none", "", &issuer.claims(&json!({})));
    list.token("alg none", issuer.header(&none), &[]);
    list.token("junk", issuer.header("a.b.c"), &[]);
    let twice = claims.replacen('{', r#"{"x":1,"x":2,"#, 1);
    list.token("a name twice", signed(&head(""), &twice), &["strict-json"]);
    list.token("crit", signed(&head(r#","crit":["b64"],"b64":true"#), &claims), &["crit"]);
    let bound = issuer.claims(&json!({"cnf": {"jkt": ""}})).to_string();
    list.token("bound to a key", signed(&head(""), &bound), &["bound-token"]);
    let half = issuer.claims(&json!({&issuer.claim: "HALF"})).to_string().replace("HALF", r"a\ud800");
    list.token("half a pair", signed(&head(""), &half), &["crash"]);
    let pad = |text: String| format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
    // White space makes each part one that needs padding.
    let input = format!("{}.{}", pad(b64(head("  "))), pad(b64(&claims)));
    let padded = format!("{input}.{}", pad(b64(sign(alg, key, input.as_bytes()))));
    list.token("padding", issuer.header(&padded), &["padding"]);
    if alg == "EdDSA" {
        list.token("the other name", signed(r#"{"alg":"Ed25519"}"#, &claims), &["ed25519"]);
    }
}

fn schemes(list: &mut List, issuer: &Issuer<'_>) {
    let good = issuer.token(&json!({}));
    let in_authorization = |text: String| vec![header("Authorization", text)];
    list.token("without a scheme", in_authorization(good.clone()), &[]);
    list.token("the scheme Token", in_authorization(format!("Token {good}")), &[]);
    if issuer.has_scheme() {
        let lower = issuer.scheme.to_lowercase();
        let other = if lower == issuer.scheme { issuer.scheme.to_uppercase() } else { lower };
        list.token("another case", in_authorization(format!("{other} {good}")), &["scheme-case"]);
    }
}

fn batches(list: &mut List, issuer: &Issuer<'_>, good: &Headers) {
    let (name, value) = &issuer.header(&issuer.token(&json!({&issuer.claim: "bob"})))[0];
    let bobs = json!({name: String::from_utf8(value.clone()).unwrap()});
    let parts = json!({"defaults": {"method": "GET", "path": "/v1/"}, "requests": [
        {},
        {"headers": {"userId": "mallory"}},
        {"headers": bobs},
        {"headers": {"Authorization": "Basic YWxpY2U6cHc="}},
        {"path": "/v1/buckets"},
    ]});
    let codes = &["policy-order", "shared-scheme"];
    list.batch("a batch", good.clone(), parts.to_string(), codes);
    list.batch("a batch without a token", vec![], parts.to_string(), codes);
    let many = json!({"requests": vec![json!({"path": "/v1/"}); 27]});
    list.batch("27 requests", good.clone(), many.to_string(), &[]);
    let twice = r#"{"requests":[],"requests":[{"path":"/v1/"}]}"#;
    list.batch("a batch with a name twice", good.clone(), twice.to_owned(), &["batch"]);
}
