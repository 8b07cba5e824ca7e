//! The identity header, which Kinto trusts, and every other spelling that WSGI files under the same key.

/// A header that only the filter may write: the identity header (`userIdHeader`), `userId`, or one of `claimsToHeaders`.
#[derive(Clone, Debug)]
pub(crate) struct IdentityHeader {
    name: String,
    key: String,
    has_one_spelling: bool,
}

impl IdentityHeader {
    /// The header of this name, which must be a field name (RFC 9110 section 5.1).
    pub(crate) fn new(name: String) -> Self {
        let key = wsgi_key(&name);
        Self { has_one_spelling: !key.contains('_'), key, name }
    }

    /// The name as the filter writes it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is no other spelling: no header with another name is filed under the same key.
    ///
    /// Envoy hands over names in ASCII only, so other spellings come from `-` and `_` alone.
    pub(crate) fn has_one_spelling(&self) -> bool {
        self.has_one_spelling
    }

    /// Whether WSGI would file a header of this name under this header's key.
    pub(crate) fn is_spelled(&self, name: &str) -> bool {
        same_key(name, &self.key)
    }
}

/// Whether a header of this name has this [`wsgi_key`].
pub(crate) fn same_key(name: &str, key: &str) -> bool {
    // The common cases without an allocation.
    (name.len() == key.len() && name.bytes().map(fold_ascii).eq(key.bytes()))
        || (!name.is_ascii() && wsgi_key(name) == key)
}

/// The key under which WSGI files a header, without `HTTP_` (PEP 3333): in capitals, with `_` for `-`.
///
/// Rust's `to_uppercase` maps all of Unicode as Python's `upper` does: a dotless `ı` becomes `I`, a long `ſ` becomes
/// `S`, `ß` becomes `SS`.
pub(crate) fn wsgi_key(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

fn fold_ascii(byte: u8) -> u8 {
    match byte {
        b'-' => b'_',
        byte => byte.to_ascii_uppercase(),
    }
}

/// Whether a text can be the name of a header field (RFC 9110 section 5.1).
pub(crate) fn is_field_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_header_is_known() {
        let header = IdentityHeader::new("userId".into());
        assert!(header.has_one_spelling());
        for name in ["userid", "USERID", "UserId", "user\u{131}d", "u\u{17f}erid"] {
            assert!(header.is_spelled(name), "{name}");
        }
        for name in ["user-id", "user_id", "userid ", "xuserid", "useri", "", "userïd"] {
            assert!(!header.is_spelled(name), "{name}");
        }
        let header = IdentityHeader::new("X-Class-Id".into());
        assert!(!header.has_one_spelling());
        for name in ["x-class-id", "X_CLASS_ID", "x_class-id", "x-cla\u{df}-id"] {
            assert!(header.is_spelled(name), "{name}");
        }
    }
}
