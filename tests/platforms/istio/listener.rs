//! The listener that istiod writes for a gateway, and for the inbound side of a sidecar. Left out is what only Istio's
//! own Envoy has (`istio_stats`, metadata exchange, alpn), and TLS: nothing of it changes a header or a path.

use serde_json::{Map, Value, json};

use crate::environment::{Variable, container, variables};
use crate::fields::{Fields, Result, open};
use crate::istio::{Place, Plugin, Target, plugin};
use crate::kustomization::{the, yaml};
use crate::shape::{ROUTER, Shape};

/// `ProxyConfig.connectionSettings.profile`, for gateways only (istio/istio#60576 and #60785, 1.31 and later).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    None,
    Edge,
}

/// The plugin of the manifests, whichever of the two kinds it has.
pub(crate) fn plugin_of(manifests: &[Value]) -> Result<Plugin> {
    let kinds = ["TrafficExtension", "WasmPlugin"];
    let mut found = manifests.iter().filter(|manifest| kinds.iter().any(|kind| manifest["kind"] == *kind));
    match (found.next(), found.next()) {
        (Some(manifest), None) => plugin(manifest),
        _ => Err("not exactly one plugin".into()),
    }
}

pub(crate) fn gateway(manifests: &[Value], profile: Profile) -> Result<Shape> {
    let plugin = plugin_of(manifests)?;
    let mut gateway = open(the(manifests, "Gateway"), "gateway.networking.k8s.io/v1", "Gateway")?;
    if plugin.target != Target::Gateway(gateway.name.clone()) {
        return Err(format!("{:?} is not the Gateway {}", plugin.target, gateway.name));
    }
    gateway.spec.only_value("gatewayClassName", &json!("istio"))?;
    http_listener(&mut gateway.spec)?;
    let mut infrastructure = gateway.spec.map("infrastructure")?;
    let variables = options(manifests, infrastructure.map("parametersRef")?, &gateway.namespace)?;
    infrastructure.end()?;
    gateway.spec.end()?;
    let cluster = backend(manifests, &gateway.name)?;
    // pilot/pkg/networking/core/route/retry/retry.go.
    let retry = json!({
        "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
        "num_retries": 2,
        "host_selection_retry_max_attempts": "5",
    });
    let route = json!({
        "match": {"prefix": "/"},
        "route": {"cluster": cluster, "timeout": "0s", "retry_policy": retry},
    });
    let mut listener = listener(Place::Gateway, &plugin, route, "kinto");
    let mut cluster = json!({"name": cluster, "connect_timeout": "10s"});
    if profile == Profile::Edge {
        edge(&mut listener, &mut cluster);
    }
    Ok(Shape { listener, extensions: vec![plugin.extension], clusters: vec![cluster], variables })
}

/// pilot/pkg/config/kube/gateway/deploymentcontroller.go, `fetchParameters` and `applyOverlay`: what a ConfigMap in the
/// namespace of the Gateway merges into the Deployment that istiod makes, here into the environment of the proxy.
fn options(manifests: &[Value], mut reference: Fields, namespace: &str) -> Result<Vec<Variable>> {
    let (group, kind, name) = (reference.text("group")?, reference.text("kind")?, reference.text("name")?);
    reference.end()?;
    if (group.as_str(), kind.as_str()) != ("", "ConfigMap") {
        return Err(format!("unknown infrastructure parameters type {group}/{kind}"));
    }
    let id = json!({"namespace": namespace, "name": name});
    let mut maps = manifests.iter().filter(|manifest| manifest["kind"] == "ConfigMap");
    let map = maps.find(|map| map["metadata"] == id).ok_or_else(|| format!("no ConfigMap {name}"))?;
    let mut data = Fields::of("data", map["data"].clone())?;
    let mut deployment = Fields::of("deployment", yaml(&data.text("deployment")?)?)?;
    data.end()?;
    let mut spec = deployment.map("spec")?;
    let mut template = spec.map("template")?;
    let mut pod = template.map("spec")?;
    // A container of another name would be one more beside the proxy.
    let mut container = pod.only("containers")?;
    if container.text("name")? != "istio-proxy" {
        return Err("not the container of the proxy".into());
    }
    let variables = variables(&mut container, namespace)?;
    for fields in [container, pod, template, spec, deployment] {
        fields.end()?;
    }
    Ok(variables)
}

pub(crate) fn sidecar(manifests: &[Value]) -> Result<Shape> {
    let plugin = plugin_of(manifests)?;
    let mut sidecar = open(the(manifests, "Sidecar"), "networking.istio.io/v1", "Sidecar")?;
    let mut selector = sidecar.spec.map("workloadSelector")?;
    let labels = selector.map("labels")?.rest();
    selector.end()?;
    if plugin.target != Target::Pods(labels) {
        return Err(format!("{:?} is not what the Sidecar selects", plugin.target));
    }
    let mut ingress = sidecar.spec.only("ingress")?;
    let mut port = ingress.map("port")?;
    let number = port.number("number")?;
    port.only_value("name", &json!("http"))?;
    // As TCP, there would be no connection manager and no filter.
    if port.text("protocol")? != "HTTP" {
        return Err("the port is not HTTP".into());
    }
    port.end()?;
    if ingress.text("defaultEndpoint")? != format!("127.0.0.1:{number}") {
        return Err("Kinto is not on loopback".into());
    }
    ingress.end()?;
    sidecar.spec.end()?;
    // pilot/pkg/networking/core/httproute.go, `buildSidecarInboundHTTPRouteConfig`.
    let cluster = format!("inbound|{number}||");
    let route =
        json!({"name": "default", "match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}});
    let listener = listener(Place::SidecarInbound, &plugin, route, "inbound|http|8888");
    let clusters = vec![json!({"name": cluster, "connect_timeout": "10s"})];
    // pkg/kube/inject/webhook.go, `reapplyOverwrittenContainers`: what the pod itself has of the container `istio-proxy` is
    // merged into that of the injection, whose image stands in the place of `auto`.
    let pod = &the(manifests, "Deployment")["spec"]["template"]["spec"];
    let mut proxy = container(pod, "istio-proxy")?;
    let variables = variables(&mut proxy, &sidecar.namespace)?;
    if proxy.text("image")? != "auto" {
        return Err("another image than that of the injection".into());
    }
    proxy.end()?;
    Ok(Shape { listener, extensions: vec![plugin.extension], clusters, variables })
}

/// The one listener of a Gateway: HTTP, for routes of its own namespace.
pub(crate) fn http_listener(spec: &mut Fields) -> Result<u64> {
    let mut listener = spec.only("listeners")?;
    let port = listener.number("port")?;
    listener.only_value("name", &json!("http"))?;
    listener.only_value("protocol", &json!("HTTP"))?;
    let mut routes = listener.map("allowedRoutes")?;
    // A route of another namespace could bring a policy of its own, or lead a path elsewhere.
    if routes.need("namespaces")? != json!({"from": "Same"}) {
        return Err("routes of other namespaces".into());
    }
    routes.end()?;
    listener.end()?;
    Ok(port)
}

/// The name and the port of the Service that the one HTTPRoute of this Gateway leads to.
pub(crate) fn service(manifests: &[Value], gateway: &str) -> Result<(String, String, u64)> {
    let mut route = open(the(manifests, "HTTPRoute"), "gateway.networking.k8s.io/v1", "HTTPRoute")?;
    let mut parent = route.spec.only("parentRefs")?;
    if parent.text("name")? != gateway {
        return Err("a route of another Gateway".into());
    }
    parent.end()?;
    let mut rule = route.spec.only("rules")?;
    let mut backend = rule.only("backendRefs")?;
    let (name, port) = (backend.text("name")?, backend.number("port")?);
    backend.end()?;
    rule.end()?;
    route.spec.end()?;
    Ok((route.namespace, name, port))
}

/// pilot/pkg/model/push_context.go, `BuildSubsetKey`.
fn backend(manifests: &[Value], gateway: &str) -> Result<String> {
    let (namespace, name, port) = service(manifests, gateway)?;
    Ok(format!("outbound|{port}||{name}.{namespace}.svc.cluster.local"))
}

/// pilot/pkg/networking/core/listener_builder.go, `buildHTTPConnectionManager`, with `pathNormalization` BASE, which is
/// the default; gateway.go, `buildGatewayConnectionManager`; listener_inbound.go, `buildSidecarInboundHTTPOpts`.
fn listener(place: Place, plugin: &Plugin, route: Value, name: &str) -> Value {
    let is_gateway = place == Place::Gateway;
    let mut filters: Vec<Value> = Vec::new();
    if plugin.runs_at(place) {
        filters.push(plugin.filter.clone());
    }
    let others = [
        ("envoy.filters.http.grpc_stats", "grpc_stats.v3.FilterConfig"),
        ("envoy.filters.http.fault", "fault.v3.HTTPFault"),
        ("envoy.filters.http.cors", "cors.v3.Cors"),
        (ROUTER, "router.v3.Router"),
    ];
    filters.extend(others.map(|(name, kind)| {
        let kind = format!("type.googleapis.com/envoy.extensions.filters.http.{kind}");
        json!({"name": name, "typed_config": {"@type": kind}})
    }));
    json!({"filter_chains": [{"filters": [{
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "server_name": "istio-envoy",
            "use_remote_address": is_gateway,
            "forward_client_cert_details": if is_gateway { "SANITIZE_SET" } else { "APPEND_FORWARD" },
            "set_current_client_cert_details": {"subject": true, "uri": true, "dns": true},
            "normalize_path": true,
            "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            "stream_idle_timeout": "0s",
            "proxy_100_continue": true,
            "http_filters": filters,
            "route_config": {"name": name, "virtual_hosts": [{"name": name, "domains": ["*"], "routes": [route]}]},
        },
    }]}]})
}

/// `applyEdgeProfileDefaults` and `applyConnectionSettingsToHCM`, beside listener_builder.go.
fn edge(listener: &mut Value, cluster: &mut Value) {
    listener["per_connection_buffer_limit_bytes"] = json!(32768);
    cluster["per_connection_buffer_limit_bytes"] = json!(32768);
    let more = json!({
        "common_http_protocol_options": {
            "idle_timeout": "3600s",
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "stream_idle_timeout": "300s",
        "request_timeout": "300s",
        "request_headers_timeout": "60s",
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65536,
            "initial_connection_window_size": 1_048_576,
        },
        "merge_slashes": true,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
    });
    let manager: &mut Map<String, Value> = crate::shape::manager(listener).as_object_mut().unwrap();
    manager.extend(more.as_object().unwrap().clone());
}
