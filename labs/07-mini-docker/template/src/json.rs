//! A value as JSON: a struct's fields in their order, without those that were left out.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::{Method, Value};

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil | Self::Omitted(_) | Self::NoValue => serializer.serialize_unit(),
            Self::Bool(it) => serializer.serialize_bool(*it),
            Self::Int(it) | Self::Duration(it) => serializer.serialize_i64(*it),
            Self::Float(it) => serializer.serialize_f64(*it),
            Self::String(it) => serializer.serialize_str(it),
            Self::List(list) => {
                let mut out = serializer.serialize_seq(Some(list.len()))?;
                list.iter().try_for_each(|it| out.serialize_element(it))?;
                out.end()
            }
            Self::Map(map) => {
                let mut out = serializer.serialize_map(Some(map.len()))?;
                map.iter().try_for_each(|(key, value)| out.serialize_entry(key, value))?;
                out.end()
            }
            Self::Struct(it) => {
                let mut out = serializer.serialize_map(None)?;
                it.fields
                    .iter()
                    .filter(|(_, value)| !matches!(value, Self::Omitted(_) | Self::Method(_)))
                    .try_for_each(|(key, value)| out.serialize_entry(key, value))?;
                out.end()
            }
            Self::Method(Method::Label(_) | Method::LabelHeading) => serializer.serialize_unit(),
        }
    }
}

/// One line of JSON. Docker makes a row safe for HTML, and leaves a document as it is.
pub fn line(value: &Value) -> String {
    // A value of ours has no key that is not a string, and nothing else can go wrong.
    let line = serde_json::to_string(value).unwrap_or_default();
    match value {
        Value::Struct(it) if !it.type_name.is_empty() => {
            line.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
        }
        _ => line,
    }
}
