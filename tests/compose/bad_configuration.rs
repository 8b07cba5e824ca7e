//! A configuration that the filter refuses, as an operator sees it.

use serde_json::json;

use crate::stack::{Stack, docker};
use kit::servers::{project, wait_for};

#[test]
fn a_bad_configuration_stops_envoy_with_the_reason_in_its_log() {
    let example = std::fs::read_to_string(project("envoy/envoy.yaml")).unwrap();
    let bad = example.replace("algorithm: RS256", "algorithm: RS257");
    assert_ne!(example, bad);
    let stack = Stack::new("bad").with_envoy(&bad, json!({}));
    stack.compose(&["up", "-d", "--no-deps", "envoy"]);
    let envoy = stack.container("envoy");
    let state = "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}} {{.State.Health.Status}}";
    let end = wait_for("end of Envoy", || {
        let state = docker(&["inspect", "--format", state, &envoy]);
        assert!(!state.ends_with(" healthy"), "{state}");
        state.starts_with("exited").then_some(state)
    });
    // Three more tries, and no loop.
    assert!(end.starts_with("exited 1 3 unhealthy"), "{end}");
    let log = stack.compose(&["logs", "--no-color", "envoy"]);
    assert!(log.contains("algorithm is not a name that this filter accepts"), "{log}");
    assert!(log.contains("write one of RS256, "), "the remedy: {log}");
    println!("{end}");
}
