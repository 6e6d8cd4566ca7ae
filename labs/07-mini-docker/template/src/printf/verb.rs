//! One verb of printf applied to one value.

use super::Flags;
use crate::Value;

/// `%d` of 3, `%!d(string=x)` of a text.
pub(super) fn format(letter: char, flags: &Flags, value: &Value) -> String {
    if let Value::Duration(it) = value
        && !"vT".contains(letter)
    {
        // It has words of its own for a text, and is a number for the rest.
        let plain =
            if "sq".contains(letter) { Value::text(value.to_string()) } else { Value::Int(*it) };
        return format(letter, flags, &plain);
    }
    let text = match (letter, value) {
        ('T', _) => Some(value.type_name().to_owned()),
        // `%+v` is about the names of fields, not about signs.
        ('v', Value::Int(it)) => Some(it.to_string()),
        ('v', Value::Float(it)) => Some(general(*it, flags.precision, 'e')),
        ('v', Value::String(it)) if flags.sharp => Some(quoted(it)),
        ('v', Value::List(it)) if flags.sharp => Some(in_go_syntax(value, it)),
        ('v', _) => Some(cut(&value.to_string(), flags)),
        ('d', Value::Int(it)) => Some(signed(it.to_string(), flags)),
        ('x' | 'X' | 'o' | 'O' | 'b', Value::Int(it)) => Some(based(letter, *it, flags)),
        ('c', Value::Int(it)) => Some(character(*it).to_string()),
        ('q', Value::Int(it)) => Some(format!("'{}'", character(*it))),
        ('U', Value::Int(it)) => Some(format!("U+{it:04X}")),
        ('e' | 'E' | 'f' | 'F' | 'g' | 'G', Value::Float(it)) => Some(float(letter, *it, flags)),
        ('s', Value::String(it)) => Some(cut(it, flags)),
        ('q', Value::String(it)) => Some(quoted(&cut(it, flags))),
        ('x' | 'X', Value::String(it)) => Some(hexadecimal(letter, it)),
        ('t', Value::Bool(it)) => Some(it.to_string()),
        // Each element by itself.
        (_, Value::List(list)) => {
            let parts: Vec<String> = list.iter().map(|it| format(letter, flags, it)).collect();
            return format!("[{}]", parts.join(" "));
        }
        (_, Value::Map(map)) => {
            let key = |key: &String| format(letter, flags, &Value::text(key.as_str()));
            let entry = |(name, it)| format!("{}:{}", key(name), format(letter, flags, it));
            let parts: Vec<String> = map.iter().map(entry).collect();
            return format!("map[{}]", parts.join(" "));
        }
        (_, Value::Struct(it)) => {
            let parts: Vec<String> =
                it.fields.iter().map(|(_, it)| format(letter, flags, it)).collect();
            return format!("{{{}}}", parts.join(" "));
        }
        _ => None,
    };
    match text {
        Some(text) => padded(text, letter, flags, value),
        None if value.is_nothing() => format!("%!{letter}(<nil>)"),
        None => format!("%!{letter}({})", typed(value)),
    }
}

/// `int=3`
pub(super) fn typed(value: &Value) -> String {
    match value.is_nothing() {
        true => "<nil>".into(),
        false => format!("{}={value}", value.type_name()),
    }
}

fn padded(text: String, letter: char, flags: &Flags, value: &Value) -> String {
    let missing = flags.width.unwrap_or(0).saturating_sub(text.chars().count());
    let is_number = matches!(value, Value::Int(_) | Value::Float(_)) && !"cqUT".contains(letter);
    if flags.minus {
        text + &" ".repeat(missing)
    } else if flags.zero && is_number {
        let (sign, digits) = match text.strip_prefix(['-', '+']) {
            Some(digits) => (&text[..1], digits),
            None => ("", text.as_str()),
        };
        format!("{sign}{}{digits}", "0".repeat(missing))
    } else {
        " ".repeat(missing) + &text
    }
}

fn signed(text: String, flags: &Flags) -> String {
    match (text.starts_with('-'), flags.plus, flags.space) {
        (true, ..) | (false, false, false) => text,
        (false, true, _) => format!("+{text}"),
        (false, false, true) => format!(" {text}"),
    }
}

/// A precision cuts a text.
fn cut(text: &str, flags: &Flags) -> String {
    text.chars().take(flags.precision.unwrap_or(usize::MAX)).collect()
}

fn character(code: i64) -> char {
    u32::try_from(code).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn based(letter: char, number: i64, flags: &Flags) -> String {
    let size = number.unsigned_abs();
    let (digits, prefix) = match letter {
        'x' => (format!("{size:x}"), "0x"),
        'X' => (format!("{size:X}"), "0X"),
        'b' => (format!("{size:b}"), "0b"),
        'o' => (format!("{size:o}"), "0"),
        _ => (format!("{size:o}"), "0o"),
    };
    let prefix = if flags.sharp || letter == 'O' { prefix } else { "" };
    let sign = if number < 0 { "-" } else { "" };
    signed(format!("{sign}{prefix}{digits}"), flags)
}

fn hexadecimal(letter: char, text: &str) -> String {
    let byte = |byte: u8| match letter {
        'x' => format!("{byte:02x}"),
        _ => format!("{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn float(letter: char, number: f64, flags: &Flags) -> String {
    let text = match letter {
        'f' | 'F' => format!("{number:.*}", flags.precision.unwrap_or(6).min(300)),
        'e' | 'E' => exponential(number, Some(flags.precision.unwrap_or(6).min(300)), letter),
        'g' => general(number, flags.precision, 'e'),
        _ => general(number, flags.precision, 'E'),
    };
    signed(text, flags)
}

/// `1.5e+00`: an exponent of at least two digits and a sign.
fn exponential(number: f64, precision: Option<usize>, letter: char) -> String {
    let text = match precision {
        Some(precision) => format!("{number:.precision$e}"),
        None => format!("{number:e}"),
    };
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}{}{sign}{digits:0>2}", letter.to_ascii_lowercase())
        .replace('e', &letter.to_string())
}

/// The shorter of the two ways; `%v` leaves the plain one at an exponent of 21.
pub(super) fn general(number: f64, precision: Option<usize>, letter: char) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "NaN".into()
        } else {
            format!("{number:+}").replace("inf", "Inf")
        };
    }
    let precision = precision.map(|it| it.clamp(1, 300));
    let plain = exponential(number, precision.map(|it| it - 1), 'e');
    let exponent: i32 = plain.rsplit('e').next().and_then(|it| it.parse().ok()).unwrap_or(0);
    let most = precision.map_or(21, |it| it as i32);
    if number != 0.0 && (exponent < -4 || exponent >= most) {
        return exponential(number, precision.map(|it| it - 1), letter);
    }
    match precision {
        None => format!("{number}"),
        Some(digits) => {
            let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
            let text = format!("{number:.decimals$}");
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => text,
            }
        }
    }
}

/// A text in Go's quotes.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

fn in_go_syntax(value: &Value, list: &[Value]) -> String {
    let sharp = Flags { sharp: true, ..Flags::default() };
    let parts: Vec<String> = list.iter().map(|it| format('v', &sharp, it)).collect();
    format!("{}{{{}}}", value.type_name(), parts.join(", "))
}
