//! What is counted, kept in the module until a timer hands it to the host: a call for each request would cost
//! more than the decision.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::rejection::Rejection;

/// Counters that are there from the start: what appears with its first count has no increase for Prometheus.
pub(crate) const FROM_THE_START: [&str; 11] = [
    "decisions.outcome.user.reason.none",
    "cache_lookups.result.hit",
    "cache_lookups.result.miss",
    "cache_evictions",
    "verifications.by.host",
    "verifications.by.module",
    "batch_subrequests",
    "batch_answers_unreadable",
    "identity_headers_removed",
    "host_failures",
    "host_verification_missing",
];

/// Counts since they were last taken.
///
/// Names are the host's, with what Prometheus shows as a label written into them: `envoy/envoy.yaml` has the
/// patterns (`stats_tags`) that take it out again.
#[derive(Debug, Default)]
pub struct Numbers {
    users: Cell<u64>,
    hits: Cell<u64>,
    misses: Cell<u64>,
    by_host: Cell<u64>,
    in_module: Cell<u64>,
    others: RefCell<BTreeMap<String, u64>>,
}

impl Numbers {
    /// Counts a decision by outcome and reason.
    pub fn count_decision(&self, outcome: &str, rejection: Option<Rejection>) {
        match rejection {
            // The usual case, without a string.
            None => increase(&self.users),
            Some(rejection) => {
                self.add(format!("decisions.outcome.{outcome}.reason.{}", rejection.code()), 1);
            }
        }
    }

    pub(crate) fn count_hit(&self) {
        increase(&self.hits);
    }

    pub(crate) fn count_miss(&self) {
        increase(&self.misses);
    }

    /// Counts a signature that is checked, by the host's cryptography or the module's.
    pub(crate) fn count_verification(&self, by_host: bool) {
        increase(if by_host { &self.by_host } else { &self.in_module });
    }

    /// Signatures checked since the counts were last taken.
    #[must_use]
    pub fn verifications(&self) -> u64 {
        self.by_host.get().saturating_add(self.in_module.get())
    }

    pub(crate) fn note_evictions(&self, count: u64) {
        if count > 0 {
            self.add("cache_evictions".to_owned(), count);
        }
    }

    /// Counts something that is rare.
    pub fn add(&self, name: String, count: u64) {
        if let Ok(mut others) = self.others.try_borrow_mut() {
            let sum = others.entry(name).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// The counts by name, which start from nothing again.
    pub(crate) fn take(&self) -> BTreeMap<String, u64> {
        let mut counts = self.others.try_borrow_mut().map(|mut others| std::mem::take(&mut *others));
        for (name, count) in [
            ("decisions.outcome.user.reason.none", &self.users),
            ("cache_lookups.result.hit", &self.hits),
            ("cache_lookups.result.miss", &self.misses),
            ("verifications.by.host", &self.by_host),
            ("verifications.by.module", &self.in_module),
        ] {
            if let Ok(counts) = &mut counts
                && count.get() > 0
            {
                counts.insert(name.to_owned(), count.take());
            }
        }
        counts.unwrap_or_default()
    }
}

fn increase(count: &Cell<u64>) {
    count.set(count.get().saturating_add(1));
}
