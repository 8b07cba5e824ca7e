//! The user id: what Kinto puts after `kinto_jwt:`.

use std::borrow::Cow;

use serde_json::Value;

use crate::rejection::Rejection;
use crate::token::claim_name::ClaimName;
use crate::token::claims::Admitted;
use crate::token::header_text::{Charset, HeaderText, NotCarried};

/// A user id. An altered user id would be another user, so a header carries it exactly, or the token is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserId(HeaderText);

impl UserId {
    /// The user id in admitted claims.
    ///
    /// # Errors
    /// There is no claim of this name, or a header cannot carry its value exactly.
    pub(crate) fn from_claims(
        claims: &Admitted,
        name: &ClaimName,
        charset: Charset,
    ) -> Result<Self, Rejection> {
        Self::from_value(name.find(claims.object()).ok_or(Rejection::NoUserIdClaim)?, charset)
    }

    /// A user id from the configuration (`unauthorizedUserId`).
    ///
    /// # Errors
    /// A header cannot carry the value exactly.
    pub(crate) fn from_value(value: &Value, charset: Charset) -> Result<Self, Rejection> {
        Ok(Self(HeaderText::from_value(value, charset)?))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The id as the bytes of a header value, in latin-1.
    #[must_use]
    pub fn to_header_value(&self) -> Cow<'_, [u8]> {
        self.0.to_header_value()
    }
}

impl From<NotCarried> for Rejection {
    fn from(why: NotCarried) -> Self {
        match why {
            NotCarried::Type => Self::UserIdType,
            NotCarried::Empty => Self::UserIdEmpty,
            NotCarried::Control => Self::UserIdControl,
            NotCarried::OuterSpace => Self::UserIdOuterSpace,
            NotCarried::NotAscii => Self::UserIdNotAscii,
            NotCarried::NotLatin1 => Self::UserIdNotLatin1,
        }
    }
}
