//! From the bytes of a token to a user id, in reading order: [`jws`], [`claims`], [`user_id`].

pub(crate) mod claim_name;
pub(crate) mod claims;
pub(crate) mod header_text;
pub(crate) mod jws;
pub(crate) mod user_id;
