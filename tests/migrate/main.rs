//! `kinto-jwt migrate` on the ini files in `ini/`: what it reads is what Kinto reads, and what it writes behaves as before,
//! but for the differences that it says.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

mod behaviour;
mod codes;
mod files;
mod output;
mod reader;
mod requests;
