//! A table of evidence: what the kernel said, in rows.

use serde_json::{Value, json};
use tabled::{builder::Builder, settings::Style};

/// Rows of text under named columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    title: Option<String>,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new<C: Into<String>>(columns: impl IntoIterator<Item = C>) -> Self {
        Self {
            title: None,
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Names the source of the evidence, as `/proc/self/mountinfo`.
    pub fn title(self, title: impl Into<String>) -> Self {
        Self { title: Some(title.into()), ..self }
    }

    /// Adds a row; as many cells as columns.
    pub fn row<C: ToString>(mut self, cells: impl IntoIterator<Item = C>) -> Self {
        self.push(cells);
        self
    }

    /// Adds a row in place, for loops.
    pub fn push<C: ToString>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(|cell| cell.to_string()).collect());
    }

    /// Whether no row was added.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table drawn with lines, its title above, without a line feed at the end.
    pub fn to_text(&self) -> String {
        let mut drawn =
            Builder::from_iter(std::iter::once(&self.columns).chain(&self.rows)).build();
        let drawn = drawn.with(Style::rounded()).to_string();
        match &self.title {
            Some(title) => format!("{title}\n{drawn}"),
            None => drawn,
        }
    }

    /// The table as `{title, columns, rows}`.
    pub fn to_json(&self) -> Value {
        json!({ "title": self.title, "columns": self.columns, "rows": self.rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_source_above_it() {
        let table = Table::new(["kind", "inode"]).title("/proc/self/ns").row(["pid", "4026531836"]);
        assert_eq!(
            table.to_text(),
            "/proc/self/ns\n\
             ╭──────┬────────────╮\n\
             │ kind │ inode      │\n\
             ├──────┼────────────┤\n\
             │ pid  │ 4026531836 │\n\
             ╰──────┴────────────╯"
        );
    }
}
