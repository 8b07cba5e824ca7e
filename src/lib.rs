//! An Envoy filter that validates JSON Web Tokens in front of [Kinto](https://github.com/Kinto/kinto).
//!
//! **The promise**: no request, however shaped, reaches Kinto with an identity that its token does not prove.
//!
//! # The request, a straight line
//!
//! ```text
//! Envoy ─ filter ─▶ gate ─▶ credentials ─▶ token ─▶ keys ─▶ claims ─▶ user_id ─▶ gate ─▶ filter ─ Kinto
//!         strip     decide  one token      JWS      signed  admitted  carried    Decision set userId
//!         userId,   (bytes, RFC 9110 §11   RFC 7515 RFC     RFC 7519  exactly or          or answer
//!         read      now)                            7518    §4        not at all
//! ```
//!
//! Each type is the only door to the next: [`Claims`](claims::Claims) exist only behind a verified signature
//! ([`Keys::verify`](keys::Keys::verify)), [`Admitted`](claims::Admitted) claims only behind the
//! [`Rules`](claims::Rules), and a token's [`UserId`](user_id::UserId) only behind admitted claims.
//!
//! # When a request is forwarded, and as whom
//!
//! 1. Every header that WSGI would file under the identity header's key is removed, on every path and method
//!    ([`identity_header`]).
//! 2. One token is found, in one place; two are none ([`credentials`]).
//! 3. It is a compact JWS with nothing in it that this filter does not know how to trust ([`token`]).
//! 4. Its algorithm is the configured one, its signature the key's ([`keys`]).
//! 5. Its claims are valid now, for this audience ([`claims`]).
//! 6. Its user id can be carried exactly ([`user_id`]).
//! 7. The identity header is set, once. Wherever one of these fails, the request is the unauthorized user's,
//!    as with `kinto_jwt`, and a [`Rejection`](rejection::Rejection) says why in the log ([`gate`]).
//! 8. The body of a batch ([`batch_path`] says what is one) is rewritten so that rules 1 to 7 hold for each of
//!    its sub-requests ([`batch`]); one that cannot be is refused ([`answer`]).
//!
//! # Where things are
//!
//! | file | what lives there |
//! |---|---|
//! | `filter.rs` | reads from Envoy, asks, writes back; the only file that knows the host |
//! | `gate.rs` | the whole decision, with the time as an argument |
//! | `settings.rs`, `config.rs`, `public_key.rs` | what the operator wrote, to a policy; or words for what is wrong |
//! | `credentials.rs`, `token.rs`, `keys.rs`, `claims.rs`, `user_id.rs` | the line above |
//! | `crypto.rs`, `host_crypto.rs` | signature verification: by the host's BoringSSL, or in the module |
//! | `cache.rs` | verified tokens, so that each is verified once |
//! | `identity_header.rs` | the header that Kinto trusts, in every spelling |
//! | `batch_path.rs`, `batch.rs` | which requests are a batch; its body in, a harmless body out |
//! | `json.rs` | JSON that has one reading only |
//! | `rejection.rs`, `answer.rs` | why, in codes; an answer in Kinto's dialect |
//!
//! Everything but `filter.rs` is plain Rust that has never heard of Envoy and runs under `cargo test`.

pub mod answer;
pub mod batch;
pub mod batch_body;
pub mod batch_path;
pub mod cache;
pub mod claim_name;
pub mod claims;
pub mod config;
pub mod credentials;
mod crypto;
pub mod failures;
#[cfg(target_arch = "wasm32")]
mod filter;
pub mod gate;
pub mod header_text;
pub mod host_crypto;
pub mod identity_header;
mod json;
mod jwks;
pub mod keys;
pub mod numbers;
pub mod policy;
mod policy_settings;
mod public_key;
pub mod refresh;
pub mod rejection;
pub mod remote_jwks;
mod settings;
pub mod token;
pub mod user_id;
