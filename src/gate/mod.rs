//! The decision: who Kinto takes a request for, or the answer that the client gets instead.

pub(crate) mod cache;
pub(crate) mod choose;
pub(crate) mod config;
pub(crate) mod decide;
pub(crate) mod decision;
pub(crate) mod on_failure;
pub(crate) mod policy;
