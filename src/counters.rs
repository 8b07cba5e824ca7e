//! Counters, kept in the module until a timer hands them to Envoy: a host call for each request would cost more than
//! the decision. Nor does a request make a name or look for one: names are made when the counts are taken.

use std::array;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::rejection::Rejection;

/// What is counted beside decisions, and Envoy's name of the counter.
///
/// These are exported as 0 at load: `increase()` of Prometheus needs a sample before the first event. A name has the
/// labels of Prometheus written into it: `envoy/envoy.yaml` has the patterns (`stats_tags`) that take them out again.
const NAMES: [(Count, &str); 11] = [
    (Count::CacheHits, "cache_lookups.result.hit"),
    (Count::CacheMisses, "cache_lookups.result.miss"),
    (Count::CacheEvictions, "cache_evictions"),
    (Count::VerificationsByHost, "verifications.by.host"),
    (Count::VerificationsByModule, "verifications.by.module"),
    (Count::BatchSubrequests, "batch_subrequests"),
    (Count::BatchAnswersUnreadable, "batch_answers_unreadable"),
    (Count::IdentityHeadersRemoved, "identity_headers_removed"),
    (Count::TicketsRefused, "tickets_refused"),
    (Count::HostFailures, "host_failures"),
    (Count::HostVerificationMissing, "host_verification_missing"),
];

/// What is counted beside decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// Tokens that were found in the cache.
    CacheHits,
    /// Tokens that were not found in the cache.
    CacheMisses,
    /// Tokens that the cache has forgotten to make room.
    CacheEvictions,
    /// Signatures that Envoy verifies, by BoringSSL.
    VerificationsByHost,
    /// Signatures that the module's own crates verify.
    VerificationsByModule,
    /// Sub-requests of batches.
    BatchSubrequests,
    /// Kinto's answers to batches that could not be read.
    BatchAnswersUnreadable,
    /// Headers that only the filter may write and a client sent, where the list of all headers is read. Trailers are not
    /// counted.
    IdentityHeadersRemoved,
    /// Tickets that Kinto did not believe.
    TicketsRefused,
    /// Requests for which a call to the host failed.
    HostFailures,
    /// Key sets that were taken in a host that does not verify their signatures.
    HostVerificationMissing,
}

/// Who verifies a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Envoy, by BoringSSL.
    Host,
    /// The module's own crates.
    Module,
}

/// What has been counted since the counts were last taken.
#[derive(Debug)]
pub(crate) struct Counters {
    users: Cell<u64>,
    verifications: Cell<u64>,
    /// Decisions by outcome and reason: those that have been counted before.
    decisions: RefCell<Vec<(&'static str, Rejection, u64)>>,
    /// In the order of `NAMES`.
    counts: [Cell<u64>; NAMES.len()],
    others: RefCell<BTreeMap<String, u64>>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            users: Cell::default(),
            verifications: Cell::default(),
            decisions: RefCell::default(),
            counts: array::from_fn(|_| Cell::default()),
            others: RefCell::default(),
        }
    }
}

impl Counters {
    /// The names of the counters that are exported as 0 at load.
    pub(crate) fn from_the_start() -> impl Iterator<Item = String> {
        NAMES.iter().map(|(_, name)| (*name).to_owned()).chain([decision_name("user", "none")])
    }

    /// Counts a decision by its outcome and the reason for it.
    pub(crate) fn count_decision(&self, outcome: &'static str, rejection: Option<Rejection>) {
        let Some(rejection) = rejection else { return add(&self.users, 1) };
        let mut decisions = self.decisions.borrow_mut();
        let known = decisions.iter_mut().find(|(code, reason, _)| *reason == rejection && *code == outcome);
        match known {
            Some((.., count)) => *count = count.saturating_add(1),
            None => decisions.push((outcome, rejection, 1)),
        }
    }

    /// Counts a signature that is verified.
    pub(crate) fn count_verification(&self, by: By) {
        add(&self.verifications, 1);
        self.count(match by {
            By::Host => Count::VerificationsByHost,
            By::Module => Count::VerificationsByModule,
        });
    }

    /// Counts one.
    pub(crate) fn count(&self, what: Count) {
        self.add(what, 1);
    }

    /// Counts as many.
    pub(crate) fn add(&self, what: Count, many: u64) {
        let place = NAMES.iter().position(|(other, _)| *other == what);
        if let Some(count) = place.and_then(|place| self.counts.get(place)) {
            add(count, many);
        }
    }

    /// Counts one of what seldom happens, by Envoy's name of the counter.
    pub(crate) fn count_seldom(&self, name: String) {
        let mut others = self.others.borrow_mut();
        let sum = others.entry(name).or_default();
        *sum = sum.saturating_add(1);
    }

    /// How many signatures were verified in all.
    pub(crate) fn verifications(&self) -> u64 {
        self.verifications.get()
    }

    /// Returns the counts by name, and starts again from 0.
    pub(crate) fn take(&self) -> BTreeMap<String, u64> {
        let mut taken = self.others.take();
        for (outcome, rejection, count) in self.decisions.borrow_mut().drain(..) {
            taken.insert(decision_name(outcome, rejection.code()), count);
        }
        taken.insert(decision_name("user", "none"), self.users.take());
        taken.extend(
            NAMES.iter().zip(&self.counts).map(|((_, name), count)| ((*name).to_owned(), count.take())),
        );
        taken.retain(|_, count| *count > 0);
        taken
    }
}

fn decision_name(outcome: &str, reason: &str) -> String {
    format!("decisions.outcome.{outcome}.reason.{reason}")
}

fn add(count: &Cell<u64>, many: u64) {
    count.set(count.get().saturating_add(many));
}
