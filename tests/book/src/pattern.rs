//! What a page shows beside what was said: letter by letter, but for what the page leaves open.

/// Whether the lines match: `...` stands for any lines, `[..]` for any words in a line.
pub fn matches(shown: &[&str], said: &[&str]) -> bool {
    match shown.split_first() {
        None => said.is_empty(),
        Some((&"...", rest)) => (0..=said.len()).any(|skipped| matches(rest, &said[skipped..])),
        Some((first, rest)) => said
            .split_first()
            .is_some_and(|(line, others)| line_matches(first, line) && matches(rest, others)),
    }
}

/// Whether one line matches. A gap between columns is a gap, however wide.
pub fn line_matches(shown: &str, said: &str) -> bool {
    let (shown, said) = (narrow(shown), narrow(said));
    let mut parts = shown.split("[..]");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = said.strip_prefix(first) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Docker's columns are as wide as their widest cell, which may be a time: two spaces are a gap.
fn narrow(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let mut narrow = line[..indent].to_owned();
    let mut spaces = 0;
    for letter in line[indent..].chars() {
        spaces = if letter == ' ' { spaces + 1 } else { 0 };
        if spaces <= 2 {
            narrow.push(letter);
        }
    }
    narrow
}

/// The lines a page is to show for what was said: old ones with wildcards stay where they still match.
pub fn renewed(shown: &[&str], said: &[&str]) -> Vec<String> {
    let open = |line: &&&str| line.contains("[..]");
    let renew = |line: &&str| {
        let old = shown.iter().filter(open).find(|old| line_matches(old, line));
        (*old.unwrap_or(line)).to_owned()
    };
    said.iter().map(renew).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(shown: &str, said: &str, expected: bool) {
        let lines = |text: &'static str| text.lines().collect::<Vec<_>>();
        let (shown, said) = (shown.to_owned().leak(), said.to_owned().leak());
        assert_eq!(matches(&lines(shown), &lines(said)), expected, "{shown:?} {said:?}");
    }

    #[test]
    fn every_letter_counts() {
        check("a\nb", "a\nb", true);
        check("a\nb", "a\nc", false);
        check("a", "a\nb", false);
        check("a b", "a  b", false);
    }

    #[test]
    fn lines_and_words_may_vary() {
        check("...\nend", "a\nb\nend", true);
        check("...\nend", "a\nb", false);
        check("took [..] s", "took 1.5 s", true);
        check("took [..] s", "took 1.5 ms?", false);
        check("[..] of [..]", "1 of 2", true);
        check("aXa[..]a", "aXa", false);
    }

    #[test]
    fn a_gap_between_columns_is_a_gap() {
        check("ID     NAME", "ID   NAME", true);
        check("  a", "   a", false);
    }

    #[test]
    fn wildcards_survive_a_renewal() {
        let renewed = renewed(&["took [..] s", "old"], &["new", "took 3 s"]);
        assert_eq!(renewed, ["new", "took [..] s"]);
    }
}
