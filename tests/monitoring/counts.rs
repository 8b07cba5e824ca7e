//! What was sent is what was counted, and all of it is shown.

use std::collections::{BTreeMap, BTreeSet};

use crate::prometheus::{Sample, eventually};
use crate::stack::{DECISIONS, EVENTS, ROUNDS, shared};
use crate::{alerts, dashboard, promql};
use kit::http;

#[test]
fn every_decision_is_counted_once_with_its_reason() {
    let stack = shared();
    let counted = stack.prometheus.query("sum by (outcome, reason) (kinto_jwt_decisions)").unwrap();
    let counted = counted.iter().filter(|(_, value)| *value > 0.0);
    let counted: BTreeMap<(&str, &str), f64> =
        counted.map(|(labels, value)| ((&*labels["outcome"], &*labels["reason"]), *value)).collect();
    let sent =
        DECISIONS.iter().map(|(outcome, reason, count)| ((*outcome, *reason), f64::from(count * ROUNDS)));
    assert_eq!(counted, sent.collect());
}

#[test]
fn every_event_is_counted() {
    let stack = shared();
    for (metric, reason, count) in EVENTS {
        let reason = reason.map(|reason| ("reason".to_owned(), reason.to_owned()));
        let instance = ("instance".to_owned(), stack.prometheus.instance.clone());
        let expected: Sample = (reason.into_iter().chain([instance]).collect(), f64::from(count * ROUNDS));
        eventually(|| {
            let mut found = stack.prometheus.query(metric)?;
            found.retain(|(_, value)| *value > 0.0);
            if found == [expected.clone()] {
                Ok(())
            } else {
                Err(format!("{metric}: {found:?}, not {expected:?}"))
            }
        });
    }
    let one = |query: &str| stack.prometheus.query(query).unwrap()[0].1;
    // Of a token that is invalid nothing is remembered, and nothing was there to be found the first time.
    let valid = DECISIONS[0].2 * ROUNDS;
    let hits = one(r#"sum(kinto_jwt_cache_lookups{result="hit"})"#);
    assert!(hits > 0.0 && hits < f64::from(valid), "{hits} of {valid}");
    assert!(one("sum(kinto_jwt_cache_lookups)") >= f64::from(valid));
    // Every lookup of the second listener evicts the other user's token, but for the very first.
    assert_eq!(one("sum(kinto_jwt_cache_evictions)"), f64::from(4 * ROUNDS - 1));
    // A sub-request's token is verified among others, without a time of its own. Envoy merges the histograms of
    // its workers every five seconds.
    let verified = one("sum(kinto_jwt_verifications)");
    eventually(|| {
        let timed = one("kinto_jwt_verification_microseconds_count");
        let all = verified - f64::from(ROUNDS)..=verified;
        if all.contains(&timed) { Ok(()) } else { Err(format!("{timed} times of {verified} verifications")) }
    });
}

/// A metric that nobody looks at is a mistake in the dashboard, or in the filter.
#[test]
fn every_metric_of_the_filter_is_on_the_dashboard_or_in_an_alert() {
    let stack = shared();
    let scrape = http::get(stack.envoy.admin, "/stats/prometheus", &[]);
    let scrape = String::from_utf8(scrape.body).unwrap();
    let types = scrape.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let exported: BTreeSet<&str> = types
        .filter(|line| line.starts_with("kinto_jwt"))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let queries = dashboard::queries().into_iter().map(|query| query.promql).chain(alerts::expressions());
    let used: BTreeSet<String> =
        queries.flat_map(|query| promql::selected(&query)).map(|selected| selected.metric).collect();
    let used: BTreeSet<&str> = used.iter().map(|name| name.strip_suffix("_bucket").unwrap_or(name)).collect();
    assert!(exported.is_subset(&used), "nobody looks at {:?}", exported.difference(&used));
    assert!(exported.len() > 10, "{exported:?}");
}

/// Metrics, labels and the values that they are compared with.
#[test]
fn everything_that_a_query_names_is_there() {
    let stack = shared();
    for query in dashboard::queries().into_iter().map(|query| query.promql).chain(alerts::expressions()) {
        let groups = promql::grouped_by(&query);
        for selected in &promql::selected(&query) {
            let metric = &selected.metric;
            let all = eventually(|| match stack.prometheus.query(metric)? {
                none if none.is_empty() => Err(format!("no {metric}")),
                all => Ok(all),
            });
            for label in &groups {
                assert!(
                    all.iter().all(|(labels, _)| labels.contains_key(label)),
                    "{metric} has no label {label}"
                );
            }
            for (label, operator, values) in &selected.matchers {
                for value in values.split('|').filter(|_| values != "$instance") {
                    let exists = all.iter().any(|(labels, _)| labels.get(label).is_some_and(|v| v == value));
                    assert!(exists, "no {metric} has {label}{operator}{value:?}");
                }
            }
        }
    }
}
