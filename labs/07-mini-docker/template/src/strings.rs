//! Docker's functions on texts, and Go's that escape.

use crate::{
    Value,
    failure::{Failure, Result, wrong_type},
};

/// A function whose first argument is a text, or a list of them.
pub(crate) fn call(name: &str, arguments: &[Value]) -> Result<Value> {
    if name == "join" {
        return join(&arguments[0], &arguments[1]);
    }
    let text = text(&arguments[0])?;
    Ok(Value::text(match name {
        "lower" => text.to_lowercase(),
        "upper" => text.to_uppercase(),
        "title" => title(text),
        "split" => {
            let separator = self::text(&arguments[1])?;
            let parts: Vec<Value> = match separator {
                "" => text.chars().map(|c| Value::text(c.to_string())).collect(),
                _ => text.split(separator).map(Value::text).collect(),
            };
            return Ok(Value::List(parts.into()));
        }
        "truncate" => cut(text, number(&arguments[1])?),
        // What is empty stays empty.
        "pad" if text.is_empty() => String::new(),
        _ => {
            let spaces = |it: &Value| Ok(" ".repeat(number(it)?.min(10_000)));
            format!("{}{text}{}", spaces(&arguments[1])?, spaces(&arguments[2])?)
        }
    }))
}

fn text(value: &Value) -> Result<&str> {
    match value {
        Value::String(it) => Ok(it),
        // A label that is not there.
        Value::NoValue => Ok(""),
        other => Err(wrong_type(other)),
    }
}

fn number(value: &Value) -> Result<usize> {
    match value {
        Value::Int(it) => Ok(usize::try_from(*it).unwrap_or(0)),
        other => {
            let kind = other.type_name();
            Err(Failure::Misused(format!("wrong type for value; expected int; got {kind}")))
        }
    }
}

fn join(list: &Value, separator: &Value) -> Result<Value> {
    let separator = text(separator)?;
    let parts: Vec<String> = match list {
        Value::List(list) => list.iter().map(ToString::to_string).collect(),
        nothing if nothing.is_nothing() => Vec::new(),
        other => {
            let kind = other.type_name();
            let text = format!("wrong type for value; expected []string; got {kind}");
            return Err(Failure::Misused(text));
        }
    };
    Ok(Value::text(parts.join(separator)))
}

/// The first letter of each word as a capital.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        match inside {
            true => out.push(c),
            false => out.extend(c.to_uppercase()),
        }
        inside = c.is_alphanumeric() || c == '_' || c == '\'';
    }
    out
}

/// At most so many bytes, and no half letter.
fn cut(text: &str, length: usize) -> String {
    let mut end = length.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// html, js and urlquery.
pub(crate) fn escape(name: &str, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match (name, c) {
            ("html", '<') => out.push_str("&lt;"),
            ("html", '>') => out.push_str("&gt;"),
            ("html", '&') => out.push_str("&amp;"),
            ("html", '"') => out.push_str("&#34;"),
            ("html", '\'') => out.push_str("&#39;"),
            ("html", '\0') => out.push('\u{fffd}'),
            ("js", '\'' | '"' | '\\') => out.extend(['\\', c]),
            ("js", '<' | '>' | '&' | '=') => {
                out.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            ("js", c) if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            ("urlquery", ' ') => out.push('+'),
            ("urlquery", c) if !c.is_ascii_alphanumeric() && !"-_.~".contains(c) => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    out.push_str(&format!("%{byte:02X}"));
                }
            }
            (_, c) => out.push(c),
        }
    }
    out
}
