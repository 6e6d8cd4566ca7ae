//! The words of a template, as Go's lexer cuts them; what cannot be cut is a last word that says so.

use std::ops::Range;

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub kind: Kind,
    /// As it is written; for [`Kind::Wrong`] what is wrong.
    pub text: String,
    /// Its first byte.
    pub offset: usize,
    pub line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Left,
    Right,
    Space,
    Dot,
    /// `.Name`
    Field,
    /// `$name`
    Variable,
    Identifier,
    Keyword,
    Number,
    Character,
    Quoted,
    Raw,
    Bar,
    Open,
    Close,
    Declare,
    Assign,
    Comma,
    End,
    Wrong,
}

const KEYWORDS: [&str; 10] =
    ["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"];

struct Lexer<'a> {
    input: &'a str,
    at: usize,
    tokens: Vec<Token>,
    /// Parentheses that are open.
    depth: usize,
}

/// Cuts a template into words. The last one is [`Kind::End`] or [`Kind::Wrong`].
pub(crate) fn tokens(input: &str) -> Vec<Token> {
    let mut lexer = Lexer { input, at: 0, tokens: Vec::new(), depth: 0 };
    if let Err(wrong) = lexer.run() {
        let at = lexer.at.min(input.len());
        lexer.push(Kind::Wrong, at..at);
        if let Some(last) = lexer.tokens.last_mut() {
            last.text = wrong;
        }
    }
    lexer.tokens
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.input.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn push(&mut self, kind: Kind, range: Range<usize>) {
        let line = 1 + self.input[..range.start].matches('\n').count();
        let text = self.input[range.clone()].to_owned();
        self.tokens.push(Token { kind, text, offset: range.start, line });
    }

    /// Takes as many bytes.
    fn take(&mut self, kind: Kind, length: usize) {
        self.push(kind, self.at..self.at + length);
        self.at += length;
    }

    fn run(&mut self) -> Result<(), String> {
        loop {
            let Some(left) = self.rest().find("{{") else {
                let end = self.input.len();
                if self.at < end {
                    self.push(Kind::Text, self.at..end);
                }
                self.push(Kind::End, end..end);
                return Ok(());
            };
            self.text(self.at + left);
            if self.comment()? {
                continue;
            }
            self.take(Kind::Left, 2);
            if self.trims_left() {
                self.at += 1;
            }
            self.action()?;
        }
    }

    /// Text up to a `{{`, without the space that `{{-` takes away.
    fn text(&mut self, left: usize) {
        let text = &self.input[self.at..left];
        let trims = self.input[left + 2..].starts_with('-') && spaced(&self.input[left + 3..]);
        let length = if trims { text.trim_end_matches(is_space).len() } else { text.len() };
        if length > 0 {
            self.push(Kind::Text, self.at..self.at + length);
        }
        self.at = left;
    }

    fn trims_left(&self) -> bool {
        self.rest().strip_prefix('-').is_some_and(spaced)
    }

    /// A comment is passed over.
    fn comment(&mut self) -> Result<bool, String> {
        let inner = &self.rest()[2..];
        let start = match inner.strip_prefix('-').filter(|rest| spaced(rest)) {
            Some(rest) => rest.trim_start_matches(is_space),
            None => inner,
        };
        let Some(comment) = start.strip_prefix("/*") else { return Ok(false) };
        let end = comment.find("*/").ok_or("unclosed comment")?;
        let after = &comment[end + 2..];
        let trimmed = after.trim_start_matches(is_space);
        if let Some(rest) = after.strip_prefix("}}") {
            self.at = self.input.len() - rest.len();
        } else if let (Some(rest), true) =
            (trimmed.strip_prefix("-}}"), trimmed.len() < after.len())
        {
            self.at = self.input.len() - rest.trim_start_matches(is_space).len();
        } else {
            return Err("comment ends before closing delimiter".into());
        }
        Ok(true)
    }

    /// Everything up to the closing braces.
    fn action(&mut self) -> Result<(), String> {
        self.depth = 0;
        loop {
            if let Some(length) = self.right() {
                if self.depth > 0 {
                    return Err("unclosed left paren".into());
                }
                return self.close(length);
            }
            let Some(next) = self.peek() else { return Err("unclosed action".into()) };
            match next {
                _ if is_space(next) => {
                    let rest = self.rest();
                    let mut length = rest.len() - rest.trim_start_matches(is_space).len();
                    // The last space belongs to ` -}}`.
                    if rest[length..].starts_with("-}}") {
                        length -= 1;
                    }
                    match length {
                        0 => self.at += 1,
                        _ => self.take(Kind::Space, length),
                    }
                }
                ':' if self.rest().starts_with(":=") => self.take(Kind::Declare, 2),
                ':' => return Err("expected :=".into()),
                '=' => self.take(Kind::Assign, 1),
                '|' => self.take(Kind::Bar, 1),
                ',' => self.take(Kind::Comma, 1),
                '(' => {
                    self.depth += 1;
                    self.take(Kind::Open, 1);
                }
                ')' => {
                    self.depth =
                        self.depth.checked_sub(1).ok_or("unexpected right paren U+0029 ')'")?;
                    self.take(Kind::Close, 1);
                }
                _ => self.word(next)?,
            }
        }
    }

    /// The length of what closes the action, if it stands here: `}}` or ` -}}`.
    fn right(&self) -> Option<usize> {
        let rest = self.rest();
        let trims = rest.starts_with(is_space) && rest[1..].starts_with("-}}");
        if trims { Some(4) } else { rest.starts_with("}}").then_some(2) }
    }

    fn close(&mut self, length: usize) -> Result<(), String> {
        self.take(Kind::Right, length);
        if length == 4 {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(is_space).len();
        }
        Ok(())
    }

    fn word(&mut self, first: char) -> Result<(), String> {
        let rest = self.rest();
        let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        match first {
            '"' => self.quoted('"', Kind::Quoted, "quoted string"),
            '`' => match rest[1..].find('`') {
                Some(end) => {
                    self.take(Kind::Raw, end + 2);
                    Ok(())
                }
                None => Err("unterminated raw quoted string".into()),
            },
            '\'' => self.quoted('\'', Kind::Character, "character constant"),
            '.' if !digit(&rest[1..]) => {
                let length = letters(&rest[1..]);
                let kind = if length == 0 { Kind::Dot } else { Kind::Field };
                self.name(kind, 1 + length)
            }
            '$' => self.name(Kind::Variable, 1 + letters(&rest[1..])),
            '+' | '-' | '.' | '0'..='9' => self.number(),
            _ if is_letter(first) => {
                let length = letters(rest);
                let kind = match KEYWORDS.contains(&&rest[..length]) {
                    true => Kind::Keyword,
                    false => Kind::Identifier,
                };
                self.name(kind, length)
            }
            _ => Err(format!("unrecognized character in action: {}", shown(first))),
        }
    }

    /// A name must end where a name can end.
    fn name(&mut self, kind: Kind, length: usize) -> Result<(), String> {
        let after = &self.rest()[length..];
        let ends = after.starts_with("}}")
            || after.chars().next().is_none_or(|c| is_space(c) || ".,|:=()".contains(c));
        match after.chars().next() {
            Some(next) if !ends && kind != Kind::Dot => {
                Err(format!("bad character {}", shown(next)))
            }
            _ => {
                self.take(kind, length);
                Ok(())
            }
        }
    }

    /// A text or a character between two of the same quotes; a backslash takes the meaning of what
    /// follows.
    fn quoted(&mut self, quote: char, kind: Kind, what: &str) -> Result<(), String> {
        let mut escaped = false;
        for (at, c) in self.rest().char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if c == quote => {
                    self.take(kind, at + 1);
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(format!("unterminated {what}"))
    }

    fn number(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let signed = rest.starts_with(['+', '-']);
        let body = &rest[usize::from(signed)..];
        let is_hex = body.starts_with("0x") || body.starts_with("0X");
        let mut length = usize::from(signed);
        let mut last = ' ';
        for c in body.chars() {
            let exponent = if is_hex { "pP" } else { "eE" };
            let sign = "+-".contains(c) && exponent.contains(last);
            if !(c.is_ascii_alphanumeric() || c == '_' || c == '.' || sign) {
                break;
            }
            length += 1;
            last = c;
        }
        if !body.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            let wrong: String = rest.chars().take(2).collect();
            return Err(format!("bad number syntax: {wrong:?}"));
        }
        self.take(Kind::Number, length);
        Ok(())
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn spaced(text: &str) -> bool {
    text.starts_with(is_space)
}

fn is_letter(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Bytes of the letters that a text begins with.
fn letters(text: &str) -> usize {
    text.find(|c| !is_letter(c)).unwrap_or(text.len())
}

/// `U+007D '}'`
fn shown(c: char) -> String {
    match c.is_control() {
        true => format!("U+{:04X}", c as u32),
        false => format!("U+{:04X} '{c}'", c as u32),
    }
}
