//! Counters, kept in the module until a timer hands them to Envoy: a host call for each request would cost more than
//! the decision.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::rejection::Rejection;

/// Counters that are exported as 0 at load: `increase()` of Prometheus needs a sample before the first event.
pub(crate) const FROM_THE_START: [&str; 12] = [
    "decisions.outcome.user.reason.none",
    "cache_lookups.result.hit",
    "cache_lookups.result.miss",
    "cache_evictions",
    "verifications.by.host",
    "verifications.by.module",
    "batch_subrequests",
    "batch_answers_unreadable",
    "identity_headers_removed",
    "tickets_refused",
    "host_failures",
    "host_verification_missing",
];

/// What has been counted since the counts were last taken.
///
/// A name is Envoy's name of the counter, with the labels of Prometheus written into it: `envoy/envoy.yaml` has the
/// patterns (`stats_tags`) that take them out again.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    users: Cell<u64>,
    hits: Cell<u64>,
    misses: Cell<u64>,
    by_host: Cell<u64>,
    by_module: Cell<u64>,
    others: RefCell<BTreeMap<String, u64>>,
}

/// Who verifies a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Envoy, by BoringSSL.
    Host,
    /// The module's own crates.
    Module,
}

impl Counters {
    /// Counts a decision by its outcome and the reason for it.
    pub(crate) fn count_decision(&self, outcome: &str, rejection: Option<Rejection>) {
        match rejection {
            // The usual case allocates no name.
            None => increase(&self.users),
            Some(rejection) => {
                self.add(format!("decisions.outcome.{outcome}.reason.{}", rejection.code()), 1);
            }
        }
    }

    /// Counts a token that was found in the cache.
    pub(crate) fn count_hit(&self) {
        increase(&self.hits);
    }

    /// Counts a token that was not found in the cache.
    pub(crate) fn count_miss(&self) {
        increase(&self.misses);
    }

    /// Counts a signature that is verified.
    pub(crate) fn count_verification(&self, by: By) {
        increase(match by {
            By::Host => &self.by_host,
            By::Module => &self.by_module,
        });
    }

    /// How many signatures were verified since the counts were last taken.
    pub(crate) fn verifications(&self) -> u64 {
        self.by_host.get().saturating_add(self.by_module.get())
    }

    /// Adds to a counter that seldom changes.
    pub(crate) fn add(&self, name: String, count: u64) {
        let mut others = self.others.borrow_mut();
        let sum = others.entry(name).or_default();
        *sum = sum.saturating_add(count);
    }

    /// Returns the counts by name, and starts again from 0.
    pub(crate) fn take(&self) -> BTreeMap<String, u64> {
        let mut counts = self.others.take();
        for (name, count) in [
            ("decisions.outcome.user.reason.none", &self.users),
            ("cache_lookups.result.hit", &self.hits),
            ("cache_lookups.result.miss", &self.misses),
            ("verifications.by.host", &self.by_host),
            ("verifications.by.module", &self.by_module),
        ] {
            if count.get() > 0 {
                counts.insert(name.to_owned(), count.take());
            }
        }
        counts
    }
}

fn increase(count: &Cell<u64>) {
    count.set(count.get().saturating_add(1));
}
