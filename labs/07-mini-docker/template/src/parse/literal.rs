//! Numbers and texts as Go writes them.

use super::{Parser, Result};
use crate::{
    Value,
    lex::{Kind as Word, Token},
};

impl Parser<'_> {
    /// The text between quotes.
    pub(super) fn text_of(&self, token: &Token) -> Result<String> {
        let inner = &token.text[1..token.text.len() - 1];
        if token.kind == Word::Raw {
            return Ok(inner.replace('\r', ""));
        }
        unescaped(inner, '"').ok_or_else(|| self.error("invalid syntax"))
    }

    /// The number, or the code of the character.
    pub(super) fn number_of(&self, token: &Token) -> Result<Value> {
        let text = &token.text;
        let value = match token.kind {
            Word::Character => {
                let inner = unescaped(&text[1..text.len() - 1], '\'');
                let mut chars = inner.as_deref().unwrap_or_default().chars();
                match (chars.next(), chars.next()) {
                    (Some(only), None) => Some(Value::Int(i64::from(u32::from(only)))),
                    _ => return Err(self.error(&format!("malformed character constant: {text}"))),
                }
            }
            _ => number(text),
        };
        value.ok_or_else(|| self.error(&format!("bad number syntax: {text:?}")))
    }
}

/// `42`, `0x2a`, `0b1`, `0o7`, `017`, `1_000`, `1.5`, `1e3`
fn number(text: &str) -> Option<Value> {
    let (negative, body) = match text.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if body.contains("__") || body.ends_with('_') || body.starts_with('_') {
        return None;
    }
    let digits = body.replace('_', "").to_ascii_lowercase();
    let whole = match digits.get(..2) {
        Some("0x") => i128::from_str_radix(&digits[2..], 16).ok(),
        Some("0b") => i128::from_str_radix(&digits[2..], 2).ok(),
        Some("0o") => i128::from_str_radix(&digits[2..], 8).ok(),
        _ if digits.len() > 1 && digits.starts_with('0') => i128::from_str_radix(&digits, 8).ok(),
        _ => digits.parse().ok(),
    };
    if let Some(whole) = whole {
        return i64::try_from(if negative { -whole } else { whole }).ok().map(Value::Int);
    }
    let is_decimal = digits.chars().all(|c| c.is_ascii_digit() || "e.+-".contains(c));
    let float: f64 = is_decimal.then(|| digits.parse().ok())??;
    let float = if negative { -float } else { float };
    // As a constant of Go, 1e3 is an integer too.
    if float.fract() == 0.0 && float.abs() < 1e18 && digits.contains('e') {
        return Some(Value::Int(float as i64));
    }
    Some(Value::Float(float))
}

/// A text without its backslashes, as strconv.Unquote reads it.
fn unescaped(text: &str, quote: char) -> Option<String> {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let escape = rest.next()?;
        let hex = |rest: &mut std::str::Chars<'_>, digits: usize| {
            let text: String = rest.by_ref().take(digits).collect();
            let code = (text.len() == digits).then(|| u32::from_str_radix(&text, 16).ok())??;
            char::from_u32(code)
        };
        out.push(match escape {
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            '\\' => '\\',
            'x' => hex(&mut rest, 2)?,
            'u' => hex(&mut rest, 4)?,
            'U' => hex(&mut rest, 8)?,
            '0'..='7' => {
                let more: String = rest.by_ref().take(2).collect();
                let code = u32::from_str_radix(&format!("{escape}{more}"), 8).ok()?;
                (more.len() == 2).then(|| char::from_u32(code))??
            }
            c if c == quote => quote,
            _ => return None,
        });
    }
    Some(out)
}
