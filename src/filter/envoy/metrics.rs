//! Envoy's statistics.

use std::collections::BTreeMap;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

/// The ids of the statistics that were defined, by name. Envoy shows them under `wasmcustom.kinto_jwt.`.
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

    /// Records the number of keys of the policy of this name, and the seconds since its issuer last gave a good answer.
    pub(super) fn gauge_keys(&mut self, policy: &str, keys: usize, age: Option<u64>) {
        self.gauge(&format!("jwks_keys.policy.{policy}"), u64::try_from(keys).unwrap_or_default());
        if let Some(age) = age {
            self.gauge(&format!("jwks_age_seconds.policy.{policy}"), age);
        }
    }

    /// Records by how many seconds the host's clock is ahead of Kinto's.
    pub(super) fn gauge_clock(&mut self, ahead: Option<u64>) {
        if let Some(ahead) = ahead {
            self.gauge("clock_ahead_seconds", ahead);
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

/// Records how long the verification of a token took.
pub(super) fn record_verification(took: Duration) {
    thread_local! {
        static HISTOGRAM: Option<u32> =
            hostcalls::define_metric(MetricType::Histogram, "kinto_jwt.verification_microseconds").ok();
    }
    let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    HISTOGRAM.with(|id| id.map(|id| hostcalls::record_metric(id, microseconds)));
}
