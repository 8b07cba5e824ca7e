//! What a run has counted and measured, and how it is printed.

use std::collections::BTreeMap;
use std::time::Duration;

/// Requests, answers and latencies, of one thread or of all.
#[derive(Default)]
pub(crate) struct Figures {
    /// How many requests of each kind had each outcome.
    outcomes: BTreeMap<String, BTreeMap<String, usize>>,
    latencies: Vec<Duration>,
}

impl Figures {
    pub(crate) fn count(&mut self, kind: impl Into<String>, outcome: impl Into<String>) {
        *self.outcomes.entry(kind.into()).or_default().entry(outcome.into()).or_default() += 1;
    }

    /// Notes how long a good request took.
    pub(crate) fn took(&mut self, latency: Duration) {
        self.latencies.push(latency);
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (kind, outcomes) in other.outcomes {
            let into = self.outcomes.entry(kind).or_default();
            for (outcome, count) in outcomes {
                *into.entry(outcome).or_default() += count;
            }
        }
        self.latencies.extend(other.latencies);
    }

    pub(crate) fn total(&self) -> usize {
        self.outcomes.values().flat_map(BTreeMap::values).sum()
    }

    pub(crate) fn of(&self, kind: &str) -> usize {
        self.outcomes.get(kind).map_or(0, |outcomes| outcomes.values().sum())
    }

    pub(crate) fn with(&self, kind: &str, outcome: &str) -> usize {
        self.outcomes.get(kind).and_then(|outcomes| outcomes.get(outcome)).copied().unwrap_or_default()
    }

    /// The latency below which this percentage of good requests was.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1).expect("a latency");
        sorted[last * percent / 100]
    }

    pub(crate) fn print(&self) {
        for (kind, outcomes) in &self.outcomes {
            let outcomes: Vec<_> =
                outcomes.iter().map(|(outcome, count)| format!("{outcome}: {count}")).collect();
            println!("  {kind:<24} {:>7}   {}", self.of(kind), outcomes.join(", "));
        }
        if !self.latencies.is_empty() {
            println!("  good requests: {}", self.latency());
        }
    }

    /// The latencies of good requests in words.
    pub(crate) fn latency(&self) -> String {
        format!(
            "{} measured, p50 {:.1?}, p99 {:.1?}, slowest {:.1?}",
            self.latencies.len(),
            self.percentile(50),
            self.percentile(99),
            self.percentile(100)
        )
    }
}

/// The middle one of these.
pub(crate) fn median(numbers: &[u64]) -> u64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
