//! The cluster that istiod makes of a ServiceEntry and its DestinationRule, for `remoteJwks`.

use serde_json::{Value, json};

use crate::fields::{Fields, Result, open};

/// What the manifests lead to: a host, and the cluster without its endpoints.
pub(crate) struct IssuerCluster {
    pub(crate) host: String,
    pub(crate) cluster: Value,
}

pub(crate) fn cluster(entry: &Value, rule: &Value) -> Result<IssuerCluster> {
    let mut entry = open(entry, "networking.istio.io/v1", "ServiceEntry")?;
    let spec = &mut entry.spec;
    let hosts = spec.texts("hosts")?;
    let [host] = hosts.as_slice() else { return Err(format!("not one host: {hosts:?}")) };
    spec.only_value("exportTo", &json!(["."]))?;
    for (name, value) in [("location", "MESH_EXTERNAL"), ("resolution", "DNS")] {
        if spec.text(name)? != value {
            return Err(format!("{name} is not {value}"));
        }
    }
    let mut port = spec.only("ports")?;
    let number = port.number("number")?;
    port.only_value("name", &json!("https"))?;
    port.only_value("protocol", &json!("HTTPS"))?;
    port.end()?;
    entry.spec.end()?;

    let mut rule = open(rule, "networking.istio.io/v1", "DestinationRule")?;
    if rule.spec.text("host")? != *host {
        return Err("a rule for another host".into());
    }
    rule.spec.only_value("exportTo", &json!(["."]))?;
    let mut policy = rule.spec.map("trafficPolicy")?;
    let tls = policy.map("tls")?;
    policy.end()?;
    rule.spec.end()?;
    // pilot/pkg/model/push_context.go, `BuildSubsetKey`; resolution DNS is STRICT_DNS.
    let cluster = json!({
        "name": format!("outbound|{number}||{host}"),
        "connect_timeout": "10s",
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls_context(tls)?},
    });
    Ok(IssuerCluster { host: host.clone(), cluster })
}

/// pilot/pkg/networking/core/cluster_tls.go, `buildUpstreamClusterTLSContext`: what is there of a name to check is in
/// `subjectAltNames`. (Without `sni`, Istio would check the name that it sends; both are set here, and none is left to
/// a feature flag.)
fn tls_context(mut tls: Fields) -> Result<Value> {
    if tls.text("mode")? != "SIMPLE" {
        return Err("mode: not TLS".into());
    }
    let names = tls.texts("subjectAltNames")?;
    if names.is_empty() {
        return Err("sni without subjectAltNames: no name in the certificate would be checked".into());
    }
    let names: Vec<Value> =
        names.into_iter().map(|name| json!({"san_type": "DNS", "matcher": {"exact": name}})).collect();
    // The agent reads the file and gives it to Envoy by SDS, as `file-root:<path>`.
    let authorities = tls.text("caCertificates")?;
    let context = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": tls.text("sni")?,
        "common_tls_context": {
            "tls_params": {
                "tls_minimum_protocol_version": "TLSv1_2",
                "tls_maximum_protocol_version": "TLSv1_3",
            },
            "validation_context": {
                "trusted_ca": {"filename": authorities},
                "match_typed_subject_alt_names": names,
            },
        },
    });
    tls.end()?;
    Ok(context)
}
