//! What the requests of one configuration share in one worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use log::error;
use proxy_wasm::hostcalls;

use crate::filter::envoy::host::{self, Envoy};
use crate::filter::envoy::issuer::Issuer;
use crate::filter::envoy::metrics::Metrics;
use crate::filter::envoy::waiting::{Waiting, WaitingRoom};
use crate::filter::host::{HostError, Wait};
use crate::filter::http_request::HttpRequest;
use crate::gate::decide::Gate;
use crate::gate::policy::PolicyIndex;
use crate::keys::ring::KeyRing;

/// The timer's period when nothing waits: counters are handed to Envoy, and key sets of other workers are taken.
const IDLE: Duration = Duration::from_secs(1);

/// The timer's period while a request waits for keys.
const BUSY: Duration = Duration::from_millis(20);

/// The timer's period while requests whose wait is over are resumed, some at each tick.
const RESUMING: Duration = Duration::from_millis(1);

/// What the requests of one configuration share in one worker.
pub(super) struct Worker {
    /// The context of the plugin configuration.
    context: u32,
    pub(super) gate: Gate,
    issuers: Vec<(PolicyIndex, RefCell<Issuer>)>,
    waiting: WaitingRoom,
    /// The timer's period.
    period: Cell<Duration>,
}

impl Worker {
    /// A worker that decides by this gate, with the keys that other workers have fetched.
    pub(super) fn new(context: u32, gate: Gate) -> Self {
        let mut issuers = Issuer::all(&gate);
        for issuer in &mut issuers {
            issuer.take_shared(&gate);
        }
        let issuers: Vec<_> =
            issuers.into_iter().map(|issuer| (issuer.policy, RefCell::new(issuer))).collect();
        let worker = Self {
            context,
            gate,
            issuers,
            waiting: WaitingRoom::default(),
            period: Cell::new(Duration::ZERO),
        };
        worker.set_period(if worker.issuers.is_empty() { IDLE } else { BUSY });
        worker
    }

    /// Puts a request into the waiting room, if its issuer is being asked for keys and there is room.
    pub(super) fn wait(
        &self,
        policy: PolicyIndex,
        context: u32,
        request: &Rc<RefCell<HttpRequest>>,
    ) -> Result<Wait, HostError> {
        let Some(issuer) = self.issuer(policy) else { return Ok(Wait::Needless) };
        let Some((finished, until)) = issuer.borrow_mut().want(host::now_in_milliseconds()?) else {
            return Ok(Wait::Needless);
        };
        let request = Rc::downgrade(request);
        if !self.waiting.add(Waiting { policy, context, request, finished, until }) {
            return Ok(Wait::NoRoom);
        }
        if self.period.get() == IDLE {
            self.set_period(BUSY);
        }
        Ok(Wait::Granted)
    }

    /// Fetches keys that are due, and resumes requests whose wait is over.
    pub(super) fn on_tick(&self, metrics: &mut Metrics) {
        let Ok(now) = host::now_in_milliseconds() else {
            error!("the clock of the proxy failed: no keys are fetched until it works");
            return;
        };
        let mut fetching = false;
        for (policy, issuer) in &self.issuers {
            let mut issuer = issuer.borrow_mut();
            fetching |= issuer.fetch_if_due(&self.gate, now);
            if let Some(policy) = self.gate.config().policy(*policy) {
                let keys = policy.keys().and_then(KeyRing::current).map_or(0, |keys| keys.len());
                metrics.gauge_keys(&policy.name, keys, issuer.age(now));
            }
        }
        let more = self.resume_waiting(now);
        self.set_period(if more {
            RESUMING
        } else if fetching || !self.waiting.is_empty() {
            BUSY
        } else {
            IDLE
        });
    }

    /// Takes an issuer's answer to the call of this token, and resumes requests whose wait is over.
    pub(super) fn on_call_response(&self, token: u32, is_there: bool, size: usize) {
        let Ok(now) = host::now_in_milliseconds() else {
            // The issuer is asked again when the lease of this fetch has ended.
            self.issuers.iter().for_each(|(_, issuer)| issuer.borrow_mut().forget(token));
            return;
        };
        for (_, issuer) in &self.issuers {
            issuer.borrow_mut().on_answer(&self.gate, token, is_there, size, now);
        }
        if self.resume_waiting(now) {
            self.set_period(RESUMING);
        }
    }

    fn issuer(&self, policy: PolicyIndex) -> Option<&RefCell<Issuer>> {
        self.issuers.iter().find(|(of, _)| *of == policy).map(|(_, issuer)| issuer)
    }

    /// Decides on some of the requests whose wait is over, the oldest first, each in its own context. Says whether
    /// there are more.
    fn resume_waiting(&self, now: u64) -> bool {
        let is_over = |waiting: &Waiting| {
            let issuer = self.issuer(waiting.policy);
            let has_answered = |issuer: &RefCell<Issuer>| issuer.borrow().has_answered(waiting.finished, now);
            now >= waiting.until || issuer.is_none_or(has_answered)
        };
        let (over, more) = self.waiting.take_some(is_over);
        for waiting in over {
            if let Some(request) = waiting.enter() {
                let wait = |policy| self.wait(policy, waiting.context, &request);
                request.borrow_mut().resume(&self.gate, &Envoy::new(&wait));
            }
        }
        // If this fails, the calls that follow are made in the context of a request, which does no harm.
        let _ = hostcalls::set_effective_context(self.context);
        more
    }

    fn set_period(&self, period: Duration) {
        // A call that fails is tried again at the next tick.
        if self.period.get() != period && hostcalls::set_tick_period(period).is_ok() {
            self.period.set(period);
        }
    }
}
