//! The room in which requests wait for the keys of their issuers.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use proxy_wasm::hostcalls;

use crate::filter::http_request::HttpRequest;
use crate::gate::policy::PolicyIndex;

/// The largest number of requests of one worker that wait at once. One that waits takes a few words of memory, and
/// Envoy holds much more for each request: Envoy reaches its own limits before a client can fill the room.
const MAX_WAITING: usize = 16_384;

/// The largest number of requests that are resumed in one callback. Envoy continues each request inside the call for
/// the one before, so that too many at once overflow V8's stack.
const RESUMED_AT_ONCE: usize = 32;

/// A request that waits for an issuer's keys.
pub(super) struct Waiting {
    /// The policy whose issuer is asked.
    pub(super) policy: PolicyIndex,
    /// The context of the request.
    pub(super) context: u32,
    /// The request; it is gone if its client is gone.
    pub(super) request: Weak<RefCell<HttpRequest>>,
    /// How many fetches had ended when the request began to wait.
    pub(super) finished: u64,
    /// The end of the wait, in milliseconds since 1970.
    pub(super) until: u64,
}

/// The requests that wait, in the order in which they came.
#[derive(Default)]
pub(super) struct WaitingRoom(RefCell<Vec<Waiting>>);

impl WaitingRoom {
    /// Adds a request. Returns whether there was room.
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

    /// Takes out requests whose wait is over, up to [`RESUMED_AT_ONCE`]. Says whether there are more.
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
    /// Makes the context of the request the current one, and returns the request; `None` if its client is gone.
    pub(super) fn enter(&self) -> Option<Rc<RefCell<HttpRequest>>> {
        let request = self.request.upgrade()?;
        // If this fails, the request stays paused until Envoy times it out.
        hostcalls::set_effective_context(self.context).ok()?;
        Some(request)
    }
}
