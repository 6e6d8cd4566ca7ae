//! Stacks: directories over directories, layers over layers, mounts over mounts.

use super::{Drawing, LETTER, LINE, Shade, words};
use crate::scenes::Table;

/// The directories of an overlay, topmost first, and what the merged one shows of each file.
pub fn overlay(name: &str, table: &Table) -> String {
    let mut drawing = Drawing::default();
    let columns = table.rows.len();
    let merged = table.headings.iter().position(|it| it == "merged").unwrap_or(3);
    // As the kernel looks: merged, then upper, then the lower ones.
    let mut order: Vec<usize> = vec![merged];
    let find = |word| (1..merged).filter(move |&it| table.headings[it].contains(word));
    order.extend(find("upper"));
    order.extend(find("lower"));
    for (line, &column) in order.iter().enumerate() {
        let y = line * (LINE * 2);
        drawing.text((0, y + 6), &table.headings[column]);
        for (index, row) in table.rows.iter().enumerate() {
            let cell = &row[column];
            let shown = *cell != "-" && *cell == row[merged];
            let shade = match (cell.as_str(), shown) {
                ("-", _) => Shade::None,
                (_, true) => Shade::Strong,
                (_, false) => Shade::Light,
            };
            let label =
                if cell == "-" { format!("no {}", row[0]) } else { format!("{}: {cell}", row[0]) };
            let at = (150 + index * width(columns), y);
            drawing.rect(at, (width(columns) - 10, LINE + 8), shade);
            drawing.text((at.0 + 6, y + 6), &label);
        }
    }
    let title = "An overlay: the merged directory shows the topmost of each name (filled)";
    drawing.svg(&format!("picture-{name}"), title, &words(table))
}

fn width(columns: usize) -> usize {
    if columns > 3 { 150 } else { 250 }
}

/// The layers of two images, one of which stands on the other.
pub fn layers(table: &Table) -> String {
    let mut drawing = Drawing::default();
    let count = table.rows.len();
    for (image, heading) in table.headings.iter().enumerate().skip(1).take(2) {
        let x = (image - 1) * 260;
        drawing.text((x, 0), heading.trim_start_matches("of "));
        for (index, row) in table.rows.iter().enumerate() {
            if row[image] != "-" {
                let y = LINE + 4 + (count - 1 - index) * (LINE + 12);
                let shade = if row[1] == row[2] { Shade::Strong } else { Shade::Light };
                drawing.rect((x, y), (220, LINE + 8), shade);
                drawing
                    .text((x + 8, y + 6), &format!("layer {}: {}, {}", row[0], row[image], row[3]));
                if image == 2 && row[1] == row[2] {
                    drawing.line((220, y + 15), (260, y + 15));
                }
            }
        }
    }
    let title = "Two images: what they share is there once (filled)";
    drawing.svg("picture-layers", title, &words(table))
}

/// The mounts at "/", call by call.
pub fn pivot(table: &Table) -> String {
    let mut drawing = Drawing::default();
    let widest = table.rows.iter().map(|row| row[0].chars().count()).max().unwrap_or(20);
    for (index, row) in table.rows.iter().enumerate() {
        let (x, y) = (index * (widest * LETTER + 24), 0);
        drawing.text((x, y), &row[0]);
        let mounts: usize = row[1].parse().unwrap_or(1);
        for mount in 0..mounts {
            let y = LINE + 6 + (1 - mount.min(1)) * (LINE + 10);
            let is_new = if mounts == 2 { mount == 0 } else { row[2] != "host" };
            let label = if is_new { "the new root" } else { "the old root" };
            let shade = if is_new { Shade::Strong } else { Shade::None };
            drawing.rect((x, y), (widest * LETTER, LINE + 6), shade);
            drawing.text((x + 8, y + 4), label);
        }
        drawing.text((x, LINE * 4 + 2), &format!("\"/\" is {}", row[2]));
    }
    drawing.svg("picture-pivot", "The mounts at \"/\", one call after the other", &words(table))
}
