//! Each manifest is what its schema allows, its CEL rules included; `schema.py` says how.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use kit::servers::{made, project};

use crate::kustomization::{APPLIED, build, build_with, the};

/// Kinds that have no schema here: `main.rs` says what checks them.
const WITHOUT: [&str; 7] = [
    "ClientTrafficPolicy",
    "DestinationRule",
    "EnvoyProxy",
    "Gateway",
    "HTTPRoute",
    "ServiceEntry",
    "Sidecar",
];

/// The faults of each manifest; none at all where there is no schema.
fn faults(manifests: &[Value]) -> Vec<Option<Vec<String>>> {
    let mut command = Command::new(made(".venv/bin/python"));
    command.arg(project("tests/platforms/schema.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(json!(manifests).to_string().as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "the checker failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn each_manifest_is_what_its_schema_allows() {
    let wasm_plugin = |text: String| text.replace("- traffic-extension.yaml", "- wasm-plugin.yaml");
    let mut manifests: Vec<Value> = APPLIED.iter().flat_map(|folder| build(folder)).collect();
    manifests.extend(APPLIED.iter().flat_map(|folder| build_with(folder, wasm_plugin).unwrap()));
    let (mut without, mut with) = (BTreeSet::new(), BTreeSet::new());
    for (manifest, faults) in manifests.iter().zip(faults(&manifests)) {
        let kind = manifest["kind"].as_str().unwrap();
        match faults {
            None => without.insert(kind),
            Some(faults) => {
                assert!(faults.is_empty(), "{kind}: {faults:?}\n{manifest:#}");
                with.insert(kind)
            }
        };
    }
    assert_eq!(without, BTreeSet::from(WITHOUT));
    assert!(with.contains("WasmPlugin") && with.contains("TrafficExtension"), "{with:?}");
    assert!(with.len() >= 11, "{with:?}");
}

/// A change to a manifest of ours, and words of the fault that it must be.
struct Broken(&'static str, &'static str, &'static str, Value, &'static str);

fn set(manifest: &mut Value, path: &str, value: Value) {
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = manifest.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
    match (value, parent) {
        (Value::Null, Value::Object(map)) => _ = map.remove(name).unwrap(),
        (value, Value::Object(map)) => _ = map.insert(name.to_owned(), value),
        (_, other) => panic!("{path} is not in a map: {other}"),
    }
}

/// One for each rule that the manifests rely on, so that it is known to be looked at.
fn broken() -> Vec<Broken> {
    let istio = "envoy/istio/sidecar";
    let gateway = "envoy/gateway";
    let pod = "envoy/kubernetes";
    let (extension, policy) = ("TrafficExtension", "EnvoyExtensionPolicy");
    let route = json!([{"group": "gateway.networking.k8s.io", "kind": "Gatewy", "name": "kinto"}]);
    vec![
        // Structure: fields that nobody knows, types, lists of values, patterns.
        Broken(istio, extension, "/spec/wasm/failurePolicy", json!("FAIL_RELOAD"), "failurePolicy"),
        Broken(istio, extension, "/spec/mode", json!("SERVER"), "mode"),
        Broken(istio, extension, "/spec/match", json!([{"mode": "INBOUND"}]), "INBOUND"),
        Broken(istio, extension, "/spec/match", json!({"mode": "SERVER"}), "array"),
        Broken(istio, extension, "/spec/phase", json!("AUTHENTICATION"), "AUTHENTICATION"),
        Broken(istio, extension, "/spec/wasm/failStrategy", json!("FAIL_CLOSED"), "FAIL_CLOSED"),
        Broken(istio, extension, "/spec/wasm/sha256", json!("sha256:00"), "match"),
        Broken(istio, extension, "/spec/wasm/url", Value::Null, "required"),
        Broken(istio, extension, "/metadata/namespace", Value::Null, "required"),
        // CEL rules of Istio.
        Broken(istio, extension, "/spec/wasm/url", json!("ftp://ghcr.io/x"), "url must have schema"),
        Broken(istio, extension, "/spec/lua", json!({"inlineCode": "x"}), "is valid under each of"),
        Broken(
            istio,
            extension,
            "/spec/targetRefs",
            json!([{"kind": "Gateway", "name": "kinto", "group": "gateway.networking.k8s.io"}]),
            "only one of targetRefs or selector",
        ),
        Broken(istio, extension, "/spec/selector/matchLabels", json!({"app": "k*"}), "wildcard"),
        Broken(
            istio,
            extension,
            "/spec/wasm/vmConfig",
            json!({"env": [{"name": "A", "value": "b", "valueFrom": "HOST"}]}),
            "value may only be set when valueFrom is INLINE",
        ),
        Broken(istio, "AuthorizationPolicy", "/spec/selector/matchLabels", json!({"*": "k"}), "wildcard"),
        Broken(istio, "AuthorizationPolicy", "/spec/action", json!("PERMIT"), "PERMIT"),
        Broken(istio, "PeerAuthentication", "/spec/mtls/mode", json!("ON"), "ON"),
        Broken(
            istio,
            "PeerAuthentication",
            "/spec/selector/matchLabels",
            json!({"": "k"}),
            "must not be empty",
        ),
        // CEL rules of Envoy Gateway.
        Broken(gateway, policy, "/spec/targetRefs", route, "kind"),
        Broken(gateway, policy, "/spec/targetRefs", Value::Null, "targetRef"),
        Broken(gateway, policy, "/spec/mergeType", json!("StrategicMerge"), "mergeType"),
        Broken(gateway, policy, "/spec/wasm/0/code/type", json!("HTTP"), "http"),
        Broken(
            gateway,
            policy,
            "/spec/wasm/0/code/image/pullSecretRef",
            json!({"kind": "ConfigMap", "name": "x"}),
            "Secret",
        ),
        Broken(gateway, policy, "/spec/wasm/0/failStrategy", json!("FAIL_RELOAD"), "failStrategy"),
        // Kinds of Kubernetes itself.
        Broken(
            pod,
            "Deployment",
            "/spec/template/spec/containers/0/env/0/valueFrom/secretKeyRef",
            json!({"name": "kinto"}),
            "'key' is a required property",
        ),
        Broken(pod, "Deployment", "/spec/template/spec/runAsNonRoot", json!(true), "runAsNonRoot"),
        Broken(pod, "Deployment", "/spec/selector", Value::Null, "selector"),
        Broken(pod, "Service", "/spec/ports", json!([{"port": "http"}]), "http"),
        Broken(pod, "NetworkPolicy", "/spec/policyType", json!(["Ingress"]), "policyType"),
    ]
}

#[test]
fn a_manifest_that_breaks_a_rule_is_refused() {
    let rows = broken();
    let manifests: Vec<Value> = rows
        .iter()
        .map(|Broken(folder, kind, path, value, _)| {
            let mut manifest = the(&build(folder), kind).clone();
            set(&mut manifest, path, value.clone());
            manifest
        })
        .collect();
    for (Broken(_, kind, path, value, words), faults) in rows.iter().zip(faults(&manifests)) {
        let faults = faults.unwrap_or_else(|| panic!("no schema for {kind}"));
        assert!(faults.iter().any(|fault| fault.contains(words)), "{kind} {path} {value}: {faults:?}");
    }
}
