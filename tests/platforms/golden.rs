//! The translators against what the projects' own tests expect: the names of fields and their values as they stand in
//! Istio's pilot/pkg/model/extensions_test.go, and in Envoy Gateway's internal/xds/translator/testdata/out/xds-ir/
//! wasm.listeners.yaml and wasm.routes.yaml, written out for plugins of our own.

use serde_json::{Value, json};

use crate::envoy_gateway;
use crate::istio::{Place, Target, plugin};
use crate::kustomization::build;
use crate::shape::manager;

const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

fn traffic_extension(match_: Value) -> Value {
    json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "TrafficExtension",
        "metadata": {"namespace": "shop", "name": "check"},
        "spec": {
            "selector": {"matchLabels": {"app": "shop"}},
            "phase": "AUTHN",
            "match": match_,
            "wasm": {
                "url": "registry.example/check",
                "sha256": DIGEST,
                "failStrategy": "FAIL_RELOAD",
                "imagePullPolicy": "IfNotPresent",
                "pluginConfig": {"text": "a", "number": 3, "list": [1.5, true, null]},
                "vmConfig": {"env": [
                    {"name": "SECRET", "valueFrom": "HOST"},
                    {"name": "LEVEL", "value": "high"},
                ]},
            },
        },
    })
}

#[test]
fn a_traffic_extension_is_translated_as_istiod_does() {
    let name = "extensions.istio.io/trafficextension/shop.check";
    let plugin = plugin(&traffic_extension(json!([{"mode": "SERVER"}]))).unwrap();
    let Target::Pods(labels) = &plugin.target else { panic!("{:?}", plugin.target) };
    assert_eq!(json!(labels), json!({"app": "shop"}));
    assert_eq!(
        plugin.filter,
        json!({
            "name": name,
            "config_discovery": {
                "config_source": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
                "type_urls": [WASM, "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"],
            },
        })
    );
    assert_eq!(
        plugin.extension,
        json!({
            "name": name,
            "typed_config": {
                "@type": WASM,
                "config": {
                    "name": "shop.check",
                    "failure_policy": "FAIL_RELOAD",
                    "configuration": {
                        "@type": "type.googleapis.com/google.protobuf.StringValue",
                        "value": r#"{"list":[1.5,true,null],"number":3,"text":"a"}"#,
                    },
                    "vm_config": {
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": {"remote": {
                            "http_uri": {
                                "uri": "oci://registry.example/check",
                                "cluster": "_",
                                "timeout": "30s",
                            },
                            "sha256": DIGEST,
                        }},
                        "environment_variables": {
                            "key_values": {"LEVEL": "high"},
                            "host_env_keys": ["SECRET"],
                        },
                    },
                },
            },
        })
    );
}

/// The numbers of a configuration are doubles on their way through Istio.
#[test]
fn a_number_beyond_what_a_double_holds_is_another_number() {
    let mut manifest = traffic_extension(json!([]));
    manifest["spec"]["wasm"]["pluginConfig"] =
        json!({"a": 9_007_199_254_740_993_u64, "b": 1_048_576, "c": 0});
    let extension = plugin(&manifest).unwrap().extension;
    let text = &extension["typed_config"]["config"]["configuration"]["value"];
    assert_eq!(text, r#"{"a":9007199254740992,"b":1048576,"c":0}"#);
}

#[test]
fn a_wasm_plugin_is_the_same_under_another_name() {
    let extension = traffic_extension(json!([]));
    let mut spec = extension["spec"].clone();
    let wasm = spec.as_object_mut().unwrap().remove("wasm").unwrap();
    spec.as_object_mut().unwrap().extend(wasm.as_object().unwrap().clone());
    let old = json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": extension["metadata"],
        "spec": spec,
    });
    let (new, old) = (plugin(&extension).unwrap(), plugin(&old).unwrap());
    let renamed =
        |value: &Value| value.to_string().replace("shop.check~istio-translated-wasmplugin", "shop.check");
    assert_eq!(renamed(&old.extension), new.extension.to_string());
    assert_eq!(renamed(&old.filter), new.filter.to_string());
    assert_ne!(old.filter, new.filter);
    assert_eq!(old.target, new.target);
}

/// The rows of `TestMatchListener` for modes.
#[test]
fn a_plugin_runs_where_its_modes_say() {
    use Place::{Gateway, SidecarInbound, SidecarOutbound};
    for (modes, at_pods, at_gateway) in [
        (json!([]), vec![SidecarInbound, SidecarOutbound], true),
        (json!([{"mode": "SERVER"}]), vec![SidecarInbound], false),
        (json!([{"mode": "CLIENT"}]), vec![SidecarOutbound], true),
        (json!([{"mode": "CLIENT_AND_SERVER"}]), vec![SidecarInbound, SidecarOutbound], true),
        (json!([{"mode": "SERVER"}, {"mode": "CLIENT"}]), vec![SidecarInbound, SidecarOutbound], true),
        (json!([{}]), vec![SidecarInbound, SidecarOutbound], true),
    ] {
        let mut manifest = traffic_extension(modes.clone());
        let places = |manifest: &Value| {
            let plugin = plugin(manifest).unwrap();
            [Gateway, SidecarInbound, SidecarOutbound]
                .into_iter()
                .filter(|place| plugin.runs_at(*place))
                .collect()
        };
        let found: Vec<Place> = places(&manifest);
        assert_eq!(found, at_pods, "{modes}");
        manifest["spec"].as_object_mut().unwrap().remove("selector");
        manifest["spec"]["targetRefs"] =
            json!([{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "shop"}]);
        let found = places(&manifest);
        assert_eq!(found, if at_gateway { vec![Gateway] } else { vec![] }, "{modes}");
    }
}

#[test]
fn an_envoy_extension_policy_is_translated_as_envoy_gateway_does() {
    let image = json!({"type": "Image", "image": {"url": "registry.example/check", "sha256": DIGEST}});
    let policy = json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyExtensionPolicy",
        "metadata": {"namespace": "shop", "name": "check"},
        "spec": {
            "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "shop"}],
            "wasm": [
                {"name": "first", "code": image, "config": {"a": {"b": 1}}, "env": {"hostKeys": ["SECRET"]}},
                {"code": image, "failOpen": false},
            ],
        },
    });
    let config = |name: &str, number: u8, settings: &str, variables: Option<Value>| {
        let id = format!("envoyextensionpolicy/shop/check/wasm/{number}");
        let mut config = json!({
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": settings,
            },
            "name": name,
            "vm_config": {
                "code": {"remote": {
                    "http_uri": {
                        "cluster": "wasm_cluster",
                        "timeout": "10s",
                        "uri": "https://envoy-gateway:18002/module.wasm",
                    },
                    "sha256": "",
                }},
                "runtime": "envoy.wasm.runtime.v8",
                "vm_id": id,
            },
        });
        if let Some(variables) = variables {
            config["vm_config"]["environment_variables"] = variables;
        }
        json!({
            "disabled": true,
            "name": format!("envoy.filters.http.wasm/{id}"),
            "typed_config": {"@type": WASM, "config": config},
        })
    };
    let second = "envoyextensionpolicy/shop/check/wasm/1";
    assert_eq!(
        envoy_gateway::wasm_filters(&policy, "shop").unwrap(),
        [
            config("first", 0, r#"{"a":{"b":1}}"#, Some(json!({"host_env_keys": ["SECRET"]}))),
            config(second, 1, "", None),
        ]
    );
}

#[test]
fn the_listener_and_the_route_of_envoy_gateway_have_its_defaults() {
    let mut manifests = build("envoy/gateway");
    manifests.retain(|manifest| !manifest["kind"].as_str().unwrap().ends_with("TrafficPolicy"));
    let mut shape = envoy_gateway::gateway(&manifests).unwrap();
    assert_eq!(shape.listener["name"], "kinto/kinto/http");
    assert_eq!(shape.listener["address"]["socket_address"]["port_value"], 10080);
    assert_eq!(shape.listener["per_connection_buffer_limit_bytes"], 32768);
    assert_eq!(shape.clusters[0]["name"], "httproute/kinto/kinto/rule/0");
    assert_eq!(shape.clusters[0]["per_connection_buffer_limit_bytes"], 32768);
    let manager = manager(&mut shape.listener);
    for (name, value) in [
        ("common_http_protocol_options", json!({"headers_with_underscores_action": "REJECT_REQUEST"})),
        ("merge_slashes", json!(true)),
        ("normalize_path", json!(true)),
        ("path_with_escaped_slashes_action", json!("UNESCAPE_AND_REDIRECT")),
        ("server_header_transformation", json!("PASS_THROUGH")),
        ("use_remote_address", json!(true)),
    ] {
        assert_eq!(manager[name], value, "{name}");
    }
    let filter = "envoy.filters.http.wasm/envoyextensionpolicy/kinto/kinto-jwt-filter/wasm/0";
    let route = &manager["route_config"]["virtual_hosts"][0]["routes"][0];
    assert_eq!(
        route["typed_per_filter_config"],
        json!({filter: {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}}})
    );
    assert_eq!(route["route"]["cluster"], "httproute/kinto/kinto/rule/0");
    let names = manager["http_filters"].as_array().unwrap().iter().map(|filter| filter["name"].clone());
    assert_eq!(names.collect::<Vec<_>>(), [filter, "envoy.filters.http.router"]);
}
