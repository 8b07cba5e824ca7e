//! JSON as `google.protobuf.Struct`, in which Envoy hands the settings over that are YAML.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::Value;

/// The members of an object; `None` for another value.
pub(crate) fn fields(value: &Value) -> Option<Struct> {
    let members = value.as_object()?.iter().map(|(name, value)| (name.clone(), field(value)));
    Some(Struct { fields: members.collect() })
}

fn field(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        // protobuf has doubles only.
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => Kind::ListValue(ListValue { values: items.iter().map(field).collect() }),
        Value::Object(_) => Kind::StructValue(fields(value).unwrap_or_default()),
    };
    prost_types::Value { kind: Some(kind) }
}
