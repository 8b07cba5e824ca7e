//! What a request says. Nothing of it is believed here.
//!
//! | file | what is in it |
//! |---|---|
//! | `credentials.rs` | the places where a token may be, and the one token in them |
//! | `cookies.rs` | the cookie that only this filter may write |
//! | `identity_header.rs` | the header that Kinto trusts, in every spelling |

pub(crate) mod cookies;
pub(crate) mod credentials;
pub(crate) mod identity_header;

use std::borrow::Cow;

/// The fields of a request: of one in Envoy, of a sub-request in the body of a batch, or of a list in a test.
pub trait Request {
    /// The values of all fields of this name, which is in lower case. `:method` and `:path` are fields too.
    fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, [u8]>>;

    /// The value of the first field of this name; empty if there is none.
    fn first<'r>(&'r self, name: &'r str) -> Cow<'r, [u8]> {
        self.values(name).next().unwrap_or_default()
    }

    /// SHA-256 of the DER of the certificate with which the client has opened the TLS connection of the request, in
    /// lower-case hexadecimal digits; empty if there is none. It is the host's word, and nothing that a client writes.
    fn client_certificate(&self) -> Vec<u8> {
        Vec::new()
    }
}
