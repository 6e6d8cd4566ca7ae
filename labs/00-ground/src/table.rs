//! A table of evidence: what the kernel said, in rows.

use serde_json::{Value, json};
use tabled::{builder::Builder, settings::Style};

mod fit;

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
        let mut drawing =
            Builder::from_iter(std::iter::once(&self.columns).chain(&self.rows)).build();
        drawing.with(Style::rounded());
        match &self.title {
            Some(title) => format!("{title}\n{drawing}"),
            None => drawing.to_string(),
        }
    }

    /// The same in at most `width` columns: the widest cells are broken, at spaces and after a
    /// slash, a comma or a bar where there are some.
    pub fn to_text_within(&self, width: usize) -> String {
        let widths = fit::widths(std::iter::once(&self.columns).chain(&self.rows), width);
        let broken = |row: &Vec<String>| -> Vec<String> {
            row.iter().zip(&widths).map(|(cell, width)| fit::broken(cell, *width)).collect()
        };
        let rows = self.rows.iter().map(broken).collect();
        Self { title: self.title.clone(), columns: broken(&self.columns), rows }.to_text()
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

    #[test]
    fn a_narrow_terminal_breaks_the_widest_cells() {
        let table =
            Table::new(["kind", "mount point"]).row(["mnt", "/sys/fs/cgroup the machine's own"]);
        assert_eq!(
            table.to_text_within(28),
            "╭──────┬───────────────────╮\n\
             │ kind │ mount point       │\n\
             ├──────┼───────────────────┤\n\
             │ mnt  │ /sys/fs/cgroup    │\n\
             │      │ the machine's own │\n\
             ╰──────┴───────────────────╯"
        );
    }

    #[test]
    fn a_path_breaks_after_a_slash_before_a_word_breaks() {
        let table = Table::new(["file", "what it is"]).row(["/sys/fs/cgroup/cpu", "all of it"]);
        assert_eq!(
            table.to_text_within(24),
            "╭──────────┬─────────╮\n\
             │ file     │ what it │\n\
             │          │ is      │\n\
             ├──────────┼─────────┤\n\
             │ /sys/fs/ │ all of  │\n\
             │ cgroup/  │ it      │\n\
             │ cpu      │         │\n\
             ╰──────────┴─────────╯"
        );
    }
}
