//! Envoy's callbacks of one request.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

#[cfg(feature = "crash-test")]
use crate::filter::envoy::crash::Crash;
use crate::filter::envoy::host::Envoy;
use crate::filter::envoy::worker::Worker;
use crate::filter::http_request::HttpRequest;
use crate::filter::state::Flow;

/// One request.
pub(super) struct RequestContext {
    worker: Rc<Worker>,
    context: u32,
    request: Rc<RefCell<HttpRequest>>,
    #[cfg(feature = "crash-test")]
    crash: Crash,
}

impl RequestContext {
    pub(super) fn new(worker: Rc<Worker>, context: u32) -> Self {
        Self {
            worker,
            context,
            request: Rc::new(RefCell::new(HttpRequest::new())),
            #[cfg(feature = "crash-test")]
            crash: Crash::default(),
        }
    }

    /// Hands a callback to the request. No callback comes during another one: Envoy does what a callback asks for after
    /// the callback has returned. Outside of the request's callbacks, a body that grows over Envoy's buffer would be an
    /// exception: `filter/body.rs` lets no body grow there.
    fn act(&self, callback: impl FnOnce(&mut HttpRequest, &Envoy<'_>) -> Flow) -> Action {
        let wait = |policy| self.worker.wait(policy, self.context, &self.request);
        match callback(&mut self.request.borrow_mut(), &Envoy::new(&wait)) {
            Flow::Continue => Action::Continue,
            Flow::Pause => Action::Pause,
        }
    }
}

impl Context for RequestContext {}

impl HttpContext for RequestContext {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        #[cfg(feature = "crash-test")]
        {
            self.crash.note();
            self.crash.trap_at("headers");
        }
        self.act(|request, host| request.on_headers(&self.worker.gate, host, end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        #[cfg(feature = "crash-test")]
        self.crash.trap_at("body");
        self.act(|request, host| request.on_body(&self.worker.gate, host, size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.act(|request, host| request.on_trailers(&self.worker.gate, host))
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        #[cfg(feature = "crash-test")]
        self.crash.trap_at("answer");
        self.act(|request, host| request.on_response_headers(&self.worker.gate, host, end_of_stream))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.act(|request, host| request.on_response_body(&self.worker.gate, host, size, end_of_stream))
    }
}
