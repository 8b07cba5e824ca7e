//! Times and places of tokens, in words.

use std::time::{Duration, UNIX_EPOCH};

use crate::request::credentials::Place;
use crate::token::claims::NumericDate;

/// The last second that RFC 3339 can write: 9999-12-31T23:59:59Z.
const LAST_SECOND: NumericDate = 253_402_300_799;

/// A time as RFC 3339 writes it.
pub(crate) fn time(seconds: NumericDate) -> String {
    if seconds > LAST_SECOND {
        return format!("{seconds} (after the year 9999)");
    }
    match UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
        Some(time) => humantime::format_rfc3339_seconds(time).to_string(),
        None => seconds.to_string(),
    }
}

/// A place where a token may be.
pub(crate) fn place(place: &Place) -> String {
    match place {
        Place::Header { name, schemes } if schemes.is_empty() => format!("header {name}"),
        Place::Header { name, schemes } => format!("header {name} after {}", schemes.join(" or ")),
        Place::Cookie(name) => format!("cookie {name}"),
        Place::Query(name) => format!("query parameter {name}"),
    }
}
