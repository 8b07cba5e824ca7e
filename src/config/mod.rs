//! From the plugin configuration, as the operator wrote it, to the [`Config`](parse::Config) that the gate follows.

pub(crate) mod header;
pub(crate) mod parse;
pub(crate) mod policy;
pub(crate) mod settings;
