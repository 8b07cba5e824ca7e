//! What a text without quotes means in YAML. That depends on who reads it.
//!
//! The rules were measured: Envoy 1.40.0 shows in `/server_info` what it has read as `node.metadata`, and `ghodss/yaml`
//! 1.0.0 (which became `sigs.k8s.io/yaml`, the reader of kubectl) prints what it has read as JSON.
//! `tests/cli/scalars.rs` has the answers of both, and asks Envoy again.

use serde_json::{Number, Value};

/// Who reads a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Envoy, a file of YAML (`source/common/protobuf/yaml_utility.cc`, which asks yaml-cpp).
    Envoy,
    /// kubectl and the other tools of Kubernetes.
    Kubernetes,
    /// Anybody, a file of JSON.
    Json,
}

impl Reader {
    /// The value of a text without quotes.
    pub(crate) fn value(self, text: &str) -> Value {
        match self {
            Self::Envoy => bool_or_null(text).or_else(|| envoy_number(text)).unwrap_or_else(|| text.into()),
            Self::Kubernetes => {
                bool_or_null(text).or_else(|| kubernetes_number(text)).unwrap_or_else(|| text.into())
            }
            Self::Json => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        }
    }
}

/// Whether readers of YAML find different values in a text without quotes: Envoy, Kubernetes, and those of YAML 1.2.
pub(crate) fn is_ambiguous(text: &str) -> bool {
    let values = [Reader::Envoy.value(text), Reader::Kubernetes.value(text), core_value(text)];
    values.iter().any(|value| *value != values[0])
}

/// The value in the core schema of YAML 1.2 (section 10.3).
pub(crate) fn core_value(text: &str) -> Value {
    use saphyr::Scalar;
    match Scalar::parse_from_cow(text.into()) {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => value.into(),
        Scalar::Integer(value) => value.into(),
        Scalar::FloatingPoint(value) => {
            Number::from_f64(value.into_inner()).map_or_else(|| text.into(), Value::Number)
        }
        Scalar::String(text) => text.into(),
    }
}

/// The booleans and nulls of YAML 1.1. Each word counts in lower case, in upper case and with a capital.
fn bool_or_null(text: &str) -> Option<Value> {
    let lower = text.to_ascii_lowercase();
    let rest_is_lower = text.get(1..).is_some_and(|rest| lower.ends_with(rest));
    let is_upper = text == text.to_ascii_uppercase();
    match lower.as_str() {
        "" | "~" => Some(Value::Null),
        _ if !rest_is_lower && !is_upper => None,
        "null" => Some(Value::Null),
        "y" | "yes" | "true" | "on" => Some(Value::Bool(true)),
        "n" | "no" | "false" | "off" => Some(Value::Bool(false)),
        _ => None,
    }
}

/// A whole number as C reads it: octal after 0, hexadecimal after 0x. One that 32 bits do not hold becomes text.
fn envoy_number(text: &str) -> Option<Value> {
    let (sign, digits) = signed(text);
    let (radix, digits) = match digits.strip_prefix('0') {
        Some(rest) if rest.starts_with(['x', 'X']) => (16, rest.get(1..)?),
        Some(rest) if !rest.is_empty() => (8, rest),
        _ => (10, digits),
    };
    let number = i64::try_from(integer(sign, digits, radix)?).ok()?;
    let is_small = i32::try_from(number).is_ok();
    Some(if is_small { number.into() } else { number.to_string().into() })
}

/// A number as go-yaml reads it (`resolve.go`): with `_` anywhere, in each base, or with a point or an exponent.
fn kubernetes_number(text: &str) -> Option<Value> {
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return None;
    }
    let plain = if text.starts_with('.') { text.to_owned() } else { text.replace('_', "") };
    let (sign, digits) = signed(&plain);
    let prefixes = [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)];
    let prefixed = prefixes.iter().find_map(|(prefix, radix)| Some((*radix, digits.strip_prefix(*prefix)?)));
    let octal = || digits.strip_prefix('0').filter(|rest| !rest.is_empty()).map(|rest| (8, rest));
    let (radix, digits) = prefixed.or_else(octal).unwrap_or((10, digits));
    let whole = integer(sign, digits, radix).and_then(|number| {
        let signed = i64::try_from(number).map(Value::from);
        signed.or_else(|_| u64::try_from(number).map(Value::from)).ok()
    });
    whole.or_else(|| {
        let is_float = plain.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        let number: f64 = plain.parse().ok().filter(|_| is_float)?;
        // A whole one is printed without a point, and so it is read. JSON has no number that is not finite.
        serde_json::from_str(&number.to_string()).ok()
    })
}

fn signed(text: &str) -> (i128, &str) {
    match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn integer(sign: i128, digits: &str, radix: u32) -> Option<i128> {
    // Rust would take a second sign.
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    i128::from_str_radix(digits, radix).ok().filter(|_| is_number).and_then(|number| number.checked_mul(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Envoy and Kubernetes have read: the text, the value of Envoy, the value of Kubernetes.
    const MEASURED: &str = include_str!("../../tests/cli/scalars.json");

    #[test]
    fn each_text_is_read_as_envoy_and_kubernetes_were_seen_to_read_it() {
        let measured: Vec<(String, Value, Value)> = serde_json::from_str(MEASURED).unwrap();
        for (text, envoy, kubernetes) in &measured {
            assert_eq!(Reader::Envoy.value(text), *envoy, "Envoy: {text:?}");
            let read = Reader::Kubernetes.value(text);
            let same = read == *kubernetes || read.is_number() && read.as_f64() == kubernetes.as_f64();
            assert!(same, "Kubernetes: {text:?} is {read}, not {kubernetes}");
            if envoy != kubernetes {
                assert!(is_ambiguous(text), "{text:?}");
            }
        }
        assert!(measured.len() > 80);
    }

    #[test]
    fn usual_texts_mean_the_same_to_all_readers() {
        for text in
            ["true", "false", "null", "~", "0", "42", "-5", "RS256", "https://issuer.example", "/v1/", "a b"]
        {
            assert!(!is_ambiguous(text), "{text:?}");
        }
        for text in ["no", "y", "off", "010", "0o7", "12_000", "1.5", "1e3", "2147483648"] {
            assert!(is_ambiguous(text), "{text:?}");
        }
    }
}
