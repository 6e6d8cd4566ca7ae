//! Tables in a text: found, changed cell by cell, drawn again so that their lines still meet.

use std::mem::take;

/// Passes every cell through `change(column's heading, cell)` and draws each table anew.
///
/// A table is what the narrator draws: `╭` at the upper left, `│` between cells, the headings in
/// the first row. Text around it stays as it is.
pub fn redraw(text: &str, change: &mut dyn FnMut(&str, &str) -> String) -> String {
    let mut out = String::new();
    let mut table = Vec::new();
    for line in text.split_inclusive('\n') {
        let drawn = line.trim_start();
        if table.is_empty() && !drawn.starts_with('╭') {
            out += line;
            continue;
        }
        table.push(line);
        if drawn.starts_with('╰') {
            out += &draw(&take(&mut table), change);
        }
    }
    out + &table.concat()
}

fn draw(lines: &[&str], change: &mut dyn FnMut(&str, &str) -> String) -> String {
    let indent = &lines[0][..lines[0].find('╭').unwrap_or(0)];
    let mut headings: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for line in lines.iter().map(|line| line.trim()) {
        let Some(inner) = line.strip_prefix('│').and_then(|line| line.strip_suffix('│')) else {
            rows.push(Row::Rule(line.chars().next().unwrap_or('├')));
            continue;
        };
        let cells = inner.split('│').map(str::trim);
        if headings.is_empty() {
            headings = cells.map(str::to_owned).collect();
            rows.push(Row::Cells(headings.clone()));
        } else {
            let heading = |column: usize| headings.get(column).map_or("", String::as_str);
            rows.push(Row::Cells(
                cells.enumerate().map(|(n, cell)| change(heading(n), cell)).collect(),
            ));
        }
    }
    let widths = widths(&rows);
    rows.iter().map(|row| format!("{indent}{}\n", row.draw(&widths))).collect()
}

/// A line of a table: cells, or a rule known by its first corner.
enum Row {
    Cells(Vec<String>),
    Rule(char),
}

impl Row {
    fn draw(&self, widths: &[usize]) -> String {
        match self {
            Self::Cells(cells) => {
                let cells: Vec<_> = widths
                    .iter()
                    .zip(cells)
                    .map(|(width, cell)| format!(" {cell:width$} "))
                    .collect();
                format!("│{}│", cells.join("│"))
            }
            Self::Rule(corner) => {
                let (cross, end) = match corner {
                    '╭' => ("┬", '╮'),
                    '╰' => ("┴", '╯'),
                    _ => ("┼", '┤'),
                };
                let lines: Vec<_> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
                format!("{corner}{}{end}", lines.join(cross))
            }
        }
    }
}

fn widths(rows: &[Row]) -> Vec<usize> {
    let mut widths = Vec::new();
    for row in rows {
        let Row::Cells(cells) = row else { continue };
        widths.resize(widths.len().max(cells.len()), 0);
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "before\n  ╭─────┬───────╮\n  │ pid │ name  │\n  ├─────┼───────┤\n  \
                         │ 777 │ sleep │\n  ╰─────┴───────╯\nafter │ text\n";

    #[test]
    fn a_table_is_drawn_as_it_was() {
        assert_eq!(redraw(TABLE, &mut |_, cell| cell.to_owned()), TABLE);
    }

    #[test]
    fn the_lines_meet_when_a_cell_grows() {
        let drawn = redraw(TABLE, &mut |heading, cell| {
            if heading == "pid" { "[PID-1]".to_owned() } else { cell.to_owned() }
        });
        assert_eq!(
            drawn,
            "before\n  ╭─────────┬───────╮\n  │ pid     │ name  │\n  ├─────────┼───────┤\n  \
             │ [PID-1] │ sleep │\n  ╰─────────┴───────╯\nafter │ text\n"
        );
    }

    #[test]
    fn a_table_that_breaks_off_is_left_alone() {
        let broken = "╭───╮\n│ a │\n";
        assert_eq!(redraw(broken, &mut |_, _| "x".to_owned()), broken);
    }
}
