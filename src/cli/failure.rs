//! Why a subcommand cannot do its work.

use std::fmt;

use crate::cli::secret::LONGEST_SHOWN;

/// Why a subcommand cannot do its work, in words for the operator. Holds no secret.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// These words: what is wrong, and what to do.
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// A file could not be read, written or understood.
    pub(crate) fn at(file: &str, fault: impl fmt::Display) -> Self {
        Self(format!("{}: {fault}", shown(file)))
    }
}

/// The name of a file in messages. A long text without a folder may be a token or a secret in the wrong place.
pub(crate) fn shown(file: &str) -> &str {
    if file.len() > LONGEST_SHOWN && !file.contains('/') { "a file with a long name" } else { file }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
