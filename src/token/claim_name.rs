//! The name of a claim, as the operator writes it.

use std::fmt;

use serde_json::Value;

/// The name of a claim: the claim of this literal name, or else, if the name starts with `/`, an RFC 6901 pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimName(String);

impl ClaimName {
    /// The claim of this name.
    pub(crate) fn new(name: String) -> Self {
        Self(name)
    }

    /// The value of the claim in these claims.
    pub(crate) fn find<'c>(&self, claims: &'c Value) -> Option<&'c Value> {
        self.find_all(claims).next()
    }

    /// Both values that the name may mean: that of the literal name first.
    pub(crate) fn find_all<'c>(&self, claims: &'c Value) -> impl Iterator<Item = &'c Value> {
        // The pointer "" of RFC 6901 is the whole document, which is not a claim.
        let pointed = self.0.starts_with('/').then(|| claims.pointer(&self.0)).flatten();
        claims.get(&self.0).into_iter().chain(pointed)
    }
}

impl fmt::Display for ClaimName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_found_by_literal_name_then_by_pointer() {
        let claims = json!({"/a/b": 1, "a": {"b": 2, "c/d": 3, "l": [4]}, "user.id": 5, "x~y": 6, "": 7});
        for (name, value) in [
            ("/a/b", Some(1)),
            ("/a/c~1d", Some(3)),
            ("/a/l/0", Some(4)),
            ("/a/l/1", None),
            ("user.id", Some(5)),
            ("/user.id", Some(5)),
            ("user", None),
            ("/x~0y", Some(6)),
            ("/", Some(7)),
            ("a/b", None),
        ] {
            let found = ClaimName::new(name.to_owned()).find(&claims).and_then(Value::as_i64);
            assert_eq!(found, value, "{name}");
        }
    }
}
