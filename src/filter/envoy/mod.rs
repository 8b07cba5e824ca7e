//! The filter in Envoy: the only folder that knows the SDK.
//!
//! | file | what is in it |
//! |---|---|
//! | `root.rs` | the callbacks of a plugin configuration: load, timer, answers of issuers |
//! | `http.rs` | the callbacks of a request |
//! | `worker.rs`, `waiting.rs` | what the requests of one worker share; the requests that wait for keys |
//! | `issuer.rs` | the key set of an issuer: fetched by one worker, shared with the others |
//! | `host.rs`, `metrics.rs` | Envoy's calls; Envoy's statistics |
//! | `crash.rs` | a trap on demand, for tests only |

#[cfg(feature = "crash-test")]
mod crash;
mod host;
mod http;
mod issuer;
mod metrics;
mod root;
mod waiting;
mod worker;
