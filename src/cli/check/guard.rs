//! The guard of `envoy/settings/header-guard.yaml`, for a worker of Envoy without the filter.

use crate::cli::check::envoy::{around, has_random_part, start};
use crate::cli::check::finding::{Finding, Rule};
use crate::cli::document::{Member, Node};
use crate::cli::plugin::{Loaded, Plugin};

/// The header that the filter removes from every request, whatever the identity header is.
const ALWAYS_REMOVED: &str = "userid";

/// A Kinto that believes a header that anybody can guess, behind an Envoy without the guard.
pub(super) fn missing(plugin: &Plugin, loaded: &Loaded) -> Option<Finding> {
    if loaded.config.ticket.is_some() || has_random_part(loaded.config.identity_header.name()) {
        return None;
    }
    let manager = around(plugin, &["http_filters"])?;
    if written_first(manager).is_some_and(|text| is_refused_after(plugin, manager, text)) {
        return None;
    }
    let written = plugin.settings.member("userIdHeader");
    Some(Finding {
        rule: Rule::NoGuard,
        message: "where a worker of Envoy cannot create its VM, Envoy leaves the filter out, and Kinto believes the identity header of the client"
            .to_owned(),
        help: "write ticket: { secretEnv: .. }, and let Kinto believe tickets alone; or add envoy/settings/header-guard.yaml"
            .to_owned(),
        span: written.map_or_else(|| start(&plugin.settings), Member::place),
    })
}

/// What Envoy writes into the header before any filter, whatever the client has sent.
fn written_first(manager: &Node) -> Option<&str> {
    let extensions = manager.field("early_header_mutation_extensions").map(Node::items).unwrap_or_default();
    let configs = extensions.iter().filter_map(|extension| extension.field("typed_config"));
    let mutations = configs.filter(|config| is_a(config, ".header_mutation.v3.HeaderMutation"));
    let mutations = mutations.filter_map(|config| config.field("mutations")).flat_map(Node::items);
    // With two of them, the order would count.
    let of_header = mutations.filter(|mutation| mutation.all().into_iter().any(is_name));
    let [mutation] = of_header.collect::<Vec<_>>()[..] else { return None };
    let append = mutation.field("append")?;
    let action = append.field("append_action")?.text()?;
    let is_overwritten = matches!(action, "OVERWRITE_IF_EXISTS_OR_ADD" | "2");
    append.text_at(&["header", "value"]).filter(|_| is_overwritten)
}

/// Whether an RBAC filter after this one refuses all requests that have this text in the header. A filter that has more
/// than the guard has may do something else, and does not count.
fn is_refused_after(plugin: &Plugin, manager: &Node, text: &str) -> bool {
    let filters = manager.field("http_filters").map(Node::items).unwrap_or_default();
    let mut after = filters.iter().filter(|filter| filter.span.start >= plugin.wasm.span.end);
    after.any(|filter| refuses(filter, text) == Some(true) && !is_changed(plugin, filter))
}

/// Whether this filter refuses all requests that have this text in the header; `None` if it has no such rules.
fn refuses(filter: &Node, text: &str) -> Option<bool> {
    let config = filter.field("typed_config")?;
    let rules = config.field("rules")?;
    let is_rbac = has_only(filter, &["name", "typed_config"])
        && is_a(config, ".filters.http.rbac.v3.RBAC")
        && has_only(config, &["@type", "rules"])
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
