//! Tokens that are bound to a key of their client (RFC 7800): whoever has only the token must gain nothing by it.

use std::rc::Rc;

use base16ct::HexDisplay;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::rejection::Rejection;

/// What becomes of a token with the claim `cnf` (`boundTokens`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BoundTokens {
    /// It is invalid.
    #[default]
    Refuse,
    /// It counts over a connection with the client certificate to which it is bound (RFC 8705 section 3), and is
    /// invalid if it is bound in any other way.
    Verify,
    /// It is believed as if it were not bound.
    Ignore,
}

impl BoundTokens {
    /// The client certificate over whose connection alone these claims count: SHA-256 of its DER, in 64 lower-case
    /// hexadecimal digits. `None` if they count over each connection.
    ///
    /// # Errors
    /// The token is bound, and the binding is refused, or is not exactly one that can be verified. RFC 7800 section 3.1
    /// lets readers ignore what they do not know; whoever ignored a second binding would not verify it.
    pub(crate) fn certificate(self, claims: &Value) -> Result<Option<Rc<str>>, Rejection> {
        let Some(confirmation) = claims.get("cnf").filter(|_| self != Self::Ignore) else { return Ok(None) };
        let members = confirmation.as_object().filter(|members| self == Self::Verify && members.len() == 1);
        let thumbprint = members.and_then(|members| members.get("x5t#S256")?.as_str());
        let digest = thumbprint.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let digest = digest.filter(|digest| digest.len() == 32).ok_or(Rejection::TokenBound)?;
        Ok(Some(format!("{:x}", HexDisplay(&digest)).into()))
    }
}
