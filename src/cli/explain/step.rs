//! The steps of a decision, in the order of the filter's code, and the step at which each rejection comes.

use crate::rejection::Rejection;

/// One step of a decision. The order is that of `Gate::prove` (`gate/decide.rs`; its end is the last step), `Policy::verify` (`gate/policy.rs`),
/// `Token::parse_with` (`token/jws.rs`), `Keys::verify` (`keys/key.rs`) and `Rules::admit` (`token/claims.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Place,
    Policy,
    Parts,
    Header,
    Extensions,
    Encoding,
    Typ,
    Keys,
    Algorithm,
    Key,
    Signature,
    Claims,
    Parameters,
    Issuer,
    Dates,
    IssuedAt,
    NotBefore,
    Expiry,
    Age,
    Lifetime,
    Audience,
    Subject,
    JwtId,
    RequiredClaims,
    RequiredScopes,
    IssuedAfter,
    RefusedClaims,
    Confirmation,
    UserId,
    Certificate,
}

/// All steps, in order, each with its name.
pub(crate) const STEPS: [(Step, &str); 30] = [
    (Step::Place, "place"),
    (Step::Policy, "policy"),
    (Step::Parts, "three parts"),
    (Step::Header, "header"),
    (Step::Extensions, "crit, b64, kid"),
    (Step::Encoding, "base64url"),
    (Step::Typ, "typ"),
    (Step::Keys, "keys"),
    (Step::Algorithm, "alg"),
    (Step::Key, "key"),
    (Step::Signature, "signature"),
    (Step::Claims, "claims"),
    (Step::Parameters, "requiredParameters"),
    (Step::Issuer, "iss"),
    (Step::Dates, "dates"),
    (Step::IssuedAt, "iat"),
    (Step::NotBefore, "nbf"),
    (Step::Expiry, "exp"),
    (Step::Age, "maxAgeSeconds"),
    (Step::Lifetime, "maxLifetimeSeconds"),
    (Step::Audience, "aud"),
    (Step::Subject, "sub"),
    (Step::JwtId, "jti"),
    (Step::RequiredClaims, "requiredClaims"),
    (Step::RequiredScopes, "requiredScopes"),
    (Step::IssuedAfter, "issuedAfter"),
    (Step::RefusedClaims, "refusedClaims"),
    (Step::Confirmation, "cnf"),
    (Step::UserId, "user id"),
    (Step::Certificate, "client certificate"),
];

/// What tells the steps apart at which one rejection may come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// A policy was chosen for the token.
    pub(crate) has_policy: bool,
    /// The token's header can be read, whatever its other parts are.
    pub(crate) reads_header: bool,
    /// The policy allows the token's algorithm.
    pub(crate) allows_algorithm: bool,
}

impl Step {
    /// The step at which this rejection comes: all steps before it are passed.
    pub(crate) const fn of(rejection: Rejection, circumstances: Circumstances) -> Self {
        match rejection {
            Rejection::NoToken
            | Rejection::ForeignScheme
            | Rejection::MultipleTokens
            | Rejection::TokenTooLong => Self::Place,
            // By its `iss` a policy is chosen, before anything is verified, and again the rules ask for it.
            Rejection::IssuerUnknown if circumstances.has_policy => Self::Issuer,
            Rejection::IssuerUnknown => Self::Policy,
            Rejection::NotThreeParts => Self::Parts,
            Rejection::NotBase64Url if circumstances.reads_header => Self::Encoding,
            Rejection::NotBase64Url | Rejection::HeaderNotJson => Self::Header,
            Rejection::CriticalExtension | Rejection::UnencodedPayload | Rejection::KidNotString => {
                Self::Extensions
            }
            Rejection::TypMismatch => Self::Typ,
            Rejection::KeysUnavailable => Self::Keys,
            // No key is for an algorithm that the policy allows.
            Rejection::AlgNotAllowed if circumstances.allows_algorithm => Self::Key,
            Rejection::AlgNotAllowed => Self::Algorithm,
            Rejection::KidMissing | Rejection::KidUnknown | Rejection::NoRoomToWait => Self::Key,
            Rejection::BadSignature => Self::Signature,
            Rejection::ClaimsNotJson => Self::Claims,
            Rejection::ParameterMismatch => Self::Parameters,
            Rejection::NotNumericDate => Self::Dates,
            Rejection::IssuedInFuture => Self::IssuedAt,
            Rejection::NotYetValid => Self::NotBefore,
            Rejection::Expired => Self::Expiry,
            Rejection::IatMissing | Rejection::TooOld => Self::Age,
            Rejection::ExpMissing | Rejection::StartMissing | Rejection::LifetimeTooLong => Self::Lifetime,
            Rejection::AudienceMissing | Rejection::AudienceMismatch | Rejection::AudienceUnexpected => {
                Self::Audience
            }
            Rejection::SubjectNotString => Self::Subject,
            Rejection::JwtIdNotString => Self::JwtId,
            Rejection::ClaimMismatch => Self::RequiredClaims,
            Rejection::ScopeMissing => Self::RequiredScopes,
            Rejection::IssuedTooEarly => Self::IssuedAfter,
            Rejection::ClaimRefused => Self::RefusedClaims,
            Rejection::TokenBound => Self::Confirmation,
            Rejection::TokenBoundElsewhere => Self::Certificate,
            Rejection::NoUserIdClaim
            | Rejection::UserIdType
            | Rejection::UserIdEmpty
            | Rejection::UserIdControl
            | Rejection::UserIdOuterSpace
            | Rejection::UserIdNotAscii
            | Rejection::UserIdNotLatin1 => Self::UserId,
        }
    }

    /// Whether `verifyToken: false` leaves this step out.
    pub(crate) const fn is_verification(self) -> bool {
        match self {
            Self::Place
            | Self::Policy
            | Self::Parts
            | Self::Header
            | Self::Extensions
            | Self::Encoding
            | Self::Typ
            | Self::Algorithm
            | Self::Claims
            | Self::UserId => false,
            Self::Keys
            | Self::Key
            | Self::Signature
            | Self::Parameters
            | Self::Issuer
            | Self::Dates
            | Self::IssuedAt
            | Self::NotBefore
            | Self::Expiry
            | Self::Age
            | Self::Lifetime
            | Self::Audience
            | Self::Subject
            | Self::JwtId
            | Self::RequiredClaims
            | Self::RequiredScopes
            | Self::IssuedAfter
            | Self::RefusedClaims
            | Self::Confirmation
            | Self::Certificate => true,
        }
    }

    /// Its name, in messages and for scripts.
    pub(crate) fn name(self) -> &'static str {
        STEPS.iter().find(|(step, _)| *step == self).map_or("", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::explain::words::REJECTIONS;

    #[test]
    fn each_rejection_comes_at_a_step_and_each_step_is_in_order() {
        assert!(STEPS.is_sorted_by(|(one, _), (next, _)| one < next));
        let mut reached = Vec::new();
        for rejection in REJECTIONS {
            for bits in 0..8 {
                let circumstances = Circumstances {
                    has_policy: bits & 1 > 0,
                    reads_header: bits & 2 > 0,
                    allows_algorithm: bits & 4 > 0,
                };
                let step = Step::of(*rejection, circumstances);
                assert!(!step.name().is_empty(), "{step:?}");
                reached.push(step);
            }
        }
        assert!(STEPS.iter().all(|(step, _)| reached.contains(step)), "a step at which nothing is refused");
        assert_eq!(REJECTIONS.len(), 47);
    }
}
