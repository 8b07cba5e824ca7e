//! JSON that has one reading only.
//!
//! RFC 8259 section 4 leaves an object with duplicate names to each parser, and parsers differ. Where the
//! filter decides on JSON that another parser also reads, such an object is refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Number, Value};

/// Parses `bytes` as a JSON object in which no object, at any depth, has two members of one name.
///
/// The value is always a [`Value::Object`].
pub(crate) fn parse_object(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let Unique(value) = serde_json::from_slice(bytes)?;
    if value.is_object() { Ok(value) } else { Err(serde_json::Error::custom("not an object")) }
}

/// A [`Value`] whose objects have unique names.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON whose objects have unique names")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a finite number"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unique(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Unique(value))) = map.next_entry::<String, Unique>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate name"));
            }
        }
        Ok(Value::Object(members))
    }
}

/// One object, its names unique and in order, its values as they were written, to the byte.
#[derive(Default)]
pub(crate) struct RawObject<'a>(pub(crate) Vec<(String, RawMember<'a>)>);

/// A member's value: as it came, or written by the filter.
pub(crate) enum RawMember<'a> {
    /// Text from the input, not touched.
    Borrowed(&'a RawValue),
    /// A value of the filter's own.
    Owned(Box<RawValue>),
}

impl RawMember<'_> {
    /// The JSON text.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Borrowed(value) => value.get(),
            Self::Owned(value) => value.get(),
        }
    }
}

impl<'a> RawObject<'a> {
    /// The value of the member of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&RawMember<'a>> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// Adds a member; the name must not be there.
    pub(crate) fn push(&mut self, name: &str, value: impl Serialize) -> Result<(), serde_json::Error> {
        self.0.push((name.to_owned(), RawMember::Owned(to_raw_value(&value)?)));
        Ok(())
    }

    /// Takes the member of this name out.
    pub(crate) fn remove(&mut self, name: &str) -> Option<RawMember<'a>> {
        let at = self.0.iter().position(|(other, _)| other == name)?;
        Some(self.0.remove(at).1)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = RawObject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with unique names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, RawMember<'de>)> = Vec::new();
                let mut names = std::collections::HashSet::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom("duplicate name"));
                    }
                    members.push((name, RawMember::Borrowed(value)));
                }
                Ok(RawObject(members))
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

impl Serialize for RawObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            match value {
                RawMember::Borrowed(value) => map.serialize_entry(name, value)?,
                RawMember::Owned(value) => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_names_are_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":{"b":1,"b":2}}"#, r#"{"x":[{"b":1,"\u0062":2}]}"#] {
            assert!(parse_object(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn only_one_strict_object_is_parsed() {
        for text in
            ["", "null", "[]", "{", "{}x", "{} {}", "{'a':1}", "{\"a\":NaN}", "{\"a\":1,}", "\u{feff}{}"]
        {
            assert!(parse_object(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse_object(b"\xff").is_err());
        assert!(parse_object(b"{\"a\":\"\xff\"}").is_err());
        assert!(parse_object(b"{\"a\":1e400}").is_err());
        assert!(parse_object(&[b"{\"a\":".as_slice(), &[b'['; 100_000]].concat()).is_err());
        assert_eq!(parse_object(b" {\"a\": 1}\r\n").unwrap()["a"], 1);
    }

    #[test]
    fn a_raw_object_keeps_order_and_bytes() {
        let text = r#"{"z":1.0e1 ,"a":"\u0061\/","m":{ "x":1,"x":2 }}"#;
        let object: RawObject<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(
            serde_json::to_string(&object).unwrap(),
            r#"{"z":1.0e1,"a":"\u0061\/","m":{ "x":1,"x":2 }}"#
        );
        assert!(serde_json::from_str::<RawObject<'_>>(r#"{"a":1,"\u0061":2}"#).is_err());
    }
}
