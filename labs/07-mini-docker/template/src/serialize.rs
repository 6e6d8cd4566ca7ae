//! Whatever can be serialised becomes a value: structs stay structs.
//!
//! serde_json's own value would forget the order of the fields and which of them were skipped.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::ser::{
    self, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer,
};

use crate::{Struct, Value};

/// The value of anything that serde can take apart; `Nil` for what it cannot.
pub fn to_value<T: Serialize + ?Sized>(data: &T) -> Value {
    data.serialize(Taken).unwrap_or(Value::Nil)
}

/// A field that JSON leaves out while it is empty, and a template sees all the same: Go's
/// `omitempty`. For a pointer, which is then `<nil>`, serde's `skip_serializing_if` does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OmitEmpty<T>(pub T);

const OMIT_EMPTY: &str = "template::OmitEmpty";

impl<T: Serialize> Serialize for OmitEmpty<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(OMIT_EMPTY, &self.0)
    }
}

/// A time in nanoseconds: a number in JSON, and `1m30s` where a template prints it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nanoseconds(pub i64);

const NANOSECONDS: &str = "template::Nanoseconds";

impl Serialize for Nanoseconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(NANOSECONDS, &self.0)
    }
}

/// Something that has no shape in JSON.
#[derive(Debug)]
pub(crate) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such thing in JSON")
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

struct Taken;

struct List(Vec<Value>);

#[derive(Default)]
struct Map {
    entries: BTreeMap<String, Value>,
    key: Option<String>,
}

struct Fields(Vec<(&'static str, Value)>);

macro_rules! integers {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, it: $type) -> Result<Value, Refused> {
            Ok(i64::try_from(it).map_or(Value::Float(it as f64), Value::Int))
        })*
    };
}

impl Serializer for Taken {
    type Ok = Value;
    type Error = Refused;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = Impossible<Value, Refused>;
    type SerializeMap = Map;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Impossible<Value, Refused>;

    integers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    );

    fn serialize_bool(self, it: bool) -> Result<Value, Refused> {
        Ok(Value::Bool(it))
    }

    fn serialize_f32(self, it: f32) -> Result<Value, Refused> {
        Ok(Value::Float(it.into()))
    }

    fn serialize_f64(self, it: f64) -> Result<Value, Refused> {
        Ok(Value::Float(it))
    }

    fn serialize_char(self, it: char) -> Result<Value, Refused> {
        Ok(Value::text(it.to_string()))
    }

    fn serialize_str(self, it: &str) -> Result<Value, Refused> {
        Ok(Value::text(it))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Value, Refused> {
        Err(Refused)
    }

    fn serialize_none(self) -> Result<Value, Refused> {
        Ok(Value::Nil)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, it: &T) -> Result<Value, Refused> {
        it.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Refused> {
        Ok(Value::Nil)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Refused> {
        Ok(Value::record("", Vec::new()))
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value, Refused> {
        Ok(Value::text(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        it: &T,
    ) -> Result<Value, Refused> {
        let value = match it.serialize(self)? {
            Value::Int(it) if name == NANOSECONDS => Value::Duration(it),
            value => value,
        };
        let omit = name == OMIT_EMPTY && !value.truth();
        Ok(if omit { Value::Omitted(Arc::new(value)) } else { value })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        it: &T,
    ) -> Result<Value, Refused> {
        Ok(Value::record("", vec![(variant, it.serialize(Taken)?)]))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List, Refused> {
        Ok(List(Vec::new()))
    }

    fn serialize_tuple(self, _: usize) -> Result<List, Refused> {
        Ok(List(Vec::new()))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List, Refused> {
        Ok(List(Vec::new()))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Refused> {
        Err(Refused)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Map, Refused> {
        Ok(Map::default())
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Fields, Refused> {
        Ok(Fields(Vec::with_capacity(length)))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Refused> {
        Err(Refused)
    }
}

impl SerializeSeq for List {
    type Ok = Value;
    type Error = Refused;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), Refused> {
        self.0.push(it.serialize(Taken)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Refused> {
        Ok(Value::List(self.0.into()))
    }
}

impl ser::SerializeTuple for List {
    type Ok = Value;
    type Error = Refused;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), Refused> {
        SerializeSeq::serialize_element(self, it)
    }

    fn end(self) -> Result<Value, Refused> {
        SerializeSeq::end(self)
    }
}

impl ser::SerializeTupleStruct for List {
    type Ok = Value;
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), Refused> {
        SerializeSeq::serialize_element(self, it)
    }

    fn end(self) -> Result<Value, Refused> {
        SerializeSeq::end(self)
    }
}

impl SerializeMap for Map {
    type Ok = Value;
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        self.key = Some(key.serialize(Taken)?.to_string());
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), Refused> {
        let key = self.key.take().ok_or(Refused)?;
        self.entries.insert(key, it.serialize(Taken)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Refused> {
        Ok(Value::Map(Arc::new(self.entries)))
    }
}

impl SerializeStruct for Fields {
    type Ok = Value;
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        it: &T,
    ) -> Result<(), Refused> {
        self.0.push((name, it.serialize(Taken)?));
        Ok(())
    }

    fn skip_field(&mut self, name: &'static str) -> Result<(), Refused> {
        self.0.push((name, Value::Omitted(Arc::new(Value::Nil))));
        Ok(())
    }

    fn end(self) -> Result<Value, Refused> {
        Ok(Value::Struct(Arc::new(Struct { type_name: "", fields: self.0 })))
    }
}
