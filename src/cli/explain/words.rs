//! What each rejection means, and what to do about it.

use crate::rejection::Rejection;

/// What a code means, and what the operator or the client can do.
#[derive(Clone, Copy)]
pub(crate) struct Words {
    pub(crate) meaning: &'static str,
    pub(crate) remedy: &'static str,
}

/// The list of all rejections and the match over them, from one table, so that neither can miss one.
macro_rules! words {
    ($($rejection:ident: $meaning:literal $remedy:literal)*) => {
        /// All rejections.
        pub(crate) const REJECTIONS: &[Rejection] = &[$(Rejection::$rejection),*];

        /// The words for a rejection.
        pub(crate) const fn words(rejection: Rejection) -> Words {
            match rejection {
                $(Rejection::$rejection => Words { meaning: $meaning, remedy: $remedy },)*
            }
        }
    };
}

words! {
    NoToken:
        "The request has no token in any place where a policy looks for one."
        "Have the client send its token, for example as Authorization: Bearer, or add the place to the setting from."
    ForeignScheme:
        "The header Authorization has a scheme that is not in auth_type, so the filter leaves it to Kinto."
        "Add the scheme to auth_type, for example auth_type: [JWT, Bearer], or have the client send the scheme that is there."
    MultipleTokens:
        "There are two different tokens, or two header fields for one token. The filter does not choose between them."
        "Have the client send one token in one place. Look for a proxy that adds a second header Authorization."
    TokenTooLong:
        "The token is longer than 16384 bytes, and is not read."
        "Have the issuer put less into the token, for example fewer groups or roles."
    NotThreeParts:
        "A signed token is three texts with a dot between them, and this is not."
        "Check that the whole token was sent. A token with five parts is encrypted, and one without dots is opaque: ask the issuer for a signed JWT."
    NotBase64Url:
        "A part of the token has a character that base64url does not have, or its end is missing."
        "Check that the token was copied whole and without quotes, spaces or a second scheme. If its parts end in =, see the setting padding."
    HeaderNotJson:
        "The first part of the token is not a JSON object, or has one name twice."
        "Check that it is a JWT and that it was not changed on its way. Otherwise the issuer has to correct it."
    AlgNotAllowed:
        "The token is signed with an algorithm that the setting algorithm does not list, or for which there is no key."
        "If the issuer signs with this algorithm, add it to algorithm, with a key for it. If not, the token is not the issuer's."
    TypMismatch:
        "The token is of another type than the setting typ asks for. It may be an ID token in the place of an access token."
        "Have the client send the token of the right type, or correct typ."
    ParameterMismatch:
        "The token's header does not have what requiredParameters asks for."
        "Check who made the token. If it is the right one, correct requiredParameters."
    KidNotString:
        "The kid in the token's header is not a text."
        "The issuer has to correct its tokens (RFC 7515 section 4.1.4)."
    CriticalExtension:
        "The token's header has crit: it asks for an extension, and this filter has none."
        "Have the issuer make tokens without crit."
    UnencodedPayload:
        "The token's header has b64: false, so its claims are not encoded (RFC 7797), which no JWT may have."
        "Have the issuer make usual tokens."
    KidMissing:
        "The token does not say which key has signed it, and several keys fit."
        "Have the issuer write kid into its tokens, or leave only one key for this algorithm in the key set."
    KidUnknown:
        "No key of the key set is the one that the token names. With remoteJwks the filter has asked the issuer for newer keys before it decides so."
        "Check that the token is of this issuer and environment. Compare its kid with the issuer's key set; if the key is there, see the metric kinto_jwt_jwks_fetches."
    KeysUnavailable:
        "There are no keys to verify the token with: the issuer has not given any yet."
        "See the metric kinto_jwt_jwks_fetches and Envoy's log for why the keys could not be fetched. The client may try again."
    NoRoomToWait:
        "The key of the token is unknown, and too many requests wait for the issuer's keys already. It depends on the load and not on the token."
        "The client may try again. If it lasts, the issuer answers slowly: see the metric kinto_jwt_jwks_fetches."
    BadSignature:
        "The key did not make the signature of this token, or the token was changed after it was signed."
        "Check that the key is the issuer's for this environment, and was not replaced since. If it is, the token is not the issuer's."
    ClaimsNotJson:
        "The second part of the token is not a JSON object, or has one name twice."
        "The issuer has to correct its tokens. JSON in which one name is there twice can be read in two ways."
    NotNumericDate:
        "exp, nbf or iat is not a number of seconds since 1970."
        "The issuer has to write numbers without quotes (RFC 7519 section 2)."
    Expired:
        "The time in exp is over."
        "The client has to get a new token. If it has just got one, compare the clocks of the issuer and of Envoy; leeway allows for small differences."
    NotYetValid:
        "The time in nbf has not come yet."
        "Compare the clocks of the issuer and of Envoy; leeway allows for small differences."
    IssuedInFuture:
        "The time in iat, at which the token was issued, has not come yet."
        "Compare the clocks of the issuer and of Envoy; leeway allows for small differences."
    ExpMissing:
        "The token has no exp, and requireExp or maxLifetimeSeconds asks for one."
        "Have the issuer write exp into its tokens."
    StartMissing:
        "The token has neither iat nor nbf, so its lifetime, which maxLifetimeSeconds limits, is unknown."
        "Have the issuer write iat into its tokens."
    LifetimeTooLong:
        "The token is valid for a longer time than maxLifetimeSeconds allows."
        "Have the issuer make tokens for a shorter time, or raise maxLifetimeSeconds."
    IatMissing:
        "The token has no iat, so its age, which maxAgeSeconds limits, is unknown."
        "Have the issuer write iat into its tokens."
    TooOld:
        "The token was issued longer ago than maxAgeSeconds allows."
        "The client has to get a new token."
    IssuerUnknown:
        "The token's iss is not in the setting issuer, or is that of no policy. A token that cannot be read has no iss."
        "Compare iss with issuer letter by letter: a / at the end counts. If they differ on purpose, the token is of another issuer or environment."
    AudienceMissing:
        "The token is for nobody in particular: it has no aud, and the setting audience asks for one."
        "Have the client ask the issuer for a token for this service."
    AudienceMismatch:
        "The token is for another service: none of the values in aud is in the setting audience."
        "Have the client ask the issuer for a token for this service, or correct audience."
    AudienceUnexpected:
        "The token has aud, so it is for a certain service, and no audience is set."
        "If aud is this service, set audience to it."
    ClaimMismatch:
        "A claim that requiredClaims asks for is missing, or has another value."
        "Give the user what is missing at the issuer, such as the role, or correct requiredClaims. The client needs a new token then."
    ScopeMissing:
        "The token does not have every scope that requiredScopes asks for."
        "Have the client ask the issuer for the missing scope."
    ClaimRefused:
        "The operator has shut out this user or token: a claim has a value of refusedClaims."
        "If that is a mistake, take the value out of refusedClaims."
    IssuedTooEarly:
        "The operator has shut out tokens of before issuedAfter, and this one is older or has no iat."
        "The client has to get a new token."
    TokenBound:
        "The token is bound to a key of the client (cnf), in a way that boundTokens does not verify."
        "If it is bound to a client certificate alone (x5t#S256), and clients open TLS with it at this Envoy, set boundTokens: verify. For other ways, have the issuer make bearer tokens."
    TokenBoundElsewhere:
        "The token is bound to a client certificate, and the connection to Envoy has another one or none."
        "Have the client open the connection with the certificate for which it got the token. Where a proxy before Envoy ends TLS, Envoy does not see the certificate, and such a token cannot be used."
    SubjectNotString:
        "The claim sub is not a text."
        "The issuer has to write sub as text (RFC 7519 section 4.1.2)."
    JwtIdNotString:
        "The claim jti is not a text."
        "The issuer has to write jti as text (RFC 7519 section 4.1.7)."
    NoUserIdClaim:
        "The token does not have the claim that names the user (userIdTokenKey)."
        "Correct userIdTokenKey, or have the issuer write the claim into its tokens."
    UserIdType:
        "The claim that names the user is not a text, a whole number, true or false, so no user id can be made of it."
        "Name another claim in userIdTokenKey, or have the issuer write a text."
    UserIdEmpty:
        "The claim that names the user is empty."
        "Name another claim in userIdTokenKey, or have the issuer fill it in."
    UserIdNotAscii:
        "The user id has a character beyond ASCII, and userIdCharset is ascii."
        "Set userIdCharset: latin-1 if Kinto runs on waitress, gunicorn or uWSGI, or name a claim in userIdTokenKey that is ASCII."
    UserIdNotLatin1:
        "The user id has a character beyond U+00FF, which no header can carry to Kinto."
        "Name a claim in userIdTokenKey that is ASCII, such as sub."
    UserIdControl:
        "The user id has a control character, which no header can carry."
        "The issuer has to correct the name of this user."
    UserIdOuterSpace:
        "The user id begins or ends with white space, which HTTP would cut off, so that it would be another user."
        "The issuer has to correct the name of this user."
}
