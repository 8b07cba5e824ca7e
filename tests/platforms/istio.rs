//! What Istio makes of the manifests in `envoy/istio`: istiod, and the agent beside each Envoy. Read in istio/istio at
//! 86c9f01f (2026-08-22, 1.32-dev); the file of each rule stands beside the rule. A field that is not understood here is
//! refused.

pub(crate) mod issuer;
pub(crate) mod listener;

use serde_json::{Map, Value, json};

use crate::fields::{Fields, Resource, Result, gateway_of, open};

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";

/// Where an Envoy of Istio has filters for HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Gateway,
    SidecarInbound,
    SidecarOutbound,
}

#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// The Gateway of this name, in the namespace of the plugin.
    Gateway(String),
    /// The pods with these labels, in the namespace of the plugin.
    Pods(Map<String, Value>),
}

/// A TrafficExtension with a Wasm module.
pub(crate) struct Plugin {
    pub(crate) target: Target,
    /// The entry in `http_filters`.
    pub(crate) filter: Value,
    /// The extension configuration that it names.
    pub(crate) extension: Value,
    modes: Vec<String>,
}

impl Plugin {
    /// pilot/pkg/model/extensions.go, `matchMode` and `workloadModeForListenerClass`.
    pub(crate) fn runs_at(&self, place: Place) -> bool {
        let is_of_target = matches!(self.target, Target::Gateway(_)) == (place == Place::Gateway);
        let mode = if place == Place::SidecarInbound { "SERVER" } else { "CLIENT" };
        let fits = |wanted: &String| [mode, "UNDEFINED", "CLIENT_AND_SERVER"].contains(&wanted.as_str());
        is_of_target && (self.modes.is_empty() || self.modes.iter().any(fits))
    }
}

pub(crate) fn plugin(manifest: &Value) -> Result<Plugin> {
    if manifest["kind"] != "WasmPlugin" {
        let mut resource = open(manifest, "extensions.istio.io/v1alpha1", "TrafficExtension")?;
        let wasm = resource.spec.map("wasm")?;
        return traffic_extension(resource, wasm);
    }
    // pilot/pkg/config/kube/extensions/translate.go: since 1.30 a WasmPlugin is a TrafficExtension with another name.
    let mut resource = open(manifest, "extensions.istio.io/v1alpha1", "WasmPlugin")?;
    resource.name += "~istio-translated-wasmplugin";
    let mut wasm = Map::new();
    for name in ["url", "sha256", "imagePullPolicy", "pluginConfig", "failStrategy", "vmConfig"] {
        wasm.extend(resource.spec.take(name).map(|value| (name.to_owned(), value)));
    }
    let wasm = Fields::of("WasmPlugin.spec", wasm.into())?;
    traffic_extension(resource, wasm)
}

fn traffic_extension(mut resource: Resource, wasm: Fields) -> Result<Plugin> {
    let spec = &mut resource.spec;
    let target = if let Some(selector) = spec.take("selector") {
        let mut selector = Fields::of("selector", selector)?;
        let labels = selector.map("matchLabels")?;
        selector.end()?;
        Target::Pods(labels.rest())
    } else {
        Target::Gateway(gateway_of(spec)?)
    };
    let mut modes = Vec::new();
    for mut selector in spec.maps("match")? {
        modes.push(selector.text_or("mode", "UNDEFINED")?);
        selector.end()?;
    }
    // pilot/pkg/networking/core/listener_builder.go, `buildHTTPConnectionManager`: the place among the filters.
    let phase = spec.text("phase")?;
    if phase != "AUTHN" {
        return Err(format!("phase {phase}: only AUTHN is before all that reads the user"));
    }
    let name = format!("{}.{}", resource.namespace, resource.name);
    resource.spec.end()?;
    // pilot/pkg/model/extensions.go, `TrafficExtensionResourceNamePrefix`.
    let full_name = format!("extensions.istio.io/trafficextension/{name}");
    Ok(Plugin {
        target,
        modes,
        // pilot/pkg/networking/core/extension/extensionfilter.go, `toEnvoyHTTPTrafficExtension`.
        filter: json!({
            "name": full_name,
            "config_discovery": {
                "config_source": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
                "type_urls": [WASM, RBAC],
            },
        }),
        extension: json!({
            "name": full_name,
            "typed_config": {"@type": WASM, "config": plugin_config(&name, wasm)?},
        }),
    })
}

/// pilot/pkg/model/extensions.go, `buildWasmConfig`.
fn plugin_config(name: &str, mut wasm: Fields) -> Result<Value> {
    let failure_policy = match wasm.text_or("failStrategy", "FAIL_CLOSE")?.as_str() {
        "FAIL_CLOSE" => "FAIL_CLOSED",
        "FAIL_RELOAD" => "FAIL_RELOAD",
        other => return Err(format!("failStrategy {other}: it would let requests through unchecked")),
    };
    let mut config = json!({"name": name, "failure_policy": failure_policy});
    // The text of a google.protobuf.Struct; without any field, nothing.
    if let Some(settings) = wasm.take("pluginConfig").filter(|settings| *settings != json!({})) {
        let text = protojson(settings).to_string();
        config["configuration"] =
            json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text});
    }
    let url = wasm.text("url")?;
    // `buildDataSource`; the agent puts the path of the module in its place (pkg/wasm/convert.go).
    let uri = if url.contains("://") { url } else { format!("oci://{url}") };
    config["vm_config"] = json!({
        "runtime": "envoy.wasm.runtime.v8",
        "code": {"remote": {
            "http_uri": {"uri": uri, "cluster": "_", "timeout": "30s"},
            "sha256": wasm.text("sha256")?,
        }},
    });
    let variables = environment(wasm.map_or_empty("vmConfig")?)?;
    if variables != json!({}) {
        config["vm_config"]["environment_variables"] = variables;
    }
    // For the agent, which takes it out: pkg/wasm/convert.go.
    wasm.only_value("imagePullPolicy", &json!("IfNotPresent"))?;
    wasm.end()?;
    Ok(config)
}

/// `buildVMConfig`, after the agent has taken its own variables out.
fn environment(mut vm: Fields) -> Result<Value> {
    let (mut values, mut host) = (Map::new(), Vec::new());
    for mut variable in vm.maps("env")? {
        let name = variable.text("name")?;
        match variable.text_or("valueFrom", "INLINE")?.as_str() {
            "HOST" => host.push(name),
            _ => _ = values.insert(name, variable.text("value")?.into()),
        }
        variable.end()?;
    }
    vm.end()?;
    let mut variables = json!({});
    if !values.is_empty() {
        variables["key_values"] = values.into();
    }
    if !host.is_empty() {
        variables["host_env_keys"] = json!(host);
    }
    Ok(variables)
}

/// A google.protobuf.Struct has one kind of numbers: 64 bits with a point. Whole ones are written without it.
fn protojson(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let text = number.as_f64().unwrap().to_string();
            serde_json::from_str(&text).unwrap()
        }
        Value::Array(items) => items.into_iter().map(protojson).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, protojson(value))).collect(),
        other => other,
    }
}
