//! From the settings of `kinto_jwt` to those of the filter with the same behaviour.
//!
//! Source: `JWTAuthenticationPolicy` in `kinto_jwt/policy.py` of kinto_jwt 0.1. Its constructor gets the settings of the
//! policy as they are.

use serde_json::{Map, Number, Value, json};

use crate::cli::host::verify_signature;
use crate::config::parse::parse;
use crate::config::settings::ConfigError;

/// The nine settings of `kinto_jwt`.
const KNOWN: [&str; 9] = [
    "public_key",
    "algorithm",
    "leeway",
    "http_header",
    "auth_type",
    "audience",
    "userIdTokenKey",
    "unauthorizedUserId",
    "verifyToken",
];

/// Settings that must have a value, because the filter's default would accept more, and what `kinto_jwt` does without.
const NOT_NULL: [(&str, &str); 5] = [
    ("algorithm", "no token is valid"),
    ("leeway", "a token with exp is answered 500"),
    ("http_header", "every request is answered 500"),
    ("auth_type", "no token is found"),
    ("userIdTokenKey", "no token has a user"),
];

/// Values that are the filter's defaults too.
const DEFAULTS: [(&str, &str); 4] = [
    ("algorithm", "RS256"),
    ("http_header", "Authorization"),
    ("auth_type", "JWT"),
    ("userIdTokenKey", "sub"),
];

/// The largest number of sub-requests that Kinto and the filter allow by default.
const BATCH_REQUESTS: u64 = 25;

/// The settings of the filter.
#[derive(Debug)]
pub(crate) struct Converted {
    /// What differs from the defaults.
    pub(crate) settings: Map<String, Value>,
    /// The secret of an HS algorithm, which is `public_key` in the settings.
    pub(crate) secret: Option<String>,
}

impl Converted {
    /// The names of the algorithms.
    pub(crate) fn algorithms(&self) -> Vec<&str> {
        names(self.settings.get("algorithm"))
    }

    /// Whether tokens stand in `Authorization`, behind a scheme.
    pub(crate) fn has_scheme(&self) -> bool {
        self.header().eq_ignore_ascii_case("Authorization")
    }

    /// The header that holds the token.
    pub(crate) fn header(&self) -> &str {
        self.settings.get("http_header").and_then(Value::as_str).unwrap_or("Authorization")
    }

    /// The schemes that stand before a token.
    pub(crate) fn schemes(&self) -> Vec<&str> {
        match self.settings.get("auth_type") {
            None => vec!["JWT"],
            schemes => names(schemes),
        }
    }
}

/// One text, or a list of texts.
fn names(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A setting that has no place in a configuration that works.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The setting of the policy.
    pub(crate) setting: String,
    /// What is wrong, and what to do. Holds no secret.
    pub(crate) words: String,
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        let pointer = error.pointer();
        let setting = pointer.split('/').nth(1).unwrap_or_default().to_owned();
        Self { setting, words: error.to_string() }
    }
}

/// The settings of the filter for those of the policy and for Kinto's `batch_max_requests`.
///
/// # Errors
/// No configuration of the filter does what these settings do: each setting that is at fault.
pub(crate) fn convert(policy: &[(&str, &Value)], batch_requests: &Value) -> Result<Converted, Vec<Fault>> {
    let faults: Vec<Fault> = policy.iter().filter_map(|(name, value)| fault(name, value)).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut settings: Map<String, Value> = policy
        .iter()
        .filter_map(|(name, value)| Some(((*name).to_owned(), converted(name, value)?)))
        .collect();
    if *batch_requests != json!(BATCH_REQUESTS) {
        settings.insert("batch".to_owned(), json!({"maxRequests": batch_requests}));
    }
    // What `kinto-jwt check` asks for: whether this is meant. With `kinto_jwt` it is.
    settings.entry("unauthorizedUserId").or_insert(json!("public"));
    settings.entry("requireExp").or_insert(json!(false));
    // Without any setting, the filter would say that its configuration is empty.
    settings.entry("public_key").or_insert(Value::Null);
    let mut converted = Converted { settings, secret: None };
    if !converted.has_scheme() {
        converted.settings.remove("auth_type");
    }
    let json = Value::Object(converted.settings.clone()).to_string();
    parse(json.as_bytes(), Some(verify_signature)).map_err(|error| vec![Fault::from(error)])?;
    let key = converted.settings.get("public_key").and_then(Value::as_str).unwrap_or_default();
    if converted.algorithms().iter().any(|name| name.starts_with("HS")) {
        converted.secret = Some(key.to_owned());
    } else {
        // The ini file has the PEM below an empty line.
        let trimmed = format!("{}\n", key.trim());
        converted.settings.insert("public_key".to_owned(), Value::String(trimmed));
    }
    Ok(converted)
}

fn fault(name: &str, value: &Value) -> Option<Fault> {
    let words = if !KNOWN.contains(&name) {
        format!("{name} is not a setting of kinto_jwt, and Kinto does not start with it; remove it")
    } else if let Some((_, effect)) = NOT_NULL.iter().find(|(other, _)| *other == name && value.is_null()) {
        format!("{name} is null, and with kinto_jwt {effect}; write a value, or remove the setting")
    } else {
        return None;
    };
    Some(Fault { setting: name.to_owned(), words })
}

/// The value of a setting in the filter; `None` if its default is the same.
fn converted(name: &str, value: &Value) -> Option<Value> {
    if DEFAULTS.iter().any(|(other, default)| *other == name && value.as_str() == Some(default)) {
        return None;
    }
    match (name, value) {
        // The filter has the check always on: see the warning `verify`.
        ("verifyToken", _) => None,
        ("audience", Value::Null) => None,
        ("leeway", Value::Number(seconds)) if seconds.as_f64() == Some(0.0) => None,
        // Envoy reads 30.0 in YAML as a text.
        ("leeway", Value::Number(seconds)) => Some(whole(seconds).unwrap_or_else(|| value.clone())),
        // Python's `str` of it is the user id.
        ("unauthorizedUserId", Value::Bool(true)) => Some(json!("True")),
        ("unauthorizedUserId", Value::Bool(false)) => Some(json!("False")),
        // WSGI has one key for both, and a client sends the header with `-`: servers drop those with `_`.
        ("http_header", Value::String(header)) => Some(json!(header.replace('_', "-"))),
        _ => Some(value.clone()),
    }
}

/// A number with nothing behind its point, as a whole number.
fn whole(number: &Number) -> Option<Value> {
    let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
    format!("{number:.0}").parse::<i64>().ok().map(Value::from)
}
