//! The dashboard is one that Grafana can show, and each of its queries says something true.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::prometheus::{Sample, eventually, yaml};
use crate::promql;
use crate::stack::shared;

fn dashboard() -> Value {
    yaml("envoy/grafana/kinto-jwt.json")
}

/// A query of a panel.
pub(crate) struct Query {
    panel: String,
    legend: String,
    pub(crate) promql: String,
}

pub(crate) fn queries() -> Vec<Query> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let queries = panels.flat_map(|panel| {
        panel["targets"].as_array().unwrap().iter().map(|target| Query {
            panel: text(&panel["title"]),
            legend: text(&target["legendFormat"]),
            promql: text(&target["expr"]),
        })
    });
    queries.collect()
}

/// The labels in a legend.
fn shown(legend: &str) -> BTreeSet<String> {
    legend.split("{{").skip(1).map(|rest| rest.split_once("}}").unwrap().0.to_owned()).collect()
}

#[test]
fn every_panel_says_what_it_shows_in_which_unit_and_what_to_do() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 38, "Grafana 10");
    let datasource = json!({"type": "prometheus", "uid": "${datasource}"});
    let (mut ids, mut titles, mut cells) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()) && titles.insert(title), "{title} twice");
        assert!(panel["description"].as_str().unwrap().len() > 60, "{title}: what to do?");
        let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap();
        assert!(["reqps", "ops", "percentunit", "µs", "s", "none"].contains(&unit), "{title}: {unit}");
        assert_eq!(panel["datasource"], datasource, "{title}");
        assert!(panel["targets"].as_array().unwrap().iter().all(|target| target["datasource"] == datasource));
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for (x, y) in (0..place("w")).flat_map(|x| (0..place("h")).map(move |y| (x, y))) {
            let (x, y) = (place("x") + x, place("y") + y);
            assert!(x < 24 && cells.insert((x, y)), "{title} overlaps another panel, or the edge");
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    assert_eq!(variables.map(|variable| &variable["name"]).collect::<Vec<_>>(), ["datasource", "instance"]);
    for Query { panel, legend, promql } in queries() {
        let chosen = |matchers: &[(String, String, String)]| {
            matchers[0] == ("instance".into(), "=~".into(), "$instance".into())
        };
        assert!(
            promql::selected(&promql).iter().all(|selected| chosen(&selected.matchers)),
            "{panel}: {promql}"
        );
        let mut groups = promql::grouped_by(&promql);
        groups.remove("le");
        assert_eq!(shown(&legend), groups, "{panel}: the legend tells the lines apart");
    }
}

/// What each query must say of the requests that were sent: the labels of its lines, and between which values.
const LINES: [(&str, &str, &[&str], f64, f64); 17] = [
    ("Who requests are", "{{outcome}}", &["rejected", "unauthorized_user", "user"], 0.001, 100.0),
    (
        "Why requests prove nobody",
        "{{reason}}",
        &["bad_signature", "expired", "foreign_scheme", "keys_unavailable", "kid_unknown", "no_token"],
        0.001,
        100.0,
    ),
    // About 36 invalid tokens with 9 valid ones, 2 rejected requests of 56: of a counter that is new, the first
    // value is no increase.
    ("Refused", "invalid tokens", &[""], 0.5, 0.95),
    ("Refused", "rejected requests", &[""], 0.01, 0.1),
    ("Tokens found in the cache", "found", &[""], 0.01, 0.99),
    ("Tokens found in the cache", "evictions", &[""], 0.001, 100.0),
    ("Signatures verified", "{{by}}", &["host", "module"], 0.001, 100.0),
    ("Time to verify a signature", "p50", &[""], 1.0, 100_000.0),
    ("Time to verify a signature", "p99", &[""], 1.0, 1_000_000.0),
    ("Age of the keys", "{{policy}}", &["here"], 0.0, 15.0),
    ("Keys", "{{policy}}", &["gone", "here"], 0.0, 2.0),
    ("Fetches of keys", "{{policy}}: {{result}}", &["gone status", "here ok"], 0.0, 1000.0),
    ("Batches", "sub-requests", &[""], 0.001, 100.0),
    ("Batches", "refused: {{reason}}", &["batch_nested"], 0.001, 100.0),
    ("Attempts to name a user", "{{instance}}", &["127.0.0.1"], 1.0, 100.0),
    ("Failures", "5xx of {{envoy_http_conn_manager_prefix}}", &["issuers", "kinto"], 0.0, 100.0),
    ("Failures", "module reloads", &[""], 0.0, 0.0),
];

#[test]
fn every_query_answers_with_the_lines_that_the_requests_have_made() {
    let stack = shared();
    let mut lines: Vec<_> = LINES.to_vec();
    for Query { panel, legend, promql } in queries() {
        let about = lines.iter().position(|line| (line.0, line.1) == (panel.as_str(), legend.as_str()));
        let Some(about) = about else { panic!("say what {panel}, {legend} must show") };
        let (_, _, names, low, high) = lines.swap_remove(about);
        let promql = promql.replace("$instance", ".*").replace("$__rate_interval", "5m");
        eventually(|| {
            let found = stack.prometheus.query(&promql)?;
            let found_names: BTreeSet<String> = found.iter().map(name).collect();
            let right = found_names.iter().map(String::as_str).eq(names.iter().copied())
                && found.iter().all(|(_, value)| (low..=high).contains(value));
            if right {
                Ok(())
            } else {
                Err(format!("{panel}, {legend}: {found:?}, not {names:?} {low}..={high}"))
            }
        });
    }
    assert!(lines.is_empty(), "not on the dashboard: {lines:?}");
}

/// The values of a line's labels; of an instance its host, since its port is another each time.
fn name((labels, _): &Sample) -> String {
    let values = labels.values().map(|value| value.split(':').next().unwrap());
    values.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_variable_lists_each_envoy_with_the_filter() {
    let stack = shared();
    let dashboard = dashboard();
    let query = dashboard["templating"]["list"][1]["query"]["query"].as_str().unwrap();
    let arguments = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).unwrap();
    let (metric, label) = arguments.split_once(", ").unwrap();
    let values = stack.prometheus.api(&format!("label/{label}/values?match[]={metric}")).unwrap();
    assert_eq!(values, json!([stack.prometheus.instance]));
}
