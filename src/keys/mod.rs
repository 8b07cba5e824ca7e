//! What proves a signature: the keys, where they come from, and how a signature is verified.
//!
//! | file | what is in it |
//! |---|---|
//! | `algorithm.rs` | the algorithms and their names |
//! | `key.rs` | one key, and the keys of a policy: which one may have signed a token, and whether it did |
//! | `verify.rs`, `boringssl.rs` | verification in the module, and by Envoy's BoringSSL |
//! | `pem.rs`, `jwks.rs`, `certificate.rs` | keys out of `public_key`, a JWK Set and a certificate |
//! | `fault.rs` | what is wrong with a key |
//! | `ring.rs` | the keys of a policy, which an issuer may replace |
//! | `remote.rs`, `refresh.rs` | which answers of an issuer are believed, and when it is asked |
//!
//! From jsonwebtoken comes [`DecodingKey`](jsonwebtoken::DecodingKey), which holds a key between its text and its use:
//! it is never printed, and its memory is wiped. `decode` is not used: it parses the key anew for each token, cannot
//! call Envoy's BoringSSL, and accepts JSON with duplicate names. Its list of algorithms is not used: it has no ES512.
//! The `jwk` types are not used: they do not say why a key cannot be used, and they make the module 44 KB larger
//! (measured).

pub(crate) mod algorithm;
pub(crate) mod boringssl;
pub(crate) mod certificate;
pub(crate) mod fault;
pub(crate) mod jwks;
pub(crate) mod key;
pub(crate) mod pem;
pub(crate) mod refresh;
pub(crate) mod remote;
pub(crate) mod ring;
pub(crate) mod verify;
