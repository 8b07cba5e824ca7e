//! From the bytes of a token to a user id.
//!
//! | file | what is in it |
//! |---|---|
//! | `jws.rs` | the three parts of a token |
//! | `claims.rs` | its claims, and the rules that they must follow |
//! | `bound.rs` | tokens that are bound to the client's certificate |
//! | `claim_name.rs` | how the operator names a claim |
//! | `user_id.rs` | the claim that is the user id |
//! | `header_text.rs` | text that a header carries exactly |

pub(crate) mod bound;
pub(crate) mod claim_name;
pub(crate) mod claims;
pub(crate) mod header_text;
pub(crate) mod jws;
pub(crate) mod user_id;
