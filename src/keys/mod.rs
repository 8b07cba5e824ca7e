//! What makes a signature believable: the keys, where they come from, how a signature is verified.

pub(crate) mod algorithm;
pub(crate) mod fault;
pub(crate) mod host;
pub(crate) mod jwks;
pub(crate) mod key;
pub(crate) mod pem;
pub(crate) mod refresh;
pub(crate) mod remote;
pub(crate) mod ring;
pub(crate) mod verify;
