//! The tables of the performance page.

use std::time::Duration;

use crate::{
    AT_ONCE, Measured,
    contender::{Contender, Life, Took},
    numbers::{median, ms, ratio, table},
};

/// All of them, in Markdown.
pub fn all(
    contenders: &[Contender],
    measured: &[Measured],
    parts: &[(String, u64)],
    rounds: usize,
) -> String {
    let names: Vec<&str> = contenders.iter().map(|it| it.name).collect();
    let ratios = ["to the floor", "to the better peer"];
    let head = |first| [&[first], names.as_slice(), ratios.as_slice()].concat();
    let of = |pick: &dyn Fn(&Measured) -> Duration| measured.iter().map(pick).collect::<Vec<_>>();
    let lives = lives().map(|(name, pick)| row(&name, &of(&*pick)));
    let commands = commands().map(|(name, pick)| row(&name, &of(&*pick)));
    let first = format!("median of {rounds}, in ms");
    let memory = memory(measured);
    let parts: Vec<_> =
        parts.iter().map(|(name, time)| vec![name.clone(), time.to_string()]).collect();
    [
        table(&head(&first), &lives.collect::<Vec<_>>()),
        table(&head("each command, in ms"), &commands.collect::<Vec<_>>()),
        table(&[&["peak memory, in KiB"], names.as_slice()].concat(), &memory),
        table(&["part of the floor, with the filter", "µs"], &parts),
    ]
    .join("\n")
}

type Pick = Box<dyn Fn(&Measured) -> Duration>;

/// The whole: name, and the median of it.
fn lives() -> impl Iterator<Item = (String, Pick)> {
    let with = |filtered: usize| ["", ", Docker's filter"][filtered];
    let pair = move |name: &str, pick: fn(&Measured, usize) -> Duration| {
        let rows = [0, 1].map(|filtered| {
            let pick: Pick = Box::new(move |it| pick(it, filtered));
            (format!("{name}{}", with(filtered)), pick)
        });
        rows.into_iter()
    };
    let life = pair("create, start, wait, delete", |it, filtered| {
        median(&it.life[filtered].iter().map(|it| it.time).collect::<Vec<_>>())
    });
    let run = pair("run", |it, filtered| time(&it.run[filtered]));
    let exec = pair("exec", |it, filtered| time(&it.exec[filtered]));
    let crowd: Pick = Box::new(|it| time(&it.at_once));
    let start_up: Pick = Box::new(|it| time(&it.start_up));
    let others = [
        (format!("{AT_ONCE} lives at once, Docker's filter"), crowd),
        ("start of the program: --version".to_owned(), start_up),
    ];
    life.chain(run).chain(exec).chain(others)
}

/// The life by commands.
fn commands() -> impl Iterator<Item = (String, Pick)> {
    let pick = |of: fn(&Life) -> Took| -> Pick {
        Box::new(move |it| median(&it.life[1].iter().map(|it| of(it).time).collect::<Vec<_>>()))
    };
    [
        ("create", pick(|it| it.create)),
        ("start", pick(|it| it.start)),
        ("delete", pick(|it| it.delete)),
    ]
    .into_iter()
    .map(|(name, pick)| (name.to_owned(), pick))
}

fn time(took: &[Took]) -> Duration {
    median(&took.iter().map(|it| it.time).collect::<Vec<_>>())
}

/// The floor is the first, mini-runc the second, and peers follow.
fn row(name: &str, times: &[Duration]) -> Vec<String> {
    let [floor, ours, peers @ ..] = times else { return vec![name.to_owned()] };
    let better = peers.iter().min().map_or("–".to_owned(), |peer| ratio(*ours, *peer));
    let times = times.iter().map(|time| ms(*time));
    [name.to_owned()].into_iter().chain(times).chain([ratio(*ours, *floor), better]).collect()
}

fn memory(measured: &[Measured]) -> Vec<Vec<String>> {
    let most = |took: &mut dyn Iterator<Item = Took>| {
        took.map(|it| it.memory_kib).max().unwrap_or(0).to_string()
    };
    let row = |name: &str, pick: &dyn Fn(&Measured) -> String| {
        [name.to_owned()].into_iter().chain(measured.iter().map(pick)).collect::<Vec<_>>()
    };
    vec![
        row("create", &|it| most(&mut it.life[1].iter().map(|it| it.create))),
        row("start", &|it| most(&mut it.life[1].iter().map(|it| it.start))),
        row("delete", &|it| most(&mut it.life[1].iter().map(|it| it.delete))),
        row("run", &|it| most(&mut it.run[1].iter().copied())),
        row("exec", &|it| most(&mut it.exec[1].iter().copied())),
    ]
}
