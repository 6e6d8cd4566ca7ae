//! Tabs become columns, as Go's text/tabwriter aligns them for Docker: at least ten wide, three
//! apart. A column is a run of lines that have it.

/// The least width of a column.
pub(super) const LEAST: usize = 10;
const GAP: usize = 3;
/// A cell that is cut keeps as much.
const SHORTEST: usize = 8;

/// Aligns the cells of lines; where they are wider than `widest`, the widest columns are cut.
pub(super) fn aligned(text: &str, least: usize, widest: Option<usize>) -> String {
    let mut lines: Vec<Vec<String>> =
        text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    if let Some(widest) = widest {
        cut(&mut lines, widest);
    }
    let widths = widths(&lines, least);
    let line = |(cells, widths): (&Vec<String>, &Vec<usize>)| {
        let mut out = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            out.push_str(cell);
            out.push_str(&" ".repeat(width.saturating_sub(length(cell))));
        }
        out.trim_end().to_owned()
    };
    lines.iter().zip(&widths).map(line).collect::<Vec<_>>().join("\n")
}

/// The width of each cell: of the widest in its column and block. The last cell of a line is in no
/// column.
fn widths(lines: &[Vec<String>], least: usize) -> Vec<Vec<usize>> {
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len()]).collect();
    let most = lines.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..most.saturating_sub(1) {
        let has = |cells: &Vec<String>| cells.len() > column + 1;
        let mut start = 0;
        while start < lines.len() {
            let end = start + lines[start..].iter().take_while(|cells| has(cells)).count();
            let block = lines[start..end].iter().map(|cells| length(&cells[column]) + GAP);
            let width = block.max().unwrap_or(0).max(least);
            widths[start..end].iter_mut().for_each(|row| row[column] = width);
            start = end.max(start + 1);
        }
    }
    widths
}

/// Cuts cells of the widest column until the lines fit, or nothing more can be cut. Headings and
/// the first column, by which one finds a row, stay whole.
fn cut(lines: &mut [Vec<String>], widest: usize) {
    loop {
        let widths = widths(lines, LEAST);
        let total = |(cells, widths): (&Vec<String>, &Vec<usize>)| {
            widths.iter().sum::<usize>() + cells.last().map_or(0, |cell| length(cell))
        };
        let over = lines.iter().zip(&widths).map(total).max().unwrap_or(0).saturating_sub(widest);
        let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
        let size = |column: usize| {
            let cells = lines.iter().filter_map(|cells| cells.get(column));
            cells.map(|cell| length(cell)).max().unwrap_or(0)
        };
        let heading = |column: usize| lines[0].get(column).map_or(0, |cell| length(cell));
        let least = |column: usize| heading(column).max(SHORTEST);
        let Some(column) = (1..columns)
            .filter(|column| over > 0 && size(*column) > least(*column))
            .max_by_key(|column| size(*column))
        else {
            return;
        };
        let width = size(column).saturating_sub(over).max(least(column)).max(size(column) / 2);
        for cells in lines.iter_mut().skip(1) {
            if let Some(cell) = cells.get_mut(column).filter(|cell| length(cell) > width) {
                *cell = cell.chars().take(width - 1).chain(['…']).collect();
            }
        }
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, widest: Option<usize>, expected: &str) {
        assert_eq!(aligned(text, LEAST, widest), expected);
    }

    #[test]
    fn columns_are_ten_wide_and_three_apart() {
        check("NAMES\tSTATUS\na\tb", None, "NAMES     STATUS\na         b");
        check("ID\nabc", None, "ID\nabc");
        check(
            "NAMES\tX\tY\na-long-name\tx\ty",
            None,
            "NAMES         X         Y\na-long-name   x         y",
        );
    }

    #[test]
    fn a_line_without_a_column_ends_it() {
        check("aaaaaaaaaaaa\tb\nc\nd\te", None, "aaaaaaaaaaaa   b\nc\nd         e");
    }

    #[test]
    fn a_narrow_terminal_cuts_the_widest_cells() {
        let text = "NAME\tCOMMAND\tSTATUS\nweb\ta-very-long-command-of-somebody\tUp";
        let narrow = aligned(text, LEAST, Some(40));
        assert!(narrow.contains("web       a-very-long-comma"), "{narrow}");
        assert!(narrow.contains('…') && narrow.lines().all(|line| length(line) <= 40), "{narrow}");
        // What cannot fit is not made unreadable.
        assert!(aligned(text, LEAST, Some(5)).contains("STATUS"));
        assert_eq!(aligned(text, LEAST, Some(200)), aligned(text, LEAST, None));
    }
}
