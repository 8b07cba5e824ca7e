//! What the manifests let through to Kinto: nothing but the filter.

use serde_json::{Map, Value, json};

use crate::fields::open;
use crate::kustomization::{APPLIED, build, the};

const FOLDERS: [&str; 4] =
    ["envoy/istio/gateway", "envoy/istio/sidecar", "envoy/gateway", "envoy/kubernetes"];

fn labels(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("no labels: {value}"))
}

/// Whether a selector of equal labels selects what has these.
fn selects(selector: &Value, of: &Map<String, Value>) -> bool {
    let selector = labels(selector);
    !selector.is_empty() && selector.iter().all(|(name, value)| of.get(name) == Some(value))
}

/// The labels of Kinto's pods.
fn pod(manifests: &[Value]) -> Map<String, Value> {
    labels(&the(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]).clone()
}

/// The one rule of the NetworkPolicy for incoming connections.
fn ingress(manifests: &[Value]) -> Value {
    let policy = &the(manifests, "NetworkPolicy")["spec"];
    assert_eq!(policy["policyTypes"], json!(["Ingress"]));
    let rules = policy["ingress"].as_array().unwrap();
    assert_eq!(rules.len(), 1, "one rule");
    rules[0].clone()
}

#[test]
fn all_that_selects_selects_kintos_pods() {
    for folder in FOLDERS {
        let manifests = build(folder);
        let pod = pod(&manifests);
        let mut count = 0;
        for manifest in &manifests {
            let selector = match manifest["kind"].as_str().unwrap() {
                "Deployment" | "AuthorizationPolicy" | "PeerAuthentication" => "/spec/selector/matchLabels",
                "Service" => "/spec/selector",
                "NetworkPolicy" => "/spec/podSelector/matchLabels",
                "Sidecar" => "/spec/workloadSelector/labels",
                "TrafficExtension" if folder.ends_with("sidecar") => "/spec/selector/matchLabels",
                _ => continue,
            };
            let selector = manifest.pointer(selector).unwrap_or_else(|| panic!("{folder}: {manifest:#}"));
            assert!(selects(selector, &pod), "{folder}: {manifest:#}");
            count += 1;
        }
        assert!(count >= 3, "{folder}: {count}");
    }
}

#[test]
fn all_is_in_one_namespace_which_is_made() {
    for folder in APPLIED {
        for manifest in build(folder) {
            let metadata = &manifest["metadata"];
            let place =
                if manifest["kind"] == "Namespace" { &metadata["name"] } else { &metadata["namespace"] };
            assert_eq!(place, "kinto", "{folder}: {manifest:#}");
        }
    }
    for folder in FOLDERS {
        let labels = &the(&build(folder), "Namespace")["metadata"]["labels"].clone();
        let in_mesh = folder.contains("istio");
        assert_eq!(labels.get("istio-injection") == Some(&json!("enabled")), in_mesh, "{folder}");
    }
}

/// Where Envoy is in Kinto's pod, Kinto listens on loopback, and the open port is Envoy's. Otherwise Kinto listens on all
/// addresses, and the NetworkPolicy lets nobody in but the proxy.
#[test]
fn only_the_port_of_envoy_is_open() {
    for (folder, port, is_on_loopback) in [
        ("envoy/istio/gateway", 8888, true),
        ("envoy/istio/sidecar", 8888, true),
        ("envoy/kubernetes", 10000, true),
        ("envoy/gateway", 8888, false),
    ] {
        let manifests = build(folder);
        let ports = &ingress(&manifests)["ports"];
        assert_eq!(*ports, json!([{"port": port, "protocol": "TCP"}]), "{folder}");
        let services = &the(&manifests, "Service")["spec"]["ports"];
        assert_eq!(
            (services[0]["targetPort"].as_u64(), services[1].is_null()),
            (Some(port), true),
            "{folder}"
        );
        let pod = &the(&manifests, "Deployment")["spec"]["template"]["spec"];
        assert!(pod.get("hostNetwork").is_none(), "{folder}");
        let containers = pod["containers"].as_array().unwrap();
        let kinto = containers.iter().find(|container| container["name"] == "kinto").unwrap();
        let command = kinto["command"][2].as_str().unwrap();
        assert_eq!(command.contains("kinto start --ini"), is_on_loopback, "{folder}: {command}");
        assert_eq!(command.contains("--server-name=private"), !is_on_loopback, "{folder}: {command}");
        // Kinto itself announces a port only where it has one.
        assert_eq!(kinto.get("ports").is_none(), is_on_loopback, "{folder}");
    }
    // What the two commands mean.
    let ini = std::fs::read_to_string(kit::servers::project("envoy/kinto.ini")).unwrap();
    assert!(
        ini.contains("\nhost = 127.0.0.1\n")
            && ini.contains("[server:private]\nuse = main\nhost = 0.0.0.0\n")
    );
}

#[test]
fn only_the_gateway_may_call_kinto() {
    let manifests = build("envoy/istio/gateway");
    let gateway = open(the(&manifests, "Gateway"), "gateway.networking.k8s.io/v1", "Gateway").unwrap();
    // Istio's names for what it makes of a Gateway: <gateway>-<class>, and a label with the name of the Gateway.
    let account = format!("cluster.local/ns/{}/sa/{}-istio", gateway.namespace, gateway.name);
    let policy = &the(&manifests, "AuthorizationPolicy")["spec"];
    assert_eq!(policy["action"], "ALLOW");
    assert_eq!(
        policy["rules"],
        json!([{
            "from": [{"source": {"principals": [account]}}],
            "to": [{"operation": {"ports": ["8888"]}}],
        }])
    );
    let label = json!({"gateway.networking.k8s.io/gateway-name": gateway.name});
    assert_eq!(ingress(&manifests)["from"], json!([{"podSelector": {"matchLabels": label}}]));
    // A principal is proved by mTLS only.
    assert_eq!(the(&manifests, "PeerAuthentication")["spec"]["mtls"], json!({"mode": "STRICT"}));

    let manifests = build("envoy/gateway");
    let from = ingress(&manifests)["from"].clone();
    assert_eq!(
        from,
        json!([{
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "envoy-gateway-system"}},
            "podSelector": {"matchLabels": {
                "gateway.envoyproxy.io/owning-gateway-name": "kinto",
                "gateway.envoyproxy.io/owning-gateway-namespace": "kinto",
            }},
        }])
    );
}

#[test]
fn the_sidecar_lets_nobody_past_the_filter() {
    let manifests = build("envoy/istio/sidecar");
    let policy = &the(&manifests, "AuthorizationPolicy")["spec"];
    assert_eq!(policy["rules"], json!([{"to": [{"operation": {"ports": ["8888"]}}]}]));
    assert_eq!(policy["action"], "ALLOW");
    assert_eq!(the(&manifests, "PeerAuthentication")["spec"]["mtls"], json!({"mode": "STRICT"}));
    // As TCP, the proxy would not look at the requests.
    assert_eq!(the(&manifests, "Service")["spec"]["ports"][0]["appProtocol"], "http");
}

#[test]
fn no_container_may_more_than_it_must() {
    for folder in FOLDERS {
        let manifests = build(folder);
        let pod = &the(&manifests, "Deployment")["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{folder}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{folder}");
        // Istio writes the rights of its proxy.
        let own = |container: &&Value| container["image"] != "auto";
        for container in pod["containers"].as_array().unwrap().iter().filter(own) {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{folder}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{folder}");
            assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{folder}");
            assert!(context["runAsUser"].as_u64().unwrap() > 0, "{folder}");
        }
    }
}
