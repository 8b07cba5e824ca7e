//! One request on its way through the host.
//!
//! | file | what is in it |
//! |---|---|
//! | `http_request.rs` | a request and its callbacks: the state machine |
//! | `state.rs` | the states |
//! | `headers.rs`, `body.rs`, `response.rs` | the steps: at the headers, at the body of a batch, at Kinto's answer |
//! | `host.rs` | what the filter needs of the host; each call may fail |
//! | `envoy/` | the same in Envoy: the only folder that knows the SDK |

mod body;
#[cfg(target_arch = "wasm32")]
mod envoy;
mod headers;
pub(crate) mod host;
pub(crate) mod http_request;
mod response;
pub(crate) mod state;
