//! A policy: where its tokens are, what proves them, what they must say.

use std::rc::Rc;

use serde_json::Value;

use crate::counters::Numbers;
use crate::keys::host::HostVerify;
use crate::keys::jwks::{self, Origin};
use crate::keys::key::{Choice, Keys, NamedAlgorithm};
use crate::keys::pem::Fault;
use crate::keys::ring::KeyRing;
use crate::rejection::Rejection;
use crate::request::credentials::Credentials;
use crate::token::claim_name::ClaimName;
use crate::token::claims::{NumericDate, Rules, Validity};
use crate::token::header_text::{Charset, HeaderText};
use crate::token::jws::{LastHeader, Token};
use crate::token::user_id::UserId;

/// Whose tokens are believed, and what they must say.
#[derive(Debug)]
pub struct Policy {
    /// Its place in the list.
    pub(crate) number: usize,
    /// Its name in metrics and in the log (`policies[].name`).
    pub name: String,
    /// `from`, or `http_header` and `auth_type`: where the token is.
    pub credentials: Credentials,
    /// `public_key`, `jwks` or `remoteJwks`: what proves it.
    pub keys: KeyRing,
    /// `algorithm`: what its keys may be for.
    pub(crate) algorithms: Vec<NamedAlgorithm>,
    /// `typ`: the media type that a token says it is (RFC 8725 section 3.11).
    pub typ: Option<String>,
    /// What its claims must say.
    pub rules: Rules,
    /// `userIdTokenKey`: the claim that names the user.
    pub user_id_claim: ClaimName,
    /// `userIdCharset`: the characters that the user id and the claim headers may have.
    pub charset: Charset,
    /// `claimsToHeaders`: for each of the configuration's claim headers, the claim that fills it.
    pub header_claims: Vec<Option<ClaimName>>,
}

/// What a verified token says.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    /// The policy that it was verified by: its place in the list.
    pub(crate) policy: usize,
    /// `iss`, by which the policy is chosen.
    pub(crate) issuer: Option<Rc<str>>,
    pub(crate) user_id: UserId,
    /// The values for `claimsToHeaders`, in its order.
    pub(crate) claims: Option<Rc<[Option<HeaderText>]>>,
    pub(crate) validity: Validity,
}

impl Policy {
    /// The only way from a token to a user id: each line takes what the one before it proved.
    pub(crate) fn verify(
        &self,
        token: &[u8],
        last_header: &LastHeader,
        numbers: &Numbers,
        now: NumericDate,
    ) -> Result<Verified, Rejection> {
        let parsed = Token::parse_with(token, last_header)?;
        self.check_typ(parsed.typ())?;
        let keys = self.keys.current().ok_or(Rejection::KeysUnavailable)?;
        let claims = keys.verify(&parsed, numbers)?;
        let admitted = self.rules.admit(claims, now)?;
        let user_id = UserId::from_claims(&admitted, &self.user_id_claim, self.charset)?;
        Ok(Verified {
            policy: self.number,
            issuer: admitted.object().get("iss").and_then(Value::as_str).map(Rc::from),
            user_id,
            claims: self.header_texts(admitted.object()),
            validity: admitted.validity(),
        })
    }

    /// The values for the claim headers; one that a header cannot carry exactly is left out.
    fn header_texts(&self, claims: &Value) -> Option<Rc<[Option<HeaderText>]>> {
        let text = |name: &Option<ClaimName>| {
            HeaderText::from_value(name.as_ref()?.find(claims)?, self.charset).ok()
        };
        (!self.header_claims.is_empty()).then(|| self.header_claims.iter().map(text).collect())
    }

    /// Takes an issuer's key set, and returns words on the keys in it that are of no use.
    ///
    /// # Errors
    /// It has no usable key; those that are known stay.
    pub(crate) fn take_set(&self, set: &Value, host: Option<HostVerify>) -> Result<Vec<String>, Fault> {
        let set = jwks::parse(set, &self.algorithms, Origin::Remote, host)?;
        let choice = if self.rules.unverified { Choice::Unverified } else { Choice::ByKid };
        self.keys.replace(Keys::new(&self.algorithms, set.keys, choice));
        Ok(set.skipped)
    }

    /// Whether its issuer, asked again, might know the key of a token that was refused for this reason.
    pub(crate) fn may_learn(&self, rejection: Rejection) -> bool {
        self.keys.remote.is_some() && matches!(rejection, Rejection::KidUnknown | Rejection::KeysUnavailable)
    }

    /// Seconds after which a client may come back when there are no keys: one more attempt to get them.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.keys.remote.as_ref().map(|remote| remote.timeout / 1000)
    }

    /// Whether a token with this `iss`, not verified yet, is for this policy.
    pub(crate) fn is_for(&self, iss: Option<&str>) -> bool {
        self.rules.check_issuer(iss).is_ok()
    }

    /// Compared as RFC 7515 section 4.1.9 says: in any case, `application/` left out where no other `/` follows.
    fn check_typ(&self, typ: Option<&str>) -> Result<(), Rejection> {
        let Some(expected) = &self.typ else { return Ok(()) };
        let bare = |typ: &str| {
            let typ = typ.to_ascii_lowercase();
            match typ.strip_prefix("application/") {
                Some(rest) if !rest.contains('/') => rest.to_owned(),
                _ => typ,
            }
        };
        if typ.is_some_and(|typ| bare(typ) == bare(expected)) { Ok(()) } else { Err(Rejection::TypMismatch) }
    }
}
