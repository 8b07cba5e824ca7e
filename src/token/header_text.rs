//! The value of a claim as text that a header carries exactly, or not at all.
//!
//! A WSGI server reads the bytes of a header as latin-1 (PEP 3333), and some servers read only ASCII. HTTP trims white
//! space at both ends (RFC 9110 section 5.5). A value that would be changed on the way is not carried; it is never
//! altered here.

use std::borrow::Cow;
use std::rc::Rc;

use serde_json::Value;

/// The characters that the WSGI server behind Envoy reads unchanged in a header (`userIdCharset`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Charset {
    /// Up to U+007F: every server. Granian gives Kinto an empty text for a value with any other byte.
    #[default]
    Ascii,
    /// Up to U+00FF, in latin-1: waitress, gunicorn and uWSGI.
    Latin1,
}

/// Why a header cannot carry a value exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotCarried {
    /// Neither text nor a whole number nor a boolean.
    Type,
    /// Empty text.
    Empty,
    /// A control character (RFC 9110 section 5.5).
    Control,
    /// White space at the beginning or the end, which HTTP trims (RFC 9110 section 5.5).
    OuterSpace,
    /// A character above U+007F with [`Charset::Ascii`].
    NotAscii,
    /// A character above U+00FF (PEP 3333).
    NotLatin1,
}

/// Text that reaches Kinto as it is here.
///
/// It is not empty, and has no character outside of the [`Charset`], no control character and no white space at either
/// end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderText(Rc<str>);

impl HeaderText {
    /// Renders a JSON value as text, and checks that a header carries it.
    pub(crate) fn from_value(value: &Value, charset: Charset) -> Result<Self, NotCarried> {
        let text = rendered(value)?;
        check(&text, charset)?;
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as the bytes of a header value.
    #[must_use]
    pub fn to_header_value(&self) -> Cow<'_, [u8]> {
        to_latin_1(&self.0)
    }
}

/// Renders a JSON value as `kinto_jwt` does (Python's `str`): `"a"` is `a`, `42` is `42`, `true` is `True`.
///
/// # Errors
/// It is neither text nor a whole number nor a boolean, or it is empty.
pub(crate) fn rendered(value: &Value) -> Result<Cow<'_, str>, NotCarried> {
    let text = match value {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        Value::Number(number) if number.is_u64() || number.is_i64() => Cow::Owned(number.to_string()),
        Value::Bool(true) => Cow::Borrowed("True"),
        Value::Bool(false) => Cow::Borrowed("False"),
        _ => return Err(NotCarried::Type),
    };
    if text.is_empty() { Err(NotCarried::Empty) } else { Ok(text) }
}

/// Checks that a header carries a text exactly.
///
/// # Errors
/// Why it does not.
pub(crate) fn check(text: &str, charset: Charset) -> Result<(), NotCarried> {
    if text.chars().any(char::is_control) {
        return Err(NotCarried::Control);
    }
    if text.trim().len() != text.len() {
        return Err(NotCarried::OuterSpace);
    }
    match charset {
        Charset::Ascii if !text.is_ascii() => Err(NotCarried::NotAscii),
        Charset::Latin1 if text.chars().any(|c| u8::try_from(c).is_err()) => Err(NotCarried::NotLatin1),
        _ => Ok(()),
    }
}

/// A text of characters up to U+00FF as the bytes of a header value, in latin-1.
pub(crate) fn to_latin_1(text: &str) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        Cow::Borrowed(text.as_bytes())
    } else {
        Cow::Owned(text.chars().filter_map(|c| u8::try_from(c).ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_rendered_as_python_does() {
        for (value, text) in [
            (json!("alice"), "alice"),
            (json!(42), "42"),
            (json!(-7), "-7"),
            (json!(0), "0"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(true), "True"),
            (json!(false), "False"),
            (json!("a b, c"), "a b, c"),
        ] {
            assert_eq!(HeaderText::from_value(&value, Charset::Ascii).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_a_header_cannot_carry_is_refused() {
        for (value, why) in [
            (json!(null), NotCarried::Type),
            (json!(1.5), NotCarried::Type),
            (json!([]), NotCarried::Type),
            (json!({}), NotCarried::Type),
            (json!(""), NotCarried::Empty),
            (json!(" "), NotCarried::OuterSpace),
            (json!(" a"), NotCarried::OuterSpace),
            (json!("a\u{a0}"), NotCarried::OuterSpace),
            (json!("a\r\nuserId: admin"), NotCarried::Control),
            (json!("a\tb"), NotCarried::Control),
            (json!("a\u{7f}"), NotCarried::Control),
            (json!("a\u{85}"), NotCarried::Control),
            (json!("\u{0}"), NotCarried::Control),
            (json!("日本"), NotCarried::NotLatin1),
            (json!("a\u{30a}"), NotCarried::NotLatin1),
        ] {
            assert_eq!(HeaderText::from_value(&value, Charset::Latin1).unwrap_err(), why, "{value}");
        }
    }

    #[test]
    fn latin_1_is_carried_as_one_byte_each() {
        let id = HeaderText::from_value(&json!("ålice"), Charset::Latin1).unwrap();
        assert_eq!(id.to_header_value().as_ref(), b"\xe5lice");
    }

    #[test]
    fn only_ascii_is_carried_unless_the_operator_says_otherwise() {
        for text in ["ålice", "\u{80}", "ÿ", "日本"] {
            let carried = HeaderText::from_value(&json!(text), Charset::default());
            let control = text.chars().all(char::is_control);
            let why = if control { NotCarried::Control } else { NotCarried::NotAscii };
            assert_eq!(carried.unwrap_err(), why, "{text}");
        }
    }
}
