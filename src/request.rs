//! One request on its way through the proxy, as a machine of [`State`]s.
//!
//! A request claims nothing from its first callback on: the client's own identity headers are removed before anything
//! is decided, waited for or answered. It goes to Kinto only from a state in which that has been decided. Wherever a
//! call to the proxy fails, it is answered 500 and goes no further ([`HttpRequest::settle`]).

use std::borrow::Cow;

use log::{debug, error, info};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::batch::{Refusal, check_representation};
use crate::batch_body::{Outer, Rewritten, UnknownKeys};
use crate::batch_path::{Target, target};
use crate::credentials::{Place, Request};
use crate::gate::{Decision, Gate, Outcome};
use crate::host::{Body, Fields, Host, HostError, RequestHeaders, Wait};
use crate::rejection::Rejection;
use crate::splice::Splicer;

/// What the proxy does after a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The headers, or this part of the body, go on.
    Continue,
    /// They stay, and what comes after them.
    Pause,
}

/// One request.
#[derive(Debug, Default)]
pub struct HttpRequest {
    state: State,
}

/// How far a request has come.
#[derive(Debug, Default)]
enum State {
    /// Nothing of it has been seen.
    #[default]
    New,
    /// It is not decided yet: it waits for the keys of an issuer.
    AwaitingKeys(At),
    /// A batch whose headers have been decided and whose body has not come yet.
    Batch(Batch),
    /// It has gone to Kinto, as a batch of which Kinto answers only a part.
    Splicing(Splicer),
    /// It has gone to Kinto, and nothing is left to do.
    Done,
    /// It has been answered, and never goes to Kinto.
    Answered,
}

/// Where a request waits.
#[derive(Debug)]
enum At {
    /// At its headers. `arrived` says what of the body has come since: with Envoy's plugin option
    /// `allow_on_headers_stop_iteration` the body comes while the headers wait, and is not handed out again.
    Headers { end_of_stream: bool, arrived: Arrived },
    /// At its body.
    Body { batch: Batch, size: usize },
}

/// What of a body has come while the headers waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrived {
    Nothing,
    Part,
    All,
}

#[derive(Debug)]
struct Batch {
    outer: Outer,
    /// Envoy hands out no header once it has passed it on.
    has_origin: bool,
    content_length: Option<usize>,
}

/// A request's next state, and what the proxy does.
type Next = Result<(Flow, State), HostError>;

impl HttpRequest {
    /// The header section of the request has come; with `end_of_stream` it is all.
    pub fn on_headers(&mut self, gate: &Gate, host: &impl Host, end_of_stream: bool) -> Flow {
        let next = match self.take() {
            State::New => strip_headers(gate, host, end_of_stream)
                .and_then(|()| decide_headers(gate, host, end_of_stream, true)),
            _ => Err(HostError("callback_order")),
        };
        self.settle(gate, host, next)
    }

    /// A part of the body has come; the proxy holds `size` bytes. With `end_of_stream` it is all.
    pub fn on_body(&mut self, gate: &Gate, host: &impl Host, size: usize, end_of_stream: bool) -> Flow {
        let next = match self.take() {
            State::New => Err(HostError("callback_order")),
            State::AwaitingKeys(At::Headers { end_of_stream: ended, .. }) => {
                let arrived = if end_of_stream { Arrived::All } else { Arrived::Part };
                Ok((Flow::Pause, State::AwaitingKeys(At::Headers { end_of_stream: ended, arrived })))
            }
            State::Batch(batch) if size > gate.config().batch.max_bytes => {
                refuse(gate, host, Refusal::TooLarge, batch.has_origin)
            }
            State::Batch(batch) if end_of_stream => decide_body(gate, host, batch, size, true),
            state @ (State::AwaitingKeys(_) | State::Batch(_) | State::Answered) => Ok((Flow::Pause, state)),
            state @ (State::Splicing(_) | State::Done) => Ok((Flow::Continue, state)),
        };
        self.settle(gate, host, next)
    }

    /// The trailer section of the request has come, which ends the body: no body callback has said so.
    pub fn on_trailers(&mut self, gate: &Gate, host: &impl Host) -> Flow {
        let state = self.take();
        let next = strip(gate, host, Fields::RequestTrailers).and_then(|_| match state {
            State::New => Err(HostError("callback_order")),
            State::AwaitingKeys(At::Headers { end_of_stream, .. }) => {
                let at = At::Headers { end_of_stream, arrived: Arrived::All };
                Ok((Flow::Pause, State::AwaitingKeys(at)))
            }
            State::Batch(batch) => decide_body(gate, host, batch, usize::MAX, true),
            state @ (State::AwaitingKeys(_) | State::Answered) => Ok((Flow::Pause, state)),
            state @ (State::Splicing(_) | State::Done) => Ok((Flow::Continue, state)),
        });
        self.settle(gate, host, next)
    }

    /// The wait for keys is over: decides with those that are known now.
    pub fn resume(&mut self, gate: &Gate, host: &impl Host) {
        let next = match self.take() {
            State::AwaitingKeys(At::Headers { end_of_stream, arrived }) => {
                decide_headers(gate, host, end_of_stream, false).and_then(|next| match (next, arrived) {
                    ((_, State::Batch(batch)), Arrived::All) => {
                        decide_body(gate, host, batch, usize::MAX, true)
                    }
                    // The rest is yet to come, and what has come must stay until then.
                    ((_, State::Batch(batch)), Arrived::Part) => Ok((Flow::Pause, State::Batch(batch))),
                    (next, _) => Ok(next),
                })
            }
            State::AwaitingKeys(At::Body { batch, size }) => decide_body(gate, host, batch, size, false),
            state => Ok((Flow::Pause, state)),
        };
        let resumed = next.and_then(|next| match next.0 {
            Flow::Continue => host.resume().map(|()| next),
            Flow::Pause => Ok(next),
        });
        self.settle(gate, host, resumed);
    }

    /// The header section of the answer has come; with `end_of_stream` it is all. It may be Kinto's, or the proxy's own.
    pub fn on_response_headers(&mut self, gate: &Gate, host: &impl Host, end_of_stream: bool) -> Flow {
        let next = match self.take() {
            State::Splicing(splicer) => check_answer(gate, host, splicer, end_of_stream),
            state => Ok((Flow::Continue, state)),
        };
        self.settle(gate, host, next)
    }

    /// A part of the answer's body has come; the proxy holds `size` bytes. With `end_of_stream` it is all.
    pub fn on_response_body(
        &mut self,
        gate: &Gate,
        host: &impl Host,
        size: usize,
        end_of_stream: bool,
    ) -> Flow {
        let next = match self.take() {
            State::Splicing(splicer) => splice_body(gate, host, splicer, size, end_of_stream),
            state => Ok((Flow::Continue, state)),
        };
        self.settle(gate, host, next)
    }

    /// The state, which is the safest one until [`settle`](Self::settle) has set the next.
    fn take(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Answered)
    }

    /// Sets the next state. Where there is none, the client is told so, and nothing of the request goes on.
    fn settle(&mut self, gate: &Gate, host: &impl Host, next: Next) -> Flow {
        let (flow, state) = next.unwrap_or_else(|call| {
            error!("the proxy failed at {call}: the request is answered 500");
            gate.numbers().add("host_failures".to_owned(), 1);
            if host.send(&Answer::internal_error(), true).is_err() {
                error!("the proxy failed to answer: the request is held until it times out");
            }
            (Flow::Pause, State::Answered)
        });
        self.state = state;
        flow
    }
}

/// Removes whatever the client says of its identity from the headers of a request.
fn strip_headers(gate: &Gate, host: &impl Host, end_of_stream: bool) -> Result<(), HostError> {
    let removed = if names_say_all(gate, end_of_stream) {
        let mut removed = 0_usize;
        for header in gate.config().own_headers() {
            if host.field(Fields::RequestHeaders, header.name())?.is_some() {
                host.set_field(Fields::RequestHeaders, header.name(), None)?;
                removed = removed.saturating_add(1);
            }
        }
        removed
    } else {
        strip(gate, host, Fields::RequestHeaders)?
    };
    if removed > 0 {
        let removed = u64::try_from(removed).unwrap_or(u64::MAX);
        gate.numbers().add("identity_headers_removed".to_owned(), removed);
    }
    Ok(())
}

/// Removes whatever the client says of its identity from a list of fields, in every spelling; returns how many there
/// were.
fn strip(gate: &Gate, host: &impl Host, list: Fields) -> Result<usize, HostError> {
    let mut removed = 0_usize;
    for (name, _) in host.fields(list)?.iter().filter(|(name, _)| gate.config().is_ours(name)) {
        host.set_field(list, name, None)?;
        removed = removed.saturating_add(1);
    }
    Ok(removed)
}

/// Whether there is neither a body that could be a batch nor another spelling of an identity header, so that the list of
/// headers need not be asked for.
fn names_say_all(gate: &Gate, end_of_stream: bool) -> bool {
    end_of_stream && gate.config().own_headers().all(|header| header.has_one_spelling())
}

/// Decides on a request by its headers.
fn decide_headers(gate: &Gate, host: &impl Host, end_of_stream: bool, may_wait: bool) -> Next {
    let headers = if names_say_all(gate, end_of_stream) {
        RequestHeaders::by_name(host)
    } else {
        RequestHeaders::whole(host)?
    };
    let mut decision = decide(gate, host, &headers)?;
    if let Some(policy) = decision.awaits.filter(|_| may_wait) {
        match host.wait(policy)? {
            Wait::Granted => {
                let at = At::Headers { end_of_stream, arrived: Arrived::Nothing };
                return Ok((Flow::Pause, State::AwaitingKeys(at)));
            }
            Wait::Needless => {}
            Wait::NoRoom => decision = gate.without_room(decision, &headers),
        }
    }
    remove_tokens(host, &decision.remove, &headers)?;
    write_identity(gate, host, &decision.outcome)?;

    let target = match end_of_stream {
        true => Target::Other,
        false => target(&headers.first(":method"), &headers.first(":path")),
    };
    let has_origin = !headers.first("origin").is_empty();
    headers.check()?;
    match target {
        Target::Unclear => return refuse(gate, host, Refusal::Unclear, has_origin),
        // A batch asks nothing of Kinto itself: its sub-requests may be rejected, each for itself.
        Target::Batch(prefix) if !decision.lacks_keys() => {
            let outer = Outer::new(decision, prefix);
            return begin_batch(gate, host, &headers, outer, has_origin)?
                .or_else(|refusal| refuse(gate, host, refusal, has_origin));
        }
        Target::Batch(_) | Target::Other => {}
    }
    report(gate, decision.outcome.code(), decision.rejection);
    if let Some(rejection) = decision.rejection {
        host.note_reason(rejection.code());
    }
    match &decision.outcome {
        Outcome::Rejected(answer) => answered(host, answer, has_origin),
        _ => Ok((Flow::Continue, State::Done)),
    }
}

fn decide<'g, H: Host>(
    gate: &'g Gate,
    host: &H,
    headers: &RequestHeaders<'_, H>,
) -> Result<Decision<'g>, HostError> {
    let checked = gate.numbers().verifications();
    let start = host.now()?;
    let decision = gate.decide(headers, start.as_secs());
    headers.check()?;
    if gate.numbers().verifications() != checked {
        host.record_verification(host.now()?.saturating_sub(start));
    }
    Ok(decision)
}

fn remove_tokens<H: Host>(
    host: &H,
    places: &[&Place],
    headers: &RequestHeaders<'_, H>,
) -> Result<(), HostError> {
    let mut removed = Vec::new();
    for place in places {
        let name = place.field();
        if let Place::Header { .. } = place {
            host.set_field(Fields::RequestHeaders, name, None)?;
            continue;
        }
        if removed.contains(&name) {
            continue;
        }
        // All tokens of this field at once.
        removed.push(name);
        let same = || places.iter().filter(|other| other.field() == name);
        let values = headers.values(name).map(Cow::into_owned);
        let rest =
            values.filter_map(|value| same().try_fold(value, |value, place| place.remove_from(&value)));
        let rest: Vec<Vec<u8>> = rest.collect();
        let rest = (!rest.is_empty()).then(|| rest.join(&b"; "[..]));
        headers.check()?;
        host.set_field(Fields::RequestHeaders, name, rest.as_deref())?;
    }
    Ok(())
}

/// Writes the headers that Kinto trusts, of which the client's own are gone.
fn write_identity(gate: &Gate, host: &impl Host, outcome: &Outcome) -> Result<(), HostError> {
    let config = gate.config();
    if let Some(user_id) = outcome.user_id() {
        let user_id = user_id.to_header_value();
        host.set_field(Fields::RequestHeaders, config.identity_header.name(), Some(&user_id))?;
    }
    for (number, header) in config.claim_headers.iter().enumerate() {
        if let Some(claim) = outcome.claim(number) {
            host.set_field(Fields::RequestHeaders, header.name(), Some(&claim.to_header_value()))?;
        }
    }
    Ok(())
}

/// Lets the headers of a batch go on; its body follows when it has been decided on.
fn begin_batch<H: Host>(
    gate: &Gate,
    host: &H,
    headers: &RequestHeaders<'_, H>,
    outer: Outer,
    has_origin: bool,
) -> Result<Result<(Flow, State), Refusal>, HostError> {
    let first = |name| headers.values(name).next();
    let set = |name, value: Option<&[u8]>| host.set_field(Fields::RequestHeaders, name, value);
    if let Err(refusal) = check_representation(headers.all()) {
        return Ok(Err(refusal));
    }
    set("content-type", Some(b"application/json"))?;
    let declared = first("content-length").and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > gate.config().batch.max_bytes) {
        return Ok(Err(Refusal::TooLarge));
    }
    let content_length = declared.map(|length| length.saturating_add(gate.batch_growth(length, &outer)));
    if let Some(length) = content_length {
        set("content-length", Some(length.to_string().as_bytes()))?;
    }
    if gate.config().may_reject() {
        // An answer into which entries are put must be readable.
        set("accept-encoding", None)?;
    }
    if !matches!(outer.outcome, Outcome::Rejected(_)) {
        report(gate, outer.outcome.code(), outer.rejection);
    }
    Ok(Ok((Flow::Continue, State::Batch(Batch { outer, has_origin, content_length }))))
}

/// Decides on a batch by its body, of which the proxy holds `size` bytes.
fn decide_body(gate: &Gate, host: &impl Host, batch: Batch, size: usize, may_wait: bool) -> Next {
    let has_origin = batch.has_origin;
    let body = host.body(Body::Request, size)?;
    if body.len() > gate.config().batch.max_bytes {
        return refuse(gate, host, Refusal::TooLarge, has_origin);
    }
    let now = host.now()?.as_secs();
    let rewrite = |unknown_keys| gate.rewrite_batch(&body, &batch.outer, now, unknown_keys);
    let mut rewritten = match rewrite(UnknownKeys::AreInvalid) {
        Ok(rewritten) => rewritten,
        Err(refusal) => return refuse(gate, host, refusal, has_origin),
    };
    if let Some(policy) = rewritten.awaits.filter(|_| may_wait) {
        match host.wait(policy)? {
            Wait::Granted => return Ok((Flow::Pause, State::AwaitingKeys(At::Body { batch, size }))),
            Wait::Needless => {}
            Wait::NoRoom => match rewrite(UnknownKeys::AreUnavailable) {
                Ok(without) => rewritten = without,
                Err(refusal) => return refuse(gate, host, refusal, has_origin),
            },
        }
    }
    let Some(content) = pad(std::mem::take(&mut rewritten.body), batch.content_length) else {
        return refuse(gate, host, Refusal::TooLong, has_origin);
    };
    report_batch(gate, host, &rewritten, batch.outer.rejection);
    if rewritten.forwarded == 0 && !rewritten.rejected.is_empty() {
        let entries: Vec<Value> = rewritten.rejected.into_iter().map(|(_, entry)| entry).collect();
        return answered(host, &Answer::ok(&json!({"responses": entries})), has_origin);
    }
    host.set_body(Body::Request, size, &content)?;
    let state = match rewritten.rejected {
        rejected if rejected.is_empty() => State::Done,
        rejected => State::Splicing(Splicer::new(rejected, rewritten.forwarded)),
    };
    Ok((Flow::Continue, state))
}

/// Lets an answer begin into which entries are put, if it is a list that can be read.
fn check_answer(gate: &Gate, host: &impl Host, splicer: Splicer, end_of_stream: bool) -> Next {
    let field = |name| host.field(Fields::ResponseHeaders, name);
    if field(":status")?.is_none_or(|status| status != b"200") {
        // Of the whole batch, as without this filter: it holds no entries.
        return Ok((Flow::Continue, State::Done));
    }
    let is_plain =
        field("content-encoding")?.is_none_or(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"identity"));
    let content_type = field("content-type")?.unwrap_or_default();
    if end_of_stream || !is_plain || !content_type.to_ascii_lowercase().starts_with(b"application/json") {
        return unreadable(gate, host);
    }
    host.set_field(Fields::ResponseHeaders, "content-length", None)?;
    Ok((Flow::Continue, State::Splicing(splicer)))
}

fn splice_body(
    gate: &Gate,
    host: &impl Host,
    mut splicer: Splicer,
    size: usize,
    end_of_stream: bool,
) -> Next {
    let piece = host.body(Body::Response, size)?;
    match splicer.push(&piece) {
        Ok(content) if !end_of_stream || splicer.is_complete() => {
            host.set_body(Body::Response, size, &content)?;
            Ok((Flow::Continue, State::Splicing(splicer)))
        }
        _ => unreadable(gate, host),
    }
}

/// Answers that Kinto's answer cannot be read. Where its head has gone on, the proxy cuts it off instead.
fn unreadable(gate: &Gate, host: &impl Host) -> Next {
    error!("Kinto's answer to a batch cannot be read: the client gets an error in its stead");
    gate.numbers().add("batch_answers_unreadable".to_owned(), 1);
    host.note_reason("batch_answer_unreadable");
    answered(host, &Answer::unreadable(), true)
}

fn refuse(gate: &Gate, host: &impl Host, refusal: Refusal, has_origin: bool) -> Next {
    debug!("{}", refusal.code());
    gate.numbers().add(format!("batch_refusals.reason.{}", refusal.code()), 1);
    host.note_reason(refusal.code());
    answered(host, &refusal.answer(), has_origin)
}

fn answered(host: &impl Host, answer: &Answer, has_origin: bool) -> Next {
    host.send(answer, has_origin)?;
    Ok((Flow::Pause, State::Answered))
}

/// Counts what becomes of a request, and says why it proved nothing.
fn report(gate: &Gate, outcome: &str, rejection: Option<Rejection>) {
    gate.numbers().count_decision(outcome, rejection);
    match rejection {
        Some(rejection) if outcome == "reported" => info!("would be rejected: {}", rejection.code()),
        Some(rejection) => debug!("{outcome}: {}", rejection.code()),
        None => {}
    }
}

fn report_batch(gate: &Gate, host: &impl Host, rewritten: &Rewritten, outer: Option<Rejection>) {
    let count = rewritten.forwarded.saturating_add(rewritten.rejected.len());
    gate.numbers().add("batch_subrequests".to_owned(), u64::try_from(count).unwrap_or_default());
    for (outcome, rejection) in &rewritten.decided {
        report(gate, outcome, *rejection);
    }
    if let Some(reason) = rewritten.decided.iter().find_map(|(_, rejection)| *rejection).or(outer) {
        host.note_reason(reason.code());
    }
}

/// Fills a body up to the length that was announced; JSON may end in spaces (RFC 8259 section 2). `None` if it is
/// longer.
fn pad(mut body: Vec<u8>, content_length: Option<usize>) -> Option<Vec<u8>> {
    if let Some(length) = content_length {
        if body.len() > length {
            return None;
        }
        body.resize(length, b' ');
    }
    Some(body)
}
