//! Kinto's batch endpoint, whose body holds requests with headers of their own.

pub(crate) mod body;
pub(crate) mod headers;
pub(crate) mod path;
pub(crate) mod refusal;
pub(crate) mod splice;
pub(crate) mod sub_request;
