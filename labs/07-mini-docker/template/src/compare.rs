//! eq, ne, lt, le, gt, ge.

use std::cmp::Ordering;

use crate::{
    Value,
    failure::{Result, failed},
};

/// Compares as Go does: only what is of the same kind.
pub(crate) fn compare(name: &str, arguments: &[Value]) -> Result<Value> {
    if name == "eq" {
        if arguments.len() < 2 {
            return failed("missing argument for comparison");
        }
        for other in &arguments[1..] {
            if equal(&arguments[0], other)? {
                return Ok(Value::Bool(true));
            }
        }
        return Ok(Value::Bool(false));
    }
    let (a, b) = (&arguments[0], &arguments[1]);
    Ok(Value::Bool(match name {
        "ne" => !equal(a, b)?,
        "lt" => order(a, b)? == Ordering::Less,
        "le" => order(a, b)? != Ordering::Greater,
        "gt" => order(a, b)? == Ordering::Greater,
        _ => order(a, b)? != Ordering::Less,
    }))
}

/// A duration is compared as the number of nanoseconds that it is.
fn number(value: &Value) -> Value {
    match value {
        Value::Duration(it) => Value::Int(*it),
        other => other.clone(),
    }
}

fn equal(a: &Value, b: &Value) -> Result<bool> {
    match (&number(a), &number(b)) {
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Int(a), Value::Int(b)) => Ok(a == b),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::String(a), Value::String(b)) => Ok(a == b),
        (a, b) if a.is_nothing() || b.is_nothing() => Ok(a.is_nothing() && b.is_nothing()),
        (it @ (Value::List(_) | Value::Map(_) | Value::Method(_)), _)
        | (_, it @ (Value::List(_) | Value::Map(_) | Value::Method(_))) => {
            failed(format_args!("non-comparable type {it}: {}", it.type_name()))
        }
        (Value::Struct(a), Value::Struct(b)) => Ok(a == b),
        _ => failed("incompatible types for comparison"),
    }
}

fn order(a: &Value, b: &Value) -> Result<Ordering> {
    match (&number(a), &number(b)) {
        (Value::Int(a), Value::Int(b)) => Ok(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b).unwrap_or(Ordering::Equal)),
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        (Value::Int(_) | Value::Float(_) | Value::String(_), _) => {
            failed("incompatible types for comparison")
        }
        _ => failed("invalid type for comparison"),
    }
}
