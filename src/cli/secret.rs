//! What may be shown, and what may be a secret.

/// Bytes of the longest argument that a message repeats: any token is longer.
pub(crate) const LONGEST_SHOWN: usize = 60;

/// Whether the text of a key is a public key or a certificate as PEM, which anybody may see.
pub(crate) fn is_public_pem(key: &str) -> bool {
    key.contains("-----BEGIN") && !key.contains("PRIVATE")
}
