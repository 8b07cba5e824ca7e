//! An Envoy filter that validates JSON Web Tokens in front of Kinto.
pub mod answer;
pub mod batch;
pub mod batch_path;
pub mod claims;
pub mod config;
pub mod credentials;
mod crypto;
#[cfg(target_arch = "wasm32")]
mod filter;
pub mod gate;
pub mod identity_header;
mod json;
pub mod keys;
mod public_key;
pub mod rejection;
pub mod token;
pub mod user_id;
