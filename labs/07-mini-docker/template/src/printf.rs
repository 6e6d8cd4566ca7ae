//! print, println and printf, as Go's package fmt does them.

mod verb;

pub use verb::quoted;

use crate::Value;

/// Wider than this is a mistake, as in Go.
const WIDEST: i64 = 1_000_000;

/// Operands one after the other, with a space between two that are no texts.
pub(crate) fn print(values: &[Value]) -> String {
    let mut out = String::new();
    for (place, value) in values.iter().enumerate() {
        let is_text = |it: &Value| matches!(it, Value::String(_));
        if place > 0 && !is_text(value) && !is_text(&values[place - 1]) {
            out.push(' ');
        }
        out.push_str(&value.to_string());
    }
    out
}

/// Operands with a space between them and a line feed at the end.
pub(crate) fn println(values: &[Value]) -> String {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    texts.join(" ") + "\n"
}

/// What stands between `%` and its letter.
#[derive(Debug, Default, Clone)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Formats `values`; whatever does not fit is told in the text, never an error.
pub(crate) fn printf(format: &str, values: &[Value]) -> String {
    let mut state = State { values, next: 0, reordered: false, out: String::new() };
    let mut rest = format;
    while let Some(percent) = rest.find('%') {
        state.out.push_str(&rest[..percent]);
        rest = state.verb(&rest[percent + 1..]);
    }
    state.out.push_str(rest);
    if !state.reordered && state.next < values.len() {
        let extra: Vec<String> = values[state.next..].iter().map(verb::typed).collect();
        state.out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    state.out
}

struct State<'a> {
    values: &'a [Value],
    next: usize,
    reordered: bool,
    out: String,
}

impl State<'_> {
    /// One verb with all that is before its letter; returns what follows.
    fn verb<'t>(&mut self, text: &'t str) -> &'t str {
        let mut flags = Flags::default();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            match c {
                '-' => flags.minus = true,
                '+' => flags.plus = true,
                '#' => flags.sharp = true,
                ' ' => flags.space = true,
                '0' => flags.zero = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        let mut bad_index = false;
        rest = self.argument_number(rest, &mut bad_index);
        rest = self.size(rest, &mut flags, true);
        if let Some(after) = rest.strip_prefix('.') {
            flags.precision = Some(0);
            rest = self.argument_number(after, &mut bad_index);
            rest = self.size(rest, &mut flags, false);
        }
        rest = self.argument_number(rest, &mut bad_index);
        let Some(letter) = rest.chars().next() else {
            self.out.push_str("%!(NOVERB)");
            return rest;
        };
        match letter {
            '%' => self.out.push('%'),
            _ if bad_index => self.out.push_str(&format!("%!{letter}(BADINDEX)")),
            _ => match self.values.get(self.next) {
                None => self.out.push_str(&format!("%!{letter}(MISSING)")),
                Some(value) => {
                    self.next += 1;
                    self.out.push_str(&verb::format(letter, &flags, value));
                }
            },
        }
        &rest[letter.len_utf8()..]
    }

    /// `[2]`: which operand comes next.
    fn argument_number<'t>(&mut self, text: &'t str, bad: &mut bool) -> &'t str {
        let Some(inner) = text.strip_prefix('[') else { return text };
        let Some((number, rest)) = inner.split_once(']') else {
            *bad = true;
            return "";
        };
        self.reordered = true;
        match number.parse::<usize>() {
            Ok(number) if (1..=self.values.len()).contains(&number) => self.next = number - 1,
            _ => *bad = true,
        }
        rest
    }

    /// A width or a precision: digits, or `*` for the next operand.
    fn size<'t>(&mut self, text: &'t str, flags: &mut Flags, is_width: bool) -> &'t str {
        let (number, rest) = match text.strip_prefix('*') {
            Some(rest) => {
                let operand = self.values.get(self.next);
                self.next += usize::from(operand.is_some());
                match operand {
                    Some(Value::Int(it)) if it.abs() <= WIDEST => (*it, rest),
                    _ => {
                        let what = if is_width { "%!(BADWIDTH)" } else { "%!(BADPREC)" };
                        self.out.push_str(what);
                        return rest;
                    }
                }
            }
            None => {
                let digits =
                    text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                if digits == 0 {
                    return text;
                }
                let number = text[..digits].parse().unwrap_or(i64::MAX).min(WIDEST);
                (number, &text[digits..])
            }
        };
        if !is_width {
            flags.precision = usize::try_from(number).ok();
        } else {
            flags.minus |= number < 0;
            flags.width = Some(number.unsigned_abs() as usize);
        }
        rest
    }
}

/// A number with a fraction as `%v` prints it: the shortest text that means it.
pub(crate) fn shortest(number: f64) -> String {
    verb::general(number, None, 'e')
}
