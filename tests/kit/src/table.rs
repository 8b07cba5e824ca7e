//! The decision table: every rule of who a request is, as one list of requests and answers.
//!
//! It runs natively at a fixed time, through the real Envoy to the real Kinto, and against the real
//! `kinto_jwt`; `differs` names the entry of docs/kinto_jwt.md where `kinto_jwt` answers otherwise.
//! Here is what a row is; the rows are in the folder `table`, each file one subject.

mod attacks;
mod claims;
mod failures;
mod issuers;
mod key_forms;
mod key_sets;
mod kinto_jwt;
mod places;
mod rules;
mod several_policies;
mod signatures;

use std::borrow::Cow;

use kinto_jwt_filter::{Cause, Outcome, Rejection, Request};
use serde_json::{Value, json};

use crate::http::{Headers, authorization};
use crate::tokens::{jws, public_key, rs256};

const AUTH0: &str = "https://kinto.auth0.example/";
const KEYCLOAK: &str = "https://keycloak.example/realms/kinto";

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
pub fn settings_with(more: Value) -> Value {
    let mut settings = json!({"public_key": public_key("rsa")});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    settings
}

/// Adds a policy that `kinto_jwt` does not have.
fn add_policy(policies: &mut Vec<Policy>, name: &'static str, settings: Value, fill: impl FnOnce(&mut List)) {
    let mut list = List(Vec::new());
    fill(&mut list);
    policies.push(Policy { name, settings, cases: list.0, is_of_kinto_jwt: false });
}

/// The table for tokens that are used at the time `now`.
pub fn policies(now: u64) -> Vec<Policy> {
    let mut policies = kinto_jwt::policies(now);
    key_sets::key_sets(&mut policies, now);
    issuers::published(&mut policies, now);
    key_forms::certificates(&mut policies, now);
    key_forms::without_kid(&mut policies, now);
    key_forms::curves(&mut policies, now);
    key_forms::padding(&mut policies, now);
    rules::rules(&mut policies, now);
    several_policies::several(&mut policies, now);
    several_policies::defaults(&mut policies, now);
    failures::causes(&mut policies, now);
    places::of_from(&mut policies, now);
    claims::charsets(&mut policies);
    attacks::attacks(&mut policies, now);
    policies
}
