//! The host's services, in the core's terms.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, MetricType};

use crate::answer::Answer;
use crate::filter::host::{Body, Fields, Host, HostError, Wait};
use crate::gate::decide::Gate;

use crate::filter::envoy::issuer::Issuer;

/// Envoy, at the request of the context that is at work.
///
/// The SDK (0.2.5) panics at most errors, which takes the worker's VM down and so is closed too; what it returns is not
/// dropped here.
pub(super) struct Envoy<'w> {
    wait: &'w dyn Fn(usize) -> Result<Wait, HostError>,
}

impl<'w> Envoy<'w> {
    /// `wait` gives the request a place in the waiting room of a policy.
    pub(super) fn new(wait: &'w dyn Fn(usize) -> Result<Wait, HostError>) -> Self {
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

    fn body(&self, body: Body, size: usize) -> Result<Vec<u8>, HostError> {
        let bytes = hostcalls::get_buffer(buffer(body), 0, size).map_err(|_| HostError("get_body"))?;
        Ok(bytes.unwrap_or_default())
    }

    fn set_body(&self, body: Body, size: usize, content: &[u8]) -> Result<(), HostError> {
        hostcalls::set_buffer(buffer(body), 0, size, content).map_err(|_| HostError("set_body"))
    }

    /// Envoy itself leaves the body out for HEAD.
    fn send(&self, answer: &Answer, has_origin: bool) -> Result<(), HostError> {
        let (status, headers) = (u32::from(answer.status), answer.headers(has_origin));
        hostcalls::send_http_response(status, headers, Some(answer.body.as_bytes()))
            .map_err(|_| HostError("send"))
    }

    fn resume(&self) -> Result<(), HostError> {
        hostcalls::resume_http_request().map_err(|_| HostError("resume"))
    }

    fn wait(&self, policy: usize) -> Result<Wait, HostError> {
        (self.wait)(policy)
    }

    /// The log reads it as `%FILTER_STATE(wasm.kinto_jwt_reason:PLAIN)%`.
    fn note_reason(&self, code: &str) {
        // A reason that is lost does no harm.
        let _ = hostcalls::set_property(vec!["kinto_jwt_reason"], Some(code.as_bytes()));
    }

    fn record_verification(&self, took: Duration) {
        thread_local! {
            static HISTOGRAM: Option<u32> =
                hostcalls::define_metric(MetricType::Histogram, "kinto_jwt.verification_microseconds").ok();
        }
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        HISTOGRAM.with(|id| id.map(|id| hostcalls::record_metric(id, microseconds)));
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

/// Envoy's foreign function of this name.
pub(super) fn verify_signature(arguments: &[u8]) -> Option<Vec<u8>> {
    // An empty answer is protobuf for a false one.
    hostcalls::call_foreign_function("verify_signature", Some(arguments)).ok().map(Option::unwrap_or_default)
}

/// A clock that fails, or is before 1970, would make tokens valid that have expired.
fn since_1970() -> Result<Duration, HostError> {
    let now = hostcalls::get_current_time().ok().and_then(|now| now.duration_since(UNIX_EPOCH).ok());
    now.filter(|now| !now.is_zero()).ok_or(HostError("clock"))
}

pub(super) fn now_in_milliseconds() -> Result<u64, HostError> {
    since_1970().map(|now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// Envoy's statistics, under `wasmcustom.kinto_jwt.`: the ids of some dozens of names.
#[derive(Default)]
pub(super) struct Metrics(Vec<(String, u32)>);

impl Metrics {
    pub(super) fn add(&mut self, counts: BTreeMap<String, u64>) {
        for (name, count) in counts {
            if let Some(id) = self.id(MetricType::Counter, &name) {
                // A count that is lost does no harm.
                let _ = hostcalls::increment_metric(id, i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
    }

    /// The number of keys of a policy, and their age.
    pub(super) fn gauge_keys(&mut self, issuer: &Issuer, gate: &Gate, now: u64) {
        let Some(policy) = gate.config().policies.get(issuer.policy) else { return };
        let keys = policy.keys.current().map_or(0, |keys| keys.len());
        self.gauge(&format!("jwks_keys.policy.{}", policy.name), u64::try_from(keys).unwrap_or_default());
        if let Some(age) = issuer.age(now) {
            self.gauge(&format!("jwks_age_seconds.policy.{}", policy.name), age);
        }
    }

    fn gauge(&mut self, name: &str, value: u64) {
        if let Some(id) = self.id(MetricType::Gauge, name) {
            // The next tick records it again.
            let _ = hostcalls::record_metric(id, value);
        }
    }

    fn id(&mut self, kind: MetricType, name: &str) -> Option<u32> {
        if let Some((_, id)) = self.0.iter().find(|(known, _)| known == name) {
            return Some(*id);
        }
        let id = hostcalls::define_metric(kind, &format!("kinto_jwt.{name}")).ok()?;
        self.0.push((name.to_owned(), id));
        Some(id)
    }
}
