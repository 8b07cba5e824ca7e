//! What several test binaries and the benchmark share. It panics where something is not as a test needs it.

pub mod carrier;
pub mod faults;
pub mod forgeries;
pub mod http;
pub mod issuer;
pub mod oracle;
pub mod pages;
pub mod plugin_file;
pub mod random;
pub mod ring_host;
pub mod servers;
pub mod table;
pub mod tokens;
