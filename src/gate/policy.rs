//! A policy: where its tokens are, what proves them, what they must say.

use std::rc::Rc;

use serde_json::Value;

use crate::counters::Counters;
use crate::keys::algorithm::Algorithm;
use crate::keys::boringssl::HostVerify;
use crate::keys::fault::Fault;
use crate::keys::jwks::{self, Origin};
use crate::keys::key::{Choice, Keys};
use crate::keys::remote::RemoteJwks;
use crate::keys::ring::KeyRing;
use crate::rejection::{Reason, Rejection};
use crate::request::credentials::Credentials;
use crate::token::bound::BoundTokens;
use crate::token::claim_name::ClaimName;
use crate::token::claims::{Admitted, Issuers, NumericDate, RequiredMembers, Rules, Validity};
use crate::token::header_text::{Charset, HeaderText};
use crate::token::jws::{LastHeader, Padding, Token};
use crate::token::user_id::{Carrier, UserId};

/// Whose tokens are believed, and what they must say.
#[derive(Debug)]
pub(crate) struct Policy {
    /// The index of the policy in the configuration.
    pub(crate) index: PolicyIndex,
    /// Its name in metrics and in the log (`policies[].name`).
    pub(crate) name: String,
    /// `from`, or `http_header` and `auth_type`: where the token is.
    pub(crate) credentials: Credentials,
    /// `issuer`: whose tokens these are.
    pub(crate) issuers: Issuers,
    /// `padding`: whether the parts of a token may end in `=`.
    pub(crate) padding: Padding,
    /// `typ`: the media type that a token says it is (RFC 8725 section 3.11).
    pub(crate) typ: Option<String>,
    /// `requiredParameters`: what the header of a token must say.
    pub(crate) required_parameters: RequiredMembers,
    /// `algorithm`: the values that `alg` may have.
    pub(crate) algorithms: Vec<Algorithm>,
    /// `verifyToken`: what proves a token.
    pub(crate) verification: Verification,
    /// `userIdTokenKey`: the claim that names the user.
    pub(crate) user_id_claim: ClaimName,
    /// What carries the user id.
    pub(crate) carrier: Carrier,
    /// `userIdCharset`: the characters that the claim headers may have.
    pub(crate) charset: Charset,
    /// `claimsToHeaders`: for each of the configuration's claim headers, the claim that fills it. May be
    /// shorter than the list of headers; the rest is `None`.
    pub(crate) header_claims: Vec<Option<ClaimName>>,
}

/// The index of a policy in the list of [`Config`](crate::gate::config::Config).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PolicyIndex(pub(crate) usize);

/// What proves a token.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a configuration has a few of them")]
pub(crate) enum Verification {
    /// Nothing: neither the signature nor a rule for claims is checked (`verifyToken: false`, for development).
    Off,
    /// A signature, and then the claims.
    On {
        /// `public_key`, `jwks` or `remoteJwks`: the keys that verify signatures.
        keys: KeyRing,
        /// What the claims must say.
        rules: Rules,
    },
}

/// What a policy takes from a token that it believes.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The policy that believes the token.
    pub(crate) policy: PolicyIndex,
    /// `iss`, by which the policy is chosen.
    pub(crate) issuer: Option<Rc<str>>,
    pub(crate) user_id: UserId,
    /// The values of the configuration's claim headers, by index; those at the end may be missing.
    pub(crate) claims: Option<Rc<[Option<HeaderText>]>>,
    /// When it is valid: to be checked at each use, since time passes.
    pub(crate) validity: Validity,
    /// The client certificate over whose connection alone it counts, by its [`BoundTokens::certificate`]: to be checked at
    /// each use, since a stolen token comes over another connection.
    pub(crate) certificate: Option<Rc<str>>,
}

impl Policy {
    /// The only way from a token to a user id. The types hold the order of the steps, except with
    /// [`Verification::Off`].
    ///
    /// # Errors
    /// Why the token proves nothing.
    pub(crate) fn verify(
        &self,
        token: &[u8],
        last_header: &LastHeader,
        counters: &Counters,
        now: NumericDate,
    ) -> Result<Identity, Reason> {
        let parsed = Token::parse_with(token, self.padding, last_header)?;
        self.check_typ(parsed.typ())?;
        let admitted = match &self.verification {
            Verification::Off => {
                self.algorithm_of(&parsed)?;
                Admitted::without_verification(parsed.payload())?
            }
            Verification::On { keys, rules } => {
                let keys = keys.current().ok_or(Rejection::KeysUnavailable)?;
                let claims = keys.verify(&parsed, self.algorithm_of(&parsed)?, counters)?;
                if !self.required_parameters.hold(parsed.header()) {
                    return Err(Rejection::ParameterMismatch.into());
                }
                rules.admit(claims, &self.issuers, now)?
            }
        };
        let user_id = UserId::from_claims(&admitted, &self.user_id_claim, self.carrier)?;
        Ok(Identity {
            policy: self.index,
            issuer: admitted.object().get("iss").and_then(Value::as_str).map(Rc::from),
            user_id,
            claims: self.header_texts(admitted.object()),
            validity: admitted.validity(),
            certificate: admitted.certificate(),
        })
    }

    /// Checks again, at the time `now`, the times of a token that was verified before.
    pub(crate) fn check_times(&self, validity: Validity, now: NumericDate) -> Result<(), Reason> {
        match &self.verification {
            Verification::Off => Ok(()),
            Verification::On { rules, .. } => rules.check_times(validity, now),
        }
    }

    /// What becomes of a token that is bound to a key of its client.
    pub(crate) fn bound_tokens(&self) -> BoundTokens {
        match &self.verification {
            Verification::Off => BoundTokens::Ignore,
            Verification::On { rules, .. } => rules.bound_tokens,
        }
    }

    /// The keys that verify signatures; `None` if signatures are not verified.
    pub(crate) fn keys(&self) -> Option<&KeyRing> {
        match &self.verification {
            Verification::Off => None,
            Verification::On { keys, .. } => Some(keys),
        }
    }

    /// Where its keys come from, if they come from an issuer.
    pub(crate) fn remote(&self) -> Option<&RemoteJwks> {
        self.keys()?.remote.as_ref()
    }

    /// Takes an issuer's key set, and returns words on the keys in it that cannot be used.
    ///
    /// # Errors
    /// It has no key that can be used; the known keys stay.
    pub(crate) fn take_set(&self, set: &Value, host: Option<HostVerify>) -> Result<Vec<String>, Fault> {
        let Some(keys) = self.keys() else { return Ok(Vec::new()) };
        let set = jwks::parse(set, &self.algorithms, Origin::Remote, host)?;
        keys.replace(Keys::new(set.keys, Choice::ByKid));
        Ok(set.skipped)
    }

    /// Whether a newer key set of its issuer might have the key of a token that was rejected for this reason.
    pub(crate) fn may_learn(&self, rejection: Rejection) -> bool {
        self.remote().is_some() && matches!(rejection, Rejection::KidUnknown | Rejection::KeysUnavailable)
    }

    /// Seconds after which a client may come back when there are no keys: the time for one more attempt to get them.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.remote().map(|remote| remote.timeout / 1000)
    }

    /// The algorithm that a token names (`alg`), if this policy allows it.
    pub(crate) fn algorithm_of(&self, token: &Token<'_>) -> Result<Algorithm, Rejection> {
        let named: Option<Algorithm> = token.alg().and_then(|alg| alg.parse().ok());
        named.filter(|alg| self.algorithms.contains(alg)).ok_or(Rejection::AlgNotAllowed)
    }

    /// The values for the claim headers; a value that a header cannot carry exactly is left out.
    fn header_texts(&self, claims: &Value) -> Option<Rc<[Option<HeaderText>]>> {
        let text = |name: &Option<ClaimName>| {
            HeaderText::from_value(name.as_ref()?.find(claims)?, self.charset).ok()
        };
        let texts: Vec<_> = self.header_claims.iter().map(text).collect();
        let used = texts.iter().rposition(Option::is_some)?.saturating_add(1);
        Some(texts.into_iter().take(used).collect())
    }

    /// Compares media types as RFC 7515 section 4.1.9 says: in any letter case, and `application/` may be left out
    /// where no other `/` follows.
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
