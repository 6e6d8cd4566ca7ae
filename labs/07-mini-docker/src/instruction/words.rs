//! Words: what a shell makes of a line, without a shell: quotes, escapes and variables.

use ground::Result;

use super::invalid;

/// Cuts a line where spaces are outside of quotes; quotes and backslashes stay.
pub fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (String::new(), None);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => {
                word.push(c);
                word.extend(chars.next());
                continue;
            }
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Takes quotes and escapes away and puts variables in: `$A`, `${A}`, `${A:-word}`, `${A:+word}`
/// and the same two without the colon.
///
/// # Errors
/// A brace or quote that is not closed; an operator that we do not know.
pub fn expand(word: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String> {
    let mut expander = Expander { rest: word, variable };
    let expanded = expander.until(None)?;
    Ok(expanded)
}

struct Expander<'a> {
    rest: &'a str,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Expander<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Everything up to `end`, which is taken away, or to the end of the word.
    fn until(&mut self, end: Option<char>) -> Result<String> {
        let mut out = String::new();
        while let Some(c) = self.next() {
            match c {
                c if Some(c) == end => return Ok(out),
                '\\' => out.extend(self.next()),
                '\'' => self.single(&mut out)?,
                '"' => self.double(&mut out)?,
                '$' => self.dollar(&mut out)?,
                c => out.push(c),
            }
        }
        match end {
            None => Ok(out),
            Some(end) => Err(invalid(
                "syntax error: unexpected end of statement",
                format!("{end:?} is missing"),
            )),
        }
    }

    fn single(&mut self, out: &mut String) -> Result<()> {
        loop {
            match self.next() {
                Some('\'') => return Ok(()),
                Some(c) => out.push(c),
                None => return Err(unclosed('\'')),
            }
        }
    }

    fn double(&mut self, out: &mut String) -> Result<()> {
        loop {
            match self.next() {
                Some('"') => return Ok(()),
                Some('$') => self.dollar(out)?,
                // Within these quotes a backslash is one, but before what means something there.
                Some('\\') => match self.next() {
                    Some(c @ ('"' | '$' | '\\')) => out.push(c),
                    Some(c) => out.extend(['\\', c]),
                    None => return Err(unclosed('"')),
                },
                Some(c) => out.push(c),
                None => return Err(unclosed('"')),
            }
        }
    }

    fn dollar(&mut self, out: &mut String) -> Result<()> {
        if self.rest.starts_with('{') {
            self.next();
            let name = self.name();
            out.push_str(&self.braces(&name)?);
            return Ok(());
        }
        match self.name() {
            name if name.is_empty() => out.push('$'),
            name => out.push_str(&(self.variable)(&name).unwrap_or_default()),
        }
        Ok(())
    }

    fn name(&mut self) -> String {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name.to_owned()
    }

    /// What follows the name in `${NAME..}`.
    fn braces(&mut self, name: &str) -> Result<String> {
        let value = (self.variable)(name);
        let (mut operator, mut value) = (self.next(), value);
        if operator == Some(':') {
            operator = self.next();
            value = value.filter(|value| !value.is_empty());
        }
        match operator {
            Some('}') => Ok(value.unwrap_or_default()),
            Some('-') => {
                let word = self.until(Some('}'))?;
                Ok(value.unwrap_or(word))
            }
            Some('+') => {
                let word = self.until(Some('}'))?;
                Ok(value.map_or_else(String::new, |_| word))
            }
            Some(other) => {
                Err(invalid(format!("unsupported modifier ({other}) in substitution"), name))
            }
            None => Err(unclosed('}')),
        }
    }
}

fn unclosed(quote: char) -> ground::Error {
    invalid("unexpected end of statement while looking for matching quote", format!("{quote}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, expected: Option<&str>) {
        let variable = |name: &str| match name {
            "A" => Some("one two".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        assert_eq!(expand(word, &variable).ok().as_deref(), expected, "{word}");
    }

    #[test]
    fn variables_quotes_and_escapes_are_those_of_a_shell() {
        check("a", Some("a"));
        check("$A", Some("one two"));
        check("x${A}y", Some("xone twoy"));
        check("\\$A", Some("$A"));
        check("'$A'", Some("$A"));
        check("\"$A\"", Some("one two"));
        check("\"a \\\"b\\\" \\n\"", Some("a \"b\" \\n"));
        check("a\\ b", Some("a b"));
        check("${NONE:-$A}", Some("one two"));
        check("${EMPTY:-x}/${EMPTY-x}", Some("x/"));
        check("${A:+set}${NONE:+set}", Some("set"));
        check("100$", Some("100$"));
        check("${A", None);
        check("\"a", None);
        check("${A?x}", None);
    }

    #[test]
    fn words_end_at_spaces_outside_of_quotes() {
        assert_eq!(split(r#"A="b c" D=e\ f  G='h i'"#), [r#"A="b c""#, r"D=e\ f", "G='h i'"]);
        assert_eq!(split(""), [""; 0]);
    }
}
