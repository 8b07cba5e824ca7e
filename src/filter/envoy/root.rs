//! Reads from Envoy, asks the [`Gate`], writes back. Only this file and those in `filter/` know the host.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use log::{error, info, warn};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};

use crate::config::parse::{Config, parse};
use crate::counters::FROM_THE_START;
use crate::filter::envoy::host::{self, Envoy, Metrics};
use crate::filter::envoy::http::Filter;
use crate::filter::envoy::issuer::{self, Issuer};
use crate::filter::envoy::waiting::{Waiting, WaitingRoom};
use crate::filter::host::{HostError, Wait};
use crate::filter::http_request::HttpRequest;
use crate::gate::decide::Gate;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(Root { id, worker: None, metrics: Metrics::default() }));
}}

/// How often counts are handed over and workers look at what the others know.
const IDLE: Duration = Duration::from_secs(1);

/// How often while a request waits for keys.
const BUSY: Duration = Duration::from_millis(20);

/// How often while requests whose wait is over are decided on, some at a time.
const RESUMING: Duration = Duration::from_millis(1);

/// One plugin configuration in one worker.
struct Root {
    id: u32,
    worker: Option<Rc<Worker>>,
    metrics: Metrics,
}

/// What a configuration's requests share.
///
/// A worker is one thread, and Envoy runs one callback at a time: a borrow that fails is a fault of this filter. It panics,
/// which takes the VM down and lets nothing through.
pub(super) struct Worker {
    pub(super) gate: Gate,
    /// The issuers, each with the place of its policy in the list.
    issuers: Vec<(usize, RefCell<Issuer>)>,
    waiting: WaitingRoom,
    /// How often the timer comes now.
    pace: Cell<Duration>,
}

impl Worker {
    /// The issuer of a policy, by the policy's place in the list.
    fn issuer(&self, policy: usize) -> Option<&RefCell<Issuer>> {
        self.issuers.iter().find(|(of, _)| *of == policy).map(|(_, issuer)| issuer)
    }

    /// Gives a request a place in the waiting room, if its issuer is asked and there is room.
    pub(super) fn wait(
        &self,
        policy: usize,
        context: u32,
        request: &Rc<RefCell<HttpRequest>>,
    ) -> Result<Wait, HostError> {
        let Some(issuer) = self.issuer(policy) else { return Ok(Wait::Needless) };
        let Some((finished, until)) = issuer.borrow_mut().promise(host::now_in_milliseconds()?) else {
            return Ok(Wait::Needless);
        };
        let request = Rc::downgrade(request);
        if !self.waiting.add(Waiting { policy, context, request, finished, until }) {
            return Ok(Wait::NoRoom);
        }
        if self.pace.get() == IDLE {
            self.set_pace(BUSY);
        }
        Ok(Wait::Granted)
    }

    /// Decides on some of the requests whose wait is over, those that have waited longest first, each in its own context.
    /// Says whether there are more.
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
        more
    }

    fn set_pace(&self, pace: Duration) {
        // One that fails is tried again at the next tick.
        if self.pace.get() != pace && hostcalls::set_tick_period(pace).is_ok() {
            self.pace.set(pace);
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, size: usize, _trailers: usize) {
        let Some(worker) = &self.worker else { return };
        let Ok(now) = host::now_in_milliseconds() else {
            // It is asked again when its time is over.
            worker.issuers.iter().for_each(|(_, issuer)| issuer.borrow_mut().forget(token));
            return;
        };
        for (_, issuer) in &worker.issuers {
            issuer::on_answer(&mut issuer.borrow_mut(), &worker.gate, token, headers > 0, size, now);
        }
        if self.resume_waiting(now)
            && let Some(worker) = &self.worker
        {
            worker.set_pace(RESUMING);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        // Envoy's level for the "wasm" logger: what it would drop is not even formatted.
        if let Ok(level) = hostcalls::get_log_level() {
            proxy_wasm::set_log_level(level);
        }
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        match parse(&configuration, Some(host::verify_signature)) {
            Ok(config) => {
                self.metrics.add(FROM_THE_START.map(|name| (name.to_owned(), 0)).into());
                report(&config, &mut self.metrics);
                let gate = Gate::new(config);
                let mut issuers = Issuer::all(&gate);
                for issuer in &mut issuers {
                    issuer.learn(&gate);
                }
                let issuers =
                    issuers.into_iter().map(|issuer| (issuer.policy, RefCell::new(issuer))).collect();
                let (waiting, pace) = (WaitingRoom::default(), Cell::new(Duration::ZERO));
                let worker = Worker { gate, issuers, waiting, pace };
                worker.set_pace(if worker.issuers.is_empty() { IDLE } else { BUSY });
                self.worker = Some(Rc::new(worker));
                true
            }
            Err(reason) => {
                error!("configuration refused: {reason}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let Some(worker) = self.worker.clone() else { return };
        self.metrics.add(worker.gate.take_counts());
        let Ok(now) = host::now_in_milliseconds() else {
            error!("the clock of the proxy failed: no keys are fetched until it works");
            return;
        };
        let mut asking = false;
        for (_, issuer) in &worker.issuers {
            let mut issuer = issuer.borrow_mut();
            asking |= issuer.ask_if_due(&worker.gate, now);
            self.metrics.gauge_keys(&issuer, &worker.gate, now);
        }
        let more = self.resume_waiting(now);
        let waits = !worker.waiting.is_empty();
        worker.set_pace(if more {
            RESUMING
        } else if asking || waits {
            BUSY
        } else {
            IDLE
        });
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        // Envoy opens no listener before on_configure has said yes.
        let worker = self.worker.clone()?;
        Some(Box::new(Filter::new(worker, id)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Root {
    /// Decides on some of the requests whose wait is over, each in its own context, and returns to this one. Says
    /// whether there are more.
    fn resume_waiting(&self, now: u64) -> bool {
        let more = self.worker.as_ref().is_some_and(|worker| worker.resume_waiting(now));
        // The context of a request that has gone on is of no use to what follows, and does no harm.
        let _ = hostcalls::set_effective_context(self.id);
        more
    }
}

impl Drop for Root {
    /// What was counted since the last tick.
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            self.metrics.add(worker.gate.take_counts());
        }
    }
}

/// Says at load what an operator should know.
fn report(config: &Config, metrics: &mut Metrics) {
    for warning in &config.warnings {
        warn!("{warning}");
    }
    for policy in &config.policies {
        if policy.keys.current().is_some_and(|keys| keys.lacks_host()) {
            info!(
                "the host offers no verify_signature; signatures are verified in the module, which is slower"
            );
            metrics.add([("host_verification_missing".to_owned(), 1)].into());
        }
        if policy.rules.unverified {
            warn!("VERIFYTOKEN IS FALSE: EVERY TOKEN IS BELIEVED, SIGNED OR NOT. FOR DEVELOPMENT ONLY.");
        }
    }
}
