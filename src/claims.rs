//! The claim rules of RFC 7519, with strict types and the time as an argument.

use serde_json::{Number, Value};

use crate::json;
use crate::rejection::Rejection;

/// Seconds since 1970-01-01T00:00:00Z, leap seconds ignored (RFC 7519 section 2, `NumericDate`).
pub type NumericDate = u64;

/// The claims of a token whose signature was verified.
///
/// Only [`Keys::verify`](crate::keys::Keys::verify) makes one.
#[derive(Debug)]
pub struct Claims(Value);

/// Claims that the rules have admitted, the only ones that a user id is taken from.
#[derive(Debug)]
pub struct Admitted {
    claims: Value,
    validity: Validity,
}

/// When claims are valid: what must be checked again each time that they are used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validity {
    iat: Option<NumericDate>,
    nbf: Option<NumericDate>,
    exp: Option<NumericDate>,
}

impl Claims {
    /// Reads the payload of a verified token (RFC 7519 section 7.2, step 10).
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Rejection> {
        json::parse_object(payload).map(Self).map_err(|_| Rejection::ClaimsNotJson)
    }
}

impl Admitted {
    pub(crate) fn object(&self) -> &Value {
        &self.claims
    }

    pub(crate) fn validity(&self) -> Validity {
        self.validity
    }
}

impl Validity {
    fn parse(claims: &Value) -> Result<Self, Rejection> {
        let date = |name| numeric_date(claims.get(name));
        Ok(Self { iat: date("iat")?, nbf: date("nbf")?, exp: date("exp")? })
    }
}

/// What claims must say to be admitted.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `verifyToken`: when false, every claim set is admitted.
    pub enforced: bool,
    /// Seconds by which `exp`, `nbf` and `iat` may be off.
    pub leeway: u64,
    /// The audiences this service is, any of which will do; `None` admits only tokens that are for nobody.
    pub audience: Option<Vec<String>>,
}

impl Rules {
    /// Admits claims at the time `now`.
    pub fn admit(&self, claims: Claims, now: NumericDate) -> Result<Admitted, Rejection> {
        let claims = claims.0;
        let mut validity = Validity::default();
        if self.enforced {
            validity = Validity::parse(&claims)?;
            self.check_times(validity, now)?;
            self.check_audience(claims.get("aud"))?;
            check_string(claims.get("sub"), Rejection::SubjectNotString)?;
            check_string(claims.get("jti"), Rejection::JwtIdNotString)?;
        }
        Ok(Admitted { claims, validity })
    }

    /// Checks the times of claims, which pass, at each use.
    pub(crate) fn check_times(&self, validity: Validity, now: NumericDate) -> Result<(), Rejection> {
        let latest_start = now.saturating_add(self.leeway);
        if validity.iat.is_some_and(|iat| iat > latest_start) {
            return Err(Rejection::IssuedInFuture);
        }
        if validity.nbf.is_some_and(|nbf| nbf > latest_start) {
            return Err(Rejection::NotYetValid);
        }
        // "on or after which the JWT MUST NOT be accepted" (RFC 7519 section 4.1.4): equal is expired.
        if validity.exp.is_some_and(|exp| exp.saturating_add(self.leeway) <= now) {
            return Err(Rejection::Expired);
        }
        Ok(())
    }

    fn check_audience(&self, aud: Option<&Value>) -> Result<(), Rejection> {
        let aud = aud.filter(|aud| !is_empty(aud));
        let Some(expected) = &self.audience else {
            return aud.map_or(Ok(()), |_| Err(Rejection::AudienceUnexpected));
        };
        let names: Option<Vec<&str>> = match aud.ok_or(Rejection::AudienceMissing)? {
            Value::String(name) => Some(vec![name]),
            Value::Array(names) => names.iter().map(Value::as_str).collect(),
            _ => None,
        };
        let names = names.ok_or(Rejection::AudienceMismatch)?;
        if expected.iter().any(|name| names.contains(&name.as_str())) {
            Ok(())
        } else {
            Err(Rejection::AudienceMismatch)
        }
    }
}

/// Whether `kinto_jwt` (Python) takes this `aud` for no audience at all.
fn is_empty(aud: &Value) -> bool {
    match aud {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

fn check_string(claim: Option<&Value>, rejection: Rejection) -> Result<(), Rejection> {
    if claim.is_none_or(Value::is_string) { Ok(()) } else { Err(rejection) }
}

fn numeric_date(claim: Option<&Value>) -> Result<Option<NumericDate>, Rejection> {
    let Some(claim) = claim else { return Ok(None) };
    claim.as_number().and_then(whole_seconds).map(Some).ok_or(Rejection::NotNumericDate)
}

/// A fraction of a second is cut off, as `kinto_jwt` does (PyJWT's `int`).
fn whole_seconds(number: &Number) -> Option<NumericDate> {
    number.as_u64().or_else(|| {
        let seconds = number.as_f64().filter(|seconds| seconds.is_finite() && !seconds.is_sign_negative())?;
        #[expect(clippy::as_conversions, reason = "saturates, and there is no other conversion from f64")]
        Some(seconds.trunc() as NumericDate)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: NumericDate = 1_800_000_000;

    fn admit(rules: &Rules, claims: &Value) -> Result<(), Rejection> {
        rules.admit(Claims::parse(claims.to_string().as_bytes())?, NOW).map(|_| ())
    }

    fn rules() -> Rules {
        Rules { enforced: true, leeway: 0, audience: None }
    }

    #[test]
    fn times_are_checked_to_the_second() {
        for (claims, result) in [
            (json!({}), Ok(())),
            (json!({"exp": NOW + 1}), Ok(())),
            (json!({"exp": NOW}), Err(Rejection::Expired)),
            (json!({"exp": 1_800_000_000.9}), Err(Rejection::Expired)),
            (json!({"exp": 1_800_000_001.0}), Ok(())),
            (json!({"exp": 1e30}), Ok(())),
            (json!({"exp": 0}), Err(Rejection::Expired)),
            (json!({"nbf": NOW}), Ok(())),
            (json!({"nbf": 1_800_000_000.9}), Ok(())),
            (json!({"nbf": NOW + 1}), Err(Rejection::NotYetValid)),
            (json!({"iat": NOW}), Ok(())),
            (json!({"iat": NOW + 1}), Err(Rejection::IssuedInFuture)),
        ] {
            assert_eq!(admit(&rules(), &claims), result, "{claims}");
        }
    }

    #[test]
    fn leeway_covers_all_three_times() {
        let rules = Rules { leeway: 30, ..rules() };
        for (claims, result) in [
            (json!({"exp": NOW - 29}), Ok(())),
            (json!({"exp": NOW - 30}), Err(Rejection::Expired)),
            (json!({"nbf": NOW + 30}), Ok(())),
            (json!({"nbf": NOW + 31}), Err(Rejection::NotYetValid)),
            (json!({"iat": NOW + 30}), Ok(())),
            (json!({"iat": NOW + 31}), Err(Rejection::IssuedInFuture)),
        ] {
            assert_eq!(admit(&rules, &claims), result, "{claims}");
        }
    }

    #[test]
    fn a_time_is_a_non_negative_number_or_the_token_is_invalid() {
        for name in ["exp", "nbf", "iat"] {
            for value in
                [json!("9999999999"), json!(true), json!(null), json!([1]), json!({}), json!(-1), json!(-0.5)]
            {
                let result = admit(&rules(), &json!({name: value}));
                assert_eq!(result, Err(Rejection::NotNumericDate), "{name}: {value}");
            }
        }
    }

    #[test]
    fn no_audience_configured_admits_only_tokens_for_nobody() {
        for aud in [json!(""), json!([]), json!(null), json!(0), json!(false), json!({})] {
            assert_eq!(admit(&rules(), &json!({"aud": aud})), Ok(()), "{aud}");
        }
        for aud in [json!("x"), json!(["x"]), json!([""]), json!(7), json!(true)] {
            assert_eq!(admit(&rules(), &json!({"aud": aud})), Err(Rejection::AudienceUnexpected), "{aud}");
        }
    }

    #[test]
    fn a_configured_audience_must_be_named() {
        let rules = Rules { audience: Some(vec!["a".into(), "b".into()]), ..rules() };
        for (aud, result) in [
            (json!("a"), Ok(())),
            (json!(["x", "b"]), Ok(())),
            (json!("c"), Err(Rejection::AudienceMismatch)),
            (json!("A"), Err(Rejection::AudienceMismatch)),
            (json!("a "), Err(Rejection::AudienceMismatch)),
            (json!(["a", 1]), Err(Rejection::AudienceMismatch)),
            (json!({"a": 1}), Err(Rejection::AudienceMismatch)),
            (json!(1), Err(Rejection::AudienceMismatch)),
            (json!(""), Err(Rejection::AudienceMissing)),
            (json!([]), Err(Rejection::AudienceMissing)),
        ] {
            assert_eq!(admit(&rules, &json!({"aud": aud})), result, "{aud}");
        }
        assert_eq!(admit(&rules, &json!({})), Err(Rejection::AudienceMissing));
    }

    #[test]
    fn sub_and_jti_are_strings_when_present() {
        assert_eq!(admit(&rules(), &json!({"sub": 42})), Err(Rejection::SubjectNotString));
        assert_eq!(admit(&rules(), &json!({"sub": null})), Err(Rejection::SubjectNotString));
        assert_eq!(admit(&rules(), &json!({"jti": 1})), Err(Rejection::JwtIdNotString));
        assert_eq!(admit(&rules(), &json!({"sub": "a", "jti": "1", "iss": 5})), Ok(()));
    }

    #[test]
    fn without_verification_every_claim_set_is_admitted() {
        let rules = Rules { enforced: false, ..rules() };
        assert_eq!(admit(&rules, &json!({"exp": 1, "aud": "x", "sub": 42})), Ok(()));
    }
}
