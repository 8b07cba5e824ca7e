//! What an operator should know about the configuration of Envoy around the settings.

use crate::cli::check::finding::{Finding, Rule};
use crate::cli::document::{Kind, Member, Node};
use crate::cli::load::Loaded;
use crate::cli::plugin::{Holder, Plugin};

/// Bytes of a buffer for which Envoy's configuration has no limit (`per_connection_buffer_limit_bytes`).
const DEFAULT_BUFFER: u64 = 1 << 20;

/// Everything that is to be said about the configuration around the settings.
pub(crate) fn findings(plugin: &Plugin, loaded: &Loaded) -> Vec<Finding> {
    if plugin.holder != Holder::Envoy {
        return Vec::new();
    }
    let mut found: Vec<Finding> = failure_policy(plugin).into_iter().collect();
    found.extend(small_buffer(plugin, loaded));
    found.extend(guessable_header(plugin, loaded));
    found
}

/// The member that makes the whole of one of these names: Envoy reads `failure_policy` and `failurePolicy` alike.
fn member<'n>(node: &'n Node, name: &str) -> Option<&'n Member> {
    let camel: String = name
        .split('_')
        .enumerate()
        .map(|(number, word)| match word.chars().next().filter(|_| number > 0) {
            Some(first) => first.to_ascii_uppercase().to_string() + word.get(1..).unwrap_or_default(),
            None => word.to_owned(),
        })
        .collect();
    node.member(name).or_else(|| node.member(&camel))
}

fn failure_policy(plugin: &Plugin) -> Option<Finding> {
    let written = member(&plugin.wasm, "failure_policy");
    let policy = written.and_then(|member| member.value.text());
    let open = member(&plugin.wasm, "fail_open").filter(|member| member.value.text() == Some("true"));
    let is_open = policy == Some("FAIL_OPEN") || policy == Some("2");
    let span = open.or(written).map_or_else(|| start(&plugin.wasm), Member::place);
    if is_open || open.is_some() {
        Some(fail_open(span))
    } else if policy != Some("FAIL_RELOAD") && policy != Some("3") {
        Some(no_reload(span, "failure_policy: FAIL_RELOAD"))
    } else {
        None
    }
}

/// A finding at a switch that lets requests go on unchecked.
pub(crate) fn fail_open(span: std::ops::Range<usize>) -> Finding {
    Finding {
        rule: Rule::FailOpen,
        message:
            "when the module cannot run, requests go on unchecked, with the identity header of the client"
                .to_owned(),
        help: "never let a filter for authentication fail open".to_owned(),
        span,
    }
}

/// A finding where a module that has crashed is not loaded anew.
pub(crate) fn no_reload(span: std::ops::Range<usize>, remedy: &str) -> Finding {
    Finding {
        rule: Rule::NoReload,
        message: "a module that has crashed does not come back: each request would be refused".to_owned(),
        help: format!("write {remedy}"),
        span,
    }
}

/// The first line of a value.
pub(crate) fn start(node: &Node) -> std::ops::Range<usize> {
    node.span.start..node.span.start.saturating_add(1).min(node.span.end)
}

/// The listener in which the filter is.
fn listener(plugin: &Plugin) -> Option<&Node> {
    let listeners =
        plugin.document.at(&["static_resources", "listeners"]).map(Node::items).unwrap_or_default();
    listeners.iter().find(|listener| {
        listener.span.start <= plugin.wasm.span.start && plugin.wasm.span.end <= listener.span.end
    })
}

fn small_buffer(plugin: &Plugin, loaded: &Loaded) -> Option<Finding> {
    let listener = listener(plugin)?;
    let number = |member: &Member| member.value.text().and_then(|text| text.parse::<u64>().ok());
    let own = member(listener, "per_connection_buffer_limit_bytes");
    // A limit of the hosts, which Envoy has since 1.37, counts in the place of the listener's.
    let is_host = |node: &&Node| node.get("domains").is_some();
    let hosts = listener.all().into_iter().filter(is_host);
    let of_host = |host: &Node| member(host, "request_body_buffer_limit").and_then(number);
    let limits: Vec<Option<u64>> = hosts.map(of_host).collect();
    let of_listener = own.and_then(number).unwrap_or(DEFAULT_BUFFER);
    let smallest = limits.iter().map(|limit| limit.unwrap_or(of_listener)).min().unwrap_or(of_listener);
    let needed = u64::try_from(loaded.config.batch.max_bytes).unwrap_or(u64::MAX);
    (smallest < needed).then(|| Finding {
        span: own.map_or_else(|| start(listener), Member::place),
        ..too_small(smallest, needed, "write request_body_buffer_limit: 2097152 into each virtual host")
    })
}

/// A finding where a buffer is too small, whose place is not known yet.
pub(crate) fn too_small(bytes: u64, needed: u64, remedy: &str) -> Finding {
    Finding {
        rule: Rule::SmallBuffer,
        message: format!(
            "a batch of more than {bytes} bytes is refused: Envoy's buffer is smaller than batch.maxBytes, {needed}"
        ),
        help: format!("{remedy}, or a smaller batch.maxBytes"),
        span: 0..0,
    }
}

fn guessable_header(plugin: &Plugin, loaded: &Loaded) -> Option<Finding> {
    if has_random_part(loaded.config.identity_header.name()) {
        return None;
    }
    let routes = listener(plugin)?.all();
    let upstreams: Vec<&str> = routes.iter().filter_map(|node| node.text_at(&["route", "cluster"])).collect();
    let clusters = plugin.document.at(&["static_resources", "clusters"]).map(Node::items).unwrap_or_default();
    let of_kinto =
        clusters.iter().filter(|cluster| upstreams.contains(&cluster.text_at(&["name"]).unwrap_or_default()));
    let addresses = of_kinto.flat_map(Node::all).filter_map(|node| node.at(&["socket_address", "address"]));
    let reachable = addresses.into_iter().find(|address| !is_loopback(address.text().unwrap_or_default()))?;
    let written = plugin.settings.member("userIdHeader");
    Some(Finding {
        rule: Rule::GuessableHeader,
        message: format!(
            "Kinto is at {}: whoever reaches it without Envoy is any user, because the header that it trusts can be guessed",
            reachable.text().unwrap_or_default()
        ),
        help: "keep others out of Kinto's network, and write userIdHeader with a random part: userId-<32 hex digits>"
            .to_owned(),
        span: written.map_or_else(|| reachable.span.clone(), Member::place),
    })
}

fn is_loopback(address: &str) -> bool {
    address == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the name has a part that nobody can guess: 16 or more letters and digits in a row, digits among them.
pub(crate) fn has_random_part(name: &str) -> bool {
    let is_random = |part: &str| part.len() >= 16 && part.bytes().any(|byte| byte.is_ascii_digit());
    name.split(|c: char| !c.is_ascii_alphanumeric()).any(is_random)
}

/// Whether a value is there and not `null`.
pub(crate) fn is_there(node: Option<&Node>) -> bool {
    node.is_some_and(
        |node| !matches!(&node.kind, Kind::Plain(text) if ["", "~", "null"].contains(&text.as_str())),
    )
}
