//! `refusedClaims` and `issuedAfter`: which tokens the operator has shut out.

use serde_json::Value;

use crate::config::settings::{ConfigError, Settings, error, one_or_more};
use crate::token::claim_name::ClaimName;
use crate::token::claims::{NumericDate, Refused};

/// Numbers from here on are not exact in a double, and a `google.protobuf.Struct` has no other numbers.
const INEXACT: u64 = 1 << 53;

/// Takes both settings.
///
/// # Errors
/// A value could mean another claim, or another time, than the operator meant: then somebody would not be shut out.
pub(crate) fn refused(settings: &mut Settings) -> Result<Refused, ConfigError> {
    let claims = settings.map("refusedClaims", "{ sub: [mallory], jti: [0a1b2c] }")?.into_map().into_iter();
    Ok(Refused {
        claims: claims.map(refused_claim).collect::<Result<_, _>>()?,
        before: settings
            .optional_text("issuedAfter", "2026-11-24T10:00:00Z")?
            .map(|text| time(&text))
            .transpose()?,
    })
}

fn refused_claim((name, values): (String, Value)) -> Result<(ClaimName, Vec<Value>), ConfigError> {
    let wrong = |fault: &str, remedy: &str| Err(error(&name, fault, remedy).within("refusedClaims"));
    let values = one_or_more(values);
    let is_exact = |value: &Value| value.as_i64().is_some_and(|number| number.unsigned_abs() < INEXACT);
    if values.is_empty()
        || !values.iter().all(|value| value.is_string() || value.is_boolean() || is_exact(value))
    {
        return wrong(
            "is neither a text, a whole number below 2^53 or a boolean, nor a list of them",
            "write the value that the claim must not have, in quotes",
        );
    }
    // The two claims are texts (RFC 7519 sections 4.1.2 and 4.1.7).
    if ["sub", "jti"].contains(&name.as_str()) && !values.iter().all(Value::is_string) {
        return wrong(
            "has a value that is not text, and YAML may have made another value of it (no is false, 010 is 8)",
            "put each value in quotes",
        );
    }
    Ok((ClaimName::new(name), values))
}

/// Reads a time of RFC 3339 in UTC; a part of a second counts as a whole one.
fn time(text: &str) -> Result<NumericDate, ConfigError> {
    let time = humantime::parse_rfc3339(text).ok();
    let since_1970 =
        time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok()).ok_or_else(|| {
            error(
                "issuedAfter",
                "is not a time of RFC 3339 in UTC",
                "write for example 2026-11-24T10:00:00Z, as date -u +%FT%TZ prints the time now",
            )
        })?;
    Ok(since_1970.as_secs().saturating_add(u64::from(since_1970.subsec_nanos() > 0)))
}
