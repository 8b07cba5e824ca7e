//! The text of a file without what may be a secret, to be shown beside a finding.

use crate::cli::document::{Kind, Node};
use crate::cli::file::File;
use crate::cli::plugin::Plugin;
use crate::config::settings::SETTINGS;

/// Members of a key of `jwks` that are public (RFC 7517, RFC 7518 section 6).
const PUBLIC_MEMBERS: [&str; 12] =
    ["keys", "kty", "kid", "alg", "use", "key_ops", "crv", "x", "y", "n", "e", "x5c"];

/// Settings whose value may be a secret.
const SECRET_SETTINGS: [&str; 2] = ["public_key", "userIdHeader"];

/// The text of a file, of the same length, in which what may be a secret is a row of asterisks. Of the settings, only the
/// values are left that are known not to be secret; so are the values of variables that the file gives to the module.
pub(crate) fn masked(file: &File) -> String {
    let mut secrets = Vec::new();
    for plugin in &file.plugins {
        collect_secrets(plugin, &mut secrets);
    }
    let is_secret =
        |place: usize| secrets.iter().any(|secret: &std::ops::Range<usize>| secret.contains(&place));
    let masked = file.text.char_indices().map(|(place, character)| {
        let is_shown = character.is_whitespace() || !is_secret(place);
        if is_shown { character.to_string() } else { "*".repeat(character.len_utf8()) }
    });
    masked.collect()
}

fn collect_secrets(plugin: &Plugin, secrets: &mut Vec<std::ops::Range<usize>>) {
    let settings = &plugin.settings;
    if settings.members().is_empty() {
        // Text that is not understood.
        secrets.push(settings.span.clone());
    }
    let policies = settings.get("policies").map(Node::items).unwrap_or_default();
    for (name, value) in
        [settings].into_iter().chain(policies).flat_map(Node::members).map(|m| (m.name.as_str(), &m.value))
    {
        match name {
            "policies" if !value.items().is_empty() => {}
            "jwks" => collect_jwks(value, secrets),
            "public_key" if is_public_pem(value) => {}
            "userIdHeader" if value.text() == Some("userId") => {}
            name if !SECRET_SETTINGS.contains(&name) && is_setting(name) => {}
            _ => secrets.push(value.span.clone()),
        }
    }
    let variables = [
        plugin.wasm.at(&["vm_config", "environment_variables", "key_values"]),
        plugin.wasm.at(&["vmConfig", "env"]),
    ];
    for variables in variables.into_iter().flatten() {
        let values = variables.members().iter().map(|member| &member.value);
        let of_list = variables.items().iter().filter_map(|variable| variable.get("value"));
        secrets.extend(values.chain(of_list).map(|value| value.span.clone()));
    }
}

fn is_setting(name: &str) -> bool {
    name == "name" || SETTINGS.iter().any(|(setting, _)| *setting == name)
}

fn is_public_pem(value: &Node) -> bool {
    let text = value.text().unwrap_or_default();
    text.contains("-----BEGIN") && !text.contains("PRIVATE")
}

fn collect_jwks(node: &Node, secrets: &mut Vec<std::ops::Range<usize>>) {
    match &node.kind {
        Kind::Map(members) => {
            for member in members {
                if PUBLIC_MEMBERS.contains(&member.name.as_str()) {
                    if !member.value.items().is_empty() {
                        collect_jwks(&member.value, secrets);
                    }
                } else {
                    secrets.push(member.value.span.clone());
                }
            }
        }
        Kind::List(items) => {
            for item in items.iter().filter(|item| !item.members().is_empty()) {
                collect_jwks(item, secrets);
            }
        }
        Kind::Plain(_) | Kind::Text(_) => secrets.push(node.span.clone()),
    }
}
