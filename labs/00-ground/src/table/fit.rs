//! Fitting a table into a terminal: the widest column gives way first, and words last.

/// After these a cell may be broken; a space goes, the others stay.
const ENDS: [char; 6] = [' ', '/', ',', '|', ':', '='];

/// How wide the columns may be for a table of at most `most`, lines and margins included.
pub(super) fn widths<'a>(rows: impl Iterator<Item = &'a Vec<String>>, most: usize) -> Vec<usize> {
    let mut columns: Vec<Column> = Vec::new();
    for row in rows {
        columns.resize(columns.len().max(row.len()), Column::default());
        for (column, cell) in columns.iter_mut().zip(row) {
            column.hold(cell);
        }
    }
    // "│ " before each column, " " after it, and "│" at the end.
    let room = most.saturating_sub(3 * columns.len() + 1);
    while columns.iter().map(|column| column.width).sum::<usize>() > room {
        // Whole words are kept while any column has something else to give.
        let widest = columns.iter_mut().max_by_key(|it| (it.width > it.word, it.width));
        match widest.filter(|column| column.width > 1) {
            Some(column) => column.width -= 1,
            None => break,
        }
    }
    columns.iter().map(|column| column.width).collect()
}

/// A column: its width, and that of the longest piece that should stay whole.
#[derive(Debug, Clone, Copy, Default)]
struct Column {
    width: usize,
    word: usize,
}

impl Column {
    fn hold(&mut self, cell: &str) {
        for line in cell.lines() {
            self.width = self.width.max(length(line));
            let longest = words(line).map(|word| length(word.trim_end())).max();
            self.word = self.word.max(longest.unwrap_or(0));
        }
    }
}

/// A cell in lines of at most `width` characters.
pub(super) fn broken(cell: &str, width: usize) -> String {
    let lines = cell.lines().flat_map(|line| match length(line) <= width {
        true => vec![line.to_owned()],
        false => filled(line, width),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn filled(line: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words(line).flat_map(|word| cut(word, width)) {
        match lines.last_mut() {
            Some(last) if length(last) + length(word.trim_end()) <= width => last.push_str(&word),
            _ => lines.push(word),
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// What should stay whole. The branch that a tree draws before a name belongs to the name.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let name = line.find(char::is_alphanumeric).unwrap_or(0);
    let end = line[name..].find(ENDS).map_or(line.len(), |at| name + at + 1);
    let (first, others) = line.split_at(end);
    std::iter::once(first).chain(others.split_inclusive(ENDS))
}

/// A word that is longer than a line, cut where the line ends.
fn cut(word: &str, width: usize) -> Vec<String> {
    if length(word.trim_end()) <= width {
        return vec![word.to_owned()];
    }
    let letters: Vec<char> = word.chars().collect();
    letters.chunks(width.max(1)).map(|piece| piece.iter().collect()).collect()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::broken;

    #[test]
    fn a_branch_stays_with_its_name() {
        assert_eq!(broken("   └─ box other", 10), "   └─ box\nother");
        assert_eq!(broken("/sys/fs/cgroup", 8), "/sys/fs/\ncgroup");
        assert_eq!(broken("one two", 3), "one\ntwo");
        assert_eq!(broken("abcdef", 4), "abcd\nef");
        assert_eq!(broken("", 4), "");
    }
}
