//! The settings of the filter as YAML.

use serde_json::Value;

use crate::cli::migrate::convert::Converted;
use crate::cli::scalar::{Reader, is_ambiguous};
use crate::config::settings::about;

/// The variable that holds the secret of an HS algorithm.
pub(crate) const SECRET_VARIABLE: &str = "KINTO_JWT_SECRET";

/// The first lines of the settings, where they stand alone.
pub(crate) const HEADER: &str = "\
# The settings of kinto-jwt-filter, with the behaviour of kinto_jwt: in Envoy's configuration they stand under
# configuration: { \"@type\": type.googleapis.com/google.protobuf.Struct, value: .. }
";

/// Whether a variable of the environment can hold the secret: the filter refuses one with white space at its ends.
pub(crate) fn fits_variable(secret: &str) -> bool {
    secret.trim() == secret && !secret.contains('\0')
}

/// The settings as YAML. `secret_place` says where the secret of an HS algorithm stands now.
pub(crate) fn write(converted: &Converted, secret_place: &str) -> String {
    let mut yaml = HEADER.to_owned();
    for name in about(|_| true) {
        let Some(value) = converted.settings.get(name) else { continue };
        let in_variable = converted.secret.as_deref().is_some_and(fits_variable) && name == "public_key";
        let text = value.as_str().unwrap_or_default();
        if in_variable {
            yaml.push_str(&format!(
                "# Put the secret of {secret_place} into this variable of Envoy's environment, and name the variable in\n\
                 # vm_config: environment_variables: {{ host_env_keys: [{SECRET_VARIABLE}] }}\n\
                 publicKeyEnv: {SECRET_VARIABLE}\n"
            ));
        } else if name == "public_key" && text.contains("-----BEGIN") {
            yaml.push_str(&format!("{name}: |\n"));
            for line in text.trim().lines() {
                yaml.push_str(&format!("  {}\n", line.trim()));
            }
        } else {
            yaml.push_str(comment(name, value));
            yaml.push_str(&format!("{name}: {}\n", scalar(value)));
        }
    }
    yaml
}

/// What the operator may want to change, with a line feed.
fn comment(name: &str, value: &Value) -> &'static str {
    match (name, value) {
        ("requireExp", Value::Bool(false)) => {
            "# As before, a token without exp is valid for ever. Better is true, if all tokens have exp.\n"
        }
        ("unauthorizedUserId", Value::String(_)) => {
            "# As before, who has no valid token is this user. With null, it is nobody.\n"
        }
        _ => "",
    }
}

/// A value on one line.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{name}: {}", scalar(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        // JSON is YAML.
        value => value.to_string(),
    }
}

/// Whether a text needs no quotes: a name that no reader of YAML takes for something else.
fn is_plain(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && Reader::Envoy.value(text).is_string()
        && !is_ambiguous(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_value_comes_back_from_yaml_as_it_was() {
        for value in [
            json!("RS256"),
            json!("no"),
            json!("Null"),
            json!("010"),
            json!("1e3"),
            json!("a: b #c"),
            json!("\nsecret"),
            json!("\"quoted\" \\ 'x'"),
            json!("https://example.com/id"),
            json!(["a", "b, c", "yes"]),
            json!({"maxRequests": 100}),
            json!(30),
            json!(null),
            json!("ключ"),
        ] {
            let read: Value = serde_yaml_ng::from_str(&scalar(&value)).unwrap();
            assert_eq!(read, value, "{}", scalar(&value));
        }
    }
}
