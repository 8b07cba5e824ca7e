//! The validated configuration: its values, and what follows from them. `config` reads it.

use crate::gate::cache::CacheLimits;
use crate::gate::on_failure::{Failures, OnFailure};
use crate::gate::policy::Policy;
use crate::request::credentials::Place;
use crate::request::identity_header::IdentityHeader;

/// Who is let in as whom.
#[derive(Debug)]
pub struct Config {
    /// `policies`, or the one that the settings themselves are.
    pub policies: Vec<Policy>,
    /// `onMissing`, `onInvalid`, `onKeysUnavailable`, `open` and `unauthorizedUserId`.
    pub failures: Failures,
    /// `userIdHeader`: the header that Kinto trusts.
    pub identity_header: IdentityHeader,
    /// The headers of `claimsToHeaders`, of all policies.
    pub claim_headers: Vec<IdentityHeader>,
    /// The usual header, where `userIdHeader` names another. A Kinto that still trusts it must not get the client's.
    pub usual_header: Option<IdentityHeader>,
    /// `forwardToken`: whether Kinto gets the token too.
    pub forward_token: bool,
    /// `tokenCache`: how many verified tokens are remembered.
    pub token_cache: CacheLimits,
    /// `batch`: limits of the batch endpoint.
    pub batch: BatchLimits,
    /// Keys that were left out of a `jwks`, in words for the log.
    pub warnings: Vec<String>,
}

impl Config {
    /// Every place where a token may be, of all policies, each once.
    #[must_use]
    pub fn places(&self) -> Vec<&Place> {
        let mut places = Vec::new();
        for place in self.policies.iter().flat_map(|policy| policy.credentials.places()) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }

    /// Whether a request, or a part of a batch, may get an answer from this filter for want of proof.
    #[must_use]
    pub fn may_reject(&self) -> bool {
        let Failures { missing, invalid, keys_unavailable, .. } = self.failures;
        let fetches = self.policies.iter().any(|policy| policy.keys.remote.is_some());
        [missing, invalid].contains(&OnFailure::Reject) || (fetches && keys_unavailable == OnFailure::Reject)
    }

    /// Whether WSGI would file a header of this name where only this filter may write.
    #[must_use]
    pub fn is_ours(&self, name: &str) -> bool {
        self.own_headers().any(|header| header.is_spelled(name))
    }

    /// The headers that no client may write.
    pub fn own_headers(&self) -> impl Iterator<Item = &IdentityHeader> {
        std::iter::once(&self.identity_header).chain(&self.usual_header).chain(&self.claim_headers)
    }
}

/// Limits of the batch endpoint (`batch`).
#[derive(Clone, Debug)]
pub struct BatchLimits {
    /// Bytes of the largest body that is read (`maxBytes`).
    pub max_bytes: usize,
    /// The largest number of sub-requests (`maxRequests`).
    pub max_requests: usize,
}

impl Default for BatchLimits {
    /// A body that fits Envoy's usual buffers, and Kinto's own `batch_max_requests`.
    fn default() -> Self {
        Self { max_bytes: 1_048_576, max_requests: 25 }
    }
}
