//! Drawings: pictures that somebody drew with letters, made SVG, with words for those who do not see them.
//!
//! ````text
//! <!-- drawing NAME: Title. What it shows, in words. -->
//! ```text
//! a ──> b
//! ```
//! ````
//!
//! Lines of letters become lines; everything else stays text. A block with such lines and without words is an error.

use anyhow::{Context, Result, bail};

use crate::pictures::Drawing;

/// The page with its drawings as pictures.
///
/// # Errors
/// A drawing without words, or words that are not as above.
pub fn drawn(page: &str) -> Result<String> {
    let mut out = String::new();
    let mut words: Option<&str> = None;
    let mut lines = page.split_inclusive('\n');
    while let Some(line) = lines.next() {
        if let Some(said) = line.strip_prefix("<!-- drawing ") {
            words = Some(
                said.trim_end().strip_suffix(" -->").context("a drawing's words have no end")?,
            );
            continue;
        }
        let block = line.starts_with("```").then(|| inside(&mut lines));
        match (words.take(), block) {
            (Some(words), Some(block)) => out += &format!("{}\n", picture(words, &block)?),
            (Some(words), None) => bail!("no block below the drawing {words}"),
            (None, Some(block)) if line.trim_end() == "```text" && block.contains(is_line) => {
                bail!("a drawing without words:\n{block}")
            }
            (None, Some(block)) => out += &format!("{line}{block}```\n"),
            (None, None) => out += line,
        }
    }
    Ok(out)
}

/// What stands in a block, up to its end.
fn inside<'a>(lines: &mut impl Iterator<Item = &'a str>) -> String {
    lines.take_while(|line| line.trim_end() != "```").collect()
}

fn picture(words: &str, block: &str) -> Result<String> {
    let (name, said) = words.split_once(": ").context("a drawing is NAME: Title. Words.")?;
    let (title, description) = said.split_once(". ").context("a drawing has a title and words")?;
    let mut drawing = Drawing::default();
    for (row, line) in block.lines().enumerate() {
        for (column, text) in texts(line) {
            drawing.fixed((column, row), &text);
        }
        for (column, letter) in line.chars().enumerate() {
            drawing.strokes((column, row), ways(letter));
        }
    }
    Ok(drawing.svg(&format!("drawing-{name}"), title, description))
}

/// The words of a line, with the columns in which they begin; two spaces end one.
fn texts(line: &str) -> Vec<(usize, String)> {
    let plain: String = line.chars().map(|it| if is_line(it) { '\0' } else { it }).collect();
    let plain = plain.replace("  ", "\0\0");
    let mut texts: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (column, letter) in plain.chars().enumerate() {
        match (letter, open) {
            ('\0', _) => open = false,
            (' ', false) => {}
            // A space before a line belongs to nobody.
            (' ', true) if plain.chars().nth(column + 1) == Some('\0') => open = false,
            (_, false) => {
                texts.push((column, letter.to_string()));
                open = true;
            }
            (_, true) => texts.last_mut().into_iter().for_each(|it| it.1.push(letter)),
        }
    }
    texts
}

fn is_line(letter: char) -> bool {
    !ways(letter).is_empty()
}

/// Where a letter leads from the middle of its cell, in halves of a cell.
fn ways(letter: char) -> &'static [(i8, i8)] {
    const UP: (i8, i8) = (0, -1);
    const DOWN: (i8, i8) = (0, 1);
    const LEFT: (i8, i8) = (-1, 0);
    const RIGHT: (i8, i8) = (1, 0);
    match letter {
        '─' => &[LEFT, RIGHT],
        '│' => &[UP, DOWN],
        '┌' => &[DOWN, RIGHT],
        '┐' => &[DOWN, LEFT],
        '└' => &[UP, RIGHT],
        '┘' => &[UP, LEFT],
        '├' => &[UP, DOWN, RIGHT],
        '┤' => &[UP, DOWN, LEFT],
        '┬' => &[LEFT, RIGHT, DOWN],
        '┴' => &[LEFT, RIGHT, UP],
        '┼' => &[LEFT, RIGHT, UP, DOWN],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_becomes_a_picture_with_words() {
        let page = "a\n<!-- drawing way: A way. From a to b. -->\n```text\na ──> b\n```\nz\n";
        let drawn = drawn(page).unwrap();
        assert!(drawn.starts_with("a\n<figure") && drawn.ends_with("</figure>\nz\n"), "{drawn}");
        assert!(drawn.contains("<desc id=\"drawing-way-d\">From a to b.</desc>"), "{drawn}");
        assert!(drawn.contains("role=\"img\"") && !drawn.contains('─'), "{drawn}");
    }

    #[test]
    fn a_drawing_wants_words_and_words_a_drawing() {
        assert!(drawn("```text\na ──> b\n```\n").is_err());
        assert!(drawn("<!-- drawing a: b. c -->\nwords\n").is_err());
        assert!(drawn("<!-- drawing a: b -->\n```text\n─\n```\n").is_err());
        let other = "```console\n$ tree\n└── a\n```\n```text\nwords\n```\n";
        assert_eq!(drawn(other).unwrap(), other);
    }

    #[test]
    fn words_stay_where_they_are() {
        let expected = [(0, "a b".to_owned()), (5, "c".to_owned()), (9, "> d".to_owned())];
        assert_eq!(texts("a b  c ──> d"), expected);
    }
}
