//! When the key set of an issuer is fetched. One worker fetches it, the others read what that worker has written.
//!
//! All times are milliseconds since 1970, and given as arguments.

use serde::{Deserialize, Serialize};

use crate::keys::remote::RemoteJwks;

/// Milliseconds before the second attempt to get the first key set. Each further pause is twice as long.
const FIRST_RETRY: u64 = 1_000;

/// What the workers of one Envoy know together of one key set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FetchState {
    /// How many key sets were taken; 0 is none yet.
    pub(crate) generation: u64,
    /// Time of the issuer's last good answer.
    pub(crate) taken_at: u64,
    /// Time of the next scheduled refresh.
    pub(crate) next_refresh: u64,
    /// Earliest time at which an unknown `kid` may cause another fetch.
    pub(crate) next_on_demand: u64,
    /// End of the lease of the worker that fetches; no other worker fetches before it. 0 if none fetches.
    pub(crate) lease_until: u64,
    /// How many fetches have ended, well or not.
    pub(crate) finished: u64,
    /// How many fetches have failed since the last good answer.
    pub(crate) failures: u32,
}

impl FetchState {
    /// Whether to fetch now. `wanted`: a request has a token that a newer key set might verify.
    pub(crate) fn is_due(&self, remote: &RemoteJwks, wanted: bool, now: u64) -> bool {
        !self.is_fetching(remote, now)
            && (reached(self.next_refresh, remote.refresh, now)
                || (wanted && self.may_fetch_on_demand(remote, now)))
    }

    /// Whether a request should wait: a fetch is under way, or may start.
    pub(crate) fn is_worth_waiting(&self, remote: &RemoteJwks, now: u64) -> bool {
        self.is_fetching(remote, now)
            || reached(self.next_refresh, remote.refresh, now)
            || self.may_fetch_on_demand(remote, now)
    }

    /// The state when a worker has started a fetch. Should that worker die, another one may fetch when the lease has
    /// ended.
    pub(crate) fn started(&self, remote: &RemoteJwks, now: u64) -> Self {
        Self {
            lease_until: now.saturating_add(longest_fetch(remote)),
            next_on_demand: now.saturating_add(remote.cooldown),
            ..self.clone()
        }
    }

    /// The state after a good answer; `is_new` says that the key set is another than before. `jitter`, from 0 to 1000,
    /// spreads the next fetches of a fleet over a tenth of the refresh time.
    pub(crate) fn succeeded(
        &self,
        remote: &RemoteJwks,
        is_new: bool,
        max_age: Option<u64>,
        jitter: u64,
        now: u64,
    ) -> Self {
        let shortest = remote.cooldown.min(remote.refresh);
        let refresh = max_age.unwrap_or(remote.refresh).min(remote.refresh);
        let early = (refresh / 10_000).saturating_mul(jitter);
        Self {
            generation: self.generation.saturating_add(u64::from(is_new)),
            taken_at: now,
            next_refresh: now.saturating_add(refresh.saturating_sub(early).max(shortest)),
            lease_until: 0,
            finished: self.finished.saturating_add(1),
            failures: 0,
            ..self.clone()
        }
    }

    /// The state after a failed fetch. The next attempt comes sooner while there is no key set at all. No pause is longer
    /// than the refresh time: `reached` takes a later time for one that was set before the clock was put back.
    pub(crate) fn failed(&self, remote: &RemoteJwks, now: u64) -> Self {
        let (first, longest) = if self.generation == 0 {
            (FIRST_RETRY, remote.cooldown.max(FIRST_RETRY).min(remote.refresh))
        } else {
            (remote.cooldown.max(FIRST_RETRY), remote.refresh)
        };
        let doublings = 1_u64.checked_shl(self.failures).unwrap_or(u64::MAX);
        Self {
            next_refresh: now.saturating_add(first.saturating_mul(doublings).min(longest)),
            lease_until: 0,
            finished: self.finished.saturating_add(1),
            failures: self.failures.saturating_add(1),
            ..self.clone()
        }
    }

    fn is_fetching(&self, remote: &RemoteJwks, now: u64) -> bool {
        self.lease_until > 0 && !reached(self.lease_until, longest_fetch(remote), now)
    }

    fn may_fetch_on_demand(&self, remote: &RemoteJwks, now: u64) -> bool {
        reached(self.next_on_demand, remote.cooldown, now)
    }
}

/// Milliseconds that the longest fetch takes: the metadata, the key set, and a second for the worker.
fn longest_fetch(remote: &RemoteJwks) -> u64 {
    remote.timeout.saturating_mul(2).saturating_add(1_000)
}

/// Whether a time has come that was set at most `at_most` ahead. A time further ahead was set before the clock was put
/// back, and counts as reached.
fn reached(time: u64, at_most: u64, now: u64) -> bool {
    time <= now || time > now.saturating_add(at_most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::remote::{Address, Source};

    const NOW: u64 = 1_800_000_000_000;

    fn remote() -> RemoteJwks {
        RemoteJwks {
            source: Source::Jwks(Address::parse("http://issuer/").unwrap()),
            cluster: "issuer".into(),
            timeout: 5_000,
            refresh: 600_000,
            cooldown: 30_000,
            max_bytes: 131_072,
        }
    }

    fn with_keys() -> FetchState {
        FetchState::default().started(&remote(), NOW).succeeded(&remote(), true, None, 0, NOW)
    }

    #[test]
    fn keys_are_asked_for_at_start_and_by_one_worker() {
        let start = FetchState::default();
        assert!(start.is_due(&remote(), false, NOW));
        let asking = start.started(&remote(), NOW);
        assert!(!asking.is_due(&remote(), true, NOW + 10_000));
        assert!(asking.is_worth_waiting(&remote(), NOW + 10_000));
        assert!(asking.is_due(&remote(), false, NOW + 11_001), "the worker that asked has died");
    }

    #[test]
    fn keys_are_asked_for_again_before_they_are_old() {
        let known = with_keys();
        assert_eq!((known.generation, known.finished), (1, 1));
        assert!(!known.is_due(&remote(), false, NOW + 599_999));
        assert!(known.is_due(&remote(), false, NOW + 600_000));
        for (max_age, jitter, due) in [
            (None, 1000, 540_000),
            (None, 500, 570_000),
            (Some(60_000), 0, 60_000),
            (Some(0), 0, 30_000),
            (Some(30_000), 1000, 30_000),
            (Some(u64::MAX), 0, 600_000),
        ] {
            assert_eq!(
                known.succeeded(&remote(), false, max_age, jitter, NOW).next_refresh,
                NOW + due,
                "{max_age:?}"
            );
        }
        assert_eq!(known.succeeded(&remote(), false, None, 0, NOW).generation, 1);
    }

    #[test]
    fn requests_cause_one_fetch_for_each_cooldown_whatever_its_outcome() {
        for known in [with_keys(), with_keys().started(&remote(), NOW).failed(&remote(), NOW)] {
            assert!(!known.is_due(&remote(), true, NOW + 29_999));
            assert!(!known.is_worth_waiting(&remote(), NOW + 29_999));
            assert!(known.is_due(&remote(), true, NOW + 30_000));
        }
        let mut known = with_keys();
        let mut fetches = 0;
        for now in (NOW..NOW + 300_000).step_by(100) {
            if known.is_due(&remote(), true, now) {
                fetches += 1;
                known = known.started(&remote(), now).failed(&remote(), now);
            }
        }
        assert_eq!(fetches, 9, "in five minutes of unknown keys");
    }

    #[test]
    fn without_keys_the_issuer_is_asked_sooner_than_with() {
        let pauses = |mut state: FetchState, count: usize| {
            let mut pauses = Vec::new();
            for _ in 0..count {
                state = state.failed(&remote(), NOW);
                pauses.push((state.next_refresh - NOW) / 1000);
            }
            pauses
        };
        assert_eq!(pauses(FetchState::default(), 7), [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pauses(with_keys(), 7), [30, 60, 120, 240, 480, 600, 600]);
        assert_eq!(pauses(FetchState { failures: 200, ..with_keys() }, 1), [600]);
    }

    #[test]
    fn an_issuer_that_does_not_answer_is_not_asked_all_the_time() {
        for (refresh, cooldown) in
            [(600_000, 30_000), (5_000, 30_000), (20_000, 3_600_000), (86_400_000, 1_000)]
        {
            let remote = RemoteJwks { refresh, cooldown, ..remote() };
            let mut state = FetchState::default();
            for _ in 0..20 {
                state = state.started(&remote, NOW).failed(&remote, NOW);
                assert!(!state.is_due(&remote, false, NOW + 1), "{refresh} {cooldown} {state:?}");
            }
            assert!(state.is_due(&remote, false, NOW + refresh.min(cooldown)));
        }
    }

    #[test]
    fn a_clock_that_is_put_back_does_not_stop_it() {
        let known = with_keys().started(&remote(), NOW).succeeded(&remote(), true, None, 0, NOW);
        assert!(known.is_due(&remote(), false, NOW - 3_600_000));
        assert!(known.is_due(&remote(), true, NOW - 3_600_000));
    }
}
