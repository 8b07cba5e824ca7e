//! What a request says of itself. Nothing of it is trusted yet.

pub(crate) mod credentials;
pub(crate) mod identity_header;
