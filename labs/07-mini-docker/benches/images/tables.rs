//! The table of the performance page.

use std::time::Duration;

use crate::{
    Row,
    contender::Contender,
    numbers::{median, ratio, table},
};

/// Versions, the table, and who is missing.
pub fn all(contenders: &[Contender], absent: &[String], rows: &[Row], rounds: usize) -> String {
    let names: Vec<&str> = contenders.iter().map(|it| it.name).collect();
    let first = format!("median of {rounds}, in s");
    let head = [&[first.as_str()], names.as_slice(), &["to the best peer"]].concat();
    let lines: Vec<_> = rows.iter().map(line).collect();
    let versions: Vec<&str> = contenders.iter().skip(1).map(|it| it.version.as_str()).collect();
    let mut text = format!("Beside {}.\n\n{}", versions.join("; "), table(&head, &lines));
    if !absent.is_empty() {
        text += &format!("\nNot measured: {}.\n", absent.join("; "));
    }
    text
}

/// mini-docker is the first.
fn line(row: &Row) -> Vec<String> {
    let medians: Vec<Option<Duration>> =
        row.times.iter().map(|times| (!times.is_empty()).then(|| median(times))).collect();
    let seconds = |time: &Option<Duration>| {
        time.map_or("–".to_owned(), |time| format!("{:.2}", time.as_secs_f64()))
    };
    let best = medians.iter().skip(1).flatten().min();
    let to_best = match (medians.first(), best) {
        (Some(Some(ours)), Some(best)) => ratio(*ours, *best),
        _ => "–".to_owned(),
    };
    [row.name.clone()].into_iter().chain(medians.iter().map(seconds)).chain([to_best]).collect()
}
