//! What Envoy Gateway makes of the manifests in `envoy/gateway`. Read in envoyproxy/gateway at d32f2829 (1.9); the file
//! of each rule stands beside the rule. A field that is not understood here is refused.

use serde_json::{Value, json};

use crate::environment::{Variable, variables};
use crate::fields::{Fields, Result, gateway_of, open};
use crate::istio::listener::{http_listener, service};
use crate::kustomization::the;
use crate::shape::{ROUTER, Shape};

const API: &str = "gateway.envoyproxy.io/v1alpha1";

/// The namespace of the controller, in which it runs its Envoys unless it is told otherwise (`GatewayNamespace`).
const NAMESPACE: &str = "envoy-gateway-system";

/// internal/xds/translator/listener.go and cluster.go: the limit of both, if no policy sets one.
pub(crate) const BUFFER_LIMIT: u64 = 32768;

pub(crate) fn gateway(manifests: &[Value]) -> Result<Shape> {
    let mut gateway = open(the(manifests, "Gateway"), "gateway.networking.k8s.io/v1", "Gateway")?;
    if gateway.spec.text("gatewayClassName")? != "eg" {
        return Err("not Envoy Gateway's class".into());
    }
    let proxy = parameters(&mut gateway.spec)?;
    let port = http_listener(&mut gateway.spec)?;
    gateway.spec.end()?;
    let listener_limit = buffer_limit(manifests, &gateway.name)?;
    let filters = wasm_filters(the(manifests, "EnvoyExtensionPolicy"), &gateway.name)?;
    let (namespace, _, _) = service(manifests, &gateway.name)?;
    let route = open(the(manifests, "HTTPRoute"), "gateway.networking.k8s.io/v1", "HTTPRoute")?.name;
    // internal/gatewayapi/helpers.go, `irHTTPRouteName`, `irRouteDestinationName`.
    let cluster = format!("httproute/{namespace}/{route}/rule/0");
    let name = format!("{namespace}/{}/http", gateway.name);
    let EnvoyProxy { mut clusters, variables } = envoy_proxy(manifests, &proxy)?;
    clusters.insert(
        0,
        json!({
            "name": cluster,
            "connect_timeout": "10s",
            "per_connection_buffer_limit_bytes": BUFFER_LIMIT,
            "circuit_breakers": {"thresholds": [{"max_retries": 1024}]},
        }),
    );
    let route = routes(&cluster, &filters);
    // internal/gatewayapi/listener.go, `servicePortToContainerPort`: ports below 1024 are moved.
    let port = if port < 1024 { port + 10000 } else { port };
    let listener = json!({
        "name": name,
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},
        "per_connection_buffer_limit_bytes": listener_limit,
        "default_filter_chain": {"name": name, "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager(&name, filters, route),
        }]},
    });
    Ok(Shape { listener, extensions: Vec::new(), clusters, variables })
}

/// The name of the EnvoyProxy that the Gateway names.
fn parameters(spec: &mut Fields) -> Result<String> {
    let mut infrastructure = spec.map("infrastructure")?;
    let mut reference = infrastructure.map("parametersRef")?;
    reference.only_value("group", &json!("gateway.envoyproxy.io"))?;
    reference.only_value("kind", &json!("EnvoyProxy"))?;
    let name = reference.text("name")?;
    reference.end()?;
    infrastructure.end()?;
    Ok(name)
}

/// `connection.bufferLimit` of the ClientTrafficPolicy, or the default if there is none. A policy for another Gateway is
/// refused.
fn buffer_limit(manifests: &[Value], gateway: &str) -> Result<u64> {
    let kind = "ClientTrafficPolicy";
    if !manifests.iter().any(|manifest| manifest["kind"] == kind) {
        return Ok(BUFFER_LIMIT);
    }
    let mut policy = open(the(manifests, kind), API, kind)?;
    if gateway_of(&mut policy.spec)? != gateway {
        return Err(format!("{kind} for another Gateway"));
    }
    let mut connection = policy.spec.map("connection")?;
    let text = connection.text("bufferLimit")?;
    connection.end()?;
    policy.spec.end()?;
    let megabytes = text.strip_suffix("Mi").and_then(|number| number.parse::<u64>().ok());
    megabytes.map(|number| number * 1024 * 1024).ok_or_else(|| format!("bufferLimit {text}: not in Mi"))
}

/// internal/xds/translator/wasm.go, `buildHCMWasmFilter` and `wasmConfig`; internal/gatewayapi/envoyextensionpolicy.go,
/// `buildWasms`, for the names. The filter is off, and each route of the Gateway switches it on.
pub(crate) fn wasm_filters(policy: &Value, gateway: &str) -> Result<Vec<Value>> {
    let mut policy = open(policy, API, "EnvoyExtensionPolicy")?;
    if gateway_of(&mut policy.spec)? != gateway {
        return Err("EnvoyExtensionPolicy for another Gateway".into());
    }
    let (namespace, name) = (&policy.namespace, &policy.name);
    let mut filters = Vec::new();
    for (number, wasm) in policy.spec.maps("wasm")?.into_iter().enumerate() {
        let id = format!("envoyextensionpolicy/{namespace}/{name}/wasm/{number}");
        filters.push(json!({
            "name": format!("envoy.filters.http.wasm/{id}"),
            "disabled": true,
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": plugin_config(&id, wasm)?,
            },
        }));
    }
    policy.spec.end()?;
    Ok(filters)
}

fn plugin_config(id: &str, mut wasm: Fields) -> Result<Value> {
    if wasm.take("failOpen").is_some_and(|open| open != json!(false)) {
        return Err("failOpen: it would let requests through unchecked".into());
    }
    let settings = wasm.take("config").map_or_else(String::new, |settings| settings.to_string());
    let mut code = wasm.map("code")?;
    code.only_value("type", &json!("Image"))?;
    code.only_value("pullPolicy", &json!("IfNotPresent"))?;
    let mut image = code.map("image")?;
    let (url, digest) = (image.text("url")?, image.text("sha256")?);
    if url.is_empty() || digest.len() != 64 {
        return Err("no image, or no digest".into());
    }
    image.end()?;
    code.end()?;
    let mut vm = json!({
        "vm_id": id,
        "runtime": "envoy.wasm.runtime.v8",
        // The controller fetches the image, and gives out the module by itself, with the module's own digest.
        "code": {"remote": {
            "http_uri": {
                "uri": "https://envoy-gateway:18002/module.wasm",
                "cluster": "wasm_cluster",
                "timeout": "10s",
            },
            "sha256": "",
        }},
    });
    let mut environment = wasm.map_or_empty("env")?;
    let keys = environment.texts("hostKeys")?;
    environment.end()?;
    if !keys.is_empty() {
        vm["environment_variables"] = json!({"host_env_keys": keys});
    }
    let config = json!({
        "name": wasm.text_or("name", id)?,
        "vm_config": vm,
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": settings},
    });
    wasm.end()?;
    Ok(config)
}

/// internal/xds/translator/wasm.go, `patchRoute`.
fn routes(cluster: &str, filters: &[Value]) -> Value {
    let on = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}});
    let per_filter: serde_json::Map<String, Value> =
        filters.iter().map(|filter| (filter["name"].as_str().unwrap().to_owned(), on.clone())).collect();
    json!([{
        "name": format!("{cluster}/match/0/*"),
        "match": {"prefix": "/"},
        "route": {"cluster": cluster, "upgrade_configs": [{"upgrade_type": "websocket"}]},
        "typed_per_filter_config": per_filter,
    }])
}

/// internal/xds/translator/listener.go, `addHCMToXDSListener`, with what it does if no policy says otherwise; its routes
/// come by RDS.
fn manager(name: &str, filters: Vec<Value>, routes: Value) -> Value {
    let router = json!({
        "name": ROUTER,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": true,
        },
    });
    let filters: Vec<Value> = filters.into_iter().chain([router]).collect();
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
        "http2_protocol_options": {
            "initial_connection_window_size": 1_048_576,
            "initial_stream_window_size": 65536,
            "max_concurrent_streams": 100,
        },
        "http_filters": filters,
        "merge_slashes": true,
        "normalize_path": true,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "server_header_transformation": "PASS_THROUGH",
        "use_remote_address": true,
        "route_config": {
            "name": name,
            "ignore_port_in_host_matching": true,
            "virtual_hosts": [{"name": format!("{name}/*"), "domains": ["*"], "routes": routes}],
        },
    })
}

/// What an EnvoyProxy adds to the Envoy of a Gateway.
pub(crate) struct EnvoyProxy {
    /// Clusters, beside those that Envoy starts with.
    pub(crate) clusters: Vec<Value>,
    /// Variables of its environment.
    pub(crate) variables: Vec<Variable>,
}

/// The EnvoyProxy of this name. internal/infrastructure/kubernetes/proxy/resource.go, `expectedProxyContainers`: the
/// variables stand in the container `envoy`. internal/xds/bootstrap/util.go, `jsonPatchBootstrap`: the clusters.
pub(crate) fn envoy_proxy(manifests: &[Value], name: &str) -> Result<EnvoyProxy> {
    let mut proxy = open(the(manifests, "EnvoyProxy"), API, "EnvoyProxy")?;
    if proxy.name != name {
        return Err(format!("no EnvoyProxy {name}"));
    }
    let mut provider = proxy.spec.map("provider")?;
    if provider.text("type")? != "Kubernetes" {
        return Err("not a provider for Kubernetes".into());
    }
    let mut kubernetes = provider.map("kubernetes")?;
    let mut deployment = kubernetes.map("envoyDeployment")?;
    let mut container = deployment.map("container")?;
    let variables = variables(&mut container, NAMESPACE)?;
    container.end()?;
    deployment.end()?;
    kubernetes.end()?;
    provider.end()?;
    let mut bootstrap = proxy.spec.map("bootstrap")?;
    // Without a type it would replace all that Envoy starts with.
    if bootstrap.text("type")? != "JSONPatch" {
        return Err("bootstrap is not a JSONPatch".into());
    }
    let mut clusters = Vec::new();
    for mut patch in bootstrap.maps("jsonPatches")? {
        if (patch.text("op")?.as_str(), patch.text("path")?.as_str())
            != ("add", "/static_resources/clusters/-")
        {
            return Err("a patch that does not add a cluster".into());
        }
        clusters.push(patch.need("value")?);
        patch.end()?;
    }
    bootstrap.end()?;
    proxy.spec.end()?;
    Ok(EnvoyProxy { clusters, variables })
}
