//! What a template sees: Go's values, as far as JSON can hold them.
//!
//! A struct is no map: its fields have an order, an unknown one is an error, and it is printed
//! without names. Docker's output shows the difference everywhere.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::duration;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `nil`, and JSON's `null`.
    Nil,
    /// The field of a struct that JSON leaves out (`omitempty`), with what a template sees.
    Omitted(Arc<Value>),
    /// What a map has under a key that is not there.
    NoValue,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Nanoseconds, which print as `1m30s`: Go's `time.Duration`.
    Duration(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    String(Arc<str>),
    /// A slice.
    List(Arc<[Value]>),
    /// A map with strings as keys.
    Map(Arc<BTreeMap<String, Value>>),
    /// A struct.
    Struct(Arc<Struct>),
    /// Something to be called with an argument, as `.Label "app"`.
    Method(Method),
}

/// A struct: fields in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Struct {
    /// Go's name of the type, for messages; empty for a document, whose JSON Docker looks into
    /// when a field is not there.
    pub type_name: &'static str,
    /// Name and value.
    pub fields: Vec<(&'static str, Value)>,
}

/// What can be called on a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// `.Label "app"`: the value of that label, or nothing.
    Label(Arc<BTreeMap<String, String>>),
    /// The same in a heading: the label's name in words.
    LabelHeading,
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// A struct of this type.
    pub fn record(type_name: &'static str, fields: Vec<(&'static str, Value)>) -> Self {
        Self::Struct(Arc::new(Struct { type_name, fields }))
    }

    /// Whether `if` takes it for true: not zero, not empty.
    pub fn truth(&self) -> bool {
        match self {
            Self::Nil | Self::Omitted(_) | Self::NoValue => false,
            Self::Bool(it) => *it,
            Self::Int(it) | Self::Duration(it) => *it != 0,
            Self::Float(it) => *it != 0.0,
            Self::String(it) => !it.is_empty(),
            Self::List(it) => !it.is_empty(),
            Self::Map(it) => !it.is_empty(),
            Self::Struct(_) | Self::Method(_) => true,
        }
    }

    /// Go's name of its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil | Self::NoValue => "nil",
            Self::Omitted(it) => it.type_name(),
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Duration(_) => "time.Duration",
            Self::Float(_) => "float64",
            Self::String(_) => "string",
            Self::List(list) => match list.iter().all(|it| matches!(it, Self::String(_))) {
                true => "[]string",
                false => "[]interface {}",
            },
            Self::Map(map) => match map.values().all(|it| matches!(it, Self::String(_))) {
                true => "map[string]string",
                false => "map[string]interface {}",
            },
            Self::Struct(it) if it.type_name.is_empty() => "struct",
            Self::Struct(it) => it.type_name,
            Self::Method(_) => "func(string) string",
        }
    }

    /// Whether there is nothing: such a value ends a chain of fields.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nil | Self::Omitted(_) | Self::NoValue)
    }
}

impl Struct {
    /// A field, also one that JSON leaves out.
    pub fn field(&self, name: &str) -> Option<&Value> {
        let (_, value) = self.fields.iter().find(|(known, _)| *known == name)?;
        Some(if let Value::Omitted(inner) = value { inner } else { value })
    }
}

/// As Go's `%v` prints it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("<nil>"),
            Self::Omitted(it) => it.fmt(f),
            Self::NoValue => f.write_str("<no value>"),
            Self::Bool(it) => it.fmt(f),
            Self::Int(it) => it.fmt(f),
            Self::Duration(it) => f.write_str(&duration::in_words(*it)),
            Self::Float(it) => f.write_str(&crate::printf::shortest(*it)),
            Self::String(it) => f.write_str(it),
            Self::List(list) => joined(f, ('[', ']'), list.iter()),
            Self::Map(map) => {
                f.write_str("map[")?;
                for (place, (key, value)) in map.iter().enumerate() {
                    let space = if place == 0 { "" } else { " " };
                    write!(f, "{space}{key}:{value}")?;
                }
                f.write_str("]")
            }
            Self::Struct(it) => joined(f, ('{', '}'), it.fields.iter().map(|(_, value)| value)),
            Self::Method(_) => f.write_str("<func>"),
        }
    }
}

fn joined<'a>(
    f: &mut fmt::Formatter<'_>,
    (open, close): (char, char),
    values: impl Iterator<Item = &'a Value>,
) -> fmt::Result {
    write!(f, "{open}")?;
    for (place, value) in values.enumerate() {
        let space = if place == 0 { "" } else { " " };
        write!(f, "{space}{value}")?;
    }
    write!(f, "{close}")
}
