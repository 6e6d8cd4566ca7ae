//! Boxes in boxes, and boxes in a row.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::{Drawing, LETTER, LINE, Shade, words};
use crate::scenes::Table;

/// PID namespaces, each in the one around it, and the numbers that a process has in them.
pub fn pids(table: &Table) -> String {
    let mut drawing = Drawing::default();
    let depth = table.rows.len();
    let labels: Vec<_> = table.rows.iter().map(|row| numbers(table, row)).collect();
    let letters = labels.iter().map(|label| label.chars().count()).max().unwrap_or_default();
    let (width, height) = (letters * LETTER + 48 * depth, 52 * depth);
    for (level, label) in labels.iter().enumerate() {
        let (x, y) = (24 * level, 44 * level);
        let shade = if level == 0 { Shade::None } else { Shade::Light };
        drawing.rect((x, y), (width - 2 * x, height - 52 * level), shade);
        drawing.text((x + 10, y + 8), label);
    }
    let title = "PID namespaces: who has which number where";
    drawing.svg("picture-pids", title, &words(table))
}

/// `child: 4711 for us, 1 for child`
fn numbers(table: &Table, row: &[String]) -> String {
    let seen = row.iter().zip(&table.headings).skip(1).filter(|(pid, _)| *pid != "-");
    let seen = seen.map(|(pid, who)| format!("{pid} {}", who.trim_start_matches("pid ")));
    format!("{}: {}", row[0], seen.collect::<Vec<_>>().join(", "))
}

/// The mount table of a container, as the tree that its paths make.
pub fn mounts(table: &Table) -> String {
    let mut drawing = Drawing::default();
    for (index, row) in table.rows.iter().enumerate() {
        let parts = row[0].split('/').filter(|part| !part.is_empty()).count();
        let (x, y) = (parts * 40, index * (LINE + 10));
        let label = format!("{}   {}, {} of it, {}", row[0], row[1], row[2], row[3]);
        drawing.rect((x, y), (label.chars().count() * LETTER + 12, LINE + 2), Shade::Light);
        drawing.text((x + 8, y + 2), &label);
        if parts > 0 {
            drawing.line((x - 20, y + 12), (x, y + 12));
            drawing.line((x - 20, y.saturating_sub(8)), (x - 20, y + 12));
        }
    }
    drawing.svg("picture-table", "The mount table of a container", &words(table))
}

/// The processes of a container, and where they stand.
pub fn processes(table: &Table) -> String {
    let mut drawing = Drawing::default();
    for (index, row) in table.rows.iter().enumerate() {
        let (x, y) = (index * 240, 0);
        drawing.rect(
            (x, y),
            (220, LINE * 4 + 8),
            if index == 2 { Shade::Strong } else { Shade::Light },
        );
        drawing.text((x + 8, y + 4), &row[0]);
        drawing.text((x + 8, y + 4 + LINE), &format!("PID here {}, inside {}", row[1], row[2]));
        drawing.text((x + 8, y + 4 + 2 * LINE), &row[3]);
        drawing.text((x + 8, y + 4 + 3 * LINE), &format!("overlay: {}", row[4]));
        if index > 0 {
            drawing.line((x - 20, 50), (x, 50));
        }
    }
    drawing.svg("picture-processes", "Three processes, and what each sees", &words(table))
}

/// The way of the data, from the floor plan: each stage, and what leads to the next.
pub fn way(root: &Path) -> Result<String> {
    let plan = fs::read_to_string(root.join("ARCHITECTURE.md"))?;
    let text = plan.split_once("## The way of the data").map(|(_, it)| it);
    let text = text.and_then(|it| it.split("```").nth(1)).context("no way of the data")?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ").replace("-->", "\u{1}").replace("--", "\u{2}");
    let mut drawing = Drawing::default();
    let mut told = Vec::new();
    for (index, stage) in line.split('\u{1}').map(str::trim).enumerate() {
        let (what, by) =
            stage.split_once('\u{2}').map_or((stage, ""), |(a, b)| (a.trim(), b.trim()));
        let y = index * (LINE * 2 + 6);
        drawing.rect((0, y), (400, LINE + 4), Shade::Light);
        drawing.text((10, y + 3), what);
        if !by.is_empty() {
            drawing.line((40, y + LINE + 4), (40, y + LINE * 2 + 6));
            drawing.text((52, y + LINE + 4), by);
        }
        let then = if by.is_empty() { String::new() } else { format!(", then by {by}") };
        told.push(format!("{what}{then}"));
    }
    Ok(drawing.svg(
        "picture-way",
        "The way of the data, from a name to an exit code",
        &told.join("; "),
    ))
}
