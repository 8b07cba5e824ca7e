//! Envoy without our `stats_config`, as with Istio and Envoy Gateway: Prometheus makes the same labels.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::prometheus::{Prometheus, eventually};
use crate::stack::{DECISIONS, Requests, config, shared};
use kit::http;
use kit::servers::Envoy;

/// The series of the filter: their names and labels.
fn series(prometheus: &Prometheus) -> BTreeSet<BTreeMap<String, String>> {
    let all = utf8_percent_encode(r#"{__name__=~"kinto_jwt_.+"}"#, NON_ALPHANUMERIC).to_string();
    let found = prometheus.api(&format!("series?match[]={all}")).unwrap_or_default();
    let labels = |one: &Value| {
        let mut labels: BTreeMap<String, String> = serde_json::from_value(one.clone()).unwrap();
        labels.remove("instance");
        labels
    };
    found.as_array().into_iter().flatten().map(labels).collect()
}

#[test]
fn without_envoys_labels_the_series_are_the_same() {
    let stack = shared();
    let mut config = config(stack.kinto.port("kinto"), stack.issuer.port);
    config.as_object_mut().unwrap().remove("stats_config").expect("the labels by Envoy");
    let envoy = Envoy::start(&config);
    let prometheus = Prometheus::start(envoy.admin);
    Requests::new(&envoy).send();
    let scrape = String::from_utf8(http::get(envoy.admin, "/stats/prometheus", &[]).body).unwrap();
    assert!(scrape.contains("kinto_jwt_decisions_outcome_user_reason_none{}"), "Envoy makes no labels here");
    eventually(|| {
        let (with, without) = (series(&stack.prometheus), series(&prometheus));
        if with == without && with.len() > 30 {
            return Ok(());
        }
        let only = |one: &BTreeSet<_>, other| one.difference(other).cloned().collect::<Vec<_>>();
        Err(format!(
            "only by Envoy: {:?}; only by Prometheus: {:?}",
            only(&with, &without),
            only(&without, &with)
        ))
    });
    let expected: BTreeMap<(String, String), f64> = DECISIONS
        .iter()
        .map(|(outcome, reason, count)| (((*outcome).to_owned(), (*reason).to_owned()), f64::from(*count)))
        .collect();
    eventually(|| {
        let found = prometheus.query("sum by (outcome, reason) (kinto_jwt_decisions)")?;
        let found: BTreeMap<(String, String), f64> = found
            .into_iter()
            .filter(|(_, value)| *value > 0.0)
            .map(|(labels, value)| ((labels["outcome"].clone(), labels["reason"].clone()), value))
            .collect();
        if found == expected { Ok(()) } else { Err(format!("{found:?}, not {expected:?}")) }
    });
}
