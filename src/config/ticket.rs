//! The settings of `ticket`.

use serde::de::IgnoredAny;

use crate::config::policy::in_environment;
use crate::config::settings::{ConfigError, Settings, error};
use crate::gate::ticket::Ticket;

/// The default of `ticket.cookieName`.
const COOKIE_NAME: &str = "kjwt";

/// Names that WebOb does not take for those of cookies (`_c_keys` in `webob/cookies.py`).
const ATTRIBUTES: [&str; 8] =
    ["path", "comment", "domain", "max-age", "expires", "secure", "httponly", "samesite"];

/// The default of `ticket.timeoutSeconds`.
const TIMEOUT: u64 = 30;

/// Bytes of the shortest secret: those of a key for SHA-512 that cannot be guessed, in hexadecimal digits.
const MIN_SECRET_BYTES: usize = 32;

/// Reads `ticket`. `variable` returns the value of a variable of the environment.
///
/// # Errors
/// A part of it is wrong, or it has no secret.
pub(crate) fn ticket(
    settings: &mut Settings,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Ticket>, ConfigError> {
    if !settings.has("ticket") {
        settings.take_nullable("ticket");
        return Ok(None);
    }
    let header_too = settings.has("userIdHeader");
    let mut ticket = settings.map("ticket", "{ secretEnv: MULTIAUTH_POLICY_KINTO_JWT_SECRET }")?;
    read(&mut ticket, variable, header_too).map(Some).map_err(|error| error.within("ticket"))
}

fn read(
    ticket: &mut Settings,
    variable: &dyn Fn(&str) -> Option<String>,
    header_too: bool,
) -> Result<Ticket, ConfigError> {
    let cookie_name = ticket.text("cookieName", COOKIE_NAME)?;
    let is_attribute = ATTRIBUTES.iter().any(|attribute| cookie_name.eq_ignore_ascii_case(attribute));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !cookie_name.bytes().all(is_plain) || is_attribute || is_json(&cookie_name) {
        return Err(error("cookieName", "is not the name of a cookie", "write for example kjwt"));
    }
    let read = Ticket {
        secret: secret(ticket, variable)?.into_bytes().into(),
        cookie_name,
        // Of a shorter time, too little is left behind the whole second in which a ticket was signed.
        timeout: ticket.integer("timeoutSeconds", TIMEOUT, 10..=3_600, "seconds")?,
        header_too,
    };
    ticket.refuse_rest("ticket", "secret or secretEnv, cookieName and timeoutSeconds")?;
    Ok(read)
}

fn secret(ticket: &mut Settings, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, ConfigError> {
    let (setting, secret) = match (ticket.take("secret"), ticket.take("secretEnv")) {
        (Some(_), Some(_)) => {
            return Err(error("secretEnv", "and secret are both there", "give one of them"));
        }
        (None, Some(name)) => ("secretEnv", in_environment("secretEnv", &name, variable)?),
        (secret, None) => {
            ("secret", secret.and_then(|secret| secret.as_str().map(str::to_owned)).unwrap_or_default())
        }
    };
    // An ini file reads % and white space otherwise.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_.~".contains(&byte);
    if secret.len() < MIN_SECRET_BYTES || !secret.bytes().all(is_plain) || is_json(&secret) {
        return Err(error(
            setting,
            "is not a text of at least 32 letters, digits and +/=-_.~ that is no number",
            "make one with openssl rand -hex 32, and give Kinto the same",
        ));
    }
    Ok(secret)
}

/// Whether Kinto reads a text as another value, such as a number: then Kinto and the filter would differ
/// (`native_value` in `kinto/core/utils.py`).
fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}
