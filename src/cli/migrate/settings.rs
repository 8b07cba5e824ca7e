//! Kinto's settings: those of the ini file, and what the environment says in their place.
//!
//! Source: `load_default_settings` in `kinto/core/initialization.py`, `native_value` and `read_env` in
//! `kinto/core/utils.py`, and the defaults in `kinto/core/__init__.py`, of Kinto 26.5.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::migrate::paste::Setting;

/// The defaults that matter here.
const DEFAULTS: [(&str, &str); 6] = [
    ("batch_max_requests", "25"),
    ("includes", ""),
    ("multiauth.policies", ""),
    ("multiauth.policy.basicauth.use", "kinto.core.authentication.BasicAuthAuthenticationPolicy"),
    ("trailing_slash_redirect_enabled", "true"),
    ("version_prefix_redirect_enabled", "true"),
];

/// What the environment of Kinto says: the value of a variable.
pub(crate) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// A setting of Kinto.
#[derive(Debug)]
pub(crate) struct Effective {
    pub(crate) value: Value,
    /// The setting of the ini file, with its name there. The environment may say something else.
    pub(crate) written: Option<(String, Setting)>,
    /// The variables that say something else than the ini file. The last one counts.
    pub(crate) variables: Vec<String>,
}

/// All settings, by their names without `kinto.`.
pub(crate) type KintoSettings = BTreeMap<String, Effective>;

/// The value of a text as Kinto reads it: JSON, or else the text itself.
pub(crate) fn native(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// The name of a setting without `kinto.`, which Kinto takes off.
pub(crate) fn without_prefix(name: &str) -> &str {
    name.strip_prefix("kinto.").unwrap_or(name)
}

/// The variables that Kinto reads in the place of a setting. The last one counts.
pub(crate) fn variables(name: &str) -> [String; 2] {
    let plain = name.replace(['.', '-'], "_").to_uppercase();
    let with_prefix = format!("KINTO_{plain}");
    [plain, with_prefix]
}

/// Whether Pyramid's `asbool` takes a setting for true.
pub(crate) fn is_on(value: &Value) -> bool {
    let text = match value {
        Value::String(text) => text.trim().to_lowercase(),
        other => other.to_string(),
    };
    ["t", "true", "y", "yes", "on", "1"].contains(&text.as_str())
}

/// The words of a setting that is a list: a JSON list, or text with white space between the words (Pyramid's `aslist`).
pub(crate) fn words(value: &Value) -> Vec<String> {
    let split = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    match value {
        Value::String(text) => split(text),
        Value::Array(items) => items.iter().filter_map(Value::as_str).flat_map(split).collect(),
        _ => Vec::new(),
    }
}

/// Kinto's settings from those of its application.
///
/// # Errors
/// Kinto does not start with them: a setting is there with and without `kinto.`.
pub(crate) fn load(
    written: &BTreeMap<String, Setting>,
    environment: Environment<'_>,
) -> Result<KintoSettings, Failure> {
    let mut settings = KintoSettings::new();
    for (key, setting) in written {
        let name = without_prefix(key);
        let value = native(&setting.value);
        let effective = read(name, value, Some((key.clone(), setting.clone())), environment);
        // Kinto compares the two as texts, and the second time it compares what it has made of the first.
        let is_conflict = settings.get(name).is_some_and(|other| {
            let same = other.written.as_ref().is_some_and(|(_, other)| other.value == setting.value);
            !same || printed(&effective.value).as_deref() != Some(setting.value.as_str())
        });
        if is_conflict {
            return Err(Failure::new(format!(
                "the settings {name} and kinto.{name} are in conflict, and Kinto does not start; remove one"
            )));
        }
        settings.insert(name.to_owned(), effective);
    }
    for (name, default) in DEFAULTS {
        if !settings.contains_key(name) {
            settings.insert(name.to_owned(), read(name, native(default), None, environment));
        }
    }
    Ok(settings)
}

/// A text or a number as Python prints it. Other values it prints in another way than JSON has them.
fn printed(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn read(
    name: &str,
    value: Value,
    written: Option<(String, Setting)>,
    environment: Environment<'_>,
) -> Effective {
    let set = variables(name).into_iter().filter_map(|variable| Some((environment(&variable)?, variable)));
    let set: Vec<(String, String)> = set.collect();
    let value = set.last().map_or(value, |(text, _)| native(text));
    Effective { value, written, variables: set.into_iter().map(|(_, variable)| variable).collect() }
}
