//! Pictures: SVG drawn from the tables of the labs' own runs, with words for those who do not see them.
//!
//! `{{#picture NAME}}` in a page. Colours are the page's: `currentColor`, and shades by opacity, so
//! they follow the theme. The description says what the picture shows, from the same rows.

mod boxes;
mod stacks;

use std::path::Path;

use anyhow::{Result, bail};

use crate::{
    html::escape,
    scenes::{Scene, Table, story_of},
};

/// The height of a line of text, and how wide a letter is at most.
const LINE: usize = 22;
const LETTER: usize = 8;
/// A letter of a drawing: how wide, and how high.
const CELL: (usize, usize) = (LETTER, 18);

/// What a picture is made of.
#[derive(Debug, Default)]
pub struct Drawing {
    shapes: String,
    width: usize,
    height: usize,
}

/// A shade of a box: how much of the text's colour is in it.
#[derive(Debug, Clone, Copy)]
enum Shade {
    None,
    Light,
    Strong,
}

impl Drawing {
    fn rect(&mut self, (x, y): (usize, usize), (width, height): (usize, usize), shade: Shade) {
        let opacity = match shade {
            Shade::None => "0",
            Shade::Light => "0.08",
            Shade::Strong => "0.22",
        };
        self.shapes += &format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"4\" fill=\"currentColor\" \
             fill-opacity=\"{opacity}\" stroke=\"currentColor\"/>"
        );
        self.width = self.width.max(x + width + 1);
        self.height = self.height.max(y + height + 1);
    }

    fn text(&mut self, (x, y): (usize, usize), words: &str) {
        self.shapes += &format!(
            "<text x=\"{x}\" y=\"{}\" fill=\"currentColor\">{}</text>",
            y + 15,
            escape(words)
        );
        self.width = self.width.max(x + words.chars().count() * LETTER);
        self.height = self.height.max(y + LINE);
    }

    fn line(&mut self, from: (usize, usize), to: (usize, usize)) {
        self.shapes += &format!(
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"currentColor\"/>",
            from.0, from.1, to.0, to.1
        );
        self.height = self.height.max(to.1 + 1);
    }

    /// Words that begin in this cell and are as wide as so many cells, whatever letters the reader's machine has.
    pub fn fixed(&mut self, (column, row): (usize, usize), words: &str) {
        let ((x, y), wide) = ((column * CELL.0, row * CELL.1), words.chars().count() * CELL.0);
        self.shapes += &format!(
            "<text x=\"{x}\" y=\"{}\" textLength=\"{wide}\" lengthAdjust=\"spacingAndGlyphs\" \
             fill=\"currentColor\">{}</text>",
            y + 14,
            escape(words)
        );
        self.width = self.width.max(x + wide);
        self.height = self.height.max(y + CELL.1);
    }

    /// Lines from the middle of this cell to its borders.
    pub fn strokes(&mut self, cell: (usize, usize), ways: &[(i8, i8)]) {
        for &way in ways {
            self.line(point(cell, (0, 0)), point(cell, way));
            self.width = self.width.max(point(cell, way).0 + 1);
        }
    }

    /// The element, on one line, as Markdown takes an empty line for the end of HTML.
    pub fn svg(&self, name: &str, title: &str, description: &str) -> String {
        let (width, height) = (self.width + 4, self.height + 4);
        format!(
            "<figure class=\"picture\"><svg role=\"img\" aria-labelledby=\"{name}-t {name}-d\" \
             viewBox=\"-2 -2 {width} {height}\" width=\"{width}\" \
             xmlns=\"http://www.w3.org/2000/svg\"><title id=\"{name}-t\">{}</title><desc id=\"{name}-d\">{}</desc>{}\
             </svg><figcaption>{}</figcaption></figure>",
            escape(title),
            escape(description),
            self.shapes,
            escape(title)
        )
    }
}

/// A point of a cell: its middle, moved by halves of a cell.
fn point((column, row): (usize, usize), (x, y): (i8, i8)) -> (usize, usize) {
    let half = |cell: usize, size: usize, way: i8| {
        (cell * size + size / 2).saturating_add_signed(isize::from(way) * (size / 2).cast_signed())
    };
    (half(column, CELL.0, x), half(row, CELL.1, y))
}

/// The picture of this name.
///
/// # Errors
/// When there is none, or when the run has other tables than it is drawn from.
pub fn picture(root: &Path, name: &str) -> Result<String> {
    let (lab, scene, table, columns) = match name {
        "pids" => ("01", 6, 0, 4),
        "pivot" => ("03", 10, 0, 3),
        "table" => ("06", 9, 1, 4),
        "overlay" => ("04", 1, 0, 5),
        "whiteout" => ("04", 7, 1, 4),
        "layers" => ("07", 9, 0, 4),
        "processes" => ("07", 5, 0, 5),
        "way" => return boxes::way(root),
        _ => bail!("no picture {name}"),
    };
    let table = Scene::of(&story_of(root, lab)?, scene)?.table(table, columns)?;
    Ok(match name {
        "pids" => boxes::pids(&table),
        "pivot" => stacks::pivot(&table),
        "table" => boxes::mounts(&table),
        "overlay" | "whiteout" => stacks::overlay(name, &table),
        "layers" => stacks::layers(&table),
        _ => boxes::processes(&table),
    })
}

/// The rows in words: `a: heading b, heading c; ..`.
fn words(table: &Table) -> String {
    let row = |row: &Vec<String>| {
        let cells = row.iter().zip(&table.headings).skip(1);
        let cells: Vec<_> = cells.map(|(cell, heading)| format!("{heading} {cell}")).collect();
        format!("{}: {}", row.first().map_or("", String::as_str), cells.join(", "))
    };
    table.rows.iter().map(row).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_can_be_drawn() {
        for name in ["pids", "pivot", "table", "overlay", "whiteout", "layers", "processes", "way"]
        {
            let svg = picture(crate::root(), name).unwrap();
            assert!(svg.contains("<desc") && !svg.contains('\n'), "{name}: {svg}");
        }
        assert!(picture(crate::root(), "cat").is_err());
    }
}
