//! The issuer of a policy: its key set is fetched by one worker, shared through Envoy's shared data, and taken by all.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use log::{info, warn};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, Status};
use serde_json::{Value, json};

use crate::filter::envoy::host::verify_signature;
use crate::gate::decide::Gate;
use crate::gate::policy::{Policy, PolicyIndex};
use crate::json;
use crate::keys::algorithm::names;
use crate::keys::fault::Fault;
use crate::keys::refresh::FetchState;
use crate::keys::remote::{Address, FetchFault, Fetched, RemoteJwks, Source, jwks_address};

/// The issuer of a policy, as this worker knows it.
pub(super) struct Issuer {
    pub(super) policy: PolicyIndex,
    /// The name of the policy.
    name: String,
    remote: RemoteJwks,
    /// The name of the shared data that holds the [`FetchState`]; with a generation after it, that of a key set.
    shared: String,
    /// What all workers know together, as this worker last read it.
    state: FetchState,
    /// The generation of the key set that this worker has taken.
    generation: u64,
    /// Whether a request has a token that a newer key set might verify.
    wanted: bool,
    call: Option<Call>,
}

/// A call to the issuer that is under way.
struct Call {
    token: u32,
    /// Whether its answer is the issuer's metadata, and not the key set.
    is_metadata: bool,
}

/// What follows from an answer.
enum Next {
    Call(Address),
    Take(Value),
}

impl Issuer {
    /// The issuers of a configuration.
    pub(super) fn all(gate: &Gate) -> Vec<Self> {
        gate.config().policies.iter().filter_map(Self::of).collect()
    }

    fn of(policy: &Policy) -> Option<Self> {
        let remote = policy.remote()?.clone();
        let issuer = Self {
            policy: policy.index,
            name: policy.name.clone(),
            shared: shared_name(policy, &remote),
            remote,
            state: FetchState::default(),
            generation: 0,
            wanted: false,
            call: None,
        };
        // Envoy configures one VM before it starts those of the workers: no other VM writes first.
        if issuer.read_state().is_none() {
            issuer.write_state(&FetchState::default(), None);
        }
        Some(issuer)
    }

    /// Seconds since the issuer last gave a good answer.
    pub(super) fn age(&self, now: u64) -> Option<u64> {
        (self.state.generation > 0).then(|| now.saturating_sub(self.state.taken_at) / 1000)
    }

    /// Asks for a newer key set on behalf of a request. Returns how many fetches have ended, and until when the request
    /// should wait; `None` if no fetch is under way and none may start.
    pub(super) fn want(&mut self, now: u64) -> Option<(u64, u64)> {
        if !self.state.is_worth_waiting(&self.remote, now) {
            return None;
        }
        self.wanted = true;
        let calls = if matches!(self.remote.source, Source::Jwks(_)) { 1 } else { 2 };
        let until = now.saturating_add(self.remote.timeout.saturating_mul(calls)).saturating_add(500);
        Some((self.state.finished, until))
    }

    /// Whether a request need not wait any longer. `finished`: how many fetches had ended when its wait began.
    pub(super) fn has_answered(&self, finished: u64, now: u64) -> bool {
        self.state.finished != finished || !self.state.is_worth_waiting(&self.remote, now)
    }

    /// Takes the key set that another worker, or another configuration, has fetched, if this worker has not.
    pub(super) fn take_shared(&mut self, gate: &Gate) {
        if let Some((state, _)) = self.read_state() {
            self.state = state;
        }
        if self.state.generation == self.generation {
            return;
        }
        let Ok((Some(text), _)) = hostcalls::get_shared_data(&self.key_set_name(self.state.generation))
        else {
            return;
        };
        let set = json::parse_object(&text).map_err(|_| Fault::new("is not a JSON object", ""));
        match set.and_then(|set| gate.take_set(self.policy, &set, Some(verify_signature))) {
            Ok(_) => self.generation = self.state.generation,
            // The worker that fetched this set could take it. A worker that cannot tries again at the next tick.
            Err(fault) => warn!("{}: the key set of another worker {}", self.name, fault.what),
        }
    }

    /// Fetches the key set if it is time to, and no other worker does. Returns whether a fetch is under way.
    pub(super) fn fetch_if_due(&mut self, gate: &Gate, now: u64) -> bool {
        self.take_shared(gate);
        if self.call.is_none()
            && self.state.is_due(&self.remote, self.wanted, now)
            && let Some((state, cas)) = self.read_state()
            && state.is_due(&self.remote, self.wanted, now)
        {
            let started = state.started(&self.remote, now);
            if self.write_state(&started, cas) {
                self.state = started;
                let (address, is_metadata) = match &self.remote.source {
                    Source::Jwks(address) => (address.clone(), false),
                    Source::Discovery { metadata, .. } => (metadata.clone(), true),
                };
                self.call(gate, &address, is_metadata, now);
            }
        }
        self.wanted = false;
        self.state.lease_until > now
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

    /// Reads the answer to the call of this token, if this issuer was called.
    pub(super) fn on_answer(&mut self, gate: &Gate, token: u32, is_there: bool, size: usize, now: u64) {
        let Some(call) = self.call.take_if(|call| call.token == token) else { return };
        // The SDK panics when it is asked for the headers of an answer that is not there.
        let fetched = if is_there { read_answer(size, self.remote.max_bytes) } else { Fetched::default() };
        let next = fetched.json(self.remote.max_bytes).and_then(|object| match &self.remote.source {
            Source::Discovery { metadata, issuer } if call.is_metadata => {
                jwks_address(&object, issuer, metadata).map(Next::Call)
            }
            _ => Ok(Next::Take(object)),
        });
        match next {
            Ok(Next::Call(address)) => self.call(gate, &address, false, now),
            Ok(Next::Take(set)) => self.take(gate, &fetched, &set, now),
            Err(fault) => self.end(gate, Err(fault), now),
        }
    }

    /// Takes a key set that this worker has fetched, and shares it.
    fn take(&mut self, gate: &Gate, fetched: &Fetched, set: &Value, now: u64) {
        // If this worker was held up for longer than its lease, another one may have fetched a newer set meanwhile.
        self.take_shared(gate);
        let known = hostcalls::get_shared_data(&self.key_set_name(self.state.generation));
        let is_known = matches!(known, Ok((Some(text), _)) if text == fetched.body);
        let is_new = !is_known || self.generation != self.state.generation;
        if is_new {
            match gate.take_set(self.policy, set, Some(verify_signature)) {
                Ok(skipped) if skipped.is_empty() => info!("{}: took a new key set", self.name),
                Ok(skipped) => warn!("{}: took a new key set; left out: {}", self.name, skipped.join(", ")),
                Err(fault) => {
                    warn!("{}: the key set {}", self.name, fault.what);
                    return self.end(gate, Err(FetchFault::NoUsableKey), now);
                }
            }
            let name = self.key_set_name(self.state.generation.saturating_add(1));
            if hostcalls::set_shared_data(&name, Some(&fetched.body), None).is_err() {
                // Otherwise the other workers would look for a set that is not there.
                return self.end(gate, Err(FetchFault::NotShared), now);
            }
            // A worker may still read the current set, and none reads the set before. A set that stays costs memory
            // only.
            let old = self.key_set_name(self.state.generation.saturating_sub(1));
            let _ = hostcalls::set_shared_data(&old, Some(b""), None);
        }
        self.end(gate, Ok((is_new, fetched.max_age())), now);
    }

    /// Ends a fetch, and tells the other workers, the log and the metrics.
    fn end(&mut self, gate: &Gate, result: Result<(bool, Option<u64>), FetchFault>, now: u64) {
        for _ in 0..3 {
            let (state, cas) = self.read_state().unwrap_or_default();
            // Another worker may have ended its fetch meanwhile: then this worker takes what is shared, which may be its
            // own set, at its next tick.
            let is_next = state.generation == self.state.generation;
            let ended = match result {
                Ok((is_new, max_age)) => {
                    let jitter = RandomState::new().hash_one(now) % 1000;
                    state.succeeded(&self.remote, is_new && is_next, max_age, jitter, now)
                }
                Err(_) => state.failed(&self.remote, now),
            };
            if self.write_state(&ended, cas) {
                self.generation = if result.is_ok() && is_next { ended.generation } else { self.generation };
                self.state = ended;
                break;
            }
        }
        let code = match result {
            Ok(_) => "ok",
            Err(fault) => {
                let seconds = self.state.next_refresh.saturating_sub(now) / 1000;
                let (name, remote) = (&self.name, &self.remote);
                warn!(
                    "{name}: the keys could not be fetched from {remote}: {fault}; next attempt in {seconds} s"
                );
                fault.code()
            }
        };
        gate.counters().count_seldom(format!("jwks_fetches.policy.{}.result.{code}", self.name));
    }

    /// Forgets the call of this token, if this issuer was called.
    pub(super) fn forget(&mut self, token: u32) {
        self.call.take_if(|call| call.token == token);
    }

    fn read_state(&self) -> Option<(FetchState, Option<u32>)> {
        let (text, cas) = hostcalls::get_shared_data(&self.shared).ok()?;
        Some((serde_json::from_slice(&text?).ok()?, cas))
    }

    /// Returns whether the state was written: not if another worker has written it since `cas`.
    fn write_state(&self, state: &FetchState, cas: Option<u32>) -> bool {
        let text = serde_json::to_vec(state).unwrap_or_default();
        hostcalls::set_shared_data(&self.shared, Some(&text), cas).is_ok()
    }

    fn key_set_name(&self, generation: u64) -> String {
        format!("{} {generation}", self.shared)
    }
}

/// A name for what is shared, made of all settings that it depends on. Configurations with the same settings share it,
/// so that a reload does not fetch the keys again. What another version of this filter has shared is not read.
fn shared_name(policy: &Policy, remote: &RemoteJwks) -> String {
    let RemoteJwks { source, cluster, timeout, refresh, cooldown, max_bytes } = remote;
    let (kind, Address { scheme, authority, path }, issuer) = match source {
        Source::Jwks(address) => ("jwks", address, ""),
        Source::Discovery { metadata, issuer } => ("discovery", metadata, issuer.as_str()),
    };
    let (name, algorithms) = (&policy.name, names(&policy.algorithms, " "));
    let settings = json!([
        name, algorithms, kind, scheme, authority, path, issuer, cluster, timeout, refresh, cooldown,
        max_bytes
    ]);
    format!("kinto_jwt {} {settings}", env!("CARGO_PKG_VERSION"))
}

fn read_answer(size: usize, max_bytes: usize) -> Fetched {
    let header = |name| hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, name).ok().flatten();
    let status = header(":status").and_then(|status| std::str::from_utf8(&status).ok()?.parse().ok());
    // Envoy answers in place of an issuer that it cannot reach, or that is late.
    let is_envoys = matches!(status, Some(503 | 504)) && header("x-envoy-upstream-service-time").is_none();
    let body = hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, size.min(max_bytes));
    Fetched {
        status: status.filter(|_| !is_envoys),
        cache_control: header("cache-control").unwrap_or_default(),
        size,
        body: body.ok().flatten().unwrap_or_default(),
    }
}
