//! The promise, where it was broken once: requests that are not decided yet, answers that cannot be put together, headers
//! that could be guessed, each in the real Envoy.

mod nested_batches;
mod secret_header;
mod small_buffers;
mod spliced_answers;
pub(crate) mod undecided;
mod waiting_batches;
