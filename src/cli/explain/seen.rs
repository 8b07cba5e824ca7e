//! What each step of a decision looks at, in numbers and words, read from the token and from the configuration.
//!
//! Of claims only those are shown that the decision uses: `iss`, `aud`, the times, and those that settings name.

use serde_json::Value;

use crate::cli::explain::rules::{members, rule};
use crate::cli::explain::shown::{list, printable, quoted, value};
use crate::cli::explain::step::{Circumstances, Step};
use crate::cli::in_words;
use crate::gate::choose::Chosen;
use crate::gate::config::Config;
use crate::gate::policy::{Policy, Verification};
use crate::json;
use crate::keys::algorithm::names;
use crate::keys::key::Keys;
use crate::keys::ring::KeyRing;
use crate::rejection::Rejection;
use crate::request::credentials::{Credential, MAX_TOKEN_BYTES, Place};
use crate::token::claims::NumericDate;
use crate::token::header_text::Charset;
use crate::token::jws::{LastHeader, Padding, Token};
use crate::token::user_id::Carrier;

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Passed,
    Refused,
    /// An earlier step has refused.
    NotReached,
    /// `verifyToken: false` leaves it out.
    LeftOut,
}

/// What a decision looks at.
pub(crate) struct Seen<'a> {
    config: &'a Config,
    chosen: &'a Chosen<'a, 'a>,
    now: NumericDate,
    /// The header of the token, if it can be read.
    header: Option<Value>,
    /// The claims of the token, if they can be read. Nothing has proved them.
    claims: Option<Value>,
    pub(crate) circumstances: Circumstances,
}

impl<'a> Seen<'a> {
    /// Reads the parts of the token, each for itself: one that is broken hides no other.
    pub(crate) fn new(config: &'a Config, chosen: &'a Chosen<'a, 'a>, now: NumericDate) -> Self {
        let token: &[u8] = if let Credential::Token(token) = &chosen.credential { token } else { b"" };
        let mut parts = token.split(|byte| *byte == b'.');
        let alone = [parts.next().unwrap_or_default(), b".."].concat();
        let payload = [b"e30.", parts.next().unwrap_or_default(), b"."].concat();
        let last = LastHeader::default();
        let read = |text, padding| Token::parse_with(text, padding, &last).ok();
        let padding = chosen.policy.map_or(Padding::Refuse, |policy| policy.padding);
        let header = read(&alone, Padding::Accept);
        let allows =
            |policy: &Policy| header.as_ref().is_some_and(|token| policy.algorithm_of(token).is_ok());
        Self {
            config,
            chosen,
            now,
            circumstances: Circumstances {
                has_policy: chosen.policy.is_some(),
                reads_header: read(&alone, padding).is_some(),
                allows_algorithm: chosen.policy.is_some_and(allows),
            },
            claims: read(&payload, Padding::Accept)
                .and_then(|token| json::parse_object(token.payload()).ok()),
            header: header.map(|token| token.header().clone()),
        }
    }

    /// Whether there are claims to show.
    pub(crate) fn has_claims(&self) -> bool {
        self.claims.is_some()
    }

    /// Whether the policy leaves the verification out.
    pub(crate) fn is_unverified(&self) -> bool {
        self.chosen.policy.is_some_and(|policy| matches!(policy.verification, Verification::Off))
    }

    /// What the step looks at. Empty if it cannot be said.
    pub(crate) fn words(&self, step: Step, mark: Mark) -> String {
        match step {
            _ if mark == Mark::LeftOut => "not checked, because verifyToken is false".to_owned(),
            Step::Place => self.place(),
            _ if mark == Mark::NotReached && self.header.is_none() && self.claims.is_none() => String::new(),
            Step::Policy => self.policy(),
            Step::Parts => self.parts(),
            _ => match self.chosen.policy {
                Some(policy) => self.words_of(policy, step, mark),
                None => String::new(),
            },
        }
    }

    fn place(&self) -> String {
        let all = |places: &[&Place]| {
            places.iter().map(|place| in_words::place(place)).collect::<Vec<_>>().join(", ")
        };
        let used = all(&self.chosen.places);
        match &self.chosen.credential {
            Credential::Token(token) => format!("{used}; {} bytes", token.len()),
            Credential::Invalid(Rejection::TokenTooLong) => {
                format!("{used}; more than {MAX_TOKEN_BYTES} bytes")
            }
            Credential::Invalid(_) => format!("{used}; more than one token"),
            Credential::Absent(Rejection::ForeignScheme) => {
                format!("another scheme in authorization; looked in {}", all(&self.config.places()))
            }
            Credential::Absent(_) => format!("nothing in {}", all(&self.config.places())),
        }
    }

    fn policy(&self) -> String {
        let issuers = |policy: &Policy| match policy.issuers.names() {
            Some(issuers) => format!("{} for {}", policy.name, list(issuers, " or ")),
            None => format!("{} for every iss", policy.name),
        };
        match (self.chosen.policy, self.config.policies.as_slice()) {
            (Some(policy), [_]) => format!("{}, the only one", policy.name),
            (Some(policy), _) => format!("{}; iss is {}", issuers(policy), self.claim("iss")),
            (None, policies) => {
                let all: Vec<String> = policies.iter().map(issuers).collect();
                format!("iss is {}; the policies are {}", self.claim("iss"), all.join(", "))
            }
        }
    }

    fn parts(&self) -> String {
        let Credential::Token(token) = &self.chosen.credential else { return String::new() };
        match token.split(|byte| *byte == b'.').count() {
            1 => "1 part".to_owned(),
            count => format!("{count} parts"),
        }
    }

    fn words_of(&self, policy: &Policy, step: Step, mark: Mark) -> String {
        let refused = mark == Mark::Refused;
        let either = |good: &str, bad: &str| match mark {
            Mark::Passed => good.to_owned(),
            Mark::Refused => bad.to_owned(),
            Mark::NotReached | Mark::LeftOut => String::new(),
        };
        match (step, &policy.verification) {
            (Step::Header, _) => either(
                "a JSON object in base64url",
                if self.header.is_some() {
                    "padding (=), and padding is refuse"
                } else {
                    "not a JSON object in base64url"
                },
            ),
            (Step::Extensions, _) => either(
                "no crit, no b64: false; kid is text or absent",
                "an extension that this filter does not have, or a kid that is not text",
            ),
            (Step::Encoding, _) => {
                either("the claims and the signature are", "the claims or the signature are not")
            }
            (Step::Typ, _) => {
                let expected = policy.typ.as_deref().map_or("not set".to_owned(), quoted);
                format!("{}; the setting typ is {expected}", self.parameter("typ"))
            }
            (Step::Algorithm, _) => {
                format!("{}; algorithm is {}", self.parameter("alg"), names(&policy.algorithms, ", "))
            }
            (Step::Claims, _) => either("a JSON object", "not a JSON object with unique names"),
            (Step::UserId, _) => {
                let carrier = match policy.carrier {
                    Carrier::Header(Charset::Ascii) => "userIdCharset is ascii",
                    Carrier::Header(Charset::Latin1) => "userIdCharset is latin-1",
                    Carrier::Ticket(_) => "a ticket carries any text",
                };
                let claim = self.claims.as_ref().and_then(|claims| policy.user_id_claim.find(claims));
                let name = printable(&policy.user_id_claim.to_string());
                format!("{name} is {}; {carrier}", self.known(value(claim)))
            }
            (Step::Keys, Verification::On { keys, .. }) => keys_in_words(keys),
            (Step::Key, Verification::On { keys, .. }) => {
                keys.current().map(|keys| self.key(&keys)).unwrap_or_default()
            }
            (Step::Signature, _) => either("the key made it", "the key did not make it"),
            (Step::Parameters, _) => {
                members(&policy.required_parameters, self.header.as_ref(), refused, false)
            }
            (Step::Issuer, _) => {
                let expected = policy.issuers.names().map_or("not set".to_owned(), |all| list(all, " or "));
                format!("{}; issuer is {expected}", self.claim("iss"))
            }
            (Step::Certificate, Verification::On { rules, .. }) => {
                let named = self.claims.as_ref().map(|claims| rules.bound_tokens.certificate(claims));
                match named {
                    Some(Ok(None)) => "any, or none".to_owned(),
                    Some(Ok(Some(_))) => either(
                        "the token names the one of the connection",
                        "the token names another one than --client-certificate says",
                    ),
                    Some(Err(_)) | None => String::new(),
                }
            }
            (_, Verification::On { rules, .. }) => {
                let claims = self.claims.as_ref();
                claims.map(|claims| rule(rules, claims, self.now, step, refused)).unwrap_or_default()
            }
            (_, Verification::Off) => String::new(),
        }
    }

    fn key(&self, keys: &Keys) -> String {
        let alg = self.header.as_ref().and_then(|header| header.get("alg")?.as_str()?.parse().ok());
        let fitting = keys.names().filter(|(_, algorithm)| Some(*algorithm) == alg).count();
        let mut kids: Vec<&str> = keys.names().filter_map(|(kid, _)| kid).collect();
        kids.dedup();
        let kid = self.header.as_ref().and_then(|header| header.get("kid"));
        let count = format!("keys for this alg: {fitting}");
        match kid.and_then(Value::as_str) {
            Some(kid) if kids.is_empty() => format!("kid {}, and the keys have none; {count}", quoted(kid)),
            None if kids.is_empty() => format!("no kid, and the keys have none; {count}"),
            None => format!("no kid; {count}"),
            Some(kid) => match kids.iter().position(|known| *known == kid) {
                Some(place) => {
                    format!("kid {} is key {} of {}", quoted(kid), place.saturating_add(1), kids.len())
                }
                None => format!("kid {}; the keys are {}", quoted(kid), list(kids, ", ")),
            },
        }
    }

    /// A claim, as the token has it.
    fn claim(&self, name: &str) -> String {
        self.known(value(self.claims.as_ref().and_then(|claims| claims.get(name))))
    }

    /// These words, if there are claims at all.
    fn known(&self, words: String) -> String {
        if self.claims.is_some() { words } else { "unknown".to_owned() }
    }

    /// A parameter of the header, as the token has it.
    fn parameter(&self, name: &str) -> String {
        self.header.as_ref().map_or("unknown".to_owned(), |header| value(header.get(name)))
    }
}

fn keys_in_words(keys: &KeyRing) -> String {
    let from =
        keys.remote.as_ref().map_or("the configuration".to_owned(), |remote| format!("remoteJwks, {remote}"));
    match keys.current() {
        Some(keys) if keys.len() == 1 => format!("1 from {from}"),
        Some(keys) => format!("{} from {from}", keys.len()),
        None => format!("none here; they come from {from}"),
    }
}
