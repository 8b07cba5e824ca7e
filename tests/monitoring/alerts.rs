//! Each alert fires when it should and only then, and what it needs is exported.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::prometheus::{eventually, promtool, yaml};
use crate::promql;
use crate::stack::shared;
use kit::servers::project;

const RULES: &str = "envoy/prometheus/kinto-jwt.rules.yaml";
const EXAMPLES: &str = "tests/monitoring/rules-test.yaml";

fn rules() -> Vec<Value> {
    yaml(RULES)["groups"][0]["rules"].as_array().unwrap().clone()
}

pub(crate) fn expressions() -> Vec<String> {
    rules().iter().map(|rule| rule["expr"].as_str().unwrap().to_owned()).collect()
}

fn names() -> BTreeSet<String> {
    rules().iter().map(|rule| rule["alert"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn promtool_takes_the_rules_and_the_scrape_example_and_sees_each_alert_fire_and_keep_still() {
    promtool(&["check", "rules"], &project(RULES));
    promtool(&["check", "config"], &project("envoy/prometheus/prometheus.yaml"));
    promtool(&["test", "rules"], &project(EXAMPLES));
}

#[test]
fn there_is_an_example_of_each_alert_firing_and_of_it_keeping_still() {
    let examples = yaml(EXAMPLES)["tests"].clone();
    let examples = examples.as_array().unwrap();
    let firing = |name: &String| format!(r#"ALERTS{{alertname="{name}", alertstate="firing""#);
    let text = Value::from(examples.clone()).to_string().replace("\\\"", "\"");
    let fired: BTreeSet<String> = names().into_iter().filter(|name| text.contains(&firing(name))).collect();
    assert_eq!(fired, names());

    // Silence means something only where there is something to be heard.
    let quiet = &examples[0];
    let silent = |test: &Value| test["expr"] == "ALERTS" && test["exp_samples"] == json!([]);
    assert!(quiet["promql_expr_test"].as_array().unwrap().iter().all(silent));
    let series = quiet["input_series"].as_array().unwrap().iter();
    let given: BTreeSet<&str> =
        series.map(|series| series["series"].as_str().unwrap().split('{').next().unwrap()).collect();
    for selected in expressions().iter().flat_map(|expression| promql::selected(expression)) {
        assert!(given.contains(selected.metric.as_str()), "{} is not in {}", selected.metric, quiet["name"]);
    }
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do() {
    for rule in rules() {
        let alert = &rule["alert"];
        assert!(
            ["critical", "warning", "info"].map(Value::from).contains(&rule["labels"]["severity"]),
            "{alert}"
        );
        let annotation = |name: &str| rule["annotations"][name].as_str().unwrap().to_owned();
        assert!(annotation("summary").len() < 110 && annotation("description").len() > 100, "{alert}");
        // A label that the expression has lost would be empty in the message.
        let words = annotation("summary") + &annotation("description");
        let groups = promql::grouped_by(rule["expr"].as_str().unwrap());
        for label in words.split("$labels.").skip(1).map(|rest| rest.split(' ').next().unwrap()) {
            assert!(groups.contains(label), "{alert} has no label {label}");
        }
    }
}

#[test]
fn the_requests_set_off_the_alerts_that_they_should_and_no_others() {
    let stack = shared();
    let loaded = eventually(|| {
        let groups = stack.prometheus.api("rules?type=alert")?;
        let rules = groups["groups"][0]["rules"].as_array().ok_or("no rules")?.clone();
        if rules.iter().all(|rule| rule["health"] == "ok") { Ok(rules) } else { Err(format!("{rules:?}")) }
    });
    assert_eq!(
        loaded.iter().map(|rule| rule["name"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(),
        names()
    );

    let alerts = eventually(|| {
        let alerts = stack.prometheus.api("alerts")?["alerts"].as_array().ok_or("no alerts")?.clone();
        let name = |alert: &Value| alert["labels"]["alertname"].as_str().unwrap().to_owned();
        let names: BTreeSet<String> = alerts.iter().map(name).collect();
        let expected = ["InvalidTokens", "KeyFetchesFail", "KeysUnavailable", "SpoofAttempts"]
            .map(|name| format!("KintoJwt{name}"));
        if names == BTreeSet::from(expected) { Ok(alerts) } else { Err(format!("{names:?}")) }
    });
    for alert in &alerts {
        let summary = alert["annotations"]["summary"].as_str().unwrap();
        assert!(summary.contains(&stack.prometheus.instance), "{summary}");
    }
    let spoof = alerts.iter().find(|alert| alert["labels"]["alertname"] == "KintoJwtSpoofAttempts").unwrap();
    assert_eq!((&spoof["state"], &spoof["labels"]["severity"]), (&json!("firing"), &json!("warning")));
}
