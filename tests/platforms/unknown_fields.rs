//! The translators refuse what they do not understand. What switches the protection off without an error, `kinto-jwt check`
//! finds: `tests/cli/warnings.rs`.

use serde_json::{Value, json};

use crate::kustomization::{build, the};

#[test]
fn the_translators_refuse_what_they_do_not_understand() {
    use crate::istio::listener::{Profile, gateway, sidecar};
    use crate::{envoy_gateway, istio};
    let extension = || the(&build("envoy/istio/sidecar"), "TrafficExtension").clone();
    let set = |mut manifest: Value, path: &str, value: Value| {
        let (parent, name) = path.rsplit_once('/').unwrap();
        manifest.pointer_mut(parent).unwrap()[name] = value;
        manifest
    };
    let error = |result: Result<istio::Plugin, String>| result.err().expect("refused");
    for (path, value, words) in [
        ("/spec/priority", json!(10), "priority is not understood"),
        ("/spec/wasm/type", json!("NETWORK"), "type is not understood"),
        ("/spec/wasm/imagePullSecret", json!("x"), "imagePullSecret is not understood"),
        ("/spec/wasm/failStrategy", json!("FAIL_OPEN"), "unchecked"),
        ("/spec/match/0/ports", json!([{"number": 8888}]), "ports is not understood"),
        ("/metadata/annotations", json!({}), "annotations is not understood"),
    ] {
        // WasmPlugin's members of another place would be dropped in silence.
        let error = error(istio::plugin(&set(extension(), path, value)));
        assert!(error.contains(words), "{path}: {error}");
    }
    for (kind, path, value, words) in [
        ("EnvoyExtensionPolicy", "/spec/mergeType", json!("StrategicMerge"), "mergeType is not understood"),
        ("EnvoyExtensionPolicy", "/spec/targetRefs/0/kind", json!("HTTPRoute"), "is not a Gateway"),
        ("EnvoyExtensionPolicy", "/spec/targetRefs/0/sectionName", json!("http"), "sectionName"),
        ("EnvoyExtensionPolicy", "/spec/wasm/0/failOpen", json!(true), "unchecked"),
        ("ClientTrafficPolicy", "/spec/headers", json!({}), "headers is not understood"),
        ("ClientTrafficPolicy", "/spec/connection/bufferLimit", json!("32Ki"), "not in Mi"),
        ("ClientTrafficPolicy", "/spec/targetRefs/0/name", json!("other"), "another Gateway"),
        ("EnvoyProxy", "/spec/bootstrap/type", json!("Replace"), "not a JSONPatch"),
        ("EnvoyProxy", "/spec/filterOrder", json!([]), "filterOrder is not understood"),
        ("EnvoyProxy", "/spec/provider/type", json!("Host"), "not a provider for Kubernetes"),
        (
            "EnvoyProxy",
            "/spec/provider/kubernetes/envoyDaemonSet",
            json!({}),
            "envoyDaemonSet is not understood",
        ),
        (
            "EnvoyProxy",
            "/spec/provider/kubernetes/envoyDeployment/container/env/0/valueFrom/secretKeyRef/optional",
            json!(true),
            "optional is not understood",
        ),
        ("Gateway", "/spec/listeners/0/allowedRoutes/namespaces/from", json!("All"), "other namespaces"),
        ("HTTPRoute", "/spec/rules/0/filters", json!([]), "filters is not understood"),
    ] {
        let mut manifests = build("envoy/gateway");
        let manifest = manifests.iter_mut().find(|manifest| manifest["kind"] == kind).unwrap();
        *manifest = set(manifest.clone(), path, value);
        let error = envoy_gateway::gateway(&manifests).err().expect("refused");
        assert!(error.contains(words), "{kind} {path}: {error}");
    }
    let broken = |folder: &str, name: &str, path: &str, value: Value| {
        let mut manifests = build(folder);
        let is_it = |manifest: &&mut Value| {
            manifest["metadata"]["name"] == name
                && manifest.pointer(path.rsplit_once('/').unwrap().0).is_some()
        };
        let manifest =
            manifests.iter_mut().find(is_it).unwrap_or_else(|| panic!("{folder}: no {name} {path}"));
        *manifest = set(manifest.clone(), path, value);
        manifests
    };
    let overlay =
        |container: Value| json!({"spec": {"template": {"spec": {"containers": [container]}}}}).to_string();
    let literal = json!({"name": "istio-proxy", "env": [{"name": "A", "value": "b"}]});
    for (name, path, value, words) in [
        ("kinto", "/spec/infrastructure/parametersRef/kind", json!("Secret"), "unknown infrastructure"),
        ("kinto", "/spec/infrastructure/parametersRef/name", json!("other"), "no ConfigMap other"),
        ("kinto", "/spec/infrastructure/annotations", json!({}), "annotations is not understood"),
        ("kinto-gateway", "/metadata/namespace", json!("istio-system"), "no ConfigMap kinto-gateway"),
        ("kinto-gateway", "/data/service", json!(""), "service is not understood"),
        ("kinto-gateway", "/data/deployment", json!(overlay(json!({"name": "proxy"}))), "not the container"),
        ("kinto-gateway", "/data/deployment", json!(overlay(literal)), "valueFrom is missing"),
    ] {
        let manifests = broken("envoy/istio/gateway", name, path, value);
        let error = gateway(&manifests, Profile::None).err().expect("refused");
        assert!(error.contains(words), "{name} {path}: {error}");
    }
    let proxy = "/spec/template/spec/containers/1";
    for (member, value, words) in [
        ("name", json!("proxy"), "no container istio-proxy"),
        ("image", json!("istio/proxyv2"), "another image"),
        ("args", json!([]), "args is not understood"),
    ] {
        let manifests = broken("envoy/istio/sidecar", "kinto", &format!("{proxy}/{member}"), value);
        let error = sidecar(&manifests).err().expect("refused");
        assert!(error.contains(words), "{member}: {error}");
    }
}
