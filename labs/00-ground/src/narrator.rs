//! The narrator: one story, told as text for a person or as JSON lines for a program.

use std::io::{self, BufRead, Write};

use owo_colors::{OwoColorize, Style};
use serde_json::{Value, json};

use crate::{Error, Evidence, Explanation, Table};

/// Where sentences are broken: what fits the narrowest usual terminal reads well everywhere, and
/// what is printed tomorrow should look as it does today.
const WIDTH: usize = 80;
/// The narrowest terminal that sentences and tables are still fitted to.
const NARROWEST: usize = 40;
/// How far tables stand from the margin.
const INDENT: &str = "    ";

/// How the story is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// One JSON object a line instead of text.
    pub json: bool,
    /// With colours; only ever for text.
    pub colour: bool,
    /// Tell the plan and do nothing.
    pub explain: bool,
    /// Wait for Enter after each scene.
    pub pause: bool,
    /// Columns of the terminal; `None` where the story does not go to one. There tables are drawn
    /// as wide as they are, because a file has no margin.
    pub columns: Option<usize>,
}

/// Tells a lesson to `out`.
pub struct Narrator<'a> {
    out: &'a mut dyn Write,
    look: Look,
}

impl std::fmt::Debug for Narrator<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Narrator").field("look", &self.look).finish_non_exhaustive()
    }
}

impl<'a> Narrator<'a> {
    /// A narrator that writes to `out`.
    pub fn new(out: &'a mut dyn Write, look: Look) -> Self {
        Self { out, look }
    }

    /// Whether only the plan is wanted.
    pub fn plans_only(&self) -> bool {
        self.look.explain
    }

    /// Opens a lesson of `scenes` scenes.
    ///
    /// # Errors
    /// As write(2), here and in all that follows.
    pub fn lesson(&mut self, lab: &str, title: &str, point: &str, scenes: usize) -> io::Result<()> {
        if self.look.json {
            return self.event(json!({
                "event": "lesson", "lab": lab, "title": title, "point": point, "scenes": scenes,
            }));
        }
        let heading = self.paint(&format!("{lab}: {title}"), Style::new().bold());
        writeln!(self.out, "{heading}")?;
        self.paragraph("", "", point)?;
        writeln!(self.out)
    }

    /// Announces a scene and its calls.
    pub fn scene(
        &mut self,
        number: usize,
        of: usize,
        what: &str,
        calls: &[Explanation],
    ) -> io::Result<()> {
        if self.look.json {
            let calls: Vec<Value> = calls.iter().map(call_to_json).collect();
            return self.event(json!({
                "event": "scene", "number": number, "of": of, "what": what, "calls": calls,
            }));
        }
        let number = self.paint(&format!("{number:2}/{of}"), Style::new().bold().cyan());
        self.lines(&format!("{number}  "), "       ", what, Style::new().bold())?;
        for Explanation { call, why, man } in calls {
            self.lines("       ", "           ", call, Style::new().yellow())?;
            self.paragraph("         ", "         ", &reason(why, man))?;
        }
        writeln!(self.out)
    }

    /// Shows what the kernel said.
    pub fn evidence(&mut self, number: usize, evidence: &Evidence) -> io::Result<()> {
        if self.look.json {
            let tables: Vec<Value> = evidence.tables.iter().map(Table::to_json).collect();
            return self.event(json!({
                "event": "evidence", "number": number, "tables": tables,
                "follows": evidence.follows,
            }));
        }
        for table in &evidence.tables {
            let drawn = self.drawn(table, INDENT.len());
            self.indented(&drawn)?;
        }
        let arrow = self.paint("=>", Style::new().bold().green());
        self.paragraph(&format!("    {arrow} "), "       ", &evidence.follows)?;
        writeln!(self.out)
    }

    /// Says that a scene cannot be played here, and why.
    pub fn not_here(&mut self, number: usize, error: &Error) -> io::Result<()> {
        if self.look.json {
            return self.event(json!({
                "event": "not_here", "number": number, "error": error.to_json(),
            }));
        }
        let label = self.paint("not here:", Style::new().bold().yellow());
        self.indented(&format!("{label} {error}"))?;
        writeln!(self.out)
    }

    /// Shows a table on its own, for the commands of free play.
    pub fn table(&mut self, table: &Table) -> io::Result<()> {
        if self.look.json {
            let mut event = table.to_json();
            event["event"] = "table".into();
            return self.event(event);
        }
        writeln!(self.out, "{}", self.drawn(table, 0))
    }

    /// Tells a list of calls as a numbered plan, for `--explain` of a single command.
    pub fn plan(&mut self, calls: &[Explanation]) -> io::Result<()> {
        if self.look.json {
            let calls: Vec<Value> = calls.iter().map(call_to_json).collect();
            return self.event(json!({ "event": "plan", "calls": calls }));
        }
        for (index, Explanation { call, why, man }) in calls.iter().enumerate() {
            let number = format!("{:2}. ", index + 1);
            self.lines(&number, "        ", call, Style::new().yellow())?;
            self.paragraph("    ", "    ", &reason(why, man))?;
        }
        Ok(())
    }

    /// Waits for Enter between scenes when that is wanted; end of input counts as Enter.
    pub fn pause(&mut self, last: bool) -> io::Result<()> {
        if !self.look.pause || last {
            return Ok(());
        }
        if !self.look.json {
            write!(self.out, "    [Enter] ")?;
        }
        self.out.flush()?;
        io::stdin().lock().read_line(&mut String::new())?;
        Ok(())
    }

    /// Closes a lesson.
    pub fn end(&mut self) -> io::Result<()> {
        if self.look.json {
            return self.event(json!({ "event": "end" }));
        }
        self.out.flush()
    }

    /// Reports the error that ended the program: text, or one JSON line.
    pub fn error(&mut self, error: &Error) -> io::Result<()> {
        if self.look.json {
            return self.event(json!({ "event": "error", "error": error.to_json() }));
        }
        let label = self.paint("error:", Style::new().bold().red());
        // Not broken into lines of ours: a cure is often a command to be copied.
        writeln!(self.out, "{label} {error}")
    }

    fn event(&mut self, event: Value) -> io::Result<()> {
        writeln!(self.out, "{event}")?;
        self.out.flush()
    }

    fn indented(&mut self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| writeln!(self.out, "{INDENT}{line}"))
    }

    /// A table, as wide as the terminal allows beside an indent.
    fn drawn(&self, table: &Table, indent: usize) -> String {
        match self.look.columns {
            Some(columns) => table.to_text_within(columns.max(NARROWEST) - indent),
            None => table.to_text(),
        }
    }

    /// Text broken into lines: the first after `first`, the others after `rest`.
    fn paragraph(&mut self, first: &str, rest: &str, text: &str) -> io::Result<()> {
        let mut before = first;
        let width = self.look.columns.map_or(WIDTH, |columns| columns.clamp(NARROWEST, WIDTH));
        for line in text.lines().flat_map(|line| broken(line, width - rest.len())) {
            writeln!(self.out, "{before}{}", line.replace(UNBROKEN, " "))?;
            before = rest;
        }
        Ok(())
    }

    /// A line that is whole in a file, and on a terminal broken to its width: also after a flag, an
    /// option or a directory.
    fn lines(&mut self, first: &str, rest: &str, text: &str, style: Style) -> io::Result<()> {
        let Some(columns) = self.look.columns else {
            return writeln!(self.out, "{first}{}", self.paint(text, style));
        };
        let width = columns.max(NARROWEST) - rest.len();
        let mut before = first;
        for line in broken_after(text, width, &CALL) {
            writeln!(self.out, "{before}{}", self.paint(&line, style))?;
            before = rest;
        }
        Ok(())
    }

    fn paint(&self, text: &str, style: Style) -> String {
        if self.look.colour { text.style(style).to_string() } else { text.to_owned() }
    }
}

/// A blank at which no line is broken.
const UNBROKEN: char = '\u{a0}';

/// The reason for a call, and where to read on: the name of a manual page stays in one piece.
fn reason(why: &str, man: &str) -> String {
    format!("{why} {}", format!("(man {man})").replace(' ', &UNBROKEN.to_string()))
}

/// A line as lines of at most `width` characters, broken at spaces; a longer word stays whole.
fn broken(line: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in line.split(' ') {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= width => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Where a call may be broken, best first.
const CALL: [&[char]; 3] = [&[' ', '|'], &[',', ':'], &['/']];

/// The same, broken after any of the first of `ends`, which stay; what is still too long, after the
/// next ones.
fn broken_after(line: &str, width: usize, ends: &[&[char]]) -> Vec<String> {
    let mut lines = vec![String::new()];
    for piece in pieces(line, width, ends) {
        match lines.last_mut() {
            Some(last) if last.chars().count() + piece.trim_end().chars().count() <= width => {
                last.push_str(piece);
            }
            _ => lines.push(piece.to_owned()),
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// What stays together.
fn pieces<'a>(text: &'a str, width: usize, ends: &[&[char]]) -> Vec<&'a str> {
    let Some((first, others)) = ends.split_first() else { return vec![text] };
    let fits = |piece: &str| piece.trim_end().chars().count() <= width;
    text.split_inclusive(*first)
        .flat_map(|piece| if fits(piece) { vec![piece] } else { pieces(piece, width, others) })
        .collect()
}

fn call_to_json(Explanation { call, why, man }: &Explanation) -> Value {
    json!({ "call": call, "why": why, "man": man })
}

#[cfg(test)]
mod tests {
    use super::{CALL, broken, broken_after};

    #[test]
    fn calls_break_after_their_flags() {
        let call = "clone3({flags=A|BB|CCC, exit=D})";
        let lines = ["clone3({flags=A|", "BB|CCC, exit=D})"];
        assert_eq!(broken_after(call, 16, &CALL), lines);
        assert_eq!(broken_after("  why: no", 80, &CALL), ["  why: no"]);
        let lines = ["mount(", "\"lowerdir=A:B,", "workdir=w\")"];
        assert_eq!(broken_after("mount( \"lowerdir=A:B,workdir=w\")", 14, &CALL), lines);
        let lines = ["write(\"/sys/fs/", "cgroup/x\")"];
        assert_eq!(broken_after("write(\"/sys/fs/cgroup/x\")", 16, &CALL), lines);
    }

    #[test]
    fn sentences_break_at_spaces() {
        assert_eq!(broken("one two three", 7), ["one two", "three"]);
        assert_eq!(broken("incomprehensible", 7), ["incomprehensible"]);
        assert_eq!(broken("", 7), [""]);
    }
}
