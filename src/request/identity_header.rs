//! The header that Kinto trusts, and every spelling that reaches the same place.

/// The identity header (`userIdHeader`).
#[derive(Clone, Debug)]
pub struct IdentityHeader {
    name: String,
    key: String,
}

impl IdentityHeader {
    /// The header of this name, which must be an RFC 9110 token.
    #[must_use]
    pub fn new(name: String) -> Self {
        Self { key: wsgi_key(&name), name }
    }

    /// The name as the filter writes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether no header but the one of this very name is filed under its key.
    ///
    /// A name is ASCII by the time that Envoy hands it over, so only `-` and `_` make others.
    #[must_use]
    pub fn has_one_spelling(&self) -> bool {
        !self.key.contains('_')
    }

    /// Whether WSGI would file a header of this name under the identity header's key.
    #[must_use]
    pub fn is_spelled(&self, name: &str) -> bool {
        same_key(name, &self.key)
    }
}

/// Whether a header of this name has this [`wsgi_key`].
pub(crate) fn same_key(name: &str, key: &str) -> bool {
    if name.is_ascii() {
        // The common case without an allocation.
        name.len() == key.len() && name.bytes().map(fold_ascii).eq(key.bytes())
    } else {
        wsgi_key(name) == key
    }
}

/// The name under which WSGI files a header, without its `HTTP_` (PEP 3333; Python's `upper`, `-` to `_`).
///
/// Rust's `to_uppercase` is Unicode's full mapping, as Python's is: a dotless `ı` becomes `I`, a long `ſ`
/// becomes `S`, `ß` becomes `SS`.
pub(crate) fn wsgi_key(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

fn fold_ascii(byte: u8) -> u8 {
    match byte {
        b'-' => b'_',
        byte => byte.to_ascii_uppercase(),
    }
}

/// Whether a name is a token (RFC 9110 section 5.6.2), the only thing that a field name can be.
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
