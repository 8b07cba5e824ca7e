//! The body of a batch, rewritten so that each sub-request is who its token proves.

use std::borrow::Cow;

use percent_encoding::{percent_decode, percent_decode_str};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::batch::Refusal;
use crate::batch_path::reaches_batch;
use crate::claims::NumericDate;
use crate::credentials::{Place, Request};
use crate::gate::{Decision, Gate, Outcome};
use crate::identity_header::{is_token, same_key, wsgi_key};
use crate::json::{RawMember, RawObject};
use crate::rejection::Rejection;
use crate::user_id::UserId;

/// Pyramid's name for nobody: as a user id it is no user (`pyramid.authentication`, `_clean_principal`).
///
/// A sub-request inherits the outer request's headers and cannot take one away, so an anonymous one inside
/// an authenticated request says so in this way.
const NOBODY: &str = "system.Everyone";

/// Kinto's default `batch_max_requests`; more sub-requests are Kinto's to refuse.
const USUAL_REQUESTS: usize = 25;

/// What a batch's own request was found to be.
#[derive(Clone, Debug)]
pub struct Outer {
    /// As whom it is forwarded.
    pub outcome: Outcome,
    /// Why not as its token's user; each sub-request that brings none shares it.
    pub rejection: Option<Rejection>,
    /// The first segment of its path, such as `/v1`, which Kinto puts before a sub-request's that lacks it.
    pub prefix: String,
}

impl Outer {
    /// A batch's request by its decision and its path.
    #[must_use]
    pub fn new(decision: Decision<'_>, path: &[u8]) -> Self {
        let path: Vec<u8> = percent_decode(path).collect();
        let first = path.split(|byte| *byte == b'/').nth(1).unwrap_or_default();
        let prefix = format!("/{}", String::from_utf8_lossy(first));
        Self { outcome: decision.outcome, rejection: decision.rejection, prefix }
    }
}

/// A batch that may go to Kinto.
#[derive(Debug, Default)]
pub struct Rewritten {
    /// The body.
    pub body: Vec<u8>,
    /// How many sub-requests Kinto gets.
    pub forwarded: usize,
    /// The others: each one's place in the list, and its entry in the answer.
    pub rejected: Vec<(usize, Value)>,
    /// The outcome of each sub-request that brought a token or is rejected, for the log and the metrics.
    pub decided: Vec<(&'static str, Option<Rejection>)>,
    /// The policy whose issuer, asked again, might know a token's key: its place in the list.
    pub awaits: Option<usize>,
}

impl Gate {
    /// Rewrites a batch body so that each sub-request is who its token proves.
    ///
    /// # Errors
    /// The body is not one that this filter can vouch for.
    pub fn rewrite_batch(&self, body: &[u8], outer: &Outer, now: NumericDate) -> Result<Rewritten, Refusal> {
        let text = std::str::from_utf8(body).map_err(|_| Refusal::NotJson)?;
        let mut batch: RawObject<'_> = serde_json::from_str(text).map_err(|_| Refusal::NotJson)?;
        let mut rewriter = Rewriter::new(self, outer, now);

        let defaults = batch.remove("defaults");
        let mut defaults = defaults.as_ref().map(object).transpose()?;
        let default_headers = defaults.as_mut().and_then(|defaults| defaults.remove("headers"));
        let default_headers = default_headers.as_ref().map(object).transpose()?;
        let default_headers = default_headers.map(|headers| rewriter.clean(headers)).transpose()?;
        if let Some(headers) = &default_headers {
            rewriter.inherit(&headers.read);
        }

        let requests = batch.remove("requests").ok_or(Refusal::Shape)?;
        let requests: Vec<&RawValue> = serde_json::from_str(requests.text()).map_err(|_| Refusal::Shape)?;
        let mut written = Vec::with_capacity(requests.len());
        for (number, request) in requests.into_iter().enumerate() {
            let request = object(&RawMember::Borrowed(request))?;
            written.extend(rewriter.rewrite(number, request, defaults.as_ref())?);
        }
        rewriter.rewritten.forwarded = written.len();
        batch.push("requests", written)?;
        if let Some(mut defaults) = defaults {
            if let Some(headers) = default_headers {
                defaults.push("headers", rewriter.rewrite_defaults(headers)?)?;
            }
            rewriter.strip_path(&mut defaults)?;
            batch.push("defaults", defaults)?;
        }
        let body = serde_json::to_vec(&batch).map_err(|_| Refusal::Shape)?;
        Ok(Rewritten { body, ..rewriter.rewritten })
    }

    /// Bytes beyond the `Content-Length` of a batch, for what its body may grow when it is rewritten: the
    /// headers go to Kinto before the body is known, and spaces fill what was not needed.
    ///
    /// An identity is shorter than the token that it replaces; it is extra beside a token that stays, a header
    /// of another scheme, or an empty one.
    #[must_use]
    pub fn batch_growth(&self, content_length: usize) -> usize {
        let config = self.config();
        let user_id = config.failures.unauthorized.as_ref().map_or(NOBODY, UserId::as_str);
        let mut member = json!({config.identity_header.name(): user_id}).to_string().len();
        for header in &config.claim_headers {
            member = member.saturating_add(json!({header.name(): ""}).to_string().len());
        }
        // A sub-request that had no headers gets the member too.
        let member = member.saturating_add(16);
        let kept_tokens = if config.forward_token { content_length } else { 0 };
        member.saturating_mul(USUAL_REQUESTS).saturating_add(kept_tokens)
    }
}

/// Headers of the body: those in which a token may be, read, and the rest.
#[derive(Default)]
struct Headers<'b> {
    read: Vec<(String, String)>,
    rest: RawObject<'b>,
}

/// A sub-request as Kinto will see it, as far as tokens and open paths go.
struct SubRequest<'s> {
    headers: Vec<(&'s str, &'s str)>,
    method: &'s str,
    path: &'s str,
}

impl Request for SubRequest<'_> {
    fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, [u8]>> {
        let key = wsgi_key(name);
        let fields =
            self.headers.iter().filter(move |(other, _)| same_key(other, &key)).map(|(_, value)| *value);
        let line = [(":method", self.method), (":path", self.path)].into_iter();
        let line = line.filter(move |(other, _)| *other == name).map(|(_, value)| value);
        line.chain(fields).map(|value| Cow::Borrowed(value.as_bytes()))
    }
}

struct Rewriter<'g> {
    gate: &'g Gate,
    outer: &'g Outer,
    now: NumericDate,
    /// The places in headers where a token may be, each with the header's key.
    places: Vec<(String, &'g Place)>,
    /// The headers of `defaults.headers` that may hold a token.
    defaults: Vec<(String, String)>,
    /// What becomes of a sub-request that brings no token.
    inherited: Outcome,
    rewritten: Rewritten,
}

impl<'g> Rewriter<'g> {
    fn new(gate: &'g Gate, outer: &'g Outer, now: NumericDate) -> Self {
        let places = gate.config().places().filter(|place| !matches!(place, Place::Query(_)));
        let places = places.map(|place| (wsgi_key(place.field()), place)).collect();
        let (inherited, rewritten) = (outer.outcome.clone(), Rewritten::default());
        Self { gate, outer, now, places, defaults: Vec::new(), inherited, rewritten }
    }

    /// Takes what every sub-request inherits from `defaults.headers`, and decides on it once for all.
    fn inherit(&mut self, defaults: &[(String, String)]) {
        if defaults.is_empty() {
            return;
        }
        let headers = defaults.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request = SubRequest { headers, method: "GET", path: "" };
        self.inherited = self.gate.decide(&request, self.now).outcome;
        self.defaults = defaults.to_vec();
    }

    /// Removes every claimed identity and reads the headers that may hold a token.
    fn clean<'b>(&self, headers: RawObject<'b>) -> Result<Headers<'b>, Refusal> {
        let mut clean = Headers::default();
        for (name, value) in headers.0 {
            if self.gate.config().is_ours(&name) {
                continue;
            }
            if !is_token(&name) {
                return Err(Refusal::HeaderName);
            }
            if !value.text().starts_with('"') {
                return Err(Refusal::HeaderValue);
            }
            if self.places.iter().any(|(key, _)| same_key(&name, key)) {
                let text = serde_json::from_str(value.text()).map_err(|_| Refusal::HeaderValue)?;
                clean.read.push((name, text));
            } else {
                clean.rest.0.push((name, value));
            }
        }
        Ok(clean)
    }

    /// A sub-request that may go to Kinto, or none if it is rejected.
    fn rewrite<'b>(
        &mut self,
        number: usize,
        mut request: RawObject<'b>,
        defaults: Option<&RawObject<'b>>,
    ) -> Result<Option<RawObject<'b>>, Refusal> {
        let member = |name: &str| request.get(name).or_else(|| defaults?.get(name));
        let path = decode_path(member("path"))?;
        if reaches_batch(path.as_bytes()) {
            return Err(Refusal::Nested);
        }
        let method: String =
            member("method").and_then(|m| serde_json::from_str(m.text()).ok()).unwrap_or_default();
        let own = request.remove("headers");
        let had_headers = own.is_some();
        let mut own = own
            .as_ref()
            .map(object)
            .transpose()?
            .map_or_else(|| Ok(Headers::default()), |h| self.clean(h))?;

        let outcome = self.decide(&own.read, &method, &path);
        if let Outcome::Rejected(answer) = &outcome {
            let entry = answer.batch_entry(&self.path_in_answer(&path), method == "HEAD");
            self.rewritten.rejected.push((number, entry));
            return Ok(None);
        }
        let has_own_token = own.read.iter().any(|(name, _)| self.is_token_header(name));
        if has_own_token || outcome != self.inherited {
            self.push_identity(&mut own.rest, &outcome, !self.defaults.is_empty())?;
        }
        for (name, value) in std::mem::take(&mut own.read) {
            if let Some(value) = self.without_tokens(&name, value) {
                own.rest.push(&name, value)?;
            }
        }
        if had_headers || !own.rest.0.is_empty() {
            request.push("headers", own.rest)?;
        }
        self.strip_path(&mut request)?;
        Ok(Some(request))
    }

    /// What becomes of a sub-request with these headers of its own that may hold a token.
    fn decide(&mut self, own: &[(String, String)], method: &str, path: &str) -> Outcome {
        let overridden = |name: &String| own.iter().any(|(other, _)| other == name);
        let merged = own.iter().chain(self.defaults.iter().filter(|(name, _)| !overridden(name)));
        let full_path = self.full_path(path);
        let request = SubRequest {
            headers: merged.map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            method: if method.is_empty() { "GET" } else { method },
            path: &full_path,
        };
        let decision = self.gate.decide(&request, self.now);
        let brings = request.headers.iter().any(|(name, _)| self.is_token_header(name));
        if decision.rejection == Some(Rejection::NoToken) && !brings {
            let Some(rejection) = self.outer.rejection else { return self.outer.outcome.clone() };
            let outcome = self.gate.without_proof(rejection, None, &request);
            if let Outcome::Rejected(_) = outcome {
                self.rewritten.decided.push((outcome.code(), Some(rejection)));
            }
            return outcome;
        }
        self.rewritten.decided.push((decision.outcome.code(), decision.rejection));
        self.rewritten.awaits = self.rewritten.awaits.or(decision.awaits);
        decision.outcome
    }

    /// The defaults' own headers, which sub-requests without a token inherit.
    fn rewrite_defaults<'b>(&self, headers: Headers<'b>) -> Result<RawObject<'b>, Refusal> {
        let Headers { read, mut rest } = headers;
        if read.is_empty() {
            return Ok(rest);
        }
        self.push_identity(&mut rest, &self.inherited, false)?;
        for (name, value) in read {
            if let Some(value) = self.without_tokens(&name, value) {
                rest.push(&name, value)?;
            }
        }
        Ok(rest)
    }

    /// Writes an identity over what would be inherited.
    fn push_identity(
        &self,
        rest: &mut RawObject<'_>,
        outcome: &Outcome,
        defaults: bool,
    ) -> Result<(), Refusal> {
        let config = self.gate.config();
        let inherits = |known: bool| known || defaults;
        match outcome.user_id() {
            Some(user_id) => rest.push(config.identity_header.name(), user_id.as_str())?,
            None if inherits(self.outer.outcome.user_id().is_some()) => {
                rest.push(config.identity_header.name(), NOBODY)?;
            }
            None => {}
        }
        for (number, header) in config.claim_headers.iter().enumerate() {
            match outcome.claim(number) {
                Some(text) => rest.push(header.name(), text.as_str())?,
                // A header cannot be taken away from a sub-request, only emptied.
                None if inherits(self.outer.outcome.claim(number).is_some()) => {
                    rest.push(header.name(), "")?
                }
                None => {}
            }
        }
        Ok(())
    }

    /// A header's value without the tokens in it; `None` when nothing is left.
    fn without_tokens(&self, name: &str, value: String) -> Option<String> {
        if self.gate.config().forward_token {
            return Some(value);
        }
        let mut places = self.places.iter().filter(|(key, _)| same_key(name, key));
        places.try_fold(value, |value, (_, place)| {
            let request = SubRequest { headers: vec![(place.field(), &value)], method: "", path: "" };
            if place.holds_token(&request) {
                place.remove_from(value.as_bytes()).and_then(|value| String::from_utf8(value).ok())
            } else {
                Some(value)
            }
        })
    }

    /// Takes the tokens out of the query of a path; any other path stays as it was written.
    fn strip_path(&self, members: &mut RawObject<'_>) -> Result<(), Refusal> {
        let config = self.gate.config();
        for place in config.places().filter(|place| matches!(place, Place::Query(_)) && !config.forward_token)
        {
            let path = decode_path(members.get("path"))?;
            let request = SubRequest { headers: Vec::new(), method: "", path: &path };
            if place.holds_token(&request) {
                let kept = place.remove_from(path.as_bytes()).and_then(|kept| String::from_utf8(kept).ok());
                members.remove("path");
                members.push("path", kept.unwrap_or_default())?;
            }
        }
        Ok(())
    }

    fn is_token_header(&self, name: &str) -> bool {
        let mut headers = self.places.iter().filter(|(_, place)| matches!(place, Place::Header { .. }));
        headers.any(|(key, _)| same_key(name, key))
    }

    /// The path as Kinto completes it (`kinto/core/utils.py`, `build_request`).
    fn full_path(&self, path: &str) -> String {
        let prefix = self.outer.prefix.as_str();
        if path.starts_with(prefix) { path.to_owned() } else { format!("{prefix}{path}") }
    }

    /// The path as Kinto writes it into an answer.
    fn path_in_answer(&self, path: &str) -> String {
        let full = self.full_path(path);
        let path = full.split(['?', '#']).next().unwrap_or_default();
        percent_decode_str(path).decode_utf8_lossy().into_owned()
    }
}

fn object<'b>(member: &RawMember<'b>) -> Result<RawObject<'b>, Refusal> {
    let RawMember::Borrowed(value) = member else { return Err(Refusal::Shape) };
    if !value.get().starts_with('{') {
        return Err(Refusal::Shape);
    }
    RawObject::deserialize(*value).map_err(|_| Refusal::NotJson)
}

fn decode_path(path: Option<&RawMember<'_>>) -> Result<String, Refusal> {
    path.map_or_else(
        || Ok(String::new()),
        |path| serde_json::from_str(path.text()).map_err(|_| Refusal::Shape),
    )
}
