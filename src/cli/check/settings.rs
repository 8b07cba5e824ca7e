//! What an operator should know about settings that the filter takes.

use crate::cli::check::finding::{Finding, Rule};
use crate::cli::document::{Kind, Member, Node};
use crate::cli::plugin::{Loaded, Plugin};
use crate::cli::scalar::{Reader, core_value, is_ambiguous};
use crate::gate::on_failure::Action;
use crate::gate::policy::{Policy, Verification};
use crate::token::bound::BoundTokens;
use crate::token::header_text::Charset;
use crate::token::user_id::Carrier;

/// Everything that is to be said about settings that the filter takes.
pub(crate) fn findings(plugin: &Plugin, loaded: &Loaded) -> Vec<Finding> {
    let mut found: Vec<Finding> =
        loaded.config.policies.iter().flat_map(|policy| of_policy(plugin, policy)).collect();
    found.extend(public_is_user(plugin, loaded));
    found.extend(latin_1(plugin, loaded));
    let at = |name: &str| plugin.settings.span_of(&format!("/{name}"));
    found.extend(loaded.config.warnings.iter().map(|warning| Finding {
        rule: Rule::KeyLeftOut,
        message: format!("a key cannot be used: {warning}"),
        help: "take the key out, if no token is signed with it".to_owned(),
        span: at("jwks"),
    }));
    found.extend(loaded.unknown_keys.iter().map(|name| Finding {
        rule: Rule::KeyElsewhere,
        message: format!("the key in the variable {name} was not checked: the variable is not here"),
        help: format!(
            "to check the key too, run this command with the variable: {name}=.. kinto-jwt check .."
        ),
        span: variable_place(plugin, name),
    }));
    found
}

/// The place of a setting of a policy: its own, or the default, or else the policy.
fn place(plugin: &Plugin, policy: &Policy, name: &str) -> std::ops::Range<usize> {
    let index = policy.index.0;
    match policies(plugin).get(index) {
        Some(own) if own.get(name).is_some() || plugin.settings.get(name).is_none() => {
            plugin.settings.span_of(&format!("/policies/{index}/{name}"))
        }
        _ => plugin.settings.span_of(&format!("/{name}")),
    }
}

/// The place of the setting that names this variable.
fn variable_place(plugin: &Plugin, name: &str) -> std::ops::Range<usize> {
    let all = plugin.settings.all();
    let named = all.iter().filter_map(|node| node.member("publicKeyEnv"));
    let mut of_name = named.filter(|member| member.value.text() == Some(name));
    of_name.next().map_or_else(|| plugin.settings.span.clone(), Member::place)
}

fn policies(plugin: &Plugin) -> &[Node] {
    plugin.settings.get("policies").map(Node::items).unwrap_or_default()
}

fn of_policy(plugin: &Plugin, policy: &Policy) -> Vec<Finding> {
    let mut found = Vec::new();
    let finding = |rule, setting: &str, message: &str, help: &str| Finding {
        rule,
        message: message.to_owned(),
        help: help.to_owned(),
        span: place(plugin, policy, setting),
    };
    let setting = |name: &str| plugin.setting(Some(policy.index.0), name);
    let is_secret = policy.algorithms.iter().any(|algorithm| algorithm.is_hmac());
    let given = ["public_key", "jwks"].into_iter().find(|name| setting(name).is_some());
    if let Some(key) = given.filter(|_| is_secret) {
        found.push(finding(
            Rule::SecretInFile,
            key,
            "the shared secret is in this file, and whoever may read the file can sign tokens",
            "write the secret into a variable of Envoy's environment, and its name here: publicKeyEnv: KINTO_JWT_SECRET",
        ));
    }
    match &policy.verification {
        Verification::Off => found.push(finding(
            Rule::TokenNotVerified,
            "verifyToken",
            "every token is believed, signed or not: anybody can be any user",
            "leave verifyToken out, except on a machine for development",
        )),
        Verification::On { rules, .. } => {
            let has_end = rules.require_exp || rules.max_lifetime.is_some() || rules.max_age.is_some();
            if !has_end && setting("requireExp").is_none() {
                found.push(finding(
                    Rule::ExpNotRequired,
                    "requireExp",
                    "a token without exp is valid for ever",
                    "write requireExp: true, or requireExp: false if you mean it",
                ));
            }
            if rules.bound_tokens == BoundTokens::Ignore {
                found.push(finding(
                    Rule::BindingIgnored,
                    "boundTokens",
                    "a token that is bound to a key of its client is believed without the key, so that a stolen one works",
                    "write boundTokens: verify for tokens that are bound to a client certificate, or leave it out",
                ));
            }
        }
    }
    found
}

fn public_is_user(plugin: &Plugin, loaded: &Loaded) -> Option<Finding> {
    let on_failure = &loaded.config.on_failure;
    let user = on_failure.unauthorized.as_ref()?;
    let fetches = loaded.config.policies.iter().any(|policy| policy.remote().is_some());
    let mut actions = vec![on_failure.missing, on_failure.invalid];
    actions.extend(fetches.then_some(on_failure.keys_unavailable));
    let goes_on = actions.iter().any(|action| matches!(action, Action::UnauthorizedUser | Action::Report));
    (goes_on && plugin.setting(None, "unauthorizedUserId").is_none()).then(|| Finding {
        rule: Rule::PublicIsUser,
        message: format!(
            "a request without a valid token is the user kinto_jwt:{}, and Kinto counts every user as authenticated",
            user.as_str()
        ),
        help: "write unauthorizedUserId: public if you mean it, unauthorizedUserId: null for nobody, or onMissing: reject \
               and onInvalid: reject"
            .to_owned(),
        span: plugin.settings.span_of("/unauthorizedUserId"),
    })
}

fn latin_1(plugin: &Plugin, loaded: &Loaded) -> Option<Finding> {
    let mut policies = loaded.config.policies.iter();
    let is_latin_1 = policies.any(|policy| policy.carrier == Carrier::Header(Charset::Latin1));
    is_latin_1.then(|| Finding {
        rule: Rule::Latin1,
        message:
            "Kinto on Granian loses user ids with a character above U+007F, and all of them become one user"
                .to_owned(),
        help: "use latin-1 only if Kinto runs on waitress, gunicorn or uWSGI".to_owned(),
        span: plugin.settings.span_of("/userIdCharset"),
    })
}

/// Texts without quotes that not all readers understand alike. The filter may refuse the settings because of one.
pub(crate) fn ambiguous_scalars(plugin: &Plugin) -> Vec<Finding> {
    if plugin.reader == Reader::Json {
        return Vec::new();
    }
    let mut found = Vec::new();
    collect(&plugin.settings, None, &mut found);
    found
}

fn collect(node: &Node, member: Option<&Member>, found: &mut Vec<Finding>) {
    if let Kind::Plain(text) = &node.kind
        && is_ambiguous(text)
    {
        // The value of a key is not shown.
        let is_secret = member.is_some_and(|member| ["public_key", "k"].contains(&member.name.as_str()));
        let values = format!(
            ": {} for Envoy 1.40, {} for Kubernetes, {} in YAML 1.2",
            Reader::Envoy.value(text),
            Reader::Kubernetes.value(text),
            core_value(text)
        );
        found.push(Finding {
            rule: Rule::AmbiguousScalar,
            message: format!(
                "readers of YAML find different values in this text without quotes{}",
                if is_secret { String::new() } else { values }
            ),
            help: "put a text in quotes; write a number without a leading zero, a point or _".to_owned(),
            span: node.span.clone(),
        });
    }
    node.items().iter().for_each(|item| collect(item, member, found));
    node.members().iter().for_each(|member| collect(&member.value, Some(member), found));
}
