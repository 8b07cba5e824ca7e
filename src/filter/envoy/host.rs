//! Envoy's calls, in the terms of the filter.

use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType};

use crate::answer::Answer;
use crate::filter::envoy::metrics::record_verification;
use crate::filter::host::{Body, Fields, Host, HostError, Wait};
use crate::gate::policy::PolicyIndex;

/// Envoy's calls about the request of the current context.
///
/// The SDK (0.2.5) panics at most errors: the VM goes down and lets nothing through. The errors that it returns are all
/// passed on here.
pub(super) struct Envoy<'w> {
    wait: &'w dyn Fn(PolicyIndex) -> Result<Wait, HostError>,
}

impl<'w> Envoy<'w> {
    /// `wait` puts the request into the waiting room.
    pub(super) fn new(wait: &'w dyn Fn(PolicyIndex) -> Result<Wait, HostError>) -> Self {
        Self { wait }
    }
}

impl Host for Envoy<'_> {
    fn now(&self) -> Result<Duration, HostError> {
        since_1970()
    }

    fn fields(&self, list: Fields) -> Result<Vec<(String, Vec<u8>)>, HostError> {
        hostcalls::get_map_bytes(map(list)).map_err(|_| HostError("get_fields"))
    }

    fn field(&self, list: Fields, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        hostcalls::get_map_value_bytes(map(list), name).map_err(|_| HostError("get_field"))
    }

    fn set_field(&self, list: Fields, name: &str, value: Option<&[u8]>) -> Result<(), HostError> {
        hostcalls::set_map_value_bytes(map(list), name, value).map_err(|_| HostError("set_field"))
    }

    fn add_field(&self, list: Fields, name: &str, value: &[u8]) -> Result<(), HostError> {
        hostcalls::add_map_value_bytes(map(list), name, value).map_err(|_| HostError("add_field"))
    }

    /// Envoy's attribute of the downstream connection. It says nothing where the property is not found.
    fn client_certificate(&self) -> Result<Vec<u8>, HostError> {
        let digest = hostcalls::get_property(vec!["connection", "sha256_peer_certificate_digest"]);
        digest.map(Option::unwrap_or_default).map_err(|_| HostError("get_property"))
    }

    fn body(&self, body: Body, size: usize) -> Result<Vec<u8>, HostError> {
        let bytes = hostcalls::get_buffer(buffer(body), 0, size).map_err(|_| HostError("get_body"))?;
        Ok(bytes.unwrap_or_default())
    }

    fn set_body(&self, body: Body, size: usize, content: &[u8]) -> Result<(), HostError> {
        hostcalls::set_buffer(buffer(body), 0, size, content).map_err(|_| HostError("set_body"))
    }

    /// For HEAD, Envoy leaves the body out.
    fn send(&self, answer: &Answer, has_origin: bool) -> Result<(), HostError> {
        let (status, headers) = (u32::from(answer.status), answer.headers(has_origin));
        hostcalls::send_http_response(status, headers, Some(answer.body.as_bytes()))
            .map_err(|_| HostError("send"))
    }

    fn resume(&self) -> Result<(), HostError> {
        hostcalls::resume_http_request().map_err(|_| HostError("resume"))
    }

    fn wait(&self, policy: PolicyIndex) -> Result<Wait, HostError> {
        (self.wait)(policy)
    }

    /// Envoy's response code details (`source/common/http/filter_manager.cc`: `RequestPayloadTooLarge`).
    fn has_overflowed(&self) -> Result<bool, HostError> {
        let details = hostcalls::get_property(vec!["response", "code_details"]);
        let details = details.map_err(|_| HostError("get_property"))?;
        Ok(details.as_deref() == Some(b"request_payload_too_large"))
    }

    /// The access log reads the reason as `%FILTER_STATE(wasm.kinto_jwt_reason:PLAIN)%`.
    fn note_reason(&self, code: &str) {
        // A reason that is lost does no harm.
        let _ = hostcalls::set_property(vec!["kinto_jwt_reason"], Some(code.as_bytes()));
    }

    fn record_verification(&self, took: Duration) {
        record_verification(took);
    }
}

fn map(list: Fields) -> MapType {
    match list {
        Fields::RequestHeaders => MapType::HttpRequestHeaders,
        Fields::RequestTrailers => MapType::HttpRequestTrailers,
        Fields::ResponseHeaders => MapType::HttpResponseHeaders,
    }
}

fn buffer(body: Body) -> BufferType {
    match body {
        Body::Request => BufferType::HttpRequestBody,
        Body::Response => BufferType::HttpResponseBody,
    }
}

/// Calls Envoy's foreign function of this name.
pub(super) fn verify_signature(arguments: &[u8]) -> Option<Vec<u8>> {
    // Protobuf encodes a result that is false as no bytes.
    hostcalls::call_foreign_function("verify_signature", Some(arguments)).ok().map(Option::unwrap_or_default)
}

/// The time since 1970. If a clock that fails were read as 1970, tokens that have expired would be valid.
fn since_1970() -> Result<Duration, HostError> {
    let now = hostcalls::get_current_time().ok().and_then(|now| now.duration_since(UNIX_EPOCH).ok());
    now.filter(|now| !now.is_zero()).ok_or(HostError("clock"))
}

pub(super) fn now_in_milliseconds() -> Result<u64, HostError> {
    since_1970().map(|now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}
