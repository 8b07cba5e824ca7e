//! The filter in Envoy: the only folder that knows the SDK.

mod host;
mod http;
mod issuer;
mod metrics;
mod root;
mod waiting;
mod worker;
