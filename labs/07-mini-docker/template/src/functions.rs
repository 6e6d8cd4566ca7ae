//! What a template can call: Go's functions and Docker's.

use crate::{
    Mode, Value, compare,
    failure::{Failure, Result, failed, wrong_type},
    json, printf, strings,
};

/// All of them.
pub(crate) const NAMES: [&str; 27] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "join", "js", "json", "le", "len", "lower",
    "lt", "ne", "not", "or", "pad", "print", "printf", "println", "slice", "split", "title",
    "truncate", "upper", "urlquery",
];

/// Calls a function.
pub(crate) fn call(mode: Mode, name: &str, arguments: &[Value]) -> Result<Value> {
    if let (Mode::Heading, Some(first)) = (mode, heading(name, arguments)) {
        return Ok(first);
    }
    check_count(name, arguments.len())?;
    match name {
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" => compare::compare(name, arguments),
        "not" => Ok(Value::Bool(!arguments[0].truth())),
        "len" => length(&arguments[0]),
        "index" => arguments[1..].iter().try_fold(arguments[0].clone(), |it, at| index(&it, at)),
        "slice" => slice(arguments),
        "print" => Ok(Value::text(printf::print(arguments))),
        "println" => Ok(Value::text(printf::println(arguments))),
        "printf" => match &arguments[0] {
            Value::String(format) => Ok(Value::text(printf::printf(format, &arguments[1..]))),
            other => Err(wrong_type(other)),
        },
        "json" => Ok(Value::text(json::line(&arguments[0]))),
        "html" | "js" | "urlquery" => {
            Ok(Value::text(strings::escape(name, &printf::print(arguments))))
        }
        _ => strings::call(name, arguments),
    }
}

/// In a heading nothing is done to the name of the column.
fn heading(name: &str, arguments: &[Value]) -> Option<Value> {
    let ours = ["json", "split", "join", "lower", "upper", "title", "pad", "truncate"];
    // Which of its arguments is the name is told by the bar as well: the last one then.
    let names = arguments.iter().filter(|it| matches!(it, Value::String(_)));
    match name {
        "truncate" | "join" | "split" if arguments.len() < 2 => None,
        _ if ours.contains(&name) => names.into_iter().next().cloned(),
        _ => None,
    }
}

fn check_count(name: &str, count: usize) -> Result<()> {
    let (least, most) = match name {
        "not" | "len" | "json" | "lower" | "upper" | "title" => (1, Some(1)),
        "split" | "join" | "truncate" | "ne" | "lt" | "le" | "gt" | "ge" => (2, Some(2)),
        "pad" => (3, Some(3)),
        "index" | "slice" | "printf" | "call" | "eq" => (1, None),
        _ => (0, None),
    };
    if count >= least && most.is_none_or(|most| count <= most) {
        return Ok(());
    }
    let at_least = if most.is_none() { "at least " } else { "" };
    let text = format!("wrong number of args for {name}: want {at_least}{least} got {count}");
    Err(Failure::Misused(text))
}

fn length(value: &Value) -> Result<Value> {
    let length = match value {
        Value::String(it) => it.len(),
        Value::List(it) => it.len(),
        Value::Map(it) => it.len(),
        nothing if nothing.is_nothing() => return failed("len of nil pointer"),
        other => return failed(format_args!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(length as i64))
}

fn index(value: &Value, at: &Value) -> Result<Value> {
    match (value, at) {
        (Value::List(list), Value::Int(place)) => {
            let found = usize::try_from(*place).ok().and_then(|place| list.get(place));
            found.map_or_else(
                || failed(format_args!("index out of range: {place}")),
                |it| Ok(it.clone()),
            )
        }
        (Value::String(text), Value::Int(place)) => {
            let byte = usize::try_from(*place).ok().and_then(|place| text.as_bytes().get(place));
            byte.map_or_else(
                || failed(format_args!("index out of range: {place}")),
                |it| Ok(Value::Int(i64::from(*it))),
            )
        }
        (Value::List(_) | Value::String(_), at) => {
            let kind = at.type_name();
            failed(format_args!("cannot index slice/array with type {kind}"))
        }
        // What a map has not is the zero of its kind: nothing to read for a text.
        (Value::Map(map), Value::String(key)) => {
            Ok(map.get(&**key).cloned().unwrap_or_else(|| {
                let texts = map.values().all(|it| matches!(it, Value::String(_)));
                if texts { Value::text("") } else { Value::Nil }
            }))
        }
        (Value::Map(_), at) => {
            failed(format_args!("value has type {}; should be string", at.type_name()))
        }
        (nothing, _) if nothing.is_nothing() => failed("index of untyped nil"),
        (other, _) => failed(format_args!("can't index item of type {}", other.type_name())),
    }
}

/// `slice x from to`
fn slice(arguments: &[Value]) -> Result<Value> {
    let (value, bounds) = (&arguments[0], &arguments[1..]);
    let length = match value {
        Value::String(it) => it.len(),
        Value::List(it) => it.len(),
        nothing if nothing.is_nothing() => return failed("slice of untyped nil"),
        other => return failed(format_args!("can't slice item of type {}", other.type_name())),
    };
    if bounds.len() > 2 {
        return failed(match value {
            Value::String(_) => "cannot 3-index slice a string".to_owned(),
            _ => format!("too many slice indexes: {}", bounds.len()),
        });
    }
    let bound = |at: usize, default: usize| match bounds.get(at) {
        None => Ok(default),
        Some(Value::Int(it)) => usize::try_from(*it)
            .ok()
            .filter(|place| *place <= length)
            .map_or_else(|| failed(format_args!("index out of range: {it}")), Ok),
        Some(other) => {
            failed(format_args!("cannot index slice/array with type {}", other.type_name()))
        }
    };
    let (from, to) = (bound(0, 0)?, bound(1, length)?);
    if from > to {
        return failed(format_args!("invalid slice index: {from} > {to}"));
    }
    Ok(match value {
        Value::List(list) => Value::List(list[from..to].into()),
        // Go cuts bytes; half a letter is shown as what it is no more.
        other => {
            let text = other.to_string();
            Value::text(String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned())
        }
    })
}
