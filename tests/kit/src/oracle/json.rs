//! The JSON layer against Python's `json`, which Kinto and PyJWT use: the same texts, and the same values.

use std::cell::RefCell;

use kinto_jwt_filter::parse_json;
use serde_json::Value;

use crate::oracle::python::Python;
use crate::tokens::base64;

pub const REACHED: &[&str] = &["refused", "read"];

thread_local! {
    static PYTHON: RefCell<Python> = RefCell::new(Python::start("read_json.py"));
}

/// The filter reads the text if and only if Python does and nothing in it has two readings; then both have one value.
pub fn check(text: &[u8]) -> &'static str {
    let ours = parse_json(text);
    let answer = PYTHON.with_borrow_mut(|python| python.ask(&base64(text)));
    let theirs: Option<Vec<String>> = serde_json::from_str(&answer).unwrap();
    match (&ours, theirs) {
        (Err(_), None) => "refused",
        (Ok(ours), Some(theirs)) => {
            let parts = parts(ours);
            let mut pairs = parts.iter().zip(&theirs);
            let is_same = parts.len() == theirs.len() && pairs.all(|(ours, theirs)| is_part(ours, theirs));
            assert!(is_same, "the filter reads {ours}, Python {theirs:?}");
            "read"
        }
        (Ok(ours), None) => {
            assert!(parts(ours).iter().any(|part| is_largest(part)), "Python does not read this: {ours}");
            "read"
        }
        (Err(error), Some(theirs)) => {
            assert!(theirs.iter().any(|part| is_largest(part)), "{error}, but Python reads {theirs:?}");
            "refused"
        }
    }
}

/// Whether a part is about the largest double: one reader may round it down, and the other up to infinity.
fn is_largest(part: &str) -> bool {
    number(part).is_some_and(|number| number.abs().to_bits() >= f64::MAX.to_bits() - UNITS)
}

/// The number in a part, if it is one.
fn number(part: &str) -> Option<f64> {
    match part.split_once(' ')? {
        ("int", whole) => whole.parse().ok(),
        ("double", bits) => bits.parse().ok().map(f64::from_bits),
        _ => None,
    }
}

/// The parts of a value in order, as `read_json.py` has them.
fn parts(value: &Value) -> Vec<String> {
    let text =
        |text: &str| format!("text {}", text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>());
    match value {
        Value::Null => vec!["None".to_owned()],
        Value::Bool(true) => vec!["True".to_owned()],
        Value::Bool(false) => vec!["False".to_owned()],
        Value::Number(number) if number.is_f64() => {
            vec![format!("double {}", number.as_f64().unwrap().to_bits())]
        }
        Value::Number(number) => vec![format!("int {number}")],
        Value::String(value) => vec![text(value)],
        Value::Array(items) => {
            let size = format!("list {}", items.len());
            std::iter::once(size).chain(items.iter().flat_map(parts)).collect()
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            let size = format!("object {}", members.len());
            let members = sorted.into_iter().flat_map(|(name, value)| {
                let mut member = vec![text(name)];
                member.extend(parts(value));
                member
            });
            std::iter::once(size).chain(members).collect()
        }
    }
}

/// By how many doubles a number may lie beside the one that Python reads, which is the nearest to the text. The filter's
/// parser does not round as exactly where a number has more than 15 digits; no user id is such a number.
const UNITS: u64 = 4;

/// Whether a part is the one that Python has read. Whole numbers of 64 bits are the same; others may be a double beside it.
fn is_part(ours: &str, theirs: &str) -> bool {
    if ours == theirs {
        return true;
    }
    // Beyond 64 bits, and for -0, the filter has a double where Python has a whole number.
    let (Some(one), Some(other), true) = (number(ours), number(theirs), ours.starts_with("double")) else {
        return false;
    };
    one == other || (one.signum() == other.signum() && one.to_bits().abs_diff(other.to_bits()) <= UNITS)
}
