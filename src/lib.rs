//! An Envoy filter that validates JSON Web Tokens in front of [Kinto](https://github.com/Kinto/kinto).
//!
//! **The promise**: no request, however shaped, reaches Kinto with an identity that its token does not prove. Without a
//! valid token it has no identity, or that of the unauthorized user, as the operator has set.
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | policy | one item of the setting `policies`, or the one that the other settings make: where tokens are, what proves them, what they must say |
//! | place, credential | where a token may be in a request; what a request has there |
//! | identity | the user id, in a ticket or in the identity header (`userIdHeader`), which Kinto trusts, and the values of claim headers |
//! | ticket | the user id in a signed cookie (`ticket`) |
//! | rejection | why a token, or its absence, proves nothing: `expired`, `bad_signature`, .. |
//! | cause | the kind of a rejection: the token is missing, it is invalid, or its key is unavailable |
//! | action | what the operator has set for a cause: `unauthorizedUser`, `anonymous`, `reject`, `report` |
//! | outcome | as whom a request is forwarded, or that it is rejected |
//! | answer | an HTTP answer; an [`Answer`] is one that the filter gives itself |
//! | batch, sub-request | a request to `/v1/batch`; one of the requests in its body |
//! | refusal | why a batch as a whole is not forwarded |
//! | fault | what is wrong in the configuration or with a key, in words for the operator |
//! | host, worker | Envoy; one of its threads, which has a module of its own |
//!
//! # One request, in order
//!
//! ```text
//!  filter   strips the identity headers that have several spellings
//!    gate   chooses a policy:
//!    request  finds one token, in the places of each policy
//!    token    reads its issuer, which may only choose the policy
//!    gate   looks for the token in the cache; if it is not there, the policy verifies it:
//!    token    reads the parts of the token and its header             RFC 7515
//!    keys     verifies the signature: now there are claims            RFC 7515, 7517, 7518
//!    token    checks the claims, and takes the user id out of them    RFC 7519
//!    gate   decides: this user, or the action for the cause
//!  filter   waits for keys, if the issuer may have the key of the token, and decides again
//!    gate   signs a ticket, if the operator has set `ticket`
//!  filter   sets the ticket or the identity header, or answers
//! ```
//!
//! The types hold the order. [`Claims`](token::claims::Claims) come out of a verified signature only
//! ([`Keys::verify`](keys::key::Keys::verify)), [`Admitted`](token::claims::Admitted) claims out of the rules, and the
//! [`UserId`](token::user_id::UserId) of a token out of admitted claims.
//! [`Policy::verify`](gate::policy::Policy::verify) is the three lines with an RFC. It also holds the only way around
//! them, for `verifyToken: false`; `tests/structure.rs` checks that no other file has one.
//!
//! The rules, and the file that keeps each:
//!
//! 1. Every header that WSGI files under the key of the identity header, of `userId` or of a claim header is removed, or
//!    written over, on every path and method, before the request waits, is answered or goes on (`filter/headers.rs`,
//!    `request/identity_header.rs`).
//! 2. In the places of one policy, a request has one token or none: two different tokens prove nothing
//!    (`request/credentials.rs`). The first policy that finds a token of its issuer, or that names no issuer, decides
//!    alone (`gate/choose.rs`).
//! 3. The token is a compact JWS, and asks for no extension that this filter does not have (`token/jws.rs`).
//! 4. A key of the policy, for the algorithm that the token names, has made its signature (`keys/key.rs`).
//! 5. Its claims are valid now, from this issuer, for this audience (`token/claims.rs`).
//! 6. A ticket or a header carries the user id of the token exactly, or the token is rejected (`token/user_id.rs`,
//!    `token/header_text.rs`). The ticket is the last cookie, and the client's own is removed (`gate/ticket.rs`,
//!    `request/cookies.rs`).
//! 7. Where one of these fails, there is a rejection for the log, and the action of the operator decides
//!    (`rejection.rs`, `gate/on_failure.rs`, `answer.rs`).
//! 8. A batch is rewritten so that rules 1 to 7 hold for each of its sub-requests, or refused ([`batch`]).
//! 9. A request that is not decided waits and goes nowhere. If a call to Envoy fails, the request is answered 500
//!    (`filter/state.rs`, `filter/http_request.rs`).
//!
//! Keys come from the configuration (`keys/pem.rs`, `keys/jwks.rs`), or from the issuer: one worker fetches its key
//! set, and all workers take it (`keys/remote.rs`, `keys/refresh.rs`, `filter/envoy/issuer.rs`). If the issuer may have
//! the key of a token, the request waits for it: for `timeoutSeconds`, or for twice that with discovery.
//!
//! # Where things are
//!
//! Each folder uses only those below it; `tests/structure.rs` checks that. The first lines of a folder's `mod.rs` say
//! what is in which file.
//!
//! | folder | what is in it |
//! |---|---|
//! | `cli` | the command `kinto-jwt`, with the feature `cli` only |
//! | [`filter`] | one request on its way through Envoy: callbacks, states, waiting for keys |
//! | [`config`] | turns what the operator wrote into the configuration, or says what is wrong |
//! | [`batch`] | the body of a batch, and Kinto's answer to it |
//! | [`gate`] | the decision, with the time as an argument |
//! | [`keys`] | keys, algorithms, verification of signatures |
//! | [`token`] | from the bytes of a token to a user id |
//! | [`request`] | where a token may be in a request; the identity header and the cookie of tickets |
//! | `counters.rs`, `answer.rs`, `rejection.rs`, `json.rs` | what is counted; answers in Kinto's form; why a token proves nothing; strict JSON |
//!
//! A new rule for claims goes into [`Rules`](token::claims::Rules), a new place for tokens into
//! [`Place`](request::credentials::Place), a new setting into the list of `config/settings.rs`; `CONTRIBUTING.md` has
//! each step.
//!
//! Only `filter/envoy/` uses Envoy's SDK. All else is plain Rust that runs under `cargo test`.
//!
//! # One thread
//!
//! Each instance of the module runs in one thread. Envoy runs one callback at a time, and none during a call that the
//! module makes. There is one exception, a call that makes a body longer: Envoy may call the module within it.
//! `filter/body.rs` makes that call only where Envoy does not. A function that borrows a `RefCell` calls none that
//! borrows the same one. So `borrow` and `borrow_mut` cannot fail. If one did, that would be a fault of this filter,
//! which must not be passed over: it panics, Envoy takes the instance down, and no request goes on without a decision.

#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(
        dead_code,
        reason = "only the filter for Envoy uses it, which is built for wasm32 alone: make lint looks there"
    )
)]

mod answer;
mod batch;
#[cfg(feature = "cli")]
pub mod cli;
mod config;
mod counters;
mod filter;
mod gate;
mod json;
mod keys;
mod rejection;
mod request;
mod token;

// What the tests and the benchmarks use. Everything else is private, and the compiler finds what nothing uses (for
// wasm32).
pub use answer::Answer;
pub use batch::body::{
    BatchRequest, Rewritten, UnknownKeys, growth as batch_growth, rewrite as rewrite_batch,
};
pub use batch::path::is_batch;
pub use batch::refusal::Refusal;
pub use config::parse::parse as parse_config;
pub use config::settings::ConfigError;
pub use filter::host::{Body, Fields, Host, HostError, Wait};
pub use filter::http_request::HttpRequest;
pub use filter::state::Flow;
pub use gate::config::Config;
pub use gate::decide::Gate;
pub use gate::decision::{Decision, Outcome};
pub use gate::policy::PolicyIndex;
pub use json::parse_object as parse_json;
pub use keys::boringssl::HostVerify;
pub use keys::fault::Fault;
pub use rejection::{Cause, Reason, Rejection};
pub use request::Request;
pub use token::jws::Token;
