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
        message: "Envoy leaves the filter out of a worker that cannot create its VM: Kinto believes the identity header of the client there"
            .to_owned(),
        help: "write ticket: { secretEnv: .. }, and let Kinto believe tickets alone; or add envoy/settings/header-guard.yaml"
            .to_owned(),
        span: written.map_or_else(|| start(&plugin.settings), Member::place),
    })
}

/// What Envoy writes into the header before any filter, whatever the client has sent.
fn written_first(manager: &Node) -> Option<&str> {
    let extensions = manager.field("early_header_mutation_extensions").map(Node::items).unwrap_or_default();
    let mutations =
        extensions.iter().filter_map(|extension| extension.field_at(&["typed_config", "mutations"]));
    let of_header =
        mutations.flat_map(Node::items).filter(|mutation| mutation.all().into_iter().any(is_name));
    // With two of them, the order would count.
    let [mutation] = of_header.collect::<Vec<_>>()[..] else { return None };
    let append = mutation.field("append").filter(|append| {
        let action = append.field("append_action").and_then(Node::text);
        matches!(action, Some("OVERWRITE_IF_EXISTS_OR_ADD" | "2"))
    })?;
    append.text_at(&["header", "value"])
}

/// Whether the text is the name of the header.
fn is_name(node: &Node) -> bool {
    node.text().is_some_and(|name| name.eq_ignore_ascii_case(ALWAYS_REMOVED))
}

/// Whether an RBAC filter after this one refuses all requests that have this text in the header.
fn is_refused_after(plugin: &Plugin, manager: &Node, text: &str) -> bool {
    let filters = manager.field("http_filters").map(Node::items).unwrap_or_default();
    let after = filters.iter().filter(|filter| filter.span.start >= plugin.wasm.span.end);
    let mut denied = after
        .filter_map(|filter| filter.field_at(&["typed_config", "rules"]))
        .filter(|rules| matches!(rules.field("action").and_then(Node::text), Some("DENY" | "1")));
    denied.any(|rules| {
        let policies = rules.field("policies").map(Node::members).unwrap_or_default();
        policies.iter().any(|policy| {
            let listed = |name| policy.value.field(name).map(Node::items).unwrap_or_default();
            let is_text = |permission: &Node| {
                permission.field("header").is_some_and(|header| {
                    let exact = header.field_at(&["string_match", "exact"]).and_then(Node::text);
                    header.get("name").is_some_and(is_name) && exact == Some(text)
                })
            };
            let is_anybody = |principal: &Node| {
                principal.field("any").is_some_and(|any| any.is_true(plugin.document_reader))
            };
            listed("permissions").iter().any(is_text) && listed("principals").iter().any(is_anybody)
        })
    })
}
