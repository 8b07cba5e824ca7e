//! A whole configuration of Envoy: the example of this repository, with other settings.

use crate::cli::migrate::yaml::{HEADER, SECRET_VARIABLE};

/// The example.
const EXAMPLE: &str = include_str!("../../../envoy/envoy.yaml");

/// What Envoy needs beside it where Kinto believes the identity header: docs/ticket.md.
const GUARD: &str = include_str!("../../../envoy/settings/header-guard.yaml");

/// The line of the example, and of the guard, after which the filters stand.
const FILTERS: &str = "http_filters:\n";

/// What comes before the settings in the example.
const SETTINGS: &str = "value:\n";

/// What the example says of its ticket: the settings have none.
const OF_TICKET: [&str; 2] = [
    " Envoy and Kinto need the same secret in their environment:\n# MULTIAUTH_POLICY_KINTO_JWT_SECRET, made with `openssl rand -hex 32`.",
    "                          # The secret of the tickets, from the environment of Envoy.\n                          environment_variables: { host_env_keys: [MULTIAUTH_POLICY_KINTO_JWT_SECRET] }\n",
];

/// The line of the example after which the variables of the environment can stand.
const VM: &str = "vm_config:\n";

/// The example of Envoy's configuration with the guard, and with these settings of the filter, which are lines of YAML.
pub(crate) fn with_settings(settings: &str) -> String {
    let (before, rest) = EXAMPLE.split_once(SETTINGS).unwrap_or((EXAMPLE, ""));
    let before = OF_TICKET.iter().fold(before.to_owned(), |before, part| before.replace(part, ""));
    let depth = before.len().saturating_sub(before.trim_end_matches(' ').len());
    let is_below = |line: &&str| line.trim().is_empty() || indentation(line) > depth;
    let old: usize = rest.split_inclusive('\n').take_while(is_below).map(str::len).sum();
    let after = rest.get(old..).unwrap_or_default();
    let space = " ".repeat(depth.saturating_add(2));
    let settings = settings.strip_prefix(HEADER).unwrap_or(settings);
    let new: String = settings.lines().map(|line| format!("{space}{line}\n")).collect();
    // The settings are the end of the filter: the guard's own filter is next.
    let (before, next) = guarded(&with_variable(&before, settings));
    format!("{before}{SETTINGS}{new}{next}{after}")
}

/// Puts the first part of the guard before the filters, and returns the filter that comes after this one, too.
fn guarded(before: &str) -> (String, String) {
    let (first, last) = before.split_once(FILTERS).unwrap_or((before, ""));
    let space = first.rsplit('\n').next().unwrap_or_default();
    // The first paragraph says what the guard is for.
    let (_, guard) = GUARD.split_once("\n\n").unwrap_or_default();
    let (early, filter) = guard.split_once(FILTERS).unwrap_or_default();
    let early = early.trim_end().replace('\n', &format!("\n{space}"));
    let filter = filter.lines().map(|line| format!("{space}{line}\n")).collect();
    (format!("{first}{early}\n{space}{FILTERS}{last}"), filter)
}

/// Gives the module the variable with the secret, if the settings name it.
fn with_variable(before: &str, settings: &str) -> String {
    match before.split_once(VM).filter(|_| settings.contains(&format!("publicKeyEnv: {SECRET_VARIABLE}\n"))) {
        Some((first, rest)) => {
            let space = " ".repeat(indentation(rest));
            format!(
                "{first}{VM}{space}environment_variables: {{ host_env_keys: [{SECRET_VARIABLE}] }}\n{rest}"
            )
        }
        None => before.to_owned(),
    }
}

fn indentation(text: &str) -> usize {
    text.len().saturating_sub(text.trim_start_matches(' ').len())
}
