//! From the plugin configuration, as the operator wrote it, to the [`Config`](crate::gate::config::Config) that the
//! gate follows.
//!
//! | file | what is in it |
//! |---|---|
//! | `settings.rs` | the list of all settings; the settings as written, and each as a value of its type |
//! | `policy.rs`, `remote_jwks.rs` | the settings of a policy, and those of `remoteJwks` |
//! | `refused.rs` | which tokens the operator has shut out |
//! | `parse.rs` | the whole configuration, and the settings of all policies |
//! | `ticket.rs` | the settings of `ticket` |
//! | `header.rs` | the names of headers that only the filter writes |

pub(crate) mod header;
pub(crate) mod parse;
pub(crate) mod policy;
pub(crate) mod refused;
pub(crate) mod remote_jwks;
pub(crate) mod settings;
pub(crate) mod ticket;
