//! One request: what it says, what the gate decides, what becomes of it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::{Rc, Weak};

use log::{debug, info};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::batch::{Refusal, check_media_type, splice};
use crate::batch_body::{Outer, Rewritten};
use crate::batch_path::is_batch;
use crate::credentials::{Place, Request};
use crate::gate::{Decision, Outcome};
use crate::rejection::Rejection;

use super::host::{self, HostRequest, set_header};
use super::issuer::Issuer;
use super::{MAX_WAITING, Worker};

/// One request.
pub(super) struct Filter {
    worker: Rc<Worker>,
    id: u32,
    stage: Stage,
}

/// How far a request has come.
#[derive(Default)]
enum Stage {
    /// There is nothing left to do.
    #[default]
    Done,
    /// A batch whose headers have gone on and whose body has not.
    Batch(Batch),
    /// It waits for an issuer's keys; what comes after is put here.
    Waiting(Rc<RefCell<Stage>>),
    /// A batch of which Kinto answers only a part: the entries of the others.
    Splice(Vec<(usize, Value)>),
}

struct Batch {
    outer: Outer,
    /// Envoy hands out no header once it has passed it on.
    has_origin: bool,
    content_length: Option<usize>,
}

/// A request that waits for an issuer's keys.
pub(super) struct Waiting {
    pub(super) promise: Promise,
    stage: Weak<RefCell<Stage>>,
    at: At,
}

/// What it waits for.
pub(super) struct Promise {
    /// The policy whose issuer is asked: its place in the list.
    pub(super) policy: usize,
    /// The request's context.
    id: u32,
    /// How many fetches had ended.
    finished: u64,
    /// Milliseconds since 1970.
    until: u64,
}

/// Where it waits.
enum At {
    Headers { end_of_stream: bool },
    Body { batch: Batch, size: usize },
}

impl Filter {
    pub(super) fn new(worker: Rc<Worker>, id: u32) -> Self {
        Self { worker, id, stage: Stage::Done }
    }

    /// What came of a wait.
    fn catch_up(&mut self) {
        if let Stage::Waiting(later) = &self.stage {
            self.stage = later.take();
        }
    }

    fn proceed(&mut self, (action, stage): (Action, Stage)) -> Action {
        self.stage = stage;
        action
    }
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let next = self.worker.on_headers(end_of_stream, Some(self.id));
        self.proceed(next)
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.catch_up();
        let Stage::Batch(Batch { has_origin, .. }) = self.stage else { return Action::Continue };
        if size > self.worker.gate.config().batch.max_bytes {
            let next = self.worker.refuse(Refusal::TooLarge, has_origin);
            return self.proceed(next);
        }
        if end_of_stream { self.finish_batch(size) } else { Action::Pause }
    }

    /// The end of a body that has trailers: no body callback has said so.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.catch_up();
        let config = self.worker.gate.config();
        for (name, _) in self.get_http_request_trailers_bytes() {
            if config.is_ours(&name) {
                self.set_http_request_trailer_bytes(&name, None);
            }
        }
        self.finish_batch(usize::MAX)
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        self.catch_up();
        if matches!(self.stage, Stage::Splice(_)) {
            let whole = self.get_http_response_header_bytes(":status").is_some_and(|status| status == b"200")
                && self.get_http_response_header_bytes("content-encoding").is_none();
            if whole {
                self.set_http_response_header_bytes("content-length", None);
            } else {
                self.stage = Stage::Done;
            }
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let Stage::Splice(rejected) = &self.stage else { return Action::Continue };
        if !end_of_stream {
            return Action::Pause;
        }
        let answer = self.get_http_response_body(0, size).unwrap_or_default();
        // What is no list of answers cannot be put in order: better none than the wrong ones.
        let answer = splice(&answer, rejected).unwrap_or_default();
        self.set_http_response_body(0, size, &answer);
        Action::Continue
    }
}

impl Filter {
    fn finish_batch(&mut self, size: usize) -> Action {
        match std::mem::take(&mut self.stage) {
            Stage::Batch(batch) => {
                let next = self.worker.finish_batch(batch, size, Some(self.id));
                self.proceed(next)
            }
            stage => self.proceed((Action::Continue, stage)),
        }
    }
}

impl Waiting {
    pub(super) fn is_over(&self, issuer: &Issuer, now: u64) -> bool {
        now >= self.promise.until
            || issuer.has_answered(self.promise.finished, now)
            || self.stage.strong_count() == 0
    }

    /// Decides with the keys that are known now.
    pub(super) fn resume(self, worker: &Rc<Worker>) {
        // The client may have gone, and the request with it.
        let Some(stage) = self.stage.upgrade() else { return };
        if hostcalls::set_effective_context(self.promise.id).is_err() {
            return;
        }
        let (action, next) = match self.at {
            At::Headers { end_of_stream } => worker.on_headers(end_of_stream, None),
            At::Body { batch, size } => worker.finish_batch(batch, size, None),
        };
        stage.replace(next);
        if action == Action::Continue {
            let _ = hostcalls::resume_http_request();
        }
    }
}

/// What to do with the request of the context that is at work. With `id`, its context's, it may wait.
impl Worker {
    fn on_headers(&self, end_of_stream: bool, id: Option<u32>) -> (Action, Stage) {
        let config = self.gate.config();
        // Where the names say all, and there is no body that could be a batch, the list of headers is not
        // asked for.
        let by_name = end_of_stream && config.own_headers().all(|header| header.has_one_spelling());
        let request = if by_name { HostRequest::by_name() } else { HostRequest::whole() };

        let decision = self.decide(&request);
        if let Some(promise) = self.promise(decision.awaits, id) {
            return self.wait(promise, At::Headers { end_of_stream });
        }
        if by_name {
            let claimed = config.own_headers().filter(|own| host::header(own.name()).is_some()).count();
            self.count_removed(claimed);
        } else {
            let claimed = request.fields().iter().filter(|(name, _)| config.is_ours(name));
            let claimed = claimed.map(|(name, _)| set_header(name, None)).count();
            self.count_removed(claimed);
        }
        self.remove_tokens(&decision.remove, &request);
        self.write_identity(&decision.outcome);

        let is_batch = !end_of_stream && is_batch(&request.first(":method"), &request.first(":path"));
        if is_batch && !decision.lacks_keys() {
            // A batch asks nothing of Kinto itself: its sub-requests may be rejected, each for itself.
            let begun = self.begin_batch(&request, decision);
            return begun.unwrap_or_else(|refusal| self.refuse(refusal, has_origin(&request)));
        }
        self.report(decision.outcome.code(), decision.rejection);
        if let Some(rejection) = decision.rejection {
            host::note_reason(rejection.code());
        }
        if let Outcome::Rejected(answer) = &decision.outcome {
            host::send(answer, has_origin(&request));
            return (Action::Pause, Stage::Done);
        }
        (Action::Continue, Stage::Done)
    }

    fn decide(&self, request: &HostRequest) -> Decision<'_> {
        let numbers = self.gate.numbers();
        let checked = numbers.verifications();
        let start = host::now_in_microseconds();
        let decision = self.gate.decide(request, start / 1_000_000);
        if numbers.verifications() != checked {
            host::record_verification(host::now_in_microseconds().saturating_sub(start));
        }
        decision
    }

    /// Whether a request may wait for an issuer's keys: one is asked, and there is room.
    fn promise(&self, awaits: Option<usize>, id: Option<u32>) -> Option<Promise> {
        let (policy, id) = (awaits?, id?);
        if self.waiting.try_borrow().ok()?.len() >= MAX_WAITING {
            return None;
        }
        let mut issuer = self.issuer(policy)?.try_borrow_mut().ok()?;
        let (finished, until) = issuer.promise(host::now_in_milliseconds())?;
        Some(Promise { policy, id, finished, until })
    }

    fn wait(&self, promise: Promise, at: At) -> (Action, Stage) {
        let later = Rc::new(RefCell::new(Stage::Done));
        if let Ok(mut waiting) = self.waiting.try_borrow_mut() {
            waiting.push(Waiting { promise, stage: Rc::downgrade(&later), at });
        }
        self.set_busy(true);
        (Action::Pause, Stage::Waiting(later))
    }

    /// Counts what becomes of a request, and says why it proved nothing.
    fn report(&self, outcome: &str, rejection: Option<Rejection>) {
        self.gate.numbers().count_decision(outcome, rejection);
        match rejection {
            Some(rejection) if outcome == "reported" => info!("would be rejected: {}", rejection.code()),
            Some(rejection) => debug!("{outcome}: {}", rejection.code()),
            None => {}
        }
    }

    fn remove_tokens(&self, places: &[&Place], request: &HostRequest) {
        let mut removed = Vec::new();
        for place in places {
            let name = place.field();
            if let Place::Header { .. } = place {
                set_header(name, None);
                continue;
            }
            if removed.contains(&name) {
                continue;
            }
            // All tokens of this field at once.
            removed.push(name);
            let same = || places.iter().filter(|other| other.field() == name);
            let values = request.values(name).map(Cow::into_owned);
            let rest =
                values.filter_map(|value| same().try_fold(value, |value, place| place.remove_from(&value)));
            let rest: Vec<Vec<u8>> = rest.collect();
            set_header(name, (!rest.is_empty()).then(|| rest.join(&b"; "[..])).as_deref());
        }
    }

    /// Replaces, or removes, the headers that Kinto trusts.
    fn write_identity(&self, outcome: &Outcome) {
        let config = self.gate.config();
        let user_id = outcome.user_id().map(|user_id| user_id.to_header_value());
        set_header(config.identity_header.name(), user_id.as_deref());
        for (number, header) in config.claim_headers.iter().enumerate() {
            let claim = outcome.claim(number).map(|text| text.to_header_value());
            set_header(header.name(), claim.as_deref());
        }
    }

    fn count_removed(&self, count: usize) {
        if count > 0 {
            self.gate
                .numbers()
                .add("identity_headers_removed".to_owned(), u64::try_from(count).unwrap_or_default());
        }
    }

    fn begin_batch(&self, request: &HostRequest, decision: Decision<'_>) -> Result<(Action, Stage), Refusal> {
        let first = |name| request.values(name).next();
        let content_type = first("content-type");
        if let Some(media_type) =
            check_media_type(content_type.as_deref(), first("content-encoding").as_deref())?
        {
            set_header("content-type", Some(media_type));
        }
        let declared =
            first("content-length").and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
        if declared.is_some_and(|length: usize| length > self.gate.config().batch.max_bytes) {
            return Err(Refusal::TooLarge);
        }
        let content_length = declared.map(|length| length.saturating_add(self.gate.batch_growth(length)));
        if let Some(length) = content_length {
            set_header("content-length", Some(length.to_string().as_bytes()));
        }
        if self.gate.config().may_reject() {
            // An answer that is put together must be readable.
            set_header("accept-encoding", None);
        }
        let outer = Outer::new(decision, &request.first(":path"));
        if !matches!(outer.outcome, Outcome::Rejected(_)) {
            self.report(outer.outcome.code(), outer.rejection);
        }
        let has_origin = has_origin(request);
        Ok((Action::Continue, Stage::Batch(Batch { outer, has_origin, content_length })))
    }

    fn finish_batch(&self, batch: Batch, size: usize, id: Option<u32>) -> (Action, Stage) {
        let body =
            hostcalls::get_buffer(BufferType::HttpRequestBody, 0, size).ok().flatten().unwrap_or_default();
        let rewritten = match self.gate.rewrite_batch(&body, &batch.outer, host::now()) {
            Ok(rewritten) => rewritten,
            Err(refusal) => return self.refuse(refusal, batch.has_origin),
        };
        if let Some(promise) = self.promise(rewritten.awaits, id) {
            return self.wait(promise, At::Body { batch, size });
        }
        self.report_batch(&rewritten, batch.outer.rejection);
        if rewritten.forwarded == 0 && !rewritten.rejected.is_empty() {
            let entries: Vec<Value> = rewritten.rejected.into_iter().map(|(_, entry)| entry).collect();
            host::send(&Answer::ok(&json!({"responses": entries})), batch.has_origin);
            return (Action::Pause, Stage::Done);
        }
        match pad(rewritten.body, batch.content_length) {
            Ok(body) => {
                let _ = hostcalls::set_buffer(BufferType::HttpRequestBody, 0, size, &body);
                let rejected = rewritten.rejected;
                (Action::Continue, if rejected.is_empty() { Stage::Done } else { Stage::Splice(rejected) })
            }
            Err(refusal) => self.refuse(refusal, batch.has_origin),
        }
    }

    fn report_batch(&self, rewritten: &Rewritten, outer: Option<Rejection>) {
        let numbers = self.gate.numbers();
        let count = rewritten.forwarded.saturating_add(rewritten.rejected.len());
        numbers.add("batch_subrequests".to_owned(), u64::try_from(count).unwrap_or_default());
        for (outcome, rejection) in &rewritten.decided {
            self.report(outcome, *rejection);
        }
        if let Some(reason) = rewritten.decided.iter().find_map(|(_, rejection)| *rejection).or(outer) {
            host::note_reason(reason.code());
        }
    }

    fn refuse(&self, refusal: Refusal, has_origin: bool) -> (Action, Stage) {
        debug!("{}", refusal.code());
        self.gate.numbers().add(format!("batch_refusals.reason.{}", refusal.code()), 1);
        host::note_reason(refusal.code());
        host::send(&refusal.answer(), has_origin);
        (Action::Pause, Stage::Done)
    }
}

/// Whether it is a page in a browser that asks.
fn has_origin(request: &HostRequest) -> bool {
    !request.first("origin").is_empty()
}

/// Fills a body up to the length that was announced; JSON may end in spaces (RFC 8259 section 2).
fn pad(mut body: Vec<u8>, content_length: Option<usize>) -> Result<Vec<u8>, Refusal> {
    if let Some(length) = content_length {
        if body.len() > length {
            return Err(Refusal::TooLong);
        }
        body.resize(length, b' ');
    }
    Ok(body)
}
