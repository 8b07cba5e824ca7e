//! What a configuration does, in words.

use crate::cli::check::envoy::has_random_part;
use crate::cli::in_words::{place, time};
use crate::gate::config::Config;
use crate::gate::on_failure::Action;
use crate::gate::policy::{Policy, Verification};
use crate::keys::algorithm::names;
use crate::keys::key::Keys;
use crate::keys::remote::{RemoteJwks, Source};
use crate::keys::ring::KeyRing;
use crate::token::bound::BoundTokens;
use crate::token::claims::{Refused, Rules};
use crate::token::header_text::Charset;
use crate::token::user_id::Carrier;

/// Lines of a subject and what is said about it.
pub(crate) type Lines = Vec<(String, String)>;

/// What the configuration does with a request.
pub(crate) fn describe(config: &Config) -> Lines {
    let mut lines = Lines::new();
    let mut say = |subject: &str, words: String| lines.push((subject.to_owned(), words));
    for policy in &config.policies {
        if config.policies.len() > 1 {
            say("policy", policy.name.clone());
        }
        describe_policy(policy, &mut say);
    }
    let fetches = config.policies.iter().any(|policy| policy.remote().is_some());
    say("no token", action(config, config.on_failure.missing, "401"));
    say("invalid token", action(config, config.on_failure.invalid, "401"));
    if fetches {
        say("no keys yet", action(config, config.on_failure.keys_unavailable, "503"));
    }
    let forwarded =
        if config.forward_token { "Kinto gets the token too" } else { "Kinto does not get the token" };
    // The name of the header may be a secret.
    let carrier = match &config.ticket {
        None => "the user id in the header of userIdHeader".to_owned(),
        Some(ticket) => format!(
            "the user id in a ticket, the cookie {}, good for {} s",
            ticket.cookie_name, ticket.timeout
        ),
    };
    say("Kinto gets", format!("{carrier}; {forwarded}"));
    if !config.claim_headers.is_empty() {
        let shown =
            |name: &'_ str| if has_random_part(name) { "a random name".to_owned() } else { name.to_owned() };
        let names: Vec<String> = config.claim_headers.iter().map(|header| shown(header.name())).collect();
        say("claim headers", names.join(", "));
    }
    let users = if config.batch.one_user { ", all from one user" } else { "" };
    say(
        "batches",
        format!("up to {} requests and {} bytes{users}", config.batch.max_requests, config.batch.max_bytes),
    );
    lines
}

fn describe_policy(policy: &Policy, say: &mut impl FnMut(&str, String)) {
    let places: Vec<String> = policy.credentials.places().iter().map(place).collect();
    say("token", format!("in the {}", places.join(", or in the ")));
    match &policy.verification {
        Verification::Off => say("key", "none: EVERY TOKEN IS BELIEVED, SIGNED OR NOT".to_owned()),
        Verification::On { keys, rules } => {
            say("key", format!("{}, for {}", keys_in_words(keys), names(&policy.algorithms, ", ")));
            say("times", times(rules));
            if let Some(issuers) = policy.issuers.names() {
                say("issuer", issuers.join(" or "));
            }
            say(
                "audience",
                match &rules.audience {
                    Some(audience) => audience.join(" or "),
                    None => "a token for an audience is refused".to_owned(),
                },
            );
            for requirement in requirements(policy, rules) {
                say("also", requirement);
            }
        }
    }
    let charset = match policy.carrier {
        Carrier::Header(Charset::Ascii) => "ASCII only",
        Carrier::Header(Charset::Latin1) => "latin-1 only",
        Carrier::Ticket(_) => "any text",
    };
    say("user", format!("kinto_jwt:<{}>, {charset}", policy.user_id_claim));
}

fn keys_in_words(keys: &KeyRing) -> String {
    match (&keys.remote, keys.current()) {
        (Some(remote), _) => format!("those of {}, through the cluster {}", source(remote), remote.cluster),
        (None, Some(keys)) => count(keys.as_ref()),
        (None, None) => "none".to_owned(),
    }
}

fn count(keys: &Keys) -> String {
    match keys.len() {
        1 => "one from the settings".to_owned(),
        number => format!("{number} from the settings"),
    }
}

fn source(remote: &RemoteJwks) -> String {
    match &remote.source {
        Source::Jwks(address) => format!("{}://{}{}", address.scheme, address.authority, address.path),
        Source::Discovery { issuer, .. } => format!("{issuer}, by discovery"),
    }
}

fn times(rules: &Rules) -> String {
    let mut words = vec![format!("exp, nbf and iat count, leeway {} s", rules.leeway)];
    words.push(match (rules.max_lifetime, rules.require_exp) {
        (Some(seconds), _) => format!("a token lives {seconds} s at most"),
        (None, true) => "exp is required".to_owned(),
        (None, false) => "without exp a token is valid for ever".to_owned(),
    });
    words.extend(rules.max_age.map(|seconds| format!("iat may be {seconds} s ago")));
    words.join("; ")
}

fn requirements(policy: &Policy, rules: &Rules) -> Vec<String> {
    let Refused { claims, before } = &rules.refused;
    let mut words: Vec<String> = Vec::new();
    words.extend(policy.typ.as_ref().map(|typ| format!("typ must be {typ}")));
    let parameters = policy
        .required_parameters
        .0
        .iter()
        .map(|(name, _)| format!("the header must have the {} of requiredParameters", name));
    words.extend(parameters);
    words.extend(
        rules
            .required_claims
            .0
            .iter()
            .map(|(name, _)| format!("{} must have a value of requiredClaims", name)),
    );
    if !rules.required_scopes.is_empty() {
        words.push(format!("the scopes {} are required", rules.required_scopes.join(" and ")));
    }
    let bound = match rules.bound_tokens {
        BoundTokens::Refuse => None,
        BoundTokens::Verify => Some("a token with cnf counts only with the client certificate that it names"),
        BoundTokens::Ignore => Some("a token with cnf is believed without the key to which it is bound"),
    };
    words.extend(bound.map(str::to_owned));
    words.extend(claims.iter().map(|(name, _)| format!("{} must have no value of refusedClaims", name)));
    words.extend(before.map(|before| format!("iat must not be before issuedAfter, {}", time(before))));
    words
}

/// What becomes of a request that proves nothing.
fn action(config: &Config, action: Action, status: &str) -> String {
    let user = match &config.on_failure.unauthorized {
        Some(user) => format!("goes on as the user kinto_jwt:{}", user.as_str()),
        None => "goes on as nobody".to_owned(),
    };
    match action {
        Action::UnauthorizedUser => user,
        Action::Anonymous => "goes on as nobody".to_owned(),
        Action::Reject => format!("is answered {status}"),
        Action::Report => format!("{user}, and is counted as one that reject would answer {status}"),
    }
}
