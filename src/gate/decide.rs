//! Decides as whom a request is forwarded, or which answer the client gets.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use log::info;
use serde_json::Value;

use crate::answer::Answer;
use crate::counters::{Count, Counters};
use crate::gate::cache::TokenCache;
use crate::gate::choose::{Chosen, choose};
use crate::gate::clock::Clock;
use crate::gate::config::Config;
use crate::gate::decision::{Decision, Outcome};
use crate::gate::on_failure::Action;
use crate::gate::policy::{Identity, Policy, PolicyIndex, Verification};
use crate::keys::boringssl::HostVerify;
use crate::keys::fault::Fault;
use crate::keys::ring::KeyRing;
use crate::rejection::{Cause, Reason, Rejection};
use crate::request::Request;
use crate::request::credentials::{Credential, Place};
use crate::token::claims::{NumericDate, unverified_issuer};
use crate::token::jws::{LastHeader, Padding, Token};

/// Decides on requests by one configuration.
#[derive(Debug)]
pub struct Gate {
    config: Config,
    cache: TokenCache,
    last_header: LastHeader,
    counters: Counters,
    clock: Clock,
}

/// What the token of a request proves, or why it proves nothing.
#[derive(Clone, Debug)]
pub(crate) struct Proof<'g> {
    verdict: Result<Identity, Reason>,
    policy: Option<&'g Policy>,
    remove: Vec<&'g Place>,
}

impl Proof<'_> {
    /// Whether there is nothing at the places of the policies.
    pub(crate) fn lacks_token(&self) -> bool {
        self.reason().is_some_and(|reason| reason.rejection == Rejection::NoToken)
    }

    /// Why it proves nothing.
    fn reason(&self) -> Option<Reason> {
        self.verdict.as_ref().err().copied()
    }
}

impl Gate {
    /// A gate that follows this configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            cache: TokenCache::new(config.token_cache),
            last_header: LastHeader::default(),
            counters: Counters::default(),
            clock: Clock::default(),
            config,
        }
    }

    /// Decides on a request at the time `now`.
    #[must_use]
    pub fn decide(&self, request: &impl Request, now: NumericDate) -> Decision<'_> {
        self.decision(self.prove(request, now, None), request)
    }

    /// What the token of a request proves at the time `now`. A token that is in `failed` is not verified again, and one
    /// whose verification fails is put there.
    pub(crate) fn prove(
        &self,
        request: &impl Request,
        now: NumericDate,
        failed: Option<&mut Failed>,
    ) -> Proof<'_> {
        let Chosen { policy, credential, places } = self.choose(request);
        let mut proof = Proof {
            verdict: self.identify(policy, &credential, now, failed),
            policy,
            remove: if self.config.forward_token { Vec::new() } else { places },
        };
        // A token that is remembered is checked, too. 64 digits never equal the empty text of no certificate.
        if let Ok(Identity { certificate: Some(expected), .. }) = &proof.verdict
            && request.client_certificate() != expected.as_bytes()
        {
            proof.verdict = Err(Rejection::TokenBoundElsewhere.into());
        }
        proof
    }

    /// The policy that decides on a request, and what the request holds for it.
    pub(crate) fn choose<'g: 'r, 'r>(&'g self, request: &'r impl Request) -> Chosen<'g, 'r> {
        choose(&self.config.policies, request, |token| self.unverified_issuer(token))
    }

    /// The decision on a request with this proof.
    pub(crate) fn decision<'g>(&'g self, proof: Proof<'g>, request: &impl Request) -> Decision<'g> {
        let reason = proof.reason();
        let may_learn = |policy: &&Policy| reason.is_some_and(|reason| policy.may_learn(reason.rejection));
        Decision {
            awaits: proof.policy.filter(may_learn).map(|policy| policy.index),
            outcome: match proof.verdict {
                Ok(verified) => Outcome::User(verified.user_id, verified.claims),
                Err(reason) => self.without_proof(reason.rejection, proof.policy, request),
            },
            remove: proof.remove,
            reason,
        }
    }

    /// The decision on a request that should wait for keys when there is no room to wait: its token counts as one
    /// whose key is unavailable, not as invalid. Any other decision stays as it is.
    pub(crate) fn without_room<'g>(&'g self, decision: Decision<'g>, request: &impl Request) -> Decision<'g> {
        let Some(index) = decision.awaits else { return decision };
        let rejection = Rejection::NoRoomToWait;
        let outcome = self.without_proof(rejection, self.config.policy(index), request);
        Decision { outcome, reason: Some(rejection.into()), ..decision }
    }

    /// What becomes of a request that proves nothing: the action that the operator has set for the cause.
    pub(crate) fn without_proof(
        &self,
        rejection: Rejection,
        policy: Option<&Policy>,
        request: &impl Request,
    ) -> Outcome {
        let (on_failure, cause) = (&self.config.on_failure, rejection.cause());
        let unauthorized = || on_failure.unauthorized.clone();
        match on_failure.action(cause) {
            Action::UnauthorizedUser => Outcome::Unauthorized(unauthorized()),
            Action::Anonymous => Outcome::Anonymous,
            Action::Report if on_failure.exempts(cause, request) => Outcome::Unauthorized(unauthorized()),
            Action::Report => Outcome::Reported(unauthorized()),
            Action::Reject if on_failure.exempts(cause, request) => Outcome::Anonymous,
            Action::Reject => Outcome::Rejected(match cause {
                Cause::Missing => Answer::missing_token(&on_failure.challenge),
                Cause::Invalid => Answer::invalid_token(&on_failure.challenge),
                Cause::KeysUnavailable => Answer::keys_unavailable(policy.and_then(Policy::retry_after)),
            }),
        }
    }

    fn identify(
        &self,
        policy: Option<&Policy>,
        credential: &Credential<'_>,
        now: NumericDate,
        failed: Option<&mut Failed>,
    ) -> Result<Identity, Reason> {
        let token = match credential {
            Credential::Token(token) => token,
            Credential::Absent(rejection) | Credential::Invalid(rejection) => return Err((*rejection).into()),
        };
        let policy = policy.ok_or(Rejection::IssuerUnknown)?;
        let Some(known) = self.cache.find(token).filter(|known| known.policy == policy.index) else {
            let Some(failed) = failed else { return self.verify(policy, token, now) };
            return failed.or_else(policy.index, token, || self.verify(policy, token, now));
        };
        self.counters.count(Count::CacheHits);
        let checked = policy.check_times(known.validity, now);
        let is_over = |reason: Reason| matches!(reason.rejection, Rejection::Expired | Rejection::TooOld);
        if checked.is_err_and(is_over) {
            self.cache.forget(token);
        }
        checked.map(|()| known)
    }

    fn verify(&self, policy: &Policy, token: &[u8], now: NumericDate) -> Result<Identity, Reason> {
        self.counters.count(Count::CacheMisses);
        let verified = policy.verify(token, &self.last_header, &self.counters, now)?;
        if matches!(policy.verification, Verification::On { .. }) {
            self.cache.keep(token, verified.clone());
        }
        Ok(verified)
    }

    /// The `iss` that a token claims, nothing verified: it may choose the policy, and no more.
    fn unverified_issuer(&self, token: &[u8]) -> Option<Rc<str>> {
        if let Some(known) = self.cache.find(token) {
            return known.issuer;
        }
        // Whether padding is accepted depends on the policy, which is not known yet and will look again.
        let parsed = Token::parse_with(token, Padding::Accept, &self.last_header).ok()?;
        unverified_issuer(parsed.payload()).map(Rc::from)
    }

    /// Takes an issuer's key set for a policy, and forgets the verified tokens of all policies. Returns words on the
    /// keys of the set that cannot be used.
    ///
    /// # Errors
    /// The set has no key that can be used, or there is no such policy; the known keys stay.
    pub fn take_set(
        &self,
        policy: PolicyIndex,
        set: &Value,
        host: Option<HostVerify>,
    ) -> Result<Vec<String>, Fault> {
        let policy = self.config.policy(policy).ok_or(Fault::new("is of no policy", ""))?;
        let skipped = policy.take_set(set, host)?;
        self.cache.clear();
        self.report_missing_host(policy);
        Ok(skipped)
    }

    /// Counts and logs that this policy has keys whose signatures a host could verify, and this host does not.
    pub(crate) fn report_missing_host(&self, policy: &Policy) {
        if policy.keys().and_then(KeyRing::current).is_some_and(|keys| keys.lacks_host()) {
            info!(
                "{}: the host offers no verify_signature; signatures are verified in the module, which is slower",
                policy.name
            );
            self.counters.count(Count::HostVerificationMissing);
        }
    }

    /// The configuration that the gate follows.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What the gate and the filter count.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The host's clock beside Kinto's.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns what was counted since the last call, by name.
    #[must_use]
    pub fn take_counts(&self) -> BTreeMap<String, u64> {
        self.counters.add(Count::CacheEvictions, self.cache.take_evictions());
        self.counters.take()
    }
}

/// The tokens of one batch whose verification has failed. No policy verifies one of them again.
#[derive(Debug, Default)]
pub(crate) struct Failed(HashMap<(PolicyIndex, Box<[u8]>), Reason>);

impl Failed {
    fn or_else(
        &mut self,
        policy: PolicyIndex,
        token: &[u8],
        verify: impl FnOnce() -> Result<Identity, Reason>,
    ) -> Result<Identity, Reason> {
        let key = (policy, token.into());
        if let Some(reason) = self.0.get(&key) {
            return Err(*reason);
        }
        let verified = verify();
        if let Err(reason) = &verified {
            self.0.insert(key, *reason);
        }
        verified
    }
}
