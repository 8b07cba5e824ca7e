//! Whether the cluster of `remoteJwks` is there, and whether Envoy checks that it speaks with the issuer.

use std::ops::Range;

use crate::cli::check::envoy::is_loopback;
use crate::cli::check::finding::{Finding, Rule};
use crate::cli::document::Node;
use crate::cli::holder::Holder;
use crate::cli::plugin::{Loaded, Plugin};
use crate::cli::resource::Document;
use crate::cli::scalar::Reader;
use crate::keys::remote::{RemoteJwks, Source};

/// Everything that is to be said about the issuers of a configuration. `documents` are those of all files.
pub(crate) fn findings(plugin: &Plugin, loaded: &Loaded, documents: &[&Document]) -> Vec<Finding> {
    let mut found = Vec::new();
    for policy in &loaded.config.policies {
        let Some(remote) = policy.remote() else { continue };
        let span = cluster_place(plugin, policy.index.0);
        if is_unprotected(remote) {
            found.push(not_checked(
                span.clone(),
                "the keys come over http, without TLS",
                "write the https address of the issuer; http is for an issuer on loopback or in the same mesh",
            ));
        }
        let cluster = cluster(&remote.cluster, documents);
        match cluster {
            Some(cluster) if is_https(remote) => found.extend(tls(cluster).map(|message| {
                not_checked(
                    span.clone(),
                    message,
                    "see envoy/settings/issuer-cluster.yaml: trusted_ca and auto_sni_san_validation",
                )
            })),
            Some(_) => {}
            None => found.extend(unknown_cluster(plugin, &remote.cluster, span)),
        }
    }
    found
}

/// Rules of Istio for the host of an issuer. They may be in another file than the settings.
pub(crate) fn of_rule(rule: &Node, hosts: &[String]) -> Option<Finding> {
    let host = rule.text_at(&["spec", "host"]).unwrap_or_default();
    let is_of = |issuer: &String| match host.strip_prefix('*') {
        Some(end) => end.starts_with('.') && issuer.ends_with(end),
        None => issuer == host,
    };
    if rule.text_at(&["kind"]) != Some("DestinationRule") || !hosts.iter().any(is_of) {
        return None;
    }
    let tls = rule.all().into_iter().filter_map(|node| node.get("tls")).find_map(|tls| {
        let skips = tls.get("insecureSkipVerify").is_some_and(|value| value.is_true(Reader::Kubernetes));
        let names_nobody = tls.get("sni").is_some() && tls.get("subjectAltNames").is_none();
        if skips {
            Some((tls, "no certificate is checked"))
        } else if names_nobody {
            Some((tls, "with sni and without subjectAltNames, Istio checks no name in the certificate"))
        } else {
            None
        }
    });
    tls.map(|(tls, message)| {
        not_checked(
            tls.span.clone(),
            message,
            "write subjectAltNames and caCertificates as in envoy/istio/issuer/destination-rule.yaml",
        )
    })
}

/// The hosts of the issuers of a configuration.
pub(crate) fn hosts(loaded: &Loaded) -> Vec<String> {
    let remotes = loaded.config.policies.iter().filter_map(|policy| policy.remote());
    remotes
        .map(|remote| match remote.cluster.rsplit_once('|') {
            Some((_, host)) => host.to_owned(),
            None => host(remote).to_owned(),
        })
        .collect()
}

fn not_checked(span: Range<usize>, message: &str, help: &str) -> Finding {
    Finding { rule: Rule::IssuerNotChecked, message: message.to_owned(), help: help.to_owned(), span }
}

fn cluster_place(plugin: &Plugin, index: usize) -> Range<usize> {
    let own =
        plugin.settings.get("policies").and_then(|policies| policies.items().get(index)?.get("remoteJwks"));
    let pointer = if own.is_some() {
        format!("/policies/{index}/remoteJwks/cluster")
    } else {
        "/remoteJwks/cluster".to_owned()
    };
    plugin.settings.span_of(&pointer)
}

/// Scheme and authority of what is fetched.
fn address(remote: &RemoteJwks) -> (&str, &str) {
    let (Source::Jwks(address) | Source::Discovery { metadata: address, .. }) = &remote.source;
    (&address.scheme, &address.authority)
}

/// The host of what is fetched, an IPv6 address without its brackets.
fn host(remote: &RemoteJwks) -> &str {
    let authority = address(remote).1;
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn is_https(remote: &RemoteJwks) -> bool {
    address(remote).0 == "https"
}

/// Whether the keys come over http from another machine. A mesh, whose clusters have names with `|`, has TLS of its own.
fn is_unprotected(remote: &RemoteJwks) -> bool {
    !is_https(remote) && !remote.cluster.contains('|') && !is_loopback(host(remote))
}

/// The cluster of this name in any of the documents: those of Envoy, a cluster alone, the patch of an EnvoyProxy.
fn cluster<'d>(name: &str, documents: &[&'d Document]) -> Option<&'d Node> {
    let is_cluster = |node: &&Node| {
        node.text_at(&["name"]) == Some(name)
            && ["load_assignment", "type", "cluster_type", "eds_cluster_config"]
                .iter()
                .any(|member| node.field(member).is_some())
    };
    documents.iter().flat_map(|document| document.root.all()).find(is_cluster)
}

/// What is missing in the TLS of a cluster.
fn tls(cluster: &Node) -> Option<&'static str> {
    let all = cluster.all();
    let has = |names: &[&str]| all.iter().any(|node| names.iter().any(|name| node.field(name).is_some()));
    let is_true =
        |name: &str| all.iter().filter_map(|node| node.field(name)).any(|value| value.is_true(Reader::Envoy));
    let chains = all.iter().filter_map(|node| node.field("trust_chain_verification"));
    let accepts_all = chains.into_iter().any(|value| value.text() == Some("ACCEPT_UNTRUSTED"));
    // What checks names itself, is not in this file, or is the very certificate.
    let is_enough = has(&[
        "validation_context_sds_secret_config",
        "custom_validator_config",
        "verify_certificate_hash",
        "verify_certificate_spki",
    ]);
    if !has(&["transport_socket", "transport_socket_matches"]) {
        Some("the address is https, and the cluster speaks without TLS")
    } else if accepts_all {
        Some("the cluster checks no certificate: it has trust_chain_verification: ACCEPT_UNTRUSTED")
    } else if is_enough {
        None
    } else if !has(&["trusted_ca", "system_root_certs", "ca_certificate_provider_instance"]) {
        Some("the cluster checks no certificate: it has no trusted_ca")
    } else if !is_true("auto_sni_san_validation")
        && !has(&["match_typed_subject_alt_names", "match_subject_alt_names"])
    {
        Some("the cluster checks no name: a certificate for any name would do")
    } else {
        None
    }
}

fn unknown_cluster(plugin: &Plugin, name: &str, span: Range<usize>) -> Option<Finding> {
    let finding = |message: String, help: &str| {
        Some(Finding { rule: Rule::UnknownCluster, message, help: help.to_owned(), span: span.clone() })
    };
    match plugin.holder {
        Holder::Nothing => None,
        Holder::Envoy => {
            let has_own = plugin.document.field_at(&["static_resources", "clusters"]).is_some();
            let is_told = plugin.document.field_at(&["dynamic_resources", "cds_config"]).is_some();
            if !has_own || is_told {
                return None;
            }
            finding(
                format!("static_resources has no cluster of the name {name:?}: no keys can be fetched"),
                "add a cluster such as envoy/settings/issuer-cluster.yaml",
            )
        }
        Holder::Istio if !is_of_istio(name) => finding(
            format!("Istio gives no cluster the name {name:?}"),
            "write outbound|443||HOST, with a ServiceEntry for the host: envoy/istio/issuer",
        ),
        Holder::EnvoyGateway if !is_of_envoy_gateway(name) => finding(
            format!("no file here has a cluster of the name {name:?}"),
            "check the EnvoyProxy together with this file: envoy/gateway/envoy-proxy.yaml adds a cluster",
        ),
        Holder::Istio | Holder::EnvoyGateway => None,
    }
}

/// `outbound|443||issuer.example` (`pilot/pkg/model/service.go`, `BuildSubsetKey`).
fn is_of_istio(name: &str) -> bool {
    match name.split('|').collect::<Vec<_>>().as_slice() {
        ["outbound", port, _, host] => port.parse::<u16>().is_ok() && !host.is_empty(),
        _ => false,
    }
}

/// The clusters of an HTTPRoute, of a backend, and of a SecurityPolicy for JWT.
fn is_of_envoy_gateway(name: &str) -> bool {
    let of_policy = name.rsplit_once('_').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    name.starts_with("httproute/") || name.starts_with("backend/") || of_policy
}
