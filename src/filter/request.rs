//! One request in Envoy: its callbacks, and the room in which requests wait for keys.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::host::{HostError, Wait};
use crate::request::{Flow, HttpRequest};

use super::host::{Envoy, now_in_milliseconds};
use super::issuer::Issuer;
use super::{BUSY, IDLE, Worker};

/// Requests of one worker that may wait at once. A place is a few words, and Envoy holds much more for each request, so
/// that no stranger can fill the room before Envoy itself is full.
const MAX_WAITING: usize = 16_384;

/// Requests that are decided on in one callback when their wait is over. Envoy lets each go on inside the callbacks of
/// the one before, so that many at once would be more than V8's stack holds.
const RESUMED_AT_ONCE: usize = 32;

/// One request.
pub(super) struct Filter {
    worker: Rc<Worker>,
    context: u32,
    request: Rc<RefCell<HttpRequest>>,
}

/// A request that waits for an issuer's keys.
pub(super) struct Waiting {
    /// The policy whose issuer is asked: its place in the list.
    pub(super) policy: usize,
    context: u32,
    /// The client may go, and the request with it.
    request: Weak<RefCell<HttpRequest>>,
    /// How many fetches had ended.
    finished: u64,
    /// Milliseconds since 1970.
    until: u64,
}

impl Filter {
    pub(super) fn new(worker: Rc<Worker>, context: u32) -> Self {
        Self { worker, context, request: Rc::default() }
    }

    /// Hands a callback to the request. Envoy runs what a callback asks for when the callback has returned, so that none
    /// comes while another is at work.
    fn act(&self, callback: impl FnOnce(&mut HttpRequest, &Envoy<'_>) -> Flow) -> Action {
        let wait = |policy| self.worker.wait(policy, self.context, &self.request);
        match callback(&mut self.request.borrow_mut(), &Envoy::new(&wait)) {
            Flow::Continue => Action::Continue,
            Flow::Pause => Action::Pause,
        }
    }
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.act(|request, host| request.on_headers(&self.worker.gate, host, end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.act(|request, host| request.on_body(&self.worker.gate, host, size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.act(|request, host| request.on_trailers(&self.worker.gate, host))
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.act(|request, host| request.on_response_headers(&self.worker.gate, host, end_of_stream))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.act(|request, host| request.on_response_body(&self.worker.gate, host, size, end_of_stream))
    }
}

impl Worker {
    /// Gives a request a place in the waiting room, if its issuer is asked and there is room.
    fn wait(
        &self,
        policy: usize,
        context: u32,
        request: &Rc<RefCell<HttpRequest>>,
    ) -> Result<Wait, HostError> {
        let Some(issuer) = self.issuer(policy) else { return Ok(Wait::Needless) };
        let Some((finished, until)) = issuer.borrow_mut().promise(now_in_milliseconds()?) else {
            return Ok(Wait::Needless);
        };
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= MAX_WAITING {
            return Ok(Wait::NoRoom);
        }
        waiting.push(Waiting { policy, context, request: Rc::downgrade(request), finished, until });
        drop(waiting);
        if self.pace.get() == IDLE {
            self.set_pace(BUSY);
        }
        Ok(Wait::Granted)
    }

    /// Decides on the requests whose wait is over, those that have waited longest first, but not on too many. Says
    /// whether there are more.
    pub(super) fn resume_waiting(&self, now: u64) -> bool {
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        let (mut over, mut still, mut more) = (Vec::new(), Vec::new(), false);
        for waiting in waiting {
            let issuer = self.issuer(waiting.policy);
            let is_over = issuer.is_none_or(|issuer| waiting.is_over(&issuer.borrow(), now));
            if is_over && over.len() < RESUMED_AT_ONCE {
                over.push(waiting);
            } else {
                more |= is_over;
                still.push(waiting);
            }
        }
        *self.waiting.borrow_mut() = still;
        for waiting in over {
            waiting.resume(self);
        }
        more
    }
}

impl Waiting {
    fn is_over(&self, issuer: &Issuer, now: u64) -> bool {
        now >= self.until || issuer.has_answered(self.finished, now) || self.request.strong_count() == 0
    }

    fn resume(self, worker: &Worker) {
        let Some(request) = self.request.upgrade() else { return };
        // Without its context the request cannot go on: it stays paused until Envoy times it out.
        if hostcalls::set_effective_context(self.context).is_err() {
            return;
        }
        let wait = |policy| worker.wait(policy, self.context, &request);
        request.borrow_mut().resume(&worker.gate, &Envoy::new(&wait));
    }
}
