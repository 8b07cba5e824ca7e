//! What switches the protection off without an error. No file in `envoy/` and no example on a page has it.

use serde_json::{Value, json};

use kit::servers::project;

use crate::kustomization::{build, files, the, yaml};

/// All maps inside a value, itself included.
fn maps<'v>(value: &'v Value, found: &mut Vec<&'v serde_json::Map<String, Value>>) {
    match value {
        Value::Object(map) => {
            found.push(map);
            map.values().for_each(|value| maps(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| maps(value, found)),
        _ => {}
    }
}

fn trap(document: &Value) -> Option<&'static str> {
    let mut all = Vec::new();
    maps(document, &mut all);
    let anywhere = |name: &str, value: Value| all.iter().any(|map| map.get(name) == Some(&value));
    let opens = ["fail_open", "failOpen"].iter().any(|name| anywhere(name, json!(true)))
        || ["failure_policy", "failStrategy"].iter().any(|name| anywhere(name, json!("FAIL_OPEN")));
    if opens {
        return Some("open: a fault would let requests through unchecked");
    }
    if anywhere("insecureSkipVerify", json!(true)) {
        return Some("no certificate is checked");
    }
    let spec = &document["spec"];
    match document["kind"].as_str()? {
        "TrafficExtension" => plugin(spec, &spec["wasm"]),
        "WasmPlugin" => plugin(spec, spec),
        "EnvoyExtensionPolicy" => extension_policy(spec),
        "DestinationRule" => {
            let blind = |map: &&serde_json::Map<_, _>| {
                map.contains_key("sni") && !map.contains_key("subjectAltNames")
            };
            all.iter().any(blind).then_some("sni without subjectAltNames: no name is checked")
        }
        "Sidecar" => spec.get("egress").map(|_| "egress: the issuer's cluster would not be there"),
        "EnvoyProxy" => {
            (spec["bootstrap"]["type"] != "JSONPatch").then_some("replaces what Envoy starts with")
        }
        _ => None,
    }
}

/// Whether the image has its digest, also in the address: without it the platforms ask for the tag `latest`.
fn is_pinned(image: &Value) -> bool {
    let (Some(url), Some(digest)) = (image["url"].as_str(), image["sha256"].as_str()) else { return false };
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest && url.ends_with(&format!("@sha256:{digest}"))
}

fn plugin(spec: &Value, wasm: &Value) -> Option<&'static str> {
    let modes: Vec<Option<&str>> =
        spec["match"].as_array().into_iter().flatten().map(|entry| entry["mode"].as_str()).collect();
    let at_pods = spec.get("selector").is_some();
    let at_gateway = spec["targetRefs"][0]["kind"] == "Gateway";
    if at_pods && (modes.is_empty() || modes.iter().any(|mode| *mode != Some("SERVER"))) {
        return Some("without mode SERVER: it would run on what Kinto sends to others, or not at all");
    }
    if at_gateway && modes.contains(&Some("SERVER")) {
        return Some("mode SERVER at a gateway: it would not run");
    }
    if !at_pods && !at_gateway {
        return Some("no target: it would run in all pods of the namespace");
    }
    if spec["phase"] != "AUTHN" {
        return Some("phase: others would see the client's userId");
    }
    if wasm["failStrategy"] != "FAIL_RELOAD" {
        return Some("failStrategy: a module that crashed would not come back");
    }
    (!is_pinned(wasm)).then_some("no digest: another module would be taken")
}

fn extension_policy(spec: &Value) -> Option<&'static str> {
    let targets = spec["targetRefs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_gateway = |target: &Value| target["kind"] == "Gateway" && target.get("sectionName").is_none();
    if targets.is_empty() || !targets.iter().all(is_gateway) {
        return Some("not on a whole Gateway: it would replace the policy of the Gateway, or be replaced");
    }
    let wasm = spec["wasm"].as_array().map(Vec::as_slice).unwrap_or_default();
    let all_are_pinned = wasm.iter().all(|wasm| is_pinned(&wasm["code"]["image"]));
    (!all_are_pinned).then_some("no digest: another module would be taken")
}

#[test]
fn no_file_has_a_trap() {
    let mut count = 0;
    for file in files(&project("envoy")) {
        let name = file.display().to_string();
        let text = || std::fs::read_to_string(&file).unwrap();
        let documents: Vec<String> = match file.extension().and_then(|extension| extension.to_str()) {
            Some("yaml") => vec![text()],
            Some("md") => examples(&text()),
            _ => continue,
        };
        for document in documents {
            let document = yaml(&document).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(trap(&document), None, "{name}");
            count += 1;
        }
    }
    assert!(count > 45, "{count}");
    for example in examples(&std::fs::read_to_string(project("docs/kubernetes.md")).unwrap()) {
        assert_eq!(trap(&yaml(&example).unwrap()), None, "{example}");
    }
}

/// The blocks of YAML on a page.
fn examples(page: &str) -> Vec<String> {
    let blocks = page.split("```yaml\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn each_trap_is_found() {
    let istio = |kind: &str| {
        let edit = |text: String| text.replace("- traffic-extension.yaml", "- wasm-plugin.yaml");
        let folder = "envoy/istio/sidecar";
        let manifests = match kind {
            "WasmPlugin" => crate::kustomization::build_with(folder, edit).unwrap(),
            _ => build(folder),
        };
        the(&manifests, kind).clone()
    };
    let gateways = the(&build("envoy/istio/gateway"), "TrafficExtension").clone();
    let policy = the(&build("envoy/gateway"), "EnvoyExtensionPolicy").clone();
    let rule = the(&build("envoy/istio/issuer"), "DestinationRule").clone();
    let sidecar = istio("Sidecar");
    let proxy = the(&build("envoy/gateway"), "EnvoyProxy").clone();
    let route = json!([{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "kinto"}]);
    let part = json!([{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "kinto", "sectionName": "http"}]);
    let rows = [
        (istio("TrafficExtension"), "/spec/match", Value::Null, "without mode SERVER"),
        (istio("WasmPlugin"), "/spec/match", Value::Null, "without mode SERVER"),
        (istio("WasmPlugin"), "/spec/match/0/mode", json!("CLIENT_AND_SERVER"), "without mode SERVER"),
        (istio("WasmPlugin"), "/spec/failStrategy", json!("FAIL_OPEN"), "open"),
        (istio("WasmPlugin"), "/spec/failStrategy", Value::Null, "failStrategy"),
        (istio("TrafficExtension"), "/spec/wasm/failStrategy", json!("FAIL_OPEN"), "open"),
        (istio("TrafficExtension"), "/spec/wasm/sha256", Value::Null, "no digest"),
        (istio("WasmPlugin"), "/spec/url", json!("oci://ghcr.io/OWNER/kinto-jwt-filter"), "no digest"),
        (istio("TrafficExtension"), "/spec/phase", json!("STATS"), "phase"),
        (istio("TrafficExtension"), "/spec/selector", Value::Null, "no target"),
        (gateways, "/spec/match", json!([{"mode": "SERVER"}]), "at a gateway"),
        (policy.clone(), "/spec/targetRefs", route, "not on a whole Gateway"),
        (policy.clone(), "/spec/targetRefs", part, "not on a whole Gateway"),
        (policy.clone(), "/spec/wasm/0/failOpen", json!(true), "open"),
        (policy, "/spec/wasm/0/code/image/sha256", Value::Null, "no digest"),
        (rule.clone(), "/spec/trafficPolicy/tls/subjectAltNames", Value::Null, "sni without"),
        (rule, "/spec/trafficPolicy/tls/insecureSkipVerify", json!(true), "no certificate"),
        (sidecar, "/spec/egress", json!([{"hosts": ["./*"]}]), "egress"),
        (proxy, "/spec/bootstrap/type", Value::Null, "replaces"),
    ];
    for (mut manifest, path, value, words) in rows {
        assert_eq!(trap(&manifest), None);
        let (parent, name) = path.rsplit_once('/').unwrap();
        let parent = manifest.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Value::Null => _ = parent.remove(name),
            value => _ = parent.insert(name.to_owned(), value),
        }
        let found = trap(&manifest).unwrap_or_else(|| panic!("{path} {words}: not found in {manifest:#}"));
        assert!(found.contains(words), "{path}: {found}, not {words}");
    }
}

/// The translators find most of them as well, and every field that they do not know.
#[test]
fn the_translators_refuse_what_they_do_not_understand() {
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
        ("Gateway", "/spec/listeners/0/allowedRoutes/namespaces/from", json!("All"), "other namespaces"),
        ("HTTPRoute", "/spec/rules/0/filters", json!([]), "filters is not understood"),
    ] {
        let mut manifests = build("envoy/gateway");
        let manifest = manifests.iter_mut().find(|manifest| manifest["kind"] == kind).unwrap();
        *manifest = set(manifest.clone(), path, value);
        let error = envoy_gateway::gateway(&manifests).err().expect("refused");
        assert!(error.contains(words), "{kind} {path}: {error}");
    }
}
