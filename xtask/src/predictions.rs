//! A prediction: what a cell of a scene's table has to say if a statement is true.
//!
//! ```text
//! grandchild | pid for child | = -            row, column, value
//! * | its inode | != {our inode}              every row; the value of another column of that row
//! #2 | throttled | != 0 of 0 periods          the second row
//! table 2: mine.txt | upper (C) | = -         of the scene's second table
//! ```

use anyhow::{Context, Result, ensure};

use crate::scenes::{Scene, Table};

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
        let fields: Vec<_> = rest.split(" | ").map(str::trim).collect();
        let [row, column, value] = <[&str; 3]>::try_from(fields).ok()?;
        let (equal, value) = match value.strip_prefix("!= ") {
            Some(value) => (false, value),
            None => (true, value.strip_prefix("= ")?),
        };
        let [row, column, value] = [row, column, value].map(str::to_owned);
        Some(Self { table, row, column, equal, value })
    }

    /// What the kernel said instead, in words; `None` when it is as predicted.
    ///
    /// # Errors
    /// When the scene has no such cell.
    pub fn contradiction(&self, scene: &Scene) -> Result<Option<String>> {
        let table = scene.table(self.table, 0)?;
        let column = index(&table, &self.column)?;
        let rows: Vec<_> = table.rows.iter().enumerate().filter(|it| self.is_meant(*it)).collect();
        ensure!(!rows.is_empty(), "{:?} has no row {:?}", scene.title, self.row);
        for (_, row) in rows {
            let value = match self.value.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
                Some(other) => &row[index(&table, other)?],
                None => &self.value,
            };
            if (row[column] == *value) != self.equal {
                let predicted = if self.equal { value } else { "another" };
                let (row, said) = (&row[0], &row[column]);
                return Ok(Some(format!(
                    "{row}, {}: {said} (predicted: {predicted})",
                    self.column
                )));
            }
        }
        Ok(None)
    }

    fn is_meant(&self, (at, row): (usize, &Vec<String>)) -> bool {
        match self.row.strip_prefix('#').and_then(|it| it.parse::<usize>().ok()) {
            Some(number) => number == at + 1,
            None => self.row == "*" || self.row == row[0],
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
        let text = "╭──╮\n│ who │ ours │ its │\n│ a │ 1 │ 2 │\n│ b │ 3 │ 3 │\n╰──╯\n".to_owned();
        let scene = Scene { number: 1, title: "One".to_owned(), text };
        Prediction::parse(line).unwrap().contradiction(&scene).unwrap()
    }

    #[test]
    fn a_prediction_is_held_against_what_was_said() {
        assert_eq!(says("a | its | = 2"), None);
        assert_eq!(says("#2 | its | != 2"), None);
        assert_eq!(says("table 1: b | its | = {ours}"), None);
        assert_eq!(says("a | its | = 7").unwrap(), "a, its: 2 (predicted: 7)");
        assert_eq!(says("* | its | != {ours}").unwrap(), "b, its: 3 (predicted: another)");
    }

    #[test]
    fn a_prediction_of_nothing_is_an_error() {
        assert_eq!(Prediction::parse("a | its"), None);
        assert_eq!(Prediction::parse("table 0: a | its | = 1"), None);
        let scene = Scene { number: 1, title: "One".to_owned(), text: String::new() };
        assert!(Prediction::parse("a | b | = 1").unwrap().contradiction(&scene).is_err());
    }
}
