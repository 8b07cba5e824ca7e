//! When an issuer is asked for its keys. One worker asks, the others read what it has written.
//!
//! All times are milliseconds since 1970, given as arguments.

use serde::{Deserialize, Serialize};

use crate::keys::remote::RemoteJwks;

/// The first pause before an issuer that has never answered is asked again; then twice as long each time.
const FIRST_RETRY: u64 = 1_000;

/// What the workers of one Envoy know together of one key set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Counts the key sets that were taken; 0 is none yet.
    pub generation: u64,
    /// When the issuer last gave a good answer.
    pub taken_at: u64,
    /// When it is asked again without a reason.
    pub due: u64,
    /// When a request may next be the reason.
    pub cooled: u64,
    /// Until when a worker is asking; others keep still.
    pub lease: u64,
    /// Counts the fetches that have ended, well or not.
    pub finished: u64,
    /// Failures since the last good answer.
    pub failures: u32,
}

impl Progress {
    /// Whether to ask now. `wanted`: a request has a token that another key set might verify.
    #[must_use]
    pub(crate) fn is_due(&self, remote: &RemoteJwks, wanted: bool, now: u64) -> bool {
        !self.is_asking(remote, now)
            && (reached(self.due, remote.refresh, now) || (wanted && self.is_cool(remote, now)))
    }

    /// Whether a fetch is under way or may start, so that it is worth a request's while to wait.
    #[must_use]
    pub(crate) fn is_promising(&self, remote: &RemoteJwks, now: u64) -> bool {
        self.is_asking(remote, now) || reached(self.due, remote.refresh, now) || self.is_cool(remote, now)
    }

    /// A worker asks. It is the only one until the lease ends, should it die meanwhile.
    #[must_use]
    pub(crate) fn started(&self, remote: &RemoteJwks, now: u64) -> Self {
        let (lease, cooled) =
            (now.saturating_add(longest_fetch(remote)), now.saturating_add(remote.cooldown));
        Self { lease, cooled, ..self.clone() }
    }

    /// The issuer gave a good answer; `is_new` when it is not what is known. `jitter`, from 0 to 1000, spreads
    /// the next fetches of a fleet over a tenth of the time.
    #[must_use]
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
            due: now.saturating_add(refresh.saturating_sub(early).max(shortest)),
            lease: 0,
            finished: self.finished.saturating_add(1),
            failures: 0,
            ..self.clone()
        }
    }

    /// The issuer gave no good answer. With keys that work it has time; without any each second counts.
    #[must_use]
    pub(crate) fn failed(&self, remote: &RemoteJwks, now: u64) -> Self {
        let (first, longest) = if self.generation == 0 {
            (FIRST_RETRY, remote.cooldown.max(FIRST_RETRY))
        } else {
            (remote.cooldown.max(FIRST_RETRY), remote.refresh)
        };
        let doublings = 1_u64.checked_shl(self.failures).unwrap_or(u64::MAX);
        Self {
            due: now.saturating_add(first.saturating_mul(doublings).min(longest)),
            lease: 0,
            finished: self.finished.saturating_add(1),
            failures: self.failures.saturating_add(1),
            ..self.clone()
        }
    }

    fn is_asking(&self, remote: &RemoteJwks, now: u64) -> bool {
        self.lease > 0 && !reached(self.lease, longest_fetch(remote), now)
    }

    fn is_cool(&self, remote: &RemoteJwks, now: u64) -> bool {
        reached(self.cooled, remote.cooldown, now)
    }
}

/// The metadata, the keys, and a second for the worker to get to them.
fn longest_fetch(remote: &RemoteJwks) -> u64 {
    remote.timeout.saturating_mul(2).saturating_add(1_000)
}

/// Whether a time has come that was set `at_most` ahead: one further ahead was set before the clock was put back.
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

    fn with_keys() -> Progress {
        Progress::default().started(&remote(), NOW).succeeded(&remote(), true, None, 0, NOW)
    }

    #[test]
    fn keys_are_asked_for_at_start_and_by_one_worker() {
        let start = Progress::default();
        assert!(start.is_due(&remote(), false, NOW));
        let asking = start.started(&remote(), NOW);
        assert!(!asking.is_due(&remote(), true, NOW + 10_000));
        assert!(asking.is_promising(&remote(), NOW + 10_000));
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
            assert_eq!(known.succeeded(&remote(), false, max_age, jitter, NOW).due, NOW + due, "{max_age:?}");
        }
        assert_eq!(known.succeeded(&remote(), false, None, 0, NOW).generation, 1);
    }

    #[test]
    fn requests_cause_one_fetch_for_each_cooldown_whatever_its_outcome() {
        for known in [with_keys(), with_keys().started(&remote(), NOW).failed(&remote(), NOW)] {
            assert!(!known.is_due(&remote(), true, NOW + 29_999));
            assert!(!known.is_promising(&remote(), NOW + 29_999));
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
        let pauses = |mut progress: Progress, count: usize| {
            let mut pauses = Vec::new();
            for _ in 0..count {
                progress = progress.failed(&remote(), NOW);
                pauses.push((progress.due - NOW) / 1000);
            }
            pauses
        };
        assert_eq!(pauses(Progress::default(), 7), [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pauses(with_keys(), 7), [30, 60, 120, 240, 480, 600, 600]);
        assert_eq!(pauses(Progress { failures: 200, ..with_keys() }, 1), [600]);
    }

    #[test]
    fn a_clock_that_is_put_back_does_not_stop_it() {
        let known = with_keys().started(&remote(), NOW).succeeded(&remote(), true, None, 0, NOW);
        assert!(known.is_due(&remote(), false, NOW - 3_600_000));
        assert!(known.is_due(&remote(), true, NOW - 3_600_000));
    }
}
