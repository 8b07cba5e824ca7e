//! Private keys and secrets, for tokens that try out the filter. The filter itself has none.
//!
//! | file | what is in it |
//! |---|---|
//! | `algorithm.rs` | the option `--algorithm` |
//! | `key.rs` | one private key: a new one, and which algorithm it is for |
//! | `read.rs` | a private key out of a file |
//! | `sign.rs` | the signature of a token |
//! | `written.rs` | a key as the text of a file: PEM, JWK Set |

pub(crate) mod algorithm;
pub(crate) mod key;
pub(crate) mod read;
pub(crate) mod sign;
pub(crate) mod written;
