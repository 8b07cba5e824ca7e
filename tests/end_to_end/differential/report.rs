//! What a run has found, and the verdict on it.

use std::time::{Duration, Instant};

use super::{seed, variable};

/// What was found, and what it was found among.
#[derive(Default)]
pub(super) struct Report {
    pub(super) cases: usize,
    pub(super) honest: usize,
    pub(super) dangerous: usize,
    /// Hostile batches that the filter let pass.
    pub(super) passed: usize,
    /// Batches within batches behind the filter, and without it.
    pub(super) nested: usize,
    pub(super) nested_without: usize,
    findings: Vec<Finding>,
}

struct Finding {
    /// What kind of fault it is.
    what: &'static str,
    case: usize,
    /// Cases and time until it was found.
    after: (usize, Duration),
    text: String,
}

impl Report {
    pub(super) fn finding(&mut self, what: &'static str, case: usize, started: Instant, text: String) {
        self.findings.push(Finding { what, case, after: (self.cases, started.elapsed()), text });
    }

    /// Fails if there are findings; of each kind, the shortest say the most.
    pub(super) fn judge(&self) {
        let mut verdicts = Vec::new();
        for what in ["forgery", "difference", "unknown path"] {
            let mut found: Vec<&Finding> =
                self.findings.iter().filter(|finding| finding.what == what).collect();
            let Some(first) = found.first() else { continue };
            let ((cases, elapsed), count) = (first.after, found.len());
            verdicts.push(format!("{what}: {count}, the first after {cases} cases and {elapsed:.1?}"));
            found.sort_by_key(|finding| finding.text.len());
            for finding in found.iter().take(variable("FUZZ_SHOW", 5)) {
                println!("{what}, seed {}, case {}: {}\n", seed(), finding.case, finding.text);
            }
        }
        assert!(verdicts.is_empty(), "seed {}, {}", seed(), verdicts.join("; "));
    }
}
