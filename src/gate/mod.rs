//! The decision: as whom a request is forwarded, or the answer that the client gets instead.
//!
//! [`Gate::decide`](decide::Gate::decide) is the whole of it: it chooses a policy (`choose.rs`), verifies the token by
//! it (`policy.rs`), and where the token proves nothing, applies the action of the operator (`on_failure.rs`).
//!
//! | file | what is in it |
//! |---|---|
//! | `decide.rs` | the gate |
//! | `decision.rs` | what it decides |
//! | `choose.rs` | which policy a token is for |
//! | `policy.rs` | the steps from a token to a user id, each of which takes what the one before has proved |
//! | `on_failure.rs` | what becomes of a request that proves nothing |
//! | `cache.rs` | verified tokens, so that most are verified once in each worker |
//! | `ticket.rs` | the user id as a signed cookie |
//! | `clock.rs` | by how much the host's clock is ahead of Kinto's |
//! | `config.rs` | the configuration that the gate follows |

pub(crate) mod cache;
pub(crate) mod choose;
pub(crate) mod clock;
pub(crate) mod config;
pub(crate) mod decide;
pub(crate) mod decision;
pub(crate) mod on_failure;
pub(crate) mod policy;
pub(crate) mod ticket;
