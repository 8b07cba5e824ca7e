//! One request on its way through the proxy.

mod body;
#[cfg(target_arch = "wasm32")]
mod envoy;
mod headers;
pub(crate) mod host;
pub(crate) mod http_request;
mod response;
pub(crate) mod state;
