//! What a translator makes of manifests, and how a test runs it: the parts of an Envoy configuration that the platform
//! writes, in which addresses and the module are replaced by those of this machine.

use serde_json::{Value, json};

use kit::servers::module;

use crate::ecds::{self, Agent};
use crate::environment::Variable;

pub(crate) const ROUTER: &str = "envoy.filters.http.router";

/// One listener with the filter, as the platform writes it.
pub(crate) struct Shape {
    /// The listener, with its filter chain, whose only filter is the HTTP connection manager.
    pub(crate) listener: Value,
    /// The extension configurations that the platform sends beside it (ECDS).
    pub(crate) extensions: Vec<Value>,
    /// The clusters, without endpoints.
    pub(crate) clusters: Vec<Value>,
    /// What the manifests add to the environment of the proxy.
    pub(crate) variables: Vec<Variable>,
}

/// The connection manager of a listener, which has one filter chain.
pub(crate) fn manager(listener: &mut Value) -> &mut Value {
    let chain = if listener.get("default_filter_chain").is_some() {
        "/default_filter_chain/filters/0/typed_config"
    } else {
        "/filter_chains/0/filters/0/typed_config"
    };
    listener.pointer_mut(chain).unwrap()
}

/// An Envoy configuration with these shapes, each under its name, in front of this Kinto. The agent gives out what the
/// platform sends beside it, and Envoy asks it again after this time.
pub(crate) fn config(shapes: Vec<(&str, Shape)>, kinto: u16, agent: &Agent, refresh: &str) -> Value {
    let mut place = json!({"name": ecds::CLUSTER, "connect_timeout": "1s"});
    endpoint(&mut place, agent.port);
    let (mut listeners, mut clusters) = (Vec::new(), vec![place]);
    for (name, shape) in shapes {
        for mut extension in shape.extensions {
            local_code(&mut extension["typed_config"]["config"]);
            extension["@type"] = json!("type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig");
            agent.give(extension);
        }
        listeners.push(listener(name, shape.listener, refresh));
        for mut cluster in shape.clusters {
            if !clusters.iter().any(|other: &Value| other["name"] == cluster["name"]) {
                endpoint(&mut cluster, kinto);
                clusters.push(cluster);
            }
        }
    }
    json!({
        "node": {"id": "test", "cluster": "test"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    })
}

fn listener(name: &str, mut listener: Value, refresh: &str) -> Value {
    listener["name"] = json!(name);
    listener["address"] = json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}});
    let manager = manager(&mut listener);
    manager["stat_prefix"] = json!(name);
    for filter in manager["http_filters"].as_array_mut().unwrap() {
        if let Some(discovery) = filter.get_mut("config_discovery") {
            assert_eq!(discovery["config_source"]["ads"], json!({}));
            discovery["config_source"] = ecds::source(refresh);
        } else if filter.pointer("/typed_config/config/vm_config").is_some() {
            local_code(&mut filter["typed_config"]["config"]);
        }
    }
    listener
}

/// The module that the platform would have fetched.
fn local_code(plugin: &mut Value) {
    let code = plugin.pointer_mut("/vm_config/code").unwrap();
    let remote = &code["remote"];
    assert!(remote["sha256"].is_string() && remote["http_uri"]["uri"].is_string(), "{code}");
    *code = json!({"local": {"filename": module()}});
}

fn endpoint(cluster: &mut Value, port: u16) {
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    cluster["type"] = json!("STATIC");
    cluster["load_assignment"] = json!({
        "cluster_name": cluster["name"],
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
    });
}
