//! Rewrites the body of a batch so that each sub-request has the identity that its token proves.

use std::borrow::Cow;
use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::batch::headers::Sorted;
use crate::batch::path::without_redirect;
use crate::batch::refusal::Refusal;
use crate::batch::sub_request::{Batch, Headers, SubRequest};
use crate::gate::decide::{Failed, Gate, Proof};
use crate::gate::decision::{Decision, Outcome};
use crate::gate::policy::PolicyIndex;
use crate::rejection::Reason;
use crate::request::Request;
use crate::request::credentials::Place;
use crate::request::identity_header::{same_key, wsgi_key};
use crate::token::claims::NumericDate;
use crate::token::header_text::HeaderText;
use crate::token::user_id::UserId;

/// Pyramid's name for nobody. As a user id it is no user (`_clean_principal` in `pyramid/authentication.py`).
///
/// A sub-request inherits the headers of the batch's request and cannot remove one, so an anonymous sub-request in an
/// authenticated batch gets this user id.
pub(crate) const NOBODY: &str = "system.Everyone";

/// The WSGI key of `Cookie`.
const COOKIE_KEY: &str = "COOKIE";

/// Bytes for which there is always room: a user id or the value of a claim header is seldom longer.
const USUAL_TEXT_BYTES: usize = 128;

/// The decision on the request that carries a batch.
#[derive(Clone, Debug)]
pub struct BatchRequest {
    /// As whom the request is forwarded.
    pub outcome: Outcome,
    /// Why its token proves nothing. A sub-request without a token of its own shares it.
    pub(crate) reason: Option<Reason>,
    /// The segment before `batch` in its path, such as `/v1`. Kinto puts it before the path of a sub-request that does
    /// not have it (`build_request` in `kinto/core/utils.py`).
    pub prefix: String,
    /// SHA-256 of the client's certificate, as [`Request::client_certificate`] returns it: the sub-requests come over the
    /// connection of the batch. Empty if no policy asks for it.
    pub(crate) certificate: Vec<u8>,
}

impl BatchRequest {
    /// The request of a batch, by the decision on it, its prefix, and SHA-256 of the client's certificate.
    #[must_use]
    pub fn new(decision: Decision<'_>, prefix: String, certificate: Vec<u8>) -> Self {
        Self { outcome: decision.outcome, reason: decision.reason, prefix, certificate }
    }
}

/// A batch that may go to Kinto.
#[derive(Debug, Default)]
pub struct Rewritten {
    /// The new body.
    pub body: Vec<u8>,
    /// How many sub-requests Kinto gets.
    pub forwarded: usize,
    /// The rejected sub-requests: for each its index in the list, and its entry in the answer.
    pub rejected: Vec<(usize, Value)>,
    /// The sub-requests that brought a token or are rejected: for each its index in the list, its outcome, and why its
    /// token proves nothing.
    pub decided: Vec<(usize, &'static str, Option<Reason>)>,
    /// A policy whose issuer may have the key of a token: the batch should wait for it.
    pub awaits: Option<PolicyIndex>,
    /// Why the batch is refused, unless it waits: a newer key set may show that it is from one user. There is no body.
    pub refusal: Option<Refusal>,
}

/// What a token with an unknown `kid` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownKeys {
    /// Invalid: the request waits for a newer key set, or has waited.
    AreInvalid,
    /// Its key is unavailable: there is no room to wait.
    AreUnavailable,
}

/// Rewrites the body of a batch so that each sub-request is who its token proves.
///
/// # Errors
/// The batch is refused.
pub fn rewrite(
    gate: &Gate,
    body: &[u8],
    outer: &BatchRequest,
    now: NumericDate,
    unknown_keys: UnknownKeys,
) -> Result<Rewritten, Refusal> {
    let mut batch = Batch::parse(body, gate.config().batch.max_requests)?;
    let mut rewriter = Rewriter::new(gate, outer, now, unknown_keys);
    if let Some(defaults) = &mut batch.defaults {
        rewriter.inherit(defaults)?;
    }
    let mut forwarded = Vec::with_capacity(batch.requests.len());
    for (number, request) in batch.requests.into_iter().enumerate() {
        forwarded.extend(rewriter.rewrite(number, request)?);
    }
    batch.requests = forwarded;
    rewriter.rewritten.forwarded = batch.requests.len();
    if rewriter.rewritten.refusal.is_none() {
        rewriter.rewritten.body = serde_json::to_vec(&batch)?;
    }
    Ok(rewriter.rewritten)
}

/// Bytes to add to the `Content-Length` of a batch, because its body may grow when it is rewritten. The headers go to
/// Kinto before the body is known, and spaces fill what was not needed.
///
/// An identity is mostly shorter than the token that it replaces. The body grows where the token stays, where the
/// header has another scheme or is empty, and where many sub-requests get their identity from one token. A batch that
/// grows even more is refused ([`Refusal::TooLong`]).
#[must_use]
pub fn growth(gate: &Gate, content_length: usize, outer: &BatchRequest) -> usize {
    let config = gate.config();
    // {"name":"value"}: a name needs no escapes.
    let size = |name: &str, value: &str| {
        let value = serde_json::to_string(value).map_or(0, |value| value.len());
        name.len().saturating_add(value.max(USUAL_TEXT_BYTES)).saturating_add(5)
    };
    let users = [config.on_failure.unauthorized.as_ref(), outer.outcome.user_id()];
    let users = users.into_iter().flatten().map(UserId::as_str).chain([NOBODY]);
    let user = |user: &str| {
        let header = config.writes_identity_header().then(|| size(config.identity_header.name(), user));
        let ticket = config.ticket.as_ref().map_or(0, |ticket| {
            size("Cookie", "").saturating_add(ticket.cookie_bytes(user.len().max(USUAL_TEXT_BYTES)))
        });
        header.unwrap_or_default().saturating_add(ticket)
    };
    let mut member = users.map(user).max().unwrap_or_default();
    for (number, header) in config.claim_headers.iter().enumerate() {
        let text = outer.outcome.claim(number).map_or("", HeaderText::as_str);
        member = member.saturating_add(size(header.name(), text));
    }
    // A sub-request that had no headers gets the member too, and a path may get a slash.
    let member = member.saturating_add(17);
    let kept_tokens = if config.forward_token { content_length } else { 0 };
    let members = config.batch.max_requests.saturating_add(1);
    member.saturating_mul(members).saturating_add(kept_tokens)
}

/// A sub-request with what it inherits, as Kinto merges it: the fields in which tokens may be, the method and the path.
struct Merged<'s> {
    headers: Vec<&'s (String, String)>,
    method: &'s str,
    path: &'s str,
    certificate: &'s [u8],
}

impl Request for Merged<'_> {
    fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, [u8]>> {
        let key = wsgi_key(name);
        let fields = self.headers.iter().filter(move |(other, _)| same_key(other, &key));
        let line = [(":method", self.method), (":path", self.path)].into_iter();
        let line = line.filter(move |(other, _)| *other == name).map(|(_, value)| value);
        line.chain(fields.map(|(_, value)| value.as_str())).map(|value| Cow::Borrowed(value.as_bytes()))
    }

    fn client_certificate(&self) -> Vec<u8> {
        self.certificate.to_vec()
    }
}

/// What a sub-request inherits from `defaults`.
#[derive(Default)]
struct Inherited<'g> {
    method: Option<String>,
    path: Option<String>,
    /// Headers in which a token may be.
    places: Vec<(String, String)>,
    /// The names of all headers, by their WSGI keys.
    names: HashMap<String, String>,
    /// What a sub-request without a token or path of its own proves; `None` if `defaults` have no token.
    proof: Option<Proof<'g>>,
    /// The same for a sub-request with a path of its own, without a query.
    proof_without_path: Option<Proof<'g>>,
}

struct Rewriter<'g> {
    gate: &'g Gate,
    outer: &'g BatchRequest,
    now: NumericDate,
    unknown_keys: UnknownKeys,
    /// The places in headers where a token may be, each with the header's WSGI key.
    places: Vec<(String, &'g Place)>,
    /// The places in a query.
    query_places: Vec<&'g Place>,
    inherited: Inherited<'g>,
    /// The outcome of a sub-request with neither a token nor an open path of its own.
    usual: Outcome,
    failed: Failed,
    rewritten: Rewritten,
}

impl<'g> Rewriter<'g> {
    fn new(gate: &'g Gate, outer: &'g BatchRequest, now: NumericDate, unknown_keys: UnknownKeys) -> Self {
        let places = gate.config().places().into_iter();
        let (query_places, places): (Vec<_>, Vec<_>) =
            places.partition(|place| matches!(place, Place::Query(_)));
        Self {
            gate,
            outer,
            now,
            unknown_keys,
            places: places.into_iter().map(|place| (wsgi_key(place.field()), place)).collect(),
            query_places,
            inherited: Inherited::default(),
            usual: outer.outcome.clone(),
            failed: Failed::default(),
            rewritten: Rewritten::default(),
        }
    }

    /// Reads what sub-requests inherit from `defaults`, decides on it once for all of them, and rewrites it.
    fn inherit(&mut self, defaults: &mut SubRequest<'_>) -> Result<(), Refusal> {
        defaults.path = self.without_redirect(defaults.path.take())?;
        self.inherited.method.clone_from(&defaults.method);
        self.inherited.path.clone_from(&defaults.path);
        defaults.path = defaults.path.take().map(|path| self.without_query_tokens(path));
        let had_headers = defaults.headers.is_some();
        let Sorted { places, mut rest, names } = self.sort(defaults.headers.take())?;
        (self.inherited.places, self.inherited.names) = (places, names);
        let path = self.inherited.path.clone().unwrap_or_default();
        self.inherited.proof_without_path = self.inherited_proof("");
        self.inherited.proof = if self.may_hold_token(&path) {
            self.inherited_proof(&path)
        } else {
            self.inherited.proof_without_path.clone()
        };
        if let Some(proof) = &self.inherited.proof_without_path {
            let request = Merged {
                headers: self.inherited.places.iter().collect(),
                method: "GET",
                path: "",
                certificate: &[],
            };
            self.usual = self.gate.decision(proof.clone(), &request).outcome;
            self.push_identity(&mut rest, &self.usual, false);
        }
        rest.0.extend(
            self.inherited.places.iter().filter_map(|(name, value)| self.without_tokens(name, value)),
        );
        self.push_ticket(&mut rest, &self.usual, self.inherited.proof_without_path.is_some());
        defaults.headers = (had_headers || !rest.0.is_empty()).then_some(rest);
        Ok(())
    }

    /// What `defaults` with this path prove; `None` if they have no token.
    fn inherited_proof(&mut self, path: &str) -> Option<Proof<'g>> {
        let headers = self.inherited.places.iter().collect();
        let request = Merged { headers, method: "GET", path, certificate: &self.outer.certificate };
        let proof = self.gate.prove(&request, self.now, Some(&mut self.failed));
        (self.brings_header(&request) || !proof.lacks_token()).then_some(proof)
    }

    /// Rewrites a sub-request; `None` if it is rejected.
    fn rewrite<'b>(
        &mut self,
        number: usize,
        mut request: SubRequest<'b>,
    ) -> Result<Option<SubRequest<'b>>, Refusal> {
        request.path = self.without_redirect(request.path.take())?;
        let had_headers = request.headers.is_some();
        let Sorted { places, mut rest, names } = self.sort(request.headers.take())?;
        let spelled_otherwise = |(key, name): (&String, &String)| {
            self.inherited.names.get(key).is_some_and(|inherited| inherited != name)
        };
        if names.iter().any(spelled_otherwise) {
            return Err(Refusal::HeaderTwice);
        }

        let method = request.method.as_ref().or(self.inherited.method.as_ref()).cloned();
        let path = request.path.as_ref().or(self.inherited.path.as_ref()).cloned().ok_or(Refusal::Shape)?;
        let method = method.as_deref().unwrap_or("GET");
        let outcome = self.decide(number, &places, method, &path, request.path.is_some());
        if self.gate.config().batch.one_user && outcome.user_id() != self.outer.outcome.user_id() {
            self.rewritten.refusal = Some(Refusal::OtherUser);
        }
        if let Outcome::Rejected(answer) = &outcome {
            let entry = answer.batch_entry(&self.path_in_answer(&path), method == "HEAD");
            self.rewritten.rejected.push((number, entry));
            return Ok(None);
        }
        let has_own_token = places.iter().any(|(name, _)| self.is_token_header(name));
        let has_own_cookie = places.iter().any(|(name, _)| same_key(name, COOKIE_KEY));
        let is_own = has_own_token || outcome != self.usual;
        if is_own {
            self.push_identity(&mut rest, &outcome, self.inherited.proof_without_path.is_some());
        }
        rest.0.extend(places.iter().filter_map(|(name, value)| self.without_tokens(name, value)));
        self.push_ticket(&mut rest, &outcome, is_own || has_own_cookie);
        request.headers = (had_headers || !rest.0.is_empty()).then_some(rest);
        request.path = request.path.take().map(|path| self.without_query_tokens(path));
        Ok(Some(request))
    }

    fn sort(&self, headers: Option<Headers>) -> Result<Sorted, Refusal> {
        let is_ours = |name: &str| self.gate.config().is_ours(name);
        Sorted::sort(headers.unwrap_or_default(), is_ours, |key| {
            self.places.iter().any(|(place, _)| place == key)
        })
    }

    /// Decides on a sub-request. `own` are the headers of its own in which a token may be.
    fn decide(
        &mut self,
        number: usize,
        own: &[(String, String)],
        method: &str,
        path: &str,
        has_own_path: bool,
    ) -> Outcome {
        let (gate, outer) = (self.gate, self.outer);
        let full_path = self.full_path(path);
        let overridden = |name: &String| own.iter().any(|(other, _)| other == name);
        let inherited = self.inherited.places.iter().filter(|(name, _)| !overridden(name));
        let headers = own.iter().chain(inherited).collect();
        let request = Merged { headers, method, path: &full_path, certificate: &outer.certificate };
        // What comes from `defaults` alone was decided once for all.
        let own_proof = (!own.is_empty() || (has_own_path && self.may_hold_token(path)))
            .then(|| gate.prove(&request, self.now, Some(&mut self.failed)));
        let inherited_proof =
            if has_own_path { &self.inherited.proof_without_path } else { &self.inherited.proof };
        let proof = own_proof.as_ref().or(inherited_proof.as_ref());

        let brings = self.brings_header(&request);
        let Some(proof) = proof.filter(|proof| brings || !proof.lacks_token()) else {
            // Without a token, a sub-request has the identity of the batch.
            let Some(reason) = outer.reason else { return outer.outcome.clone() };
            let outcome = gate.without_proof(reason.rejection, None, &request);
            if let Outcome::Rejected(_) = outcome {
                self.rewritten.decided.push((number, outcome.code(), Some(reason)));
            }
            return outcome;
        };
        let mut decision = gate.decision(proof.clone(), &request);
        if self.unknown_keys == UnknownKeys::AreUnavailable {
            decision = gate.without_room(decision, &request);
        }
        self.rewritten.decided.push((number, decision.outcome.code(), decision.reason));
        self.rewritten.awaits = self.rewritten.awaits.or(decision.awaits);
        decision.outcome
    }

    /// Sets the identity headers of a sub-request, or empties those that it would inherit from the batch. A ticket
    /// is not among them ([`push_ticket`](Self::push_ticket)).
    fn push_identity(&self, rest: &mut Headers, outcome: &Outcome, from_defaults: bool) {
        let config = self.gate.config();
        let outer = &self.outer.outcome;
        let mut push = |name: &str, value: &str| rest.0.push((name.to_owned(), value.to_owned()));
        // With a ticket, a header that the operator has named: a Kinto that is on its way to tickets believes both.
        match outcome.user_id().and_then(UserId::header_text) {
            _ if !config.writes_identity_header() => {}
            Some(user_id) => push(config.identity_header.name(), user_id),
            None if from_defaults || outer.user_id().is_some() => push(config.identity_header.name(), NOBODY),
            None => {}
        }
        for (number, header) in config.claim_headers.iter().enumerate() {
            match outcome.claim(number) {
                Some(text) => push(header.name(), text.as_str()),
                // A sub-request cannot remove a header that it inherits, only empty it.
                None if from_defaults || outer.claim(number).is_some() => push(header.name(), ""),
                None => {}
            }
        }
    }

    /// Sets the `Cookie` of a sub-request with a ticket. One of its own would take the place of what it inherits, ticket
    /// and all (`build_request` in `kinto/core/utils.py`). `is_own`: its identity is not the inherited one.
    ///
    /// With a ticket of its own, a sub-request has only the cookies that it names itself.
    fn push_ticket(&self, headers: &mut Headers, outcome: &Outcome, is_own: bool) {
        let Some(ticket) = &self.gate.config().ticket else { return };
        let own = headers.0.iter().position(|(name, _)| same_key(name, COOKIE_KEY));
        let own = own.map(|index| headers.0.remove(index).1);
        if is_own || own.is_some() {
            let values = own.iter().map(String::as_bytes);
            let value = ticket.cookies(values, outcome.user_id(), self.now);
            // Always in one spelling: Kinto takes two spellings for two headers, and merges only one.
            headers.0.push(("Cookie".to_owned(), String::from_utf8(value).unwrap_or_default()));
        }
    }

    /// A header without the tokens in it; `None` if nothing is left.
    fn without_tokens(&self, name: &str, value: &str) -> Option<(String, String)> {
        let mut value = value.to_owned();
        if !self.gate.config().forward_token {
            for (_, place) in self.places.iter().filter(|(key, _)| same_key(name, key)) {
                let header = (place.field().to_owned(), value);
                let holds = place.holds_token(&Merged {
                    headers: vec![&header],
                    method: "",
                    path: "",
                    certificate: &[],
                });
                value = header.1;
                if holds {
                    value = String::from_utf8(place.remove_from(value.as_bytes())?).ok()?;
                }
            }
        }
        Some((name.to_owned(), value))
    }

    fn without_redirect(&self, path: Option<String>) -> Result<Option<String>, Refusal> {
        path.map(|path| without_redirect(path, &self.outer.prefix)).transpose()
    }

    /// A path without the tokens in its query.
    fn without_query_tokens(&self, mut path: String) -> String {
        let forwards = self.gate.config().forward_token;
        for place in self.query_places.iter().filter(|_| !forwards) {
            if place.holds_token(&Merged { headers: Vec::new(), method: "", path: &path, certificate: &[] }) {
                let kept = place.remove_from(path.as_bytes()).and_then(|kept| String::from_utf8(kept).ok());
                path = kept.unwrap_or_default();
            }
        }
        path
    }

    /// Whether a token may be in the query of this path.
    fn may_hold_token(&self, path: &str) -> bool {
        !self.query_places.is_empty() && path.contains('?')
    }

    /// Whether a sub-request has a header that is meant for a token, even if there is none in it.
    fn brings_header(&self, request: &Merged<'_>) -> bool {
        request.headers.iter().any(|(name, _)| self.is_token_header(name))
    }

    fn is_token_header(&self, name: &str) -> bool {
        let mut headers = self.places.iter().filter(|(_, place)| matches!(place, Place::Header { .. }));
        headers.any(|(key, _)| same_key(name, key))
    }

    /// The path as Kinto completes it (`build_request` in `kinto/core/utils.py`).
    fn full_path(&self, path: &str) -> String {
        let prefix = self.outer.prefix.as_str();
        if path.starts_with(prefix) { path.to_owned() } else { format!("{prefix}{path}") }
    }

    /// The path as Kinto writes it into an answer.
    fn path_in_answer(&self, path: &str) -> String {
        let full = self.full_path(path);
        let path = full.split('?').next().unwrap_or_default();
        percent_decode_str(path).decode_utf8_lossy().into_owned()
    }
}
