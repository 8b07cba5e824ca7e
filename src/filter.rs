//! Reads from Envoy, asks the [`Gate`], writes back. The only file that knows the host.

use std::rc::Rc;
use std::time::UNIX_EPOCH;

use log::{debug, error, info, warn};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, Bytes, ContextType, LogLevel, MetricType};

use crate::answer::Answer;
use crate::batch::{Refusal, check_media_type};
use crate::batch_path::is_batch;
use crate::claims::NumericDate;
use crate::config::Config;
use crate::gate::{Decision, Gate};
use crate::keys::Keys;
use crate::user_id::UserId;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { gate: None }));
}}

/// One plugin configuration in one worker.
struct Root {
    gate: Option<Rc<Gate>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        // Envoy's level for the "wasm" logger: what it would drop is not even formatted.
        if let Ok(level) = hostcalls::get_log_level() {
            proxy_wasm::set_log_level(level);
        }
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        match Config::parse_with_host(&configuration, Some(verify_signature)) {
            Ok(config) => {
                report_verifier(&config.keys);
                if !config.rules.enforced {
                    warn!(
                        "VERIFYTOKEN IS FALSE: EVERY TOKEN IS BELIEVED, SIGNED OR NOT. FOR DEVELOPMENT ONLY."
                    );
                }
                self.gate = Some(Rc::new(Gate::new(config)));
                true
            }
            Err(reason) => {
                error!("configuration refused: {reason}");
                false
            }
        }
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        // Envoy opens no listener before on_configure has said yes.
        let gate = self.gate.clone()?;
        Some(Box::new(Filter { gate, batch: None }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Envoy's foreign function of this name.
fn verify_signature(arguments: &[u8]) -> Option<Vec<u8>> {
    // An empty answer is protobuf for a false one.
    hostcalls::call_foreign_function("verify_signature", Some(arguments)).ok().map(Option::unwrap_or_default)
}

/// Says once, and counts, that this VM verifies signatures itself although a host could do it faster.
fn report_verifier(keys: &Keys) {
    if keys.is_hostable() && !keys.is_hosted() {
        info!("the host offers no verify_signature; signatures are verified in the module, which is slower");
        if let Ok(counter) =
            hostcalls::define_metric(MetricType::Counter, "kinto_jwt.host_verification_missing")
        {
            let _ = hostcalls::increment_metric(counter, 1);
        }
    }
}

/// One request.
struct Filter {
    gate: Rc<Gate>,
    batch: Option<Batch>,
}

/// A batch whose headers have gone on and whose body has not.
struct Batch {
    outer: Option<UserId>,
    content_length: Option<usize>,
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let gate = Rc::clone(&self.gate);
        let config = gate.config();
        let (identity, token) = (config.identity_header.name(), config.credentials.header());

        // Each call to the host costs about as much as the rest of the decision. Where two names say all, and
        // there is no body that could be a batch, the list of headers is not asked for.
        if end_of_stream && config.identity_header.has_one_spelling() && config.credentials.is_joined() {
            let value = self.get_http_request_header_bytes(token);
            let decision = self.decide(value.as_deref().into_iter());
            // Replaces, or removes, every field of this name.
            let user_id = decision.user_id.as_ref().map(UserId::to_header_value);
            self.set_http_request_header_bytes(identity, user_id.as_deref());
            return Action::Continue;
        }

        let headers = self.get_http_request_headers_bytes();
        for (name, _) in headers.iter().filter(|(name, _)| config.identity_header.is_spelled(name)) {
            self.set_http_request_header_bytes(name, None);
        }
        let decision = self.decide(values(&headers, token));
        if let Some(user_id) = &decision.user_id {
            self.set_http_request_header_bytes(identity, Some(&user_id.to_header_value()));
        }
        let pseudo = |name| values(&headers, name).next().unwrap_or_default();
        if !end_of_stream
            && is_batch(pseudo(":method"), pseudo(":path"))
            && let Err(refusal) = self.begin_batch(&headers, decision.user_id)
        {
            return self.refuse(refusal);
        }
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if self.batch.is_none() {
            return Action::Continue;
        }
        if size > self.gate.config().batch.max_bytes {
            return self.refuse(Refusal::TooLarge);
        }
        if end_of_stream { self.finish_batch(size) } else { Action::Pause }
    }

    /// The end of a body that has trailers: no body callback has said so.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        let identity_header = &self.gate.config().identity_header;
        for (name, _) in self.get_http_request_trailers_bytes() {
            if identity_header.is_spelled(&name) {
                self.set_http_request_trailer_bytes(&name, None);
            }
        }
        if self.batch.is_some() { self.finish_batch(usize::MAX) } else { Action::Continue }
    }
}

impl Filter {
    fn now(&self) -> NumericDate {
        // A clock before 1970 reads 0: a token with nbf or iat is then not yet valid.
        self.get_current_time().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// Decides, says why not at level debug, and removes a token that Kinto shall not see.
    fn decide<'h>(&self, token_headers: impl Iterator<Item = &'h [u8]>) -> Decision {
        let decision = self.gate.decide(token_headers, self.now());
        if let Some(rejection) = decision.rejection {
            debug!("{}", rejection.code());
        }
        if decision.remove_token {
            self.set_http_request_header_bytes(self.gate.config().credentials.header(), None);
        }
        decision
    }

    fn begin_batch(&mut self, headers: &[(String, Bytes)], outer: Option<UserId>) -> Result<(), Refusal> {
        let first = |name| values(headers, name).next();
        if let Some(media_type) = check_media_type(first("content-type"), first("content-encoding"))? {
            self.set_http_request_header_bytes("content-type", Some(media_type));
        }
        let declared = first("content-length").and_then(parse_length);
        if declared.is_some_and(|length| length > self.gate.config().batch.max_bytes) {
            return Err(Refusal::TooLarge);
        }
        let content_length = declared.map(|length| length.saturating_add(self.gate.batch_growth(length)));
        if let Some(length) = content_length {
            self.set_http_request_header_bytes("content-length", Some(length.to_string().as_bytes()));
        }
        self.batch = Some(Batch { outer, content_length });
        Ok(())
    }

    fn finish_batch(&mut self, size: usize) -> Action {
        let Some(batch) = self.batch.take() else { return Action::Continue };
        let body = self.get_http_request_body(0, size).unwrap_or_default();
        let rewritten = self.gate.rewrite_batch(&body, batch.outer.as_ref(), self.now());
        match rewritten.and_then(|body| pad(body, batch.content_length)) {
            Ok(body) => {
                self.set_http_request_body(0, size, &body);
                Action::Continue
            }
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> Action {
        debug!("{}", refusal.code());
        self.batch = None;
        let Answer { status, body } = refusal.answer();
        self.send_http_response(
            u32::from(status),
            vec![("content-type", "application/json")],
            Some(body.as_bytes()),
        );
        Action::Pause
    }
}

/// The values of all header fields of this name; Envoy hands names over in lower case.
fn values<'h>(headers: &'h [(String, Bytes)], name: &str) -> impl Iterator<Item = &'h [u8]> {
    headers.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_slice())
}

fn parse_length(value: &[u8]) -> Option<usize> {
    std::str::from_utf8(value).ok()?.parse().ok()
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
