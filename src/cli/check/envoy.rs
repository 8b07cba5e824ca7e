//! What an operator should know about the configuration of Envoy around the settings.

use crate::cli::check::capabilities::lacking;
use crate::cli::check::finding::{Finding, Rule};
use crate::cli::document::{Kind, Member, Node};
use crate::cli::holder::Holder;
use crate::cli::plugin::{Loaded, Plugin};
use crate::gate::config::Config;

/// Bytes of a buffer for which Envoy's configuration has no limit (`per_connection_buffer_limit_bytes`).
const DEFAULT_BUFFER: u64 = 1 << 20;

/// What is to be said about the configuration around the settings, whatever they are.
pub(crate) fn in_any_case(plugin: &Plugin) -> Vec<Finding> {
    let is_ours = plugin.holder == Holder::Envoy;
    let found = [failure_policy(plugin), disabled(plugin), lacking(plugin)].into_iter().flatten();
    found.filter(|_| is_ours).collect()
}

/// What is to be said about the configuration around settings that the filter takes.
pub(crate) fn findings(plugin: &Plugin, loaded: &Loaded) -> Vec<Finding> {
    let is_ours = plugin.holder == Holder::Envoy;
    let found = [small_buffer(plugin, loaded), guessable_header(plugin, loaded)].into_iter().flatten();
    found.filter(|_| is_ours).collect()
}

fn failure_policy(plugin: &Plugin) -> Option<Finding> {
    let written = plugin.wasm.field_member("failure_policy");
    let policy = written.and_then(|member| member.value.text());
    let open =
        plugin.wasm.field_member("fail_open").filter(|member| member.value.is_true(plugin.document_reader));
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

/// The innermost map around the plugin that has one of these fields.
fn around<'p>(plugin: &'p Plugin, fields: &[&str]) -> Option<&'p Node> {
    let holds = |node: &&Node| {
        node.span.start <= plugin.wasm.span.start
            && plugin.wasm.span.end <= node.span.end
            && fields.iter().any(|field| node.field(field).is_some())
    };
    plugin.document.all().into_iter().rfind(holds)
}

/// The listener in which the filter is.
fn listener(plugin: &Plugin) -> Option<&Node> {
    around(plugin, &["filter_chains", "default_filter_chain"])
}

/// A filter that is switched off, and that no route switches on.
fn disabled(plugin: &Plugin) -> Option<Finding> {
    let filter = around(plugin, &["typed_config"])?;
    let off =
        filter.field_member("disabled").filter(|member| member.value.is_true(plugin.document_reader))?;
    let is_switched_on =
        plugin.document.all().iter().any(|node| node.field("typed_per_filter_config").is_some());
    (!is_switched_on).then(|| Finding {
        rule: Rule::NeverRuns,
        message: "the filter is switched off: Kinto believes the identity header of the client".to_owned(),
        help: "leave disabled out".to_owned(),
        span: off.place(),
    })
}

fn small_buffer(plugin: &Plugin, loaded: &Loaded) -> Option<Finding> {
    let listener = listener(plugin)?;
    let all = listener.all();
    // The hosts may be elsewhere, and a filter may set another limit.
    let is_unknown = ["rds", "scoped_routes", "max_request_bytes"];
    if all.iter().any(|node| is_unknown.iter().any(|name| node.field(name).is_some())) {
        return None;
    }
    let number = |node: &Node| node.text().and_then(|text| text.parse::<u64>().ok());
    let limit = |node: &Node| node.field("request_body_buffer_limit").and_then(number);
    let own = listener.field_member("per_connection_buffer_limit_bytes");
    let of_listener = own.and_then(|member| number(&member.value)).unwrap_or(DEFAULT_BUFFER);
    // A limit of a route, or else of its host, which Envoy has since 1.37, counts in the place of the listener's.
    let mut limits = Vec::new();
    for host in all.iter().filter(|node| node.get("domains").is_some()) {
        let of_host = limit(host).unwrap_or(of_listener);
        let routes = host.get("routes").map(Node::items).unwrap_or_default();
        let to_kinto = routes.iter().filter(|route| route.get("route").is_some());
        limits.extend(to_kinto.map(|route| limit(route).unwrap_or(of_host)));
    }
    let smallest = limits.into_iter().min().unwrap_or(of_listener);
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
    if !believes_anybody(&loaded.config) {
        return None;
    }
    let routes = listener(plugin)?.all();
    let one = routes.iter().filter_map(|node| node.text_at(&["route", "cluster"]));
    let weighted =
        routes.iter().filter_map(|node| node.at(&["route"])?.field("weighted_clusters")?.get("clusters"));
    let weighted = weighted.flat_map(Node::items).filter_map(|cluster| cluster.text_at(&["name"]));
    let upstreams: Vec<&str> = one.chain(weighted).collect();
    let clusters =
        plugin.document.field_at(&["static_resources", "clusters"]).map(Node::items).unwrap_or_default();
    let of_kinto =
        clusters.iter().filter(|cluster| upstreams.contains(&cluster.text_at(&["name"]).unwrap_or_default()));
    let addresses =
        of_kinto.flat_map(Node::all).filter_map(|node| node.field_at(&["socket_address", "address"]));
    let reachable = addresses.into_iter().find(|address| !is_loopback(address.text().unwrap_or_default()))?;
    let written = plugin.settings.member("userIdHeader");
    Some(Finding {
        rule: Rule::GuessableHeader,
        message: format!(
            "Kinto is at {}: whoever reaches it without Envoy is any user, because the header that it trusts can be guessed",
            reachable.text().unwrap_or_default()
        ),
        help: "write ticket: { secretEnv: .. }, and let Kinto believe tickets alone; or keep others out of Kinto's network, and write userIdHeader with a random part: userId-<32 hex digits>"
            .to_owned(),
        span: written.map_or_else(|| reachable.span.clone(), Member::place),
    })
}

/// Whether only this machine reaches an address.
pub(crate) fn is_loopback(address: &str) -> bool {
    address == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the name may have parts that nobody can guess: with digits among their letters, and 16 characters or more in
/// all, as a UUID has them. Such a name is not shown.
pub(crate) fn has_random_part(name: &str) -> bool {
    random_parts(name).len() >= 16
}

/// Whether Kinto believes an identity header whose name anybody can guess.
pub(crate) fn believes_anybody(config: &Config) -> bool {
    config.ticket.is_none() && !is_unguessable(config.identity_header.name())
}

/// Whether the name has such parts with four digits or more: `X-Oauth2AuthenticatedUser` can be guessed.
fn is_unguessable(name: &str) -> bool {
    has_random_part(name) && random_parts(name).bytes().filter(u8::is_ascii_digit).count() >= 4
}

fn random_parts(name: &str) -> String {
    let is_random = |part: &&str| part.bytes().any(|byte| byte.is_ascii_digit());
    name.split(|c: char| !c.is_ascii_alphanumeric()).filter(is_random).collect()
}

/// Whether a value is there and not `null`.
pub(crate) fn is_there(node: Option<&Node>) -> bool {
    node.is_some_and(
        |node| !matches!(&node.kind, Kind::Plain(text) if ["", "~", "null"].contains(&text.as_str())),
    )
}
