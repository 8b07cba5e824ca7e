//! The text of a file without what may be a secret, to be shown beside a finding.

use std::ops::Range;

use crate::cli::document::{Kind, Member, Node};
use crate::cli::file::File;
use crate::cli::plugin::Plugin;
use crate::config::settings::SETTINGS;

/// Members of a key of `jwks` that are public (RFC 7517, RFC 7518 section 6).
const PUBLIC_MEMBERS: [&str; 11] = ["kty", "kid", "alg", "use", "key_ops", "crv", "x", "y", "n", "e", "x5c"];

/// The text of a file, of the same length, in which what may be a secret is a row of asterisks. Of the settings, only the
/// values are left that are known not to be secret; so are the values of variables that the file gives to the module.
pub(crate) fn masked(file: &File) -> String {
    let mut secrets = Vec::new();
    for plugin in &file.plugins {
        collect_secrets(plugin, &mut secrets);
    }
    let names = file.plugins.iter().filter_map(|plugin| plugin.settings.text_at(&["userIdHeader"]));
    for name in names.filter(|name| *name != "userId" && !name.is_empty()) {
        secrets.extend(wherever(name, &file.text));
    }
    let is_secret = |place: usize| secrets.iter().any(|secret: &Range<usize>| secret.contains(&place));
    let masked = file.text.char_indices().map(|(place, character)| {
        let is_shown = character.is_whitespace() || !is_secret(place);
        if is_shown { character.to_string() } else { "*".repeat(character.len_utf8()) }
    });
    masked.collect()
}

fn collect_secrets(plugin: &Plugin, secrets: &mut Vec<Range<usize>>) {
    in_settings(&plugin.settings, secrets);
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

/// Where this name is in the text, in whatever letter case: other settings may name the same header.
fn wherever(name: &str, text: &str) -> Vec<Range<usize>> {
    // The lower case of ASCII has the same length.
    let (name, text) = (name.to_ascii_lowercase(), text.to_ascii_lowercase());
    text.match_indices(&name).map(|(start, found)| start..start.saturating_add(found.len())).collect()
}

/// Of the settings, or of a policy.
fn in_settings(settings: &Node, secrets: &mut Vec<Range<usize>>) {
    let Kind::Map(members) = &settings.kind else {
        // It is not understood.
        secrets.push(settings.span.clone());
        return;
    };
    for Member { name, value, .. } in members {
        match (name.as_str(), &value.kind) {
            ("policies", Kind::List(policies)) => {
                policies.iter().for_each(|policy| in_settings(policy, secrets))
            }
            ("jwks", Kind::Map(members)) => in_jwks(members, secrets),
            ("public_key", _) if is_public_pem(value) => {}
            ("userIdHeader", _) if value.text() == Some("userId") => {}
            ("policies" | "jwks" | "public_key" | "userIdHeader", _) => secrets.push(value.span.clone()),
            (name, _) if is_setting(name) => {}
            _ => secrets.push(value.span.clone()),
        }
    }
}

fn is_setting(name: &str) -> bool {
    name == "name" || SETTINGS.iter().any(|(setting, _)| *setting == name)
}

fn is_public_pem(value: &Node) -> bool {
    let text = value.text().unwrap_or_default();
    text.contains("-----BEGIN") && !text.contains("PRIVATE")
}

fn in_jwks(set: &[Member], secrets: &mut Vec<Range<usize>>) {
    for Member { name, value, .. } in set {
        let keys = if name == "keys" { value.items() } else { &[] };
        if keys.is_empty() {
            secrets.push(value.span.clone());
        }
        for key in keys {
            let members = key.members();
            if members.is_empty() {
                secrets.push(key.span.clone());
            }
            let hidden = members.iter().filter(|member| !PUBLIC_MEMBERS.contains(&member.name.as_str()));
            secrets.extend(hidden.map(|member| member.value.span.clone()));
        }
    }
}
