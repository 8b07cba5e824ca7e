//! The whole decision: for a request, who Kinto shall take it for.

use crate::cache::{TokenCache, Verified};
use crate::claims::NumericDate;
use crate::config::Config;
use crate::credentials::Credential;
use crate::rejection::Rejection;
use crate::token::{LastHeader, Token};
use crate::user_id::UserId;

/// What becomes of a request: it is forwarded, as somebody or as nobody.
#[derive(Debug, PartialEq, Eq)]
pub struct Decision {
    /// Who Kinto shall take the request for; `None` for an anonymous one.
    pub user_id: Option<UserId>,
    /// Whether the token header must not reach Kinto.
    pub remove_token: bool,
    /// Why the token, or its absence, proved nothing.
    pub rejection: Option<Rejection>,
}

/// The policy at work.
#[derive(Debug)]
pub struct Gate {
    config: Config,
    cache: TokenCache,
    last_header: LastHeader,
}

impl Gate {
    /// A gate that follows this configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { cache: TokenCache::new(config.token_cache), last_header: LastHeader::default(), config }
    }

    /// The configuration that it follows.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Decides on the values of all token header fields of a request, at the time `now`.
    #[must_use]
    pub fn decide<'h>(&self, token_headers: impl Iterator<Item = &'h [u8]>, now: NumericDate) -> Decision {
        let credential = self.config.credentials.find(token_headers);
        let foreign = matches!(credential, Credential::Absent(_));
        let (user_id, rejection) = match self.identify(credential, now) {
            Ok(user_id) => (Some(user_id), None),
            Err(rejection) => (self.config.unauthorized.clone(), Some(rejection)),
        };
        Decision { user_id, remove_token: !foreign && !self.config.forward_token, rejection }
    }

    fn identify(&self, credential: Credential<'_>, now: NumericDate) -> Result<UserId, Rejection> {
        let token = match credential {
            Credential::Token(token) => token,
            Credential::Absent(rejection) | Credential::Invalid(rejection) => return Err(rejection),
        };
        let Some(known) = self.cache.find(token) else { return self.verify(token, now) };
        match self.config.rules.check_times(known.validity, now) {
            Err(Rejection::Expired) => {
                self.cache.forget(token);
                Err(Rejection::Expired)
            }
            checked => checked.map(|()| known.user_id),
        }
    }

    /// The only way from a token to a user id: each line takes what the one before it proved.
    fn verify(&self, token: &[u8], now: NumericDate) -> Result<UserId, Rejection> {
        let parsed = Token::parse_with(token, &self.last_header)?;
        let claims = self.config.keys.verify(&parsed)?;
        let admitted = self.config.rules.admit(claims, now)?;
        let user_id = UserId::from_claims(&admitted, &self.config.user_id_claim)?;
        if self.config.rules.enforced {
            self.cache.keep(token, Verified { user_id: user_id.clone(), validity: admitted.validity() });
        }
        Ok(user_id)
    }
}
