//! The host's services, in the core's terms.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{Bytes, MapType, MetricType};

use crate::answer::Answer;
use crate::claims::NumericDate;
use crate::credentials::Request;
use crate::gate::Gate;

use super::issuer::Issuer;

/// Envoy's foreign function of this name.
pub(super) fn verify_signature(arguments: &[u8]) -> Option<Vec<u8>> {
    // An empty answer is protobuf for a false one.
    hostcalls::call_foreign_function("verify_signature", Some(arguments)).ok().map(Option::unwrap_or_default)
}

/// A clock before 1970 reads 0: a token with nbf or iat is then not yet valid.
fn since_1970() -> Duration {
    hostcalls::get_current_time().ok().and_then(|now| now.duration_since(UNIX_EPOCH).ok()).unwrap_or_default()
}

pub(super) fn now() -> NumericDate {
    since_1970().as_secs()
}

pub(super) fn now_in_milliseconds() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn now_in_microseconds() -> u64 {
    u64::try_from(since_1970().as_micros()).unwrap_or(u64::MAX)
}

/// The request of the context that is at work.
pub(super) struct HostRequest(OnceCell<Vec<(String, Bytes)>>);

impl HostRequest {
    /// Asks for each field when it is needed. Each call to the host costs about as much as a decision.
    pub(super) fn by_name() -> Self {
        Self(OnceCell::new())
    }

    /// Asks for all fields at once.
    pub(super) fn whole() -> Self {
        let request = Self::by_name();
        request.fields();
        request
    }

    pub(super) fn fields(&self) -> &[(String, Bytes)] {
        self.0.get_or_init(|| hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default())
    }
}

impl Request for HostRequest {
    fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, [u8]>> {
        // Envoy has no more than one of these; it joins fields of the name authorization by commas.
        let single = ["authorization", ":method", ":path", "origin", "access-control-request-method"];
        let by_name = self.0.get().is_none() && single.contains(&name);
        let fields = if by_name { &[] } else { self.fields() };
        let fields = fields.iter().filter(move |(other, _)| other == name);
        let asked = if by_name { header(name) } else { None };
        asked.map(Cow::Owned).into_iter().chain(fields.map(|(_, value)| Cow::Borrowed(value.as_slice())))
    }
}

/// The first value of a request header. Only while Envoy holds the headers back: later the SDK panics.
pub(super) fn header(name: &str) -> Option<Bytes> {
    hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name).unwrap_or_default()
}

/// Replaces, or removes, every request header of this name.
pub(super) fn set_header(name: &str, value: Option<&[u8]>) {
    let _ = hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, value);
}

/// Answers the request in Envoy's stead. Envoy itself leaves the body out for HEAD.
pub(super) fn send(answer: &Answer, has_origin: bool) {
    let headers = answer.headers(has_origin);
    let _ = hostcalls::send_http_response(u32::from(answer.status), headers, Some(answer.body.as_bytes()));
}

/// Names the reason for the access log (`%FILTER_STATE(wasm.kinto_jwt_reason:PLAIN)%`). Once for each request:
/// Envoy takes no other value after the first, and the SDK panics at that.
pub(super) fn note_reason(code: &str) {
    let _ = hostcalls::set_property(vec!["kinto_jwt_reason"], Some(code.as_bytes()));
}

/// Envoy's statistics, under `wasmcustom.kinto_jwt.`.
#[derive(Default)]
pub(super) struct Metrics(HashMap<String, u32>);

impl Metrics {
    pub(super) fn add(&mut self, counts: BTreeMap<String, u64>) {
        for (name, count) in counts {
            if let Some(id) = self.id(MetricType::Counter, &name) {
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
            let _ = hostcalls::record_metric(id, value);
        }
    }

    fn id(&mut self, kind: MetricType, name: &str) -> Option<u32> {
        if let Some(id) = self.0.get(name) {
            return Some(*id);
        }
        let id = hostcalls::define_metric(kind, &format!("kinto_jwt.{name}")).ok()?;
        self.0.insert(name.to_owned(), id);
        Some(id)
    }
}

/// Records how long a signature took.
pub(super) fn record_verification(microseconds: u64) {
    thread_local! {
        static HISTOGRAM: Option<u32> =
            hostcalls::define_metric(MetricType::Histogram, "kinto_jwt.verification_microseconds").ok();
    }
    HISTOGRAM.with(|id| id.map(|id| hostcalls::record_metric(id, microseconds)));
}
