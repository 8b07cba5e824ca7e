//! What users and operators will notice after the migration, each with a code that stays the same.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cli::migrate::convert::Converted;
use crate::cli::migrate::policy::{Policies, class_of, setting_of};
use crate::cli::migrate::settings::{KintoSettings, words};
use crate::cli::migrate::yaml::{SECRET_VARIABLE, fits_variable};

/// The entries of the list of differences that every configuration meets.
pub(crate) const EVERYWHERE: [&str; 10] = [
    "text-dates",
    "negative-dates",
    "strict-json",
    "crit",
    "padding",
    "size",
    "user-id",
    "crash",
    "bound-token",
    "batch",
];

/// A difference that will be felt.
#[derive(Debug)]
pub(crate) struct Warning {
    pub(crate) code: &'static str,
    pub(crate) words: String,
}

/// Gathers warnings.
#[derive(Debug, Default)]
pub(crate) struct Warnings(pub(crate) Vec<Warning>);

impl Warnings {
    pub(crate) fn add(&mut self, code: &'static str, words: impl Into<String>) {
        self.0.push(Warning { code, words: words.into() });
    }

    /// What follows from the settings of our policy.
    pub(crate) fn of_tokens(&mut self, policy: &[(&str, &Value)], converted: &Converted) {
        let written = |name: &str| policy.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        if written("verifyToken").is_some_and(is_falsy) {
            self.add(
                "verify",
                "verifyToken is off. With PyJWT 2, kinto_jwt then finds every token invalid; with PyJWT 1 it believes \
                 every token. The new settings do not have verifyToken, so that the filter verifies tokens and believes \
                 the valid ones. Only for development, write verifyToken: false.",
            );
            self.add(
                "unverified-alg",
                "If you write verifyToken: false, a token must still have an alg that is in algorithm.",
            );
        }
        let scheme = converted.schemes().first().copied().unwrap_or_default();
        if !converted.has_scheme() {
            self.add(
                "header",
                format!(
                    "The token is in the header {}, without a scheme, as before. Authorization is left for other \
                     policies of Kinto, so that a request may have a token and a password: then the token counts.",
                    converted.header()
                ),
            );
        } else if converted.header() == "Authorization" {
            self.add(
                "scheme-case",
                format!("{} x is now a token too: the case of a scheme does not count.", swapped(scheme)),
            );
            self.add(
                "second-empty",
                "A second, empty Authorization no longer makes the token in the first one invalid.",
            );
        } else {
            self.add(
                "authorization-case",
                format!(
                    "http_header is {}. For kinto_jwt that was a header with the token alone; for the filter it is \
                     Authorization, in which {scheme} stands before the token. Clients must send that, or another header.",
                    converted.header()
                ),
            );
        }
        if written("auth_type").is_some_and(Value::is_array) && converted.has_scheme() {
            self.add(
                "scheme-list",
                "auth_type is a list. With kinto_jwt no token was found; the filter accepts each scheme.",
            );
        }
        if written("algorithm").is_some_and(Value::is_array) {
            self.add(
                "algorithm-list",
                "algorithm is a list. With kinto_jwt no token was valid; the filter accepts each algorithm.",
            );
        }
        if converted.algorithms().contains(&"EdDSA") {
            self.add("ed25519", "A token whose alg is Ed25519 is now valid: it is the other name of EdDSA.");
        }
        let key = converted.settings.get("public_key").and_then(Value::as_str).unwrap_or_default();
        if key.contains("BEGIN CERTIFICATE") {
            self.add("certificate", "public_key is a certificate. With kinto_jwt tokens were answered 500; the filter verifies them with its key.");
        }
        let claim = converted.settings.get("userIdTokenKey").and_then(Value::as_str).unwrap_or("sub");
        if claim.starts_with('/') {
            self.add("pointer", format!("userIdTokenKey {claim} is also a path: without a claim of that name, it leads into other claims."));
        }
        if claim != "sub" {
            self.add(
                "user-id-type",
                format!("A token whose {claim} is null, has a fraction or is beyond 64 bits is now invalid."),
            );
        }
    }

    /// What follows from Kinto's policies and their order.
    pub(crate) fn of_policies(
        &mut self,
        settings: &KintoSettings,
        policies: &Policies,
        converted: &Converted,
    ) {
        let ours = &policies.ours;
        if policies.prefix() != *ours {
            self.add(
                "name-case",
                format!(
                    "The policy {ours} keeps its name. In user ids Kinto writes it as {}, as before.",
                    policies.prefix()
                ),
            );
        }
        if words_of(settings, "includes").iter().any(|name| name == "kinto.plugins.accounts") {
            self.add(
                "accounts",
                format!(
                    "The plugin accounts is on. A user of {ours} can create the account of the same name if nobody has \
                     it yet, as with kinto_jwt. Create the accounts of your administrators before users come."
                ),
            );
        }
        let others = policies.others();
        if others.is_empty() {
            return;
        }
        let list = others.join(", ");
        let is_anonymous = converted.settings.get("unauthorizedUserId").is_some_and(Value::is_null);
        let before: Vec<&str> =
            policies.names.iter().take_while(|name| *name != ours).map(String::as_str).collect();
        if !before.is_empty() {
            let effect = if is_anonymous {
                "A request with a valid token and with the credentials of another policy is now the user of the token."
            } else {
                "Every request without a valid token is now the user of unauthorizedUserId, also one with the credentials \
                 of another policy. If these users must still log in, write unauthorizedUserId: null: then a request \
                 without any credentials is anonymous."
            };
            self.add(
                "policy-order",
                format!(
                    "{ours} is now before {} in multiauth.policies: behind another policy, a user of that one could gain \
                     the rights of another user. {effect}",
                    before.join(", ")
                ),
            );
        } else if is_anonymous {
            self.add(
                "other-policies",
                format!("A request without a valid token goes on to {list}, as before."),
            );
        } else {
            self.add(
                "other-policies",
                format!(
                    "No request reaches {list}, as before: one without a valid token is the user of unauthorizedUserId. \
                     With unauthorizedUserId: null they are asked."
                ),
            );
        }
        let shared = others.into_iter().find(|policy| {
            let scheme = scheme_of(settings, policy);
            converted.has_scheme() && converted.schemes().iter().any(|own| own.eq_ignore_ascii_case(&scheme))
        });
        if let Some(policy) = shared {
            self.add(
                "shared-scheme",
                format!(
                    "{policy} and {ours} both read Authorization: {}. The filter takes such a header off the request, also \
                     when it is no valid token, so that {policy} no longer finds it. Give the two different schemes.",
                    scheme_of(settings, policy)
                ),
            );
        }
    }

    /// What follows from the server. `server` is its section, if there is one.
    pub(crate) fn of_server(&mut self, server: Option<&BTreeMap<String, String>>) {
        let is_used = |server: &BTreeMap<String, String>, name: &str| {
            server.get("use").is_some_and(|used| used.to_ascii_lowercase().contains(name))
        };
        let known =
            |server: &&BTreeMap<String, String>| is_used(server, "waitress") || is_used(server, "gunicorn");
        let Some(server) = server.filter(known) else {
            self.add(
                "server",
                "The ini file does not say which server runs Kinto (waitress, gunicorn, uWSGI, Granian) and on which \
                 address. Let it listen on loopback or a private network only: whoever reaches Kinto without Envoy can be \
                 any user. User ids beyond ASCII are refused; only with waitress, gunicorn or uWSGI you may write \
                 userIdCharset: latin-1, because Granian loses such user ids.",
            );
            return;
        };
        self.add(
            "charset",
            "User ids beyond ASCII are refused. If you have such users, and this server runs Kinto and not Granian, write \
             userIdCharset: latin-1; user ids beyond latin-1 cannot come through.",
        );
        let addresses = match (server.get("unix_socket"), server.get("listen"), server.get("host")) {
            (Some(_), _, _) => Vec::new(),
            (_, Some(listen), _) => listen
                .split_whitespace()
                .map(|address| address.rsplit_once(':').map_or(address, |(host, _)| host))
                .collect(),
            (_, _, Some(host)) => vec![host.as_str()],
            (_, _, None) if is_used(server, "waitress") => vec!["0.0.0.0"],
            // The default of gunicorn is loopback.
            (_, _, None) => Vec::new(),
        };
        if let Some(address) = addresses.into_iter().find(|address| !is_loopback(address)) {
            self.add(
                "host",
                format!(
                    "Kinto listens on {address}. Whoever reaches it there without Envoy can be any user: write host = \
                     127.0.0.1, or see that only Envoy reaches the address."
                ),
            );
        }
    }

    /// Where the secret of an HS algorithm is.
    pub(crate) fn of_secret(&mut self, converted: &Converted, place: &str) {
        let Some(secret) = &converted.secret else { return };
        if fits_variable(secret) {
            self.add("secret", format!("The secret is not in the new settings. Put the one of {place} into {SECRET_VARIABLE} in Envoy's environment."));
        } else {
            self.add(
                "secret",
                "The secret begins or ends with white space, which the filter refuses in a variable of the environment: \
                 the new settings hold the secret. Keep them from others' eyes.",
            );
        }
    }
}

fn words_of(settings: &KintoSettings, name: &str) -> Vec<String> {
    settings.get(name).map(|setting| words(&setting.value)).unwrap_or_default()
}

/// What Python takes for false.
fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// The scheme that another policy reads in `Authorization`, as far as it is known.
fn scheme_of(settings: &KintoSettings, policy: &str) -> String {
    let class = class_of(settings, policy).unwrap_or_default();
    let header_type =
        settings.get(&setting_of(policy, "header_type")).and_then(|setting| setting.value.as_str());
    if class.to_ascii_lowercase().contains("openid") {
        header_type.unwrap_or("Bearer").to_owned()
    } else {
        "Basic".to_owned()
    }
}

/// The scheme in other letter case, as an example.
fn swapped(scheme: &str) -> String {
    let lower = scheme.to_ascii_lowercase();
    if lower == scheme { scheme.to_ascii_uppercase() } else { lower }
}

fn is_loopback(address: &str) -> bool {
    let address = address.trim_matches(['[', ']']);
    address == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
