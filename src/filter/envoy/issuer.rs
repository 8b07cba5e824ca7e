//! An issuer's keys: fetched by one worker, shared through Envoy's shared data, learnt by all.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use log::{info, warn};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, Status};
use serde_json::Value;

use crate::gate::decide::Gate;
use crate::gate::policy::Policy;
use crate::json;
use crate::keys::refresh::Progress;
use crate::keys::remote::{Address, FetchFault, Fetched, RemoteJwks, Source, jwks_address};

use crate::filter::envoy::host::verify_signature;

/// The issuer of a policy, as this worker knows it.
pub(super) struct Issuer {
    /// The policy's place in the list.
    pub(super) policy: usize,
    name: String,
    remote: RemoteJwks,
    /// The name of the shared data.
    shared: String,
    progress: Progress,
    /// The set that this worker has taken.
    generation: u64,
    /// A request has a token that another set might verify.
    wanted: bool,
    call: Option<Call>,
}

/// A call that is under way, and what its answer is.
struct Call {
    token: u32,
    is_metadata: bool,
}

impl Issuer {
    /// Those of a configuration.
    pub(super) fn all(gate: &Gate) -> Vec<Self> {
        let policies = gate.config().policies.iter().enumerate();
        policies.filter_map(|(number, policy)| Self::of(number, policy)).collect()
    }

    fn of(number: usize, policy: &Policy) -> Option<Self> {
        let remote = policy.keys.remote.clone()?;
        // Configurations that say the same share what is known: a reload does not ask the issuer again.
        let shared = format!("kinto_jwt {} {remote:?} {:?}", policy.name, policy.algorithms);
        let issuer = Self {
            policy: number,
            name: policy.name.clone(),
            remote,
            shared,
            progress: Progress::default(),
            generation: 0,
            wanted: false,
            call: None,
        };
        // Envoy configures one VM before it starts the workers': here is no race for the first write.
        if issuer.read_progress().is_none() {
            issuer.write_progress(&Progress::default(), None);
        }
        Some(issuer)
    }

    /// Seconds since the issuer last gave a good answer.
    pub(super) fn age(&self, now: u64) -> Option<u64> {
        (self.progress.generation > 0).then(|| now.saturating_sub(self.progress.taken_at) / 1000)
    }

    /// Whether a request should wait; if so, how many fetches have ended by now, and until when to wait.
    pub(super) fn promise(&mut self, now: u64) -> Option<(u64, u64)> {
        let calls = if matches!(self.remote.source, Source::Jwks(_)) { 1 } else { 2 };
        let until = now.saturating_add(self.remote.timeout.saturating_mul(calls)).saturating_add(500);
        self.progress.is_promising(&self.remote, now).then(|| {
            self.wanted = true;
            (self.progress.finished, until)
        })
    }

    /// Whether a request that waits since this many fetches had ended need not wait any longer.
    pub(super) fn has_answered(&self, finished: u64, now: u64) -> bool {
        self.progress.finished != finished || !self.progress.is_promising(&self.remote, now)
    }

    /// Takes the set that another worker, or another configuration, has fetched.
    pub(super) fn learn(&mut self, gate: &Gate) {
        if let Some((progress, _)) = self.read_progress() {
            self.progress = progress;
        }
        if self.progress.generation == self.generation {
            return;
        }
        let Ok((Some(text), _)) = hostcalls::get_shared_data(&self.keys_name(self.progress.generation))
        else {
            return;
        };
        let set = json::parse_object(&text).map_err(|error| error.to_string());
        match set.and_then(|set| gate.take_set(self.policy, &set, Some(verify_signature))) {
            Ok(_) => self.generation = self.progress.generation,
            // The worker that fetched this set has taken it: this one is to blame, and tries again.
            Err(words) => warn!("{}: the key set of another worker {words}", self.name),
        }
    }

    /// Asks the issuer if it is time to and no other worker does. Returns whether anybody is asking.
    pub(super) fn ask_if_due(&mut self, gate: &Gate, now: u64) -> bool {
        self.learn(gate);
        if self.call.is_none()
            && self.progress.is_due(&self.remote, self.wanted, now)
            && let Some((progress, cas)) = self.read_progress()
            && progress.is_due(&self.remote, self.wanted, now)
        {
            let started = progress.started(&self.remote, now);
            if self.write_progress(&started, cas) {
                self.progress = started;
                let (address, is_metadata) = match &self.remote.source {
                    Source::Jwks(address) => (address.clone(), false),
                    Source::Discovery { metadata, .. } => (metadata.clone(), true),
                };
                self.call(gate, &address, is_metadata, now);
            }
        }
        self.wanted = false;
        self.progress.lease > now
    }

    fn call(&mut self, gate: &Gate, address: &Address, is_metadata: bool, now: u64) {
        let headers = vec![
            (":method", "GET"),
            (":scheme", address.scheme.as_str()),
            (":authority", address.authority.as_str()),
            (":path", address.path.as_str()),
            ("accept", "application/json"),
            ("user-agent", concat!("kinto-jwt-filter/", env!("CARGO_PKG_VERSION"))),
        ];
        let timeout = Duration::from_millis(self.remote.timeout);
        match hostcalls::dispatch_http_call(&self.remote.cluster, headers, None, Vec::new(), timeout) {
            Ok(token) => self.call = Some(Call { token, is_metadata }),
            Err(Status::BadArgument) => self.end(gate, Err(FetchFault::NoCluster), now),
            Err(_) => self.end(gate, Err(FetchFault::NoAnswer), now),
        }
    }

    /// Reads the answer to a call, if it is this issuer's.
    pub(super) fn on_answer(&mut self, gate: &Gate, token: u32, is_there: bool, size: usize, now: u64) {
        let Some(call) = self.call.take_if(|call| call.token == token) else { return };
        // The SDK panics when it is asked for what is not there.
        let fetched = if is_there { read_answer(size, self.remote.max_bytes) } else { Fetched::default() };
        self.use_answer(gate, &fetched, call.is_metadata, now);
    }

    fn use_answer(&mut self, gate: &Gate, fetched: &Fetched, is_metadata: bool, now: u64) {
        let next = fetched.json(self.remote.max_bytes).and_then(|object| match &self.remote.source {
            Source::Discovery { metadata, issuer } if is_metadata => {
                jwks_address(&object, issuer, metadata).map(Next::Ask)
            }
            _ => Ok(Next::Take(object)),
        });
        match next {
            Ok(Next::Ask(address)) => self.call(gate, &address, false, now),
            Ok(Next::Take(set)) => self.take(gate, fetched, &set, now),
            Err(fault) => self.end(gate, Err(fault), now),
        }
    }

    fn take(&mut self, gate: &Gate, fetched: &Fetched, set: &Value, now: u64) {
        let known = hostcalls::get_shared_data(&self.keys_name(self.progress.generation));
        let is_new = !matches!(known, Ok((Some(text), _)) if text == fetched.body);
        if is_new {
            match gate.take_set(self.policy, set, Some(verify_signature)) {
                Ok(skipped) if skipped.is_empty() => info!("{}: took a new key set", self.name),
                Ok(skipped) => warn!("{}: took a new key set; left out: {}", self.name, skipped.join(", ")),
                Err(words) => {
                    warn!("{}: the key set {words}", self.name);
                    return self.end(gate, Err(FetchFault::NoUsableKey), now);
                }
            }
            let name = self.keys_name(self.progress.generation.saturating_add(1));
            if hostcalls::set_shared_data(&name, Some(&fetched.body), None).is_err() {
                // Otherwise the other workers would look for a set that is not there.
                return self.end(gate, Err(FetchFault::NotShared), now);
            }
            // The one before may still be read by a worker; the one before that is not. One that stays costs memory.
            let old = self.keys_name(self.progress.generation.saturating_sub(1));
            let _ = hostcalls::set_shared_data(&old, Some(b""), None);
        }
        self.end(gate, Ok((is_new, fetched.max_age())), now);
    }

    /// Ends a fetch: says so to the other workers, to the log and to the metrics.
    fn end(&mut self, gate: &Gate, result: Result<(bool, Option<u64>), FetchFault>, now: u64) {
        for _ in 0..3 {
            let (progress, cas) = self.read_progress().unwrap_or_default();
            let ended = match result {
                Ok((is_new, max_age)) => {
                    let jitter = RandomState::new().hash_one(now) % 1000;
                    progress.succeeded(&self.remote, is_new, max_age, jitter, now)
                }
                Err(_) => progress.failed(&self.remote, now),
            };
            if self.write_progress(&ended, cas) {
                self.generation = if result.is_ok() { ended.generation } else { self.generation };
                self.progress = ended;
                break;
            }
        }
        let code = match result {
            Ok(_) => "ok",
            Err(fault) => {
                let seconds = self.progress.due.saturating_sub(now) / 1000;
                let (name, remote) = (&self.name, &self.remote);
                warn!(
                    "{name}: the keys could not be fetched from {remote}: {fault}; next attempt in {seconds} s"
                );
                fault.code()
            }
        };
        gate.numbers().add(format!("jwks_fetches.policy.{}.result.{code}", self.name), 1);
    }

    /// Forgets a call, if it is this issuer's.
    pub(super) fn forget(&mut self, token: u32) {
        self.call.take_if(|call| call.token == token);
    }

    fn read_progress(&self) -> Option<(Progress, Option<u32>)> {
        let (text, cas) = hostcalls::get_shared_data(&self.shared).ok()?;
        Some((serde_json::from_slice(&text?).ok()?, cas))
    }

    fn write_progress(&self, progress: &Progress, cas: Option<u32>) -> bool {
        let text = serde_json::to_vec(progress).unwrap_or_default();
        hostcalls::set_shared_data(&self.shared, Some(&text), cas).is_ok()
    }

    fn keys_name(&self, generation: u64) -> String {
        format!("{} {generation}", self.shared)
    }
}

enum Next {
    Ask(Address),
    Take(Value),
}

fn read_answer(size: usize, max_bytes: usize) -> Fetched {
    let header = |name| hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, name).ok().flatten();
    let status = header(":status").and_then(|status| std::str::from_utf8(&status).ok()?.parse().ok());
    // Envoy answers in the issuer's stead when it cannot reach it, or not in time.
    let is_envoys = matches!(status, Some(503 | 504)) && header("x-envoy-upstream-service-time").is_none();
    let body = hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, size.min(max_bytes));
    Fetched {
        status: status.filter(|_| !is_envoys),
        cache_control: header("cache-control").unwrap_or_default(),
        size,
        body: body.ok().flatten().unwrap_or_default(),
    }
}
