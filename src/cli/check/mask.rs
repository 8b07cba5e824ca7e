//! The text of a file without what may be a secret, to be shown beside a finding.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::cli::check::envoy::has_random_part;
use crate::cli::document::{Kind, Member, Node};
use crate::cli::file::File;
use crate::cli::plugin::Plugin;
use crate::cli::secret::is_public_pem;
use crate::config::settings::{SETTINGS, shown};

/// Settings whose members have names of claims, or of parameters.
const CLAIMS: [&str; 3] = ["requiredClaims", "requiredParameters", "refusedClaims"];

/// Members of a key of `jwks` that are public (RFC 7517, RFC 7518 section 6).
const PUBLIC_MEMBERS: [&str; 11] = ["kty", "kid", "alg", "use", "key_ops", "crv", "x", "y", "n", "e", "x5c"];

/// Members of `ticket` that are no secret.
const TICKET_MEMBERS: [&str; 3] = ["secretEnv", "cookieName", "timeoutSeconds"];

/// Parts of the names of fields of Envoy and of Kubernetes that may hold secrets.
const SECRET_NAMES: [&str; 7] = ["secret", "password", "token", "private", "credential", "inline", "api_key"];

/// A secret of fewer characters is hidden only at its own place: elsewhere, it may be a usual word.
const SHORTEST: usize = 6;

/// The text of a file, of the same length, in which what may be a secret is a row of asterisks. Of the settings, only what
/// is known not to be secret is left: comments are not.
pub(crate) fn masked(file: &File) -> String {
    let mut mask =
        Mask { text: &file.text, is_hidden: vec![true; file.text.len()], secrets: BTreeSet::new() };
    for document in &file.documents {
        mask.set(&document.root.span, false);
    }
    let members = file.documents.iter().flat_map(|document| document.root.all()).flat_map(Node::members);
    for member in members {
        let name = member.name.to_ascii_lowercase();
        if SECRET_NAMES.iter().any(|part| name.contains(part)) {
            mask.set(&member.value.span, true);
        }
    }
    for plugin in &file.plugins {
        mask.set(&plugin.settings.span, true);
        mask.show_settings(&plugin.settings);
    }
    // What hides goes last: in a text in quotes, all values are at one place.
    for plugin in &file.plugins {
        mask.hide_settings(&plugin.settings);
        mask.hide_variables(plugin);
    }
    mask.hide_everywhere();
    let characters = file.text.char_indices().map(|(place, character)| {
        let is_hidden = mask.is_hidden.get(place).copied().unwrap_or(true);
        let is_shown = !is_hidden || !character.is_alphanumeric() && character.is_ascii();
        if is_shown || character.is_whitespace() {
            character.to_string()
        } else {
            "*".repeat(character.len_utf8())
        }
    });
    characters.collect()
}

struct Mask<'t> {
    text: &'t str,
    /// For each byte of the text.
    is_hidden: Vec<bool>,
    /// Secrets as they were read.
    secrets: BTreeSet<String>,
}

impl Mask<'_> {
    fn set(&mut self, span: &Range<usize>, is_hidden: bool) {
        self.is_hidden.get_mut(span.clone()).into_iter().flatten().for_each(|byte| *byte = is_hidden);
    }

    /// Shows the names, and the values that are settings.
    fn show_settings(&mut self, settings: &Node) {
        for member in settings.members() {
            self.set(&member.span, false);
            match (member.name.as_str(), &member.value.kind) {
                ("policies", Kind::List(policies)) => {
                    policies.iter().for_each(|policy| self.show_settings(policy));
                }
                _ => self.show(&member.value),
            }
        }
    }

    fn show(&mut self, node: &Node) {
        if node.text().is_some() {
            self.set(&node.span, false);
        }
        node.items().iter().for_each(|item| self.show(item));
        for member in node.members() {
            self.set(&member.span, false);
            self.show(&member.value);
        }
    }

    fn hide(&mut self, node: &Node) {
        for node in node.all() {
            self.set(&node.span, true);
            self.secrets.extend(node.text().map(str::to_owned));
            node.members().iter().for_each(|member| self.set(&member.span, true));
        }
    }

    /// Hides the values of the settings, or of a policy, that are not known to be public, and what stands in the place of
    /// a name: it may be a value behind a forgotten colon.
    fn hide_settings(&mut self, settings: &Node) {
        for map in settings.all() {
            let odd = map.members().iter().filter(|member| shown(&member.name).is_none());
            odd.for_each(|member| self.set(&member.span, true));
        }
        // The names of claims are public, whatever is in them.
        for Member { value, .. } in
            settings.members().iter().filter(|member| CLAIMS.contains(&member.name.as_str()))
        {
            value.members().iter().for_each(|member| self.set(&member.span, false));
        }
        for Member { name, value, .. } in settings.members() {
            match (name.as_str(), &value.kind) {
                ("policies", Kind::List(policies)) => policies.iter().for_each(|policy| match policy.kind {
                    Kind::Map(_) => self.hide_settings(policy),
                    _ => self.hide(policy),
                }),
                ("jwks", Kind::Map(members)) => self.hide_jwks(members),
                ("public_key", _) if value.text().is_some_and(is_public_pem) => {}
                ("userIdHeader", _) if value.text() == Some("userId") => {}
                ("claimsToHeaders", Kind::Map(headers)) => {
                    let random = headers.iter().filter(|header| has_random_part(&header.name));
                    self.secrets.extend(random.map(|header| header.name.clone()));
                }
                ("ticket", Kind::Map(members)) => {
                    let hidden =
                        members.iter().filter(|member| !TICKET_MEMBERS.contains(&member.name.as_str()));
                    hidden.for_each(|member| self.hide(&member.value));
                }
                ("policies" | "jwks" | "public_key" | "userIdHeader" | "ticket", _) => self.hide(value),
                (name, _) if is_setting(name) => {}
                _ => self.hide(value),
            }
        }
    }

    fn hide_jwks(&mut self, set: &[Member]) {
        for Member { name, value, .. } in set {
            let keys = if name == "keys" { value.items() } else { &[] };
            if keys.is_empty() {
                self.hide(value);
            }
            for key in keys {
                if key.members().is_empty() {
                    self.hide(key);
                }
                let members = key.members().iter();
                let hidden = members.filter(|member| !PUBLIC_MEMBERS.contains(&member.name.as_str()));
                hidden.for_each(|member| self.hide(&member.value));
            }
        }
    }

    /// Hides the values of variables that the file gives to the module.
    fn hide_variables(&mut self, plugin: &Plugin) {
        let variables = [
            plugin.wasm.field_at(&["vm_config", "environment_variables", "key_values"]),
            plugin.wasm.at(&["vmConfig", "env"]),
        ];
        for variables in variables.into_iter().flatten() {
            variables.members().iter().for_each(|member| self.hide(&member.value));
            variables.items().iter().filter_map(|item| item.get("value")).for_each(|value| self.hide(value));
        }
    }

    /// Hides each secret wherever it is in the text, in whatever letter case: another setting may name the same header, and
    /// an alias leads to another place.
    fn hide_everywhere(&mut self) {
        // The lower case of ASCII has the same length.
        let text = self.text.to_ascii_lowercase();
        let secrets = std::mem::take(&mut self.secrets);
        for secret in secrets.iter().flat_map(|secret| secret.lines()).map(str::trim) {
            let secret = secret.to_ascii_lowercase();
            if secret.len() >= SHORTEST {
                for (start, found) in text.match_indices(&secret) {
                    self.set(&(start..start.saturating_add(found.len())), true);
                }
            }
        }
    }
}

fn is_setting(name: &str) -> bool {
    name == "name" || SETTINGS.iter().any(|(setting, _)| *setting == name)
}
