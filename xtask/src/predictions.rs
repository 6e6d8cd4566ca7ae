//! A prediction: what a cell of an experiment's table has to say if a statement is true.
//!
//! ```text
//! grandchild | pid for child | = -            row, column, value
//! * | its inode | != {our inode}              every row; the value of another column of that row
//! #2 | throttled | != 0 of 0 periods          the second row
//! table 2: mine.txt | upper (C) | = -         of the scene's second table
//! $ mini-docker wait | says | = 137           every row that begins so: a command
//! ```

use std::fmt;

use anyhow::{Context, Result, ensure};

use crate::scenes::Table;

/// What an experiment has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The heading under which it stands.
    pub title: String,
    /// Its tables, in order.
    pub tables: Vec<Table>,
}

/// A cell that is not as it was predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The number of its row, from 0.
    pub at: usize,
    /// What the row is about.
    pub row: String,
    /// The heading of its column.
    pub column: String,
    /// What it says.
    pub said: String,
    /// What it was to say.
    pub predicted: String,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, column, said, predicted, .. } = self;
        write!(f, "{row}, {column}: {said} (predicted: {predicted})")
    }
}

/// One prediction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prediction {
    table: usize,
    row: String,
    column: String,
    equal: bool,
    value: String,
}

impl Prediction {
    /// From a line.
    pub fn parse(line: &str) -> Option<Self> {
        let (table, rest) = match line.strip_prefix("table ").and_then(|it| it.split_once(": ")) {
            Some((number, rest)) => (number.parse::<usize>().ok()?.checked_sub(1)?, rest),
            None => (0, line),
        };
        // From behind: a command may be a pipe.
        let fields: Vec<_> = rest.rsplitn(3, " | ").map(str::trim).collect();
        let [value, column, row] = <[&str; 3]>::try_from(fields).ok()?;
        let (equal, value) = match value.strip_prefix("!=") {
            Some(value) => (false, value.trim()),
            None => (true, value.strip_prefix('=')?.trim()),
        };
        let [row, column, value] = [row, column, value].map(str::to_owned);
        Some(Self { table, row, column, equal, value })
    }

    /// What the kernel said instead; `None` when it is as predicted.
    ///
    /// # Errors
    /// When the experiment has no such cell.
    pub fn contradiction(&self, shown: &Shown) -> Result<Option<Contradiction>> {
        let table = shown.tables.get(self.table);
        let table = table.with_context(|| format!("{:?} has no such table", shown.title))?;
        let column = index(table, &self.column)?;
        let rows = self.rows(table);
        ensure!(!rows.is_empty(), "{:?} has no row {:?}", shown.title, self.row);
        for (at, row) in rows {
            let value = match self.value.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
                Some(other) => &row[index(table, other)?],
                None => &self.value,
            };
            if (row[column] == *value) != self.equal {
                let predicted = if self.equal { value } else { "another" }.to_owned();
                let (row, said) = (row[0].clone(), row[column].clone());
                let column = self.column.clone();
                return Ok(Some(Contradiction { at, row, column, said, predicted }));
            }
        }
        Ok(None)
    }

    /// The rows that it is about, with their numbers from 0.
    pub fn rows<'a>(&self, table: &'a Table) -> Vec<(usize, &'a [String])> {
        let rows = table.rows.iter().map(Vec::as_slice).enumerate();
        rows.filter(|(at, row)| self.is_meant(at + 1, &row[0])).collect()
    }

    fn is_meant(&self, number: usize, name: &str) -> bool {
        match self.row.strip_prefix('#').and_then(|it| it.parse::<usize>().ok()) {
            Some(meant) => meant == number,
            None if self.row.starts_with("$ ") => name.starts_with(&self.row),
            None => self.row == "*" || self.row == name,
        }
    }
}

fn index(table: &Table, heading: &str) -> Result<usize> {
    let found = table.headings.iter().position(|it| it == heading);
    found.with_context(|| format!("no column {heading:?} among {:?}", table.headings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(line: &str) -> Option<String> {
        let row = |cells: &str| cells.split(", ").map(str::to_owned).collect::<Vec<_>>();
        let rows = vec![row("a, 1, 2"), row("b, 3, 3"), row("$ c 1 | d, 4, 4")];
        let tables = vec![Table { headings: row("who, ours, its"), rows }];
        let shown = Shown { title: "One".to_owned(), tables };
        let found = Prediction::parse(line).unwrap().contradiction(&shown).unwrap();
        found.map(|it| it.to_string())
    }

    #[test]
    fn a_prediction_is_held_against_what_was_said() {
        assert_eq!(says("a | its | = 2"), None);
        assert_eq!(says("#2 | its | != 2"), None);
        assert_eq!(says("table 1: b | its | = {ours}"), None);
        assert_eq!(says("a | its | = 7").unwrap(), "a, its: 2 (predicted: 7)");
        assert_eq!(says("* | its | != {ours}").unwrap(), "b, its: 3 (predicted: another)");
        assert_eq!(says("$ c | its | = 4"), None);
        assert_eq!(says("$ c | its | !="), None);
        assert_eq!(says("$ c 1 | d | its | = 4"), None);
    }

    #[test]
    fn a_prediction_of_nothing_is_an_error() {
        assert_eq!(Prediction::parse("a | its"), None);
        assert_eq!(Prediction::parse("table 0: a | its | = 1"), None);
        let shown = Shown { title: "One".to_owned(), tables: Vec::new() };
        assert!(Prediction::parse("a | b | = 1").unwrap().contradiction(&shown).is_err());
    }
}
