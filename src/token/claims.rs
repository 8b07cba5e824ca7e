//! The claims of a token, and the rules that they must follow (RFC 7519), with strict types and the time as an
//! argument.

use std::rc::Rc;

use serde_json::{Number, Value};

use crate::json;
use crate::rejection::{Reason, Rejection};
use crate::token::bound::BoundTokens;
use crate::token::claim_name::ClaimName;

/// Seconds since 1970-01-01T00:00:00Z, leap seconds ignored (RFC 7519 section 2, `NumericDate`).
pub(crate) type NumericDate = u64;

/// The claims of a token whose signature was verified.
///
/// Only [`Keys::verify`](crate::keys::key::Keys::verify) makes one.
#[derive(Debug)]
pub(crate) struct Claims(Value);

/// Claims that the rules have admitted. A user id is taken from these only. (With `verifyToken: false` there are no
/// rules.)
#[derive(Debug)]
pub(crate) struct Admitted {
    claims: Value,
    validity: Validity,
    certificate: Option<Rc<str>>,
}

/// The times at which claims are valid, to be checked each time that they are used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Validity {
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

/// The `iss` of a token that was not verified. It may choose the policy that verifies the token, and nothing else.
pub(crate) fn unverified_issuer(payload: &[u8]) -> Option<String> {
    Some(json::parse_object(payload).ok()?.get("iss")?.as_str()?.to_owned())
}

impl Admitted {
    /// Reads the payload of a token that is not verified (`verifyToken: false`). Only
    /// [`Policy::verify`](crate::gate::policy::Policy::verify) calls this.
    ///
    /// # Errors
    /// It is not a JSON object.
    pub(crate) fn without_verification(payload: &[u8]) -> Result<Self, Rejection> {
        let claims = json::parse_object(payload).map_err(|_| Rejection::ClaimsNotJson)?;
        Ok(Self { claims, validity: Validity::default(), certificate: None })
    }

    pub(crate) fn object(&self) -> &Value {
        &self.claims
    }

    pub(crate) fn validity(&self) -> Validity {
        self.validity
    }

    /// The client certificate over whose connection alone they count ([`BoundTokens::certificate`]).
    pub(crate) fn certificate(&self) -> Option<Rc<str>> {
        self.certificate.clone()
    }
}

impl Validity {
    fn parse(claims: &Value) -> Result<Self, Rejection> {
        let date = |name| numeric_date(claims.get(name));
        Ok(Self { iat: date("iat")?, nbf: date("nbf")?, exp: date("exp")? })
    }
}

/// The issuers of a policy's tokens (`issuer`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Issuers(Option<Vec<String>>);

impl Issuers {
    /// Any of these issuers; every issuer if there is no list.
    pub(crate) fn new(issuers: Option<Vec<String>>) -> Self {
        Self(issuers)
    }

    /// Their names; `None` for every issuer.
    #[cfg(feature = "cli")]
    pub(crate) fn names(&self) -> Option<&[String]> {
        self.0.as_deref()
    }

    /// Whether a token with this `iss` is from one of them.
    pub(crate) fn include(&self, iss: Option<&str>) -> bool {
        self.0.as_ref().is_none_or(|issuers| issuers.iter().any(|issuer| Some(issuer.as_str()) == iss))
    }
}

/// Members that a JSON object must have, and for each the values of which it must have one.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequiredMembers(pub Vec<(ClaimName, Vec<Value>)>);

impl RequiredMembers {
    /// Whether the object has them all.
    pub(crate) fn hold(&self, object: &Value) -> bool {
        let has = |(name, values): &(ClaimName, Vec<Value>)| {
            name.find(object).is_some_and(|member| items(member).iter().any(|item| values.contains(item)))
        };
        self.0.iter().all(has)
    }
}

/// The items of a list, or the one value that is no list.
fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

/// The rules that claims must follow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// `leeway`: seconds by which `exp`, `nbf` and `iat` may differ from the clock.
    pub leeway: u64,
    /// `audience`: a token must name one of these. With `None` a token must not name any.
    pub audience: Option<Vec<String>>,
    /// `requireExp`: whether a token must have `exp`.
    pub require_exp: bool,
    /// `maxLifetimeSeconds`: the longest time from `iat`, or else `nbf`, to `exp`.
    pub max_lifetime: Option<u64>,
    /// `maxAgeSeconds`: the longest time from `iat` to now.
    pub max_age: Option<u64>,
    /// `requiredClaims`: claims that a token must have.
    pub required_claims: RequiredMembers,
    /// `requiredScopes`: a token must have all of these scopes.
    pub required_scopes: Vec<String>,
    /// `refusedClaims` and `issuedAfter`: which tokens the operator has shut out.
    pub refused: Refused,
    /// `boundTokens`: what becomes of a token that is bound to a key of its client.
    pub bound_tokens: BoundTokens,
}

/// The tokens that the operator has shut out (`refusedClaims`, `issuedAfter`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Refused {
    /// Claims, and for each the values that it must not have.
    pub claims: Vec<(ClaimName, Vec<Value>)>,
    /// A token must not be older. It must say when it was issued.
    pub before: Option<NumericDate>,
}

impl Refused {
    /// What either of them refuses.
    #[must_use]
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.claims.extend(other.claims.iter().cloned());
        // None is the smallest.
        self.before = self.before.max(other.before);
        self
    }

    fn check(&self, claims: &Value, validity: Validity) -> Result<(), Reason> {
        if let Some(before) = self.before {
            let iat = validity.iat.ok_or(Rejection::IssuedTooEarly)?;
            if iat < before {
                let early = before.saturating_sub(iat);
                return Err(Reason::of_time(
                    Rejection::IssuedTooEarly,
                    early,
                    "before issuedAfter, which is",
                    before,
                ));
            }
        }
        // Whichever of two claims the name means: a claim that was added hides no other one.
        let has = |(name, values): &(ClaimName, Vec<Value>)| {
            let mut found = name.find_all(claims).flat_map(items);
            found.any(|item| values.iter().any(|value| same(item, value)))
        };
        if self.claims.iter().any(has) { Err(Rejection::ClaimRefused.into()) } else { Ok(()) }
    }
}

/// Whether a claim has a value that is refused. A number and the text of it are the same, and so are `true`, the text
/// `true` and the text `True`, which Kinto makes of it: one user id comes of them.
fn same(claim: &Value, refused: &Value) -> bool {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (claim_text, refused_text) = (text(claim), text(refused));
    if claim.is_boolean() || refused.is_boolean() {
        return claim_text.eq_ignore_ascii_case(&refused_text);
    }
    // 42.0 and 4.2e1 are 42, too. A whole number is compared by its digits: it may be too long for a double.
    let number = |text: &str| serde_json::from_str::<Value>(text).ok().as_ref().and_then(Value::as_f64);
    claim_text == refused_text || (claim.is_f64() && claim.as_f64() == number(&refused_text))
}

impl Rules {
    /// Admits claims of these issuers at the time `now`.
    ///
    /// # Errors
    /// The first rule that the claims break.
    pub(crate) fn admit(
        &self,
        claims: Claims,
        issuers: &Issuers,
        now: NumericDate,
    ) -> Result<Admitted, Reason> {
        let claims = claims.0;
        if !issuers.include(claims.get("iss").and_then(Value::as_str)) {
            return Err(Rejection::IssuerUnknown.into());
        }
        let validity = Validity::parse(&claims)?;
        self.check_times(validity, now)?;
        self.check_lifetime(validity)?;
        self.check_audience(claims.get("aud"))?;
        check_string(claims.get("sub"), Rejection::SubjectNotString)?;
        check_string(claims.get("jti"), Rejection::JwtIdNotString)?;
        self.check_required(&claims)?;
        self.refused.check(&claims, validity)?;
        let certificate = self.bound_tokens.certificate(&claims)?;
        Ok(Admitted { claims, validity, certificate })
    }

    /// Checks the times of claims against the time `now`: at each use, since time passes.
    pub(crate) fn check_times(&self, validity: Validity, now: NumericDate) -> Result<(), Reason> {
        let leeway = self.leeway;
        let latest_start = now.saturating_add(leeway);
        let early = |rejection, start: NumericDate, what| {
            Reason::of_time(rejection, start.saturating_sub(now), what, leeway)
        };
        if let Some(iat) = validity.iat.filter(|iat| *iat > latest_start) {
            return Err(early(Rejection::IssuedInFuture, iat, "before iat, leeway"));
        }
        if let Some(nbf) = validity.nbf.filter(|nbf| *nbf > latest_start) {
            return Err(early(Rejection::NotYetValid, nbf, "before nbf, leeway"));
        }
        // "on or after which the JWT MUST NOT be accepted" (RFC 7519 section 4.1.4): equal is expired.
        if let Some(exp) = validity.exp.filter(|exp| exp.saturating_add(leeway) <= now) {
            let late = now.saturating_sub(exp);
            return Err(Reason::of_time(Rejection::Expired, late, "after exp, leeway", leeway));
        }
        let Some(max_age) = self.max_age else { return Ok(()) };
        let iat = validity.iat.ok_or(Rejection::IatMissing)?;
        let age = now.saturating_sub(iat);
        if age > max_age.saturating_add(leeway) {
            return Err(Reason::of_time(Rejection::TooOld, age, "after iat, maxAgeSeconds", max_age));
        }
        Ok(())
    }

    fn check_lifetime(&self, validity: Validity) -> Result<(), Reason> {
        if self.max_lifetime.is_none() && !self.require_exp {
            return Ok(());
        }
        let exp = validity.exp.ok_or(Rejection::ExpMissing)?;
        let Some(longest) = self.max_lifetime else { return Ok(()) };
        let start = validity.iat.or(validity.nbf).ok_or(Rejection::StartMissing)?;
        let lifetime = exp.saturating_sub(start);
        if lifetime > longest {
            let what = "from start to exp, maxLifetimeSeconds";
            return Err(Reason::of_time(Rejection::LifetimeTooLong, lifetime, what, longest));
        }
        Ok(())
    }

    fn check_required(&self, claims: &Value) -> Result<(), Rejection> {
        if !self.required_claims.hold(claims) {
            return Err(Rejection::ClaimMismatch);
        }
        let is_granted = |scope: &String| scopes(claims).contains(&scope.as_str());
        if !self.required_scopes.iter().all(is_granted) {
            return Err(Rejection::ScopeMissing);
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

/// The scopes of a token: in `scope` (RFC 8693 section 4.2) or in `scp` (Entra, Okta), as text with spaces or as a
/// list.
pub(crate) fn scopes(claims: &Value) -> Vec<&str> {
    let granted = ["scope", "scp"].into_iter().filter_map(|name| claims.get(name));
    granted
        .flat_map(|scopes| match scopes {
            Value::String(text) => text.split(' ').collect::<Vec<_>>(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        })
        .collect()
}

/// Whether `kinto_jwt` reads this `aud` as no audience: Python calls the value false.
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

/// The time in a claim; `None` if there is no such claim.
///
/// # Errors
/// It is not a non-negative number.
pub(crate) fn numeric_date(claim: Option<&Value>) -> Result<Option<NumericDate>, Rejection> {
    let Some(claim) = claim else { return Ok(None) };
    claim.as_number().and_then(whole_seconds).map(Some).ok_or(Rejection::NotNumericDate)
}

/// Cuts off a fraction of a second, as `kinto_jwt` does (`int` in PyJWT).
fn whole_seconds(number: &Number) -> Option<NumericDate> {
    number.as_u64().or_else(|| {
        let seconds = number.as_f64().filter(|seconds| seconds.is_finite() && !seconds.is_sign_negative())?;
        #[expect(clippy::as_conversions, reason = "saturates, and there is no other conversion from f64")]
        Some(seconds.trunc() as NumericDate)
    })
}

#[cfg(test)]
mod tests;
