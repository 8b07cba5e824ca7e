//! Why a token proves nothing: one code for each reason, for the log, metrics and tests.
//!
//! A [`Rejection`] never holds bytes of a token, claims or keys.

use std::fmt;

/// Why the token of a request, or its absence, proves nothing.
///
/// The client is never told the reason. The host's log has its [`code`](Self::code), at debug level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// No place of the policies has a token: it is absent or empty.
    NoToken,
    /// The header of the token has a scheme that is not among those of the policy (RFC 9110 section 11.1).
    ForeignScheme,
    /// More than one token, or more than one token header field.
    MultipleTokens,
    /// The token is longer than [`MAX_TOKEN_BYTES`](crate::request::credentials::MAX_TOKEN_BYTES); it was not parsed.
    TokenTooLong,
    /// Not three parts separated by dots (RFC 7515 section 3.1).
    NotThreeParts,
    /// A part is not canonical base64url without padding (RFC 7515 section 2), or with `padding: accept` has a wrong
    /// one.
    NotBase64Url,
    /// The JOSE header is not a JSON object with unique names (RFC 7515 section 4).
    HeaderNotJson,
    /// `alg` is missing, is none of the policy's algorithms (RFC 8725 section 3.1), or no key of the token's `kid` is for
    /// it.
    AlgNotAllowed,
    /// `typ` is not the one of the policy (RFC 8725 section 3.11).
    TypMismatch,
    /// A parameter of `requiredParameters` is missing in the token's header, or has another value.
    ParameterMismatch,
    /// `kid` is not a string (RFC 7515 section 4.1.4).
    KidNotString,
    /// `crit` is present; this filter implements no extension (RFC 7515 section 4.1.11).
    CriticalExtension,
    /// `b64` is false: the payload is not base64url-encoded (RFC 7797).
    UnencodedPayload,
    /// There is no `kid` and more than one key fits (RFC 7515 section 4.1.4).
    KidMissing,
    /// No key has this `kid`, or no key has a `kid` and the right one may be newer than all.
    KidUnknown,
    /// There is no key set yet: the issuer has not answered.
    KeysUnavailable,
    /// No known key is the right one, and too many requests already wait for a newer key set.
    NoRoomToWait,
    /// The signature does not match the token and the key.
    BadSignature,
    /// The claims are not a JSON object with unique names (RFC 7519 sections 4 and 7.2).
    ClaimsNotJson,
    /// `exp`, `nbf` or `iat` is not a non-negative number (RFC 7519 section 2, `NumericDate`).
    NotNumericDate,
    /// `exp` has passed (RFC 7519 section 4.1.4).
    Expired,
    /// `nbf` is in the future (RFC 7519 section 4.1.5).
    NotYetValid,
    /// `iat` is in the future (RFC 7519 section 4.1.6; `kinto_jwt` refuses it too).
    IssuedInFuture,
    /// There is no `exp`, and `requireExp` or `maxLifetimeSeconds` asks for it.
    ExpMissing,
    /// `maxLifetimeSeconds` is configured and the token has neither `iat` nor `nbf`.
    StartMissing,
    /// More than `maxLifetimeSeconds` between `iat`, or else `nbf`, and `exp`.
    LifetimeTooLong,
    /// `maxAgeSeconds` is configured and the token has no `iat`.
    IatMissing,
    /// `iat` is longer ago than `maxAgeSeconds`.
    TooOld,
    /// `iss` is not one of `issuer`, or not that of any policy (RFC 7519 section 4.1.1).
    IssuerUnknown,
    /// `audience` is configured and the token has no `aud` (RFC 7519 section 4.1.3).
    AudienceMissing,
    /// `aud` names none of the configured audiences, or is neither a string nor a list of strings.
    AudienceMismatch,
    /// The token is for an audience, and no `audience` is configured (RFC 7519 section 4.1.3).
    AudienceUnexpected,
    /// A claim of `requiredClaims` is missing or has another value.
    ClaimMismatch,
    /// A scope of `requiredScopes` is missing (RFC 8693 section 4.2).
    ScopeMissing,
    /// A claim has a value of `refusedClaims`.
    ClaimRefused,
    /// `iat` is before `issuedAfter`, or missing.
    IssuedTooEarly,
    /// The token has `cnf` (RFC 7800), which `boundTokens` refuses, or which is not exactly one `x5t#S256`.
    TokenBound,
    /// The token is bound to a client certificate (RFC 8705 section 3.1), and the connection has none or another.
    TokenBoundElsewhere,
    /// `sub` is not a string (RFC 7519 section 4.1.2).
    SubjectNotString,
    /// `jti` is not a string (RFC 7519 section 4.1.7).
    JwtIdNotString,
    /// The token has no claim of the name in `userIdTokenKey`.
    NoUserIdClaim,
    /// The user id claim is neither a string nor an integer nor a boolean.
    UserIdType,
    /// The user id is empty: it would be the user `kinto_jwt:`.
    UserIdEmpty,
    /// The user id has a character above U+007F, and `userIdCharset` is `ascii`.
    UserIdNotAscii,
    /// The user id has a character above U+00FF, which a header cannot carry to WSGI (PEP 3333).
    UserIdNotLatin1,
    /// The user id has a control character (RFC 9110 section 5.5).
    UserIdControl,
    /// The user id begins or ends with white space, which HTTP would trim (RFC 9110 section 5.5).
    UserIdOuterSpace,
}

impl Rejection {
    /// A stable name for metrics and tests.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::ForeignScheme => "foreign_scheme",
            Self::MultipleTokens => "multiple_tokens",
            Self::TokenTooLong => "token_too_long",
            Self::NotThreeParts => "not_three_parts",
            Self::NotBase64Url => "not_base64url",
            Self::HeaderNotJson => "header_not_json",
            Self::AlgNotAllowed => "alg_not_allowed",
            Self::TypMismatch => "typ_mismatch",
            Self::ParameterMismatch => "parameter_mismatch",
            Self::KidNotString => "kid_not_string",
            Self::CriticalExtension => "critical_extension",
            Self::UnencodedPayload => "unencoded_payload",
            Self::KidMissing => "kid_missing",
            Self::KidUnknown => "kid_unknown",
            Self::KeysUnavailable => "keys_unavailable",
            Self::NoRoomToWait => "no_room_to_wait",
            Self::BadSignature => "bad_signature",
            Self::ClaimsNotJson => "claims_not_json",
            Self::NotNumericDate => "not_numeric_date",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInFuture => "issued_in_future",
            Self::ExpMissing => "exp_missing",
            Self::StartMissing => "start_missing",
            Self::LifetimeTooLong => "lifetime_too_long",
            Self::IatMissing => "iat_missing",
            Self::TooOld => "too_old",
            Self::IssuerUnknown => "issuer_unknown",
            Self::AudienceMissing => "audience_missing",
            Self::AudienceMismatch => "audience_mismatch",
            Self::AudienceUnexpected => "audience_unexpected",
            Self::ClaimMismatch => "claim_mismatch",
            Self::ScopeMissing => "scope_missing",
            Self::ClaimRefused => "claim_refused",
            Self::IssuedTooEarly => "issued_too_early",
            Self::TokenBound => "token_bound",
            Self::TokenBoundElsewhere => "token_bound_elsewhere",
            Self::SubjectNotString => "subject_not_string",
            Self::JwtIdNotString => "jwt_id_not_string",
            Self::NoUserIdClaim => "no_user_id_claim",
            Self::UserIdType => "user_id_type",
            Self::UserIdEmpty => "user_id_empty",
            Self::UserIdNotAscii => "user_id_not_ascii",
            Self::UserIdNotLatin1 => "user_id_not_latin1",
            Self::UserIdControl => "user_id_control",
            Self::UserIdOuterSpace => "user_id_outer_space",
        }
    }

    /// The cause, for which the operator sets an action.
    #[must_use]
    pub const fn cause(self) -> Cause {
        match self {
            Self::NoToken | Self::ForeignScheme => Cause::Missing,
            Self::KeysUnavailable | Self::NoRoomToWait => Cause::KeysUnavailable,
            _ => Cause::Invalid,
        }
    }
}

/// The kinds of rejections for which the operator sets an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The request has no token (`onMissing`).
    Missing,
    /// The token is invalid (`onInvalid`).
    Invalid,
    /// The token cannot be verified, because its key is unavailable (`onKeysUnavailable`).
    KeysUnavailable,
}

/// A rejection, and by how much a token breaks a rule about time: for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Why it proves nothing.
    pub rejection: Rejection,
    excess: Option<Excess>,
}

/// How far a time is from where it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Excess {
    seconds: u64,
    /// What the seconds are, and the name of the limit: `after exp, leeway`.
    what: &'static str,
    limit: u64,
}

impl Reason {
    /// A time is `seconds` away from where it may be. `what` says from where, and which setting, of this value, allows
    /// for more.
    pub(crate) const fn of_time(rejection: Rejection, seconds: u64, what: &'static str, limit: u64) -> Self {
        Self { rejection, excess: Some(Excess { seconds, what, limit }) }
    }
}

impl From<Rejection> for Reason {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, excess: None }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rejection.code())?;
        match self.excess {
            Some(Excess { seconds, what, limit }) => write!(f, ": {seconds} s {what} {limit}"),
            None => Ok(()),
        }
    }
}
