//! Values of a token and times, as a terminal may show them.

use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

use crate::cli::in_words::time;
use crate::token::claims::{NumericDate, numeric_date};

/// Characters of the longest text that is shown whole.
const LONGEST: usize = 200;

/// A text without what a terminal could take for a command, and without its end if it is long.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(LONGEST) {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            // Control characters, and those that change the direction of what follows or have no width.
            c => shown.extend(c.escape_debug()),
        }
    }
    let count = text.chars().count();
    if count > LONGEST {
        // Writing to a text cannot fail.
        let _ = write!(shown, ".. ({count} characters)");
    }
    shown
}

/// A value as JSON; `absent` if there is none.
pub(crate) fn value(value: Option<&Value>) -> String {
    value.map_or_else(|| "absent".to_owned(), |value| printable(&value.to_string()))
}

/// A text in quotes.
pub(crate) fn quoted(text: &str) -> String {
    printable(&Value::from(text).to_string())
}

/// Texts in quotes, with these words between two.
pub(crate) fn list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>, separator: &str) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| quoted(text.as_ref())).collect();
    texts.join(separator)
}

/// A number of seconds, from two minutes on with its hours and minutes.
pub(crate) fn seconds(seconds: u64) -> String {
    if seconds < 120 {
        return format!("{seconds} s");
    }
    format!("{seconds} s ({})", humantime::format_duration(Duration::from_secs(seconds)))
}

/// The time in a claim, and how far it is from now.
pub(crate) fn date(claim: Option<&Value>, now: NumericDate) -> String {
    match numeric_date(claim) {
        Ok(None) => "absent".to_owned(),
        Ok(Some(date)) if date > now => format!("{}, in {}", time(date), seconds(date.saturating_sub(now))),
        Ok(Some(date)) => format!("{}, {} ago", time(date), seconds(now.saturating_sub(date))),
        Err(_) => format!("{}, not a number of seconds", value(claim)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_shown() {
        for (text, shown) in [
            ("alice", "alice"),
            ("a\u{1b}[2J", "a\\u{1b}[2J"),
            ("a\u{9b}b", "a\\u{9b}b"),
            ("a\nb\r", "a\\nb\\r"),
            ("a\u{202e}b\u{200b}", "a\\u{202e}b\\u{200b}"),
            ("C:\\\"x\"", "C:\\\"x\""),
            ("Müller 日本", "Müller 日本"),
        ] {
            assert_eq!(printable(text), shown);
        }
        assert_eq!(printable(&"x".repeat(200)), "x".repeat(200));
        assert_eq!(printable(&"é".repeat(201)), format!("{}.. (201 characters)", "é".repeat(200)));
        assert_eq!(value(Some(&json!("a\u{1b}"))), r#""a\u001b""#);
        assert_eq!(value(None), "absent");
    }

    #[test]
    fn every_time_can_be_shown() {
        assert_eq!(date(Some(&json!(1_000)), 1_312), "1970-01-01T00:16:40Z, 312 s (5m 12s) ago");
        assert_eq!(date(Some(&json!(10.9)), 0), "1970-01-01T00:00:10Z, in 10 s");
        assert_eq!(date(Some(&json!("10")), 0), r#""10", not a number of seconds"#);
        assert_eq!(time(253_402_300_799), "9999-12-31T23:59:59Z");
        assert_eq!(time(u64::MAX), "18446744073709551615 (after the year 9999)");
        assert!(date(Some(&json!(1e30)), 0).starts_with("18446744073709551615 (after the year 9999), in "));
    }
}
