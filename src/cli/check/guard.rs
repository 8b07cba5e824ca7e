//! The guard of `envoy/settings/header-guard.yaml`, for a worker of Envoy without the filter.

use crate::cli::check::envoy::believes_anybody;
use crate::cli::check::finding::{Finding, Rule};
use crate::cli::document::Node;
use crate::cli::holder::Holder;
use crate::cli::plugin::{Loaded, Plugin};

/// The header that the filter removes from every request, whatever the identity header is.
const ALWAYS_REMOVED: &str = "userid";

/// Headers that Kinto believes and that anybody can write, behind an Envoy without the guard.
pub(super) fn missing(plugin: &Plugin, loaded: &Loaded) -> Option<Finding> {
    if plugin.holder != Holder::Envoy {
        return None;
    }
    if !believes_anybody(&loaded.config) && loaded.config.claim_headers.is_empty() {
        return None;
    }
    // With an alias of YAML, one plugin is in several of them.
    let document = plugin.document.all();
    let managers = document.into_iter().filter(|node| node.field("http_filters").is_some());
    let unguarded = managers.filter(|node| holds(node, plugin)).find(|node| !is_guarded(node, plugin))?;
    Some(Finding {
        rule: Rule::NoGuard,
        message: "where a worker of Envoy cannot create its WebAssembly VM, Envoy leaves the filter out, and Kinto believes the headers of the client"
            .to_owned(),
        help: "add both parts of envoy/settings/header-guard.yaml, with nothing changed but the text not-checked; without claimsToHeaders, a ticket does as well: ticket: { secretEnv: .. }"
            .to_owned(),
        span: unguarded.field_member("http_filters")?.span.clone(),
    })
}

/// Whether the plugin is somewhere in this value.
fn holds(node: &Node, plugin: &Plugin) -> bool {
    node.all().iter().any(|below| below.span == plugin.wasm.span)
}

/// Whether the guard is in this connection manager. What is not understood is no guard.
fn is_guarded(manager: &Node, plugin: &Plugin) -> bool {
    let filters = manager.field("http_filters").map(Node::items).unwrap_or_default();
    let Some(text) = written_first(manager, plugin) else { return false };
    let Some((before, [_, after @ ..])) =
        filters.iter().position(|filter| holds(filter, plugin)).map(|own| filters.split_at(own))
    else {
        return false;
    };
    let is_guard = |filter: &Node| refuses(filter, text) == Some(true) && !is_changed(plugin, filter);
    let Some(guard) = after.iter().position(is_guard) else { return false };
    // Another filter could take the header away before the guard sees it.
    let mut others = before.iter().chain(after.iter().take(guard));
    !others.any(|filter| filter.all().into_iter().any(is_name))
}

/// What Envoy writes into the header before any filter, whatever the client has sent.
fn written_first<'m>(manager: &'m Node, plugin: &Plugin) -> Option<&'m str> {
    let extensions = manager.field("early_header_mutation_extensions").map(Node::items).unwrap_or_default();
    let configs = extensions.iter().filter_map(|extension| extension.field("typed_config"));
    let mutations = configs.filter(|config| is_a(config, ".header_mutation.v3.HeaderMutation"));
    let mutations: Vec<&Node> =
        mutations.filter_map(|config| config.field("mutations")).flat_map(Node::items).collect();
    if mutations.iter().any(|mutation| mutation.field("remove_on_match").is_some()) {
        return None;
    }
    // With two of them, the order would count.
    let of_header = mutations.into_iter().filter(|mutation| mutation.all().into_iter().any(is_name));
    let [mutation] = of_header.collect::<Vec<_>>()[..] else { return None };
    let append = mutation.field("append")?;
    let is_overwritten = matches!(append.field("append_action")?.text()?, "OVERWRITE_IF_EXISTS_OR_ADD" | "2");
    let header = append.field("header")?;
    let value = header.get("value")?;
    // Envoy writes no empty value, and puts other things in the place of what is between two percent signs.
    let is_literal = |text: &&str| !text.is_empty() && !text.contains('%') && is_text(value, plugin);
    value.text().filter(is_literal).filter(|_| is_overwritten && header.get("key").is_some_and(is_name))
}

/// Whether Envoy reads this value as text.
fn is_text(value: &Node, plugin: &Plugin) -> bool {
    value.value(plugin.document_reader).is_string()
}

/// Whether this filter refuses all requests that have this text in the header; `None` if it has no such rules. A filter
/// that has more than the guard has may do something else.
fn refuses(filter: &Node, text: &str) -> Option<bool> {
    let config = filter.field("typed_config")?;
    let rules = config.field("rules")?;
    let is_rbac = has_only(filter, &["name", "typed_config"])
        && is_a(config, ".filters.http.rbac.v3.RBAC")
        && has_only(config, &["@type", "rules", "rules_stat_prefix", "track_per_rule_stats"])
        && has_only(rules, &["action", "policies"]);
    let is_deny = matches!(rules.field("action")?.text()?, "DENY" | "1");
    let mut policies = rules.field("policies")?.members().iter().map(|policy| &policy.value);
    let of_everybody = policies.any(|policy| {
        let listed = |name| policy.field(name).map(Node::items).unwrap_or_default();
        has_only(policy, &["permissions", "principals"])
            && listed("permissions").iter().any(|permission| has_text(permission, text))
            && listed("principals").iter().any(is_anybody)
    });
    Some(is_rbac && is_deny && of_everybody)
}

/// Whether a permission is that the header has this text.
fn has_text(permission: &Node, text: &str) -> bool {
    let is_text = |header: &Node| {
        let exact =
            header.field("string_match").filter(|wanted| has_only(wanted, &["exact"]))?.field("exact")?;
        Some(
            has_only(header, &["name", "string_match"])
                && is_name(header.get("name")?)
                && exact.text()? == text,
        )
    };
    permission.field("header").and_then(is_text).unwrap_or(false)
}

fn is_anybody(principal: &Node) -> bool {
    principal.field("any").and_then(Node::text) == Some("true")
}

/// Whether a route has a configuration of its own for this filter.
fn is_changed(plugin: &Plugin, filter: &Node) -> bool {
    let name = filter.text_at(&["name"]).unwrap_or_default();
    let all = plugin.document.all();
    let mut of_routes = all.iter().filter_map(|node| node.field("typed_per_filter_config"));
    of_routes.any(|configs| configs.get(name).is_some())
}

/// Whether the text is the name of the header.
fn is_name(node: &Node) -> bool {
    node.text().is_some_and(|name| name.eq_ignore_ascii_case(ALWAYS_REMOVED))
}

/// Whether a configuration has a type whose name ends so.
fn is_a(config: &Node, kind: &str) -> bool {
    config.text_at(&["@type"]).is_some_and(|url| url.ends_with(kind))
}

/// Whether a map has no other fields than these.
fn has_only(node: &Node, fields: &[&str]) -> bool {
    let known = fields.iter().filter(|name| node.field_member(name).is_some()).count();
    known == node.members().len()
}
