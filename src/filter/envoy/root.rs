//! One plugin configuration in one worker: Envoy's callbacks outside of requests.

use std::rc::Rc;

use log::{error, warn};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};

use crate::config::parse::parse;
use crate::counters::Counters;
use crate::filter::envoy::host;
use crate::filter::envoy::http::RequestContext;
use crate::filter::envoy::metrics::Metrics;
use crate::filter::envoy::worker::Worker;
use crate::gate::decide::Gate;
use crate::gate::policy::Verification;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(Root { id, worker: None, metrics: Metrics::default() }));
}}

/// One plugin configuration in one worker.
struct Root {
    id: u32,
    worker: Option<Rc<Worker>>,
    metrics: Metrics,
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, size: usize, _trailers: usize) {
        let Some(worker) = &self.worker else { return };
        worker.on_call_response(token, headers > 0, size);
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        follow_log_level();
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        match parse(&configuration, Some(host::verify_signature)) {
            Ok(config) => {
                self.metrics.add(Counters::from_the_start().map(|name| (name, 0)).collect());
                let gate = Gate::new(config);
                log_at_load(&gate);
                self.worker = Some(Rc::new(Worker::new(self.id, gate)));
                true
            }
            Err(reason) => {
                error!("configuration refused: {reason}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        follow_log_level();
        let Some(worker) = &self.worker else { return };
        self.metrics.add(worker.gate.take_counts());
        self.metrics.gauge_clock(worker.gate.clock().take());
        worker.on_tick(&mut self.metrics);
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        // Envoy opens no listener before on_configure has said yes.
        let worker = self.worker.clone()?;
        Some(Box::new(RequestContext::new(worker, id)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Drop for Root {
    /// Hands over what was counted since the last tick.
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            self.metrics.add(worker.gate.take_counts());
        }
    }
}

/// Takes over Envoy's level for the logger `wasm`, which `/logging` changes at any time. What Envoy would drop is not even
/// formatted.
fn follow_log_level() {
    if let Ok(level) = hostcalls::get_log_level() {
        proxy_wasm::set_log_level(level);
    }
}

/// Says at load what an operator should know.
fn log_at_load(gate: &Gate) {
    for warning in &gate.config().warnings {
        warn!("{warning}");
    }
    for policy in &gate.config().policies {
        gate.report_missing_host(policy);
        if matches!(policy.verification, Verification::Off) {
            warn!("VERIFYTOKEN IS FALSE: EVERY TOKEN IS BELIEVED, SIGNED OR NOT. FOR DEVELOPMENT ONLY.");
        }
    }
}
