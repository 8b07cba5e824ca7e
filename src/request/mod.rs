//! What a request says of itself. Nothing of it is trusted yet.

pub(crate) mod credentials;
pub(crate) mod identity_header;

use std::borrow::Cow;

/// What a request says. The filter asks Envoy, a batch reads its own body, a test has a list.
pub trait Request {
    /// The values of all fields of this name, which is in lower case; `:method` and `:path` are fields too.
    fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, [u8]>>;

    /// The value of the first field of this name, or nothing.
    fn first<'r>(&'r self, name: &'r str) -> Cow<'r, [u8]> {
        self.values(name).next().unwrap_or_default()
    }
}
