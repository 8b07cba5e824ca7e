//! What an operator should know about the resources of Istio and of Envoy Gateway around the settings.

use crate::cli::check::envoy::{fail_open, is_there, no_reload, start, too_small};
use crate::cli::check::finding::{Finding, Rule};
use crate::cli::document::{Member, Node};
use crate::cli::holder::Holder;
use crate::cli::plugin::{Loaded, Plugin};
use crate::cli::resource::Document;

/// Everything that is to be said about the resource with the settings.
pub(crate) fn in_any_case(plugin: &Plugin) -> Vec<Finding> {
    match plugin.holder {
        Holder::Istio => istio(plugin),
        Holder::EnvoyGateway => envoy_gateway(plugin),
        Holder::Envoy | Holder::Nothing => Vec::new(),
    }
}

/// What another resource does to the filter. `issuers` are the hosts of `remoteJwks`.
pub(crate) fn of_other(resource: &Node, issuers: &[String]) -> Option<Finding> {
    let spec = resource.get("spec")?;
    match resource.text_at(&["kind"]) {
        Some("Sidecar") if spec.get("egress").is_some() && !issuers.iter().all(|host| lists(spec, host)) => {
            Some(finding(
                Rule::NoEgress,
                spec.member("egress"),
                spec,
                "the proxy of the pod knows only the clusters of egress, and the issuer's is not there unless it is listed",
                "leave egress out, or list the host of the issuer, and check its cluster in /clusters of the proxy",
            ))
        }
        Some("EnvoyProxy") => {
            let bootstrap = spec.get("bootstrap")?;
            let kind = bootstrap.text_at(&["type"]);
            (kind.is_none() || kind == Some("Replace")).then(|| {
                finding(
                    Rule::ReplacesBootstrap,
                    bootstrap.member("type"),
                    bootstrap,
                    "the EnvoyProxy replaces all that Envoy starts with",
                    "write type: JSONPatch, as in envoy/gateway/envoy-proxy.yaml",
                )
            })
        }
        _ => None,
    }
}

/// Whether the egress of a Sidecar lists the host, or all hosts of all namespaces.
fn lists(spec: &Node, host: &str) -> bool {
    let egress = spec.get("egress").map(Node::items).unwrap_or_default();
    let hosts = egress.iter().filter_map(|listener| listener.get("hosts")).flat_map(Node::items);
    hosts.filter_map(|listed| listed.text()?.split_once('/')).any(|(namespace, listed)| {
        listed == host
            || namespace == "*" && listed == "*"
            || listed.strip_prefix('*').is_some_and(|end| end.starts_with('.') && host.ends_with(end))
    })
}

/// Whether the buffer of a Gateway is too small. `others` are the documents of all files.
pub(crate) fn gateway_buffer(plugin: &Plugin, loaded: &Loaded, others: &[&Document]) -> Option<Finding> {
    if plugin.holder != Holder::EnvoyGateway {
        return None;
    }
    let of_kind = |kind: &'static str| {
        let roots = others.iter().map(|document| &document.root);
        roots.filter(move |root| root.text_at(&["kind"]) == Some(kind))
    };
    let limit =
        |policy: &Node| policy.text_at(&["spec", "connection", "bufferLimit"]).map_or(Some(32_768), quantity);
    // Which of several policies is for the Gateway of the filter is not looked at.
    let limits = of_kind("ClientTrafficPolicy").map(limit).collect::<Option<Vec<u64>>>()?;
    let bytes = match limits.into_iter().max() {
        Some(largest) => largest,
        // Alone, the policy of the filter does not tell which buffer its Gateway has.
        None => of_kind("Gateway").next().map(|_| 32_768)?,
    };
    let needed = u64::try_from(loaded.config.batch.max_bytes).unwrap_or(u64::MAX);
    (bytes < needed).then(|| Finding {
        span: start(&plugin.document),
        ..too_small(bytes, needed, "add a ClientTrafficPolicy with connection: { bufferLimit: 2Mi }")
    })
}

/// Bytes in a quantity of Kubernetes: `32768`, `32Ki`, `2Mi`, `1M`.
fn quantity(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let factor: u64 = match unit {
        "" => 1,
        "k" => 1_000,
        "Ki" => 1 << 10,
        "M" => 1_000_000,
        "Mi" => 1 << 20,
        "G" => 1_000_000_000,
        "Gi" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn finding(rule: Rule, member: Option<&Member>, otherwise: &Node, message: &str, help: &str) -> Finding {
    let span = member.map_or_else(|| start(otherwise), Member::place);
    Finding { rule, message: message.to_owned(), help: help.to_owned(), span }
}

fn istio(plugin: &Plugin) -> Vec<Finding> {
    let spec = plugin.document.get("spec").unwrap_or(&plugin.document);
    let mut found = Vec::new();
    let strategy = plugin.wasm.member("failStrategy");
    let place = || strategy.map_or_else(|| start(&plugin.wasm), Member::place);
    match strategy.and_then(|member| member.value.text()) {
        Some("FAIL_OPEN") => found.push(fail_open(place())),
        Some("FAIL_RELOAD") => {}
        _ => found.push(no_reload(place(), "failStrategy: FAIL_RELOAD")),
    }
    let modes: Vec<Option<&str>> = spec
        .get("match")
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .map(|entry| entry.text_at(&["mode"]))
        .collect();
    let is_for_gateways = selects_gateways(spec);
    let has_targets = is_there(spec.get("targetRefs"));
    let is_for_pods = !is_for_gateways && !has_targets && is_there(spec.get("selector"));
    if is_for_pods && (modes.is_empty() || modes.iter().any(|mode| *mode != Some("SERVER"))) {
        found.push(finding(
            Rule::RunsOnOutbound,
            spec.member("match"),
            spec,
            "without mode SERVER, the filter also runs on what Kinto itself sends to others, and takes its Authorization away",
            "write match: [{ mode: SERVER }]",
        ));
    }
    if is_for_gateways && modes.contains(&Some("SERVER")) {
        found.push(finding(
            Rule::NeverRuns,
            spec.member("match"),
            spec,
            "at a gateway, mode SERVER matches nothing: the filter is off",
            "leave match out at a gateway",
        ));
    }
    if !is_for_pods && !is_for_gateways && !has_targets {
        found.push(finding(
            Rule::NoTarget,
            None,
            spec,
            "without selector or targetRefs, the filter runs in all pods of the namespace",
            "name the pods of Kinto (selector), or the Gateway (targetRefs)",
        ));
    }
    if spec.text_at(&["phase"]) != Some("AUTHN") {
        found.push(finding(
            Rule::WrongPhase,
            spec.member("phase"),
            spec,
            "in another phase than AUTHN, Istio's own filters see the identity header of the client",
            "write phase: AUTHN",
        ));
    }
    found.extend(not_pinned(&plugin.wasm));
    found
}

/// Whether the resource is for gateways, and not for the pods of Kinto.
fn selects_gateways(spec: &Node) -> bool {
    let targets = spec.get("targetRefs").map(Node::items).unwrap_or_default();
    let kinds = ["Gateway", "GatewayClass"];
    let targets_gateway =
        targets.iter().any(|target| kinds.contains(&target.text_at(&["kind"]).unwrap_or_default()));
    let labels = spec.at(&["selector", "matchLabels"]).map(Node::members).unwrap_or_default();
    let is_label_of_gateway = |label: &Member| {
        label.name.contains("gateway") || label.value.text().is_some_and(|value| value.contains("gateway"))
    };
    targets_gateway || labels.iter().any(is_label_of_gateway)
}

fn envoy_gateway(plugin: &Plugin) -> Vec<Finding> {
    let spec = plugin.document.get("spec").unwrap_or(&plugin.document);
    let mut found = Vec::new();
    if let Some(open) =
        plugin.wasm.member("failOpen").filter(|member| member.value.is_true(plugin.document_reader))
    {
        found.push(fail_open(open.place()));
    }
    let one = spec.get("targetRef").into_iter();
    let several = ["targetRefs", "targetSelectors"].into_iter().filter_map(|name| spec.get(name));
    let targets: Vec<&Node> = several.flat_map(Node::items).chain(one).collect();
    let is_gateway =
        |target: &&Node| target.text_at(&["kind"]) == Some("Gateway") && !is_there(target.get("sectionName"));
    if targets.is_empty() || !targets.iter().all(is_gateway) {
        found.push(finding(
            Rule::ReplacedOnRoutes,
            spec.member("targetRefs").or_else(|| spec.member("targetRef")),
            spec,
            "of a policy on a route, or a part of a Gateway, and one on the Gateway, only one counts: the filter may be off",
            "name the whole Gateway in targetRefs, and put no other EnvoyExtensionPolicy on its routes",
        ));
    }
    if let Some(image) = plugin.wasm.at(&["code", "image"]) {
        found.extend(not_pinned(image));
    }
    found
}

/// Whether an image has no digest: in its address and in `sha256`, without which the platforms ask for the tag `latest`.
fn not_pinned(image: &Node) -> Option<Finding> {
    let url = image.text_at(&["url"]).unwrap_or_default();
    if url.starts_with("file://") {
        return None;
    }
    let digest = image.text_at(&["sha256"]).unwrap_or_default();
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_pinned = is_digest && (url.ends_with(&format!("@sha256:{digest}")) || url.starts_with("http"));
    (!is_pinned).then(|| {
        finding(
            Rule::NotPinned,
            image.member("url"),
            image,
            "the image has no digest: another module than the one that you have tested may come",
            "write url: oci://..@sha256:DIGEST and sha256: DIGEST, with the digest of the image",
        )
    })
}
