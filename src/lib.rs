//! An Envoy filter that validates JSON Web Tokens in front of [Kinto](https://github.com/Kinto/kinto).
//!
//! **The promise**: no request, however shaped, reaches Kinto with an identity that its token does not prove.
//!
//! # The request, a straight line
//!
//! ```text
//! Envoy ─ filter ─▶ gate ─▶ credentials ─▶ token ─▶ keys ─▶ claims ─▶ user_id ─▶ gate ─▶ filter ─ Kinto
//!         strip     choose  one token      JWS      signed  admitted  carried    Decision set userId
//!         userId,   a policy RFC 9110 §11  RFC 7515 RFC     RFC 7519  exactly or          or answer
//!         read                                      7517-8  §4        not at all
//! ```
//!
//! Each type is the only door to the next: [`Claims`](claims::Claims) exist only behind a verified signature
//! ([`Keys::verify`](keys::Keys::verify)), [`Admitted`](claims::Admitted) claims only behind the
//! [`Rules`](claims::Rules), and a token's [`UserId`](user_id::UserId) only behind admitted claims.
//! `Policy::verify` in `policy.rs` is this line.
//!
//! # When a request is forwarded, and as whom
//!
//! 1. Every header that WSGI would file under the identity header's key, or under that of a claim header, is
//!    removed, on every path and method, before anything else ([`request`], [`identity_header`]).
//! 2. One token is found in a policy's places; two different ones are none ([`credentials`]). The first policy
//!    that finds one, of an issuer that it names, decides ([`gate`]).
//! 3. It is a compact JWS with nothing in it that this filter does not know how to trust ([`token`]).
//! 4. A key of the policy, bound to its algorithm, made its signature ([`keys`]).
//! 5. Its claims are valid now, of this issuer, for this audience ([`claims`]).
//! 6. Its user id can be carried exactly ([`user_id`]).
//! 7. The identity header is set, once. Wherever one of these fails, a [`Rejection`](rejection::Rejection) says
//!    why in the log, and the operator's policy for its cause says what becomes of the request ([`failures`]):
//!    the unauthorized user's, as with `kinto_jwt`, nobody's, or answered ([`answer`]).
//! 8. The body of a batch ([`batch_path`] says what is one) is read as a closed list (`sub_request.rs`), and
//!    rewritten so that rules 1 to 7 hold for each of its sub-requests ([`batch_body`]); one that cannot be is
//!    refused ([`batch`]).
//! 9. What is not decided yet waits, and goes nowhere. Where a call to the proxy fails, the request is answered 500
//!    ([`request`], [`host`]).
//!
//! # Where keys come from
//!
//! From the configuration, or from the issuer ([`remote_jwks`]): one worker asks when [`refresh`] says so, and
//! all read what it got. A request whose token needs a key that is not there waits for it, for a while.
//!
//! # Where things are
//!
//! | file | what lives there |
//! |---|---|
//! | `filter.rs`, `filter/` | Envoy's callbacks and calls; the only files that know the SDK |
//! | `request.rs`, `request/`, `host.rs` | one request as a machine of states; what it needs of the proxy, each of which may fail |
//! | `gate.rs`, `policy.rs`, `failures.rs` | the whole decision, with the time as an argument |
//! | `settings.rs`, `config.rs`, `policy_settings.rs`, `public_key.rs`, `jwks.rs` | what the operator wrote, to policies; or words for what is wrong |
//! | `credentials.rs`, `token.rs`, `keys.rs`, `claims.rs`, `user_id.rs` | the line above |
//! | `claim_name.rs`, `header_text.rs` | how a claim is named, and what of it a header can carry |
//! | `crypto.rs`, `host_crypto.rs` | signature verification: by the host's BoringSSL, or in the module |
//! | `remote_jwks.rs`, `refresh.rs` | what of an issuer's answer is believed, and when it is asked |
//! | `cache.rs` | verified tokens, so that each is verified once |
//! | `identity_header.rs` | the headers that only this filter writes, in every spelling |
//! | `batch_path.rs`, `batch.rs` | which requests are a batch, and why one is refused |
//! | `sub_request.rs`, `batch_headers.rs`, `batch_body.rs`, `splice.rs` | the body of a batch in, a harmless body out; Kinto's answer with what Kinto did not get |
//! | `json.rs` | JSON that has one reading only |
//! | `rejection.rs`, `answer.rs`, `counters.rs` | why, in codes; an answer in Kinto's dialect; what is counted |
//!
//! Everything but the filter is plain Rust that has never heard of Envoy and runs under `cargo test`.

#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(
        dead_code,
        reason = "only the filter for Envoy uses it, which is built for wasm32 alone: make lint looks there"
    )
)]

mod answer;
mod batch;
mod config;
mod counters;
mod filter;
mod gate;
mod json;
mod keys;
mod rejection;
mod request;
mod token;

// What the tests and the benchmarks use. Everything else is private, so that the compiler finds what nothing uses.
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
pub use keys::host::HostVerify;
pub use rejection::{Cause, Rejection};
pub use request::Request;
pub use token::jws::Token;
