//! The room in which requests wait for the keys of their issuers.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use proxy_wasm::hostcalls;

use crate::filter::http_request::HttpRequest;
use crate::gate::policy::PolicyIndex;

/// Requests of one worker that may wait at once. A place is a few words, and Envoy holds much more for each request, so
/// that no stranger can fill the room before Envoy itself is full.
const MAX_WAITING: usize = 16_384;

/// Requests that are decided on in one callback when their wait is over. Envoy lets each go on inside the callbacks of
/// the one before, so that many at once would be more than V8's stack holds.
const RESUMED_AT_ONCE: usize = 32;

/// A request that waits for an issuer's keys.
pub(super) struct Waiting {
    /// The policy whose issuer is asked.
    pub(super) policy: PolicyIndex,
    /// The context of the request.
    pub(super) context: u32,
    /// The client may go, and the request with it.
    pub(super) request: Weak<RefCell<HttpRequest>>,
    /// How many fetches had ended when it began to wait.
    pub(super) finished: u64,
    /// The end of its wait, in milliseconds since 1970.
    pub(super) until: u64,
}

/// Those that wait, in the order in which they came.
#[derive(Default)]
pub(super) struct WaitingRoom(RefCell<Vec<Waiting>>);

impl WaitingRoom {
    /// Gives a request a place; says whether there was one.
    pub(super) fn add(&self, waiting: Waiting) -> bool {
        let mut places = self.0.borrow_mut();
        let has_room = places.len() < MAX_WAITING;
        if has_room {
            places.push(waiting);
        }
        has_room
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Takes out those whose wait is over, but not too many. Says whether there are more.
    pub(super) fn take_some(&self, is_over: impl Fn(&Waiting) -> bool) -> (Vec<Waiting>, bool) {
        let (mut over, mut still, mut more) = (Vec::new(), Vec::new(), false);
        for waiting in self.0.take() {
            let is_over = waiting.request.strong_count() == 0 || is_over(&waiting);
            if is_over && over.len() < RESUMED_AT_ONCE {
                over.push(waiting);
            } else {
                more |= is_over;
                still.push(waiting);
            }
        }
        self.0.replace(still);
        (over, more)
    }
}

impl Waiting {
    /// The request, if its client is still there, with Envoy at work on it.
    pub(super) fn enter(&self) -> Option<Rc<RefCell<HttpRequest>>> {
        let request = self.request.upgrade()?;
        // Without its context the request cannot go on: it stays paused until Envoy times it out.
        hostcalls::set_effective_context(self.context).ok()?;
        Some(request)
    }
}
