//! The table of the performance page.

use std::{fs, time::Duration};

use nix::sys::utsname::uname;

use crate::{
    Measured,
    contender::Contender,
    numbers::{median, ms, ratio, table},
    scenes::Kind,
};

/// The machine, the versions, and a line for each row.
pub fn all(contenders: &[Contender], absent: &[String], measured: &[Measured]) -> String {
    let mut text = machine();
    for contender in contenders {
        text += &format!("- {}: {}\n", contender.name, contender.version);
    }
    for words in absent {
        text += &format!("- not measured: {words}\n");
    }
    let names: Vec<&str> = contenders.iter().map(|it| it.name).collect();
    let head =
        [&["median, in ms; memory in KiB"], names.as_slice(), &["to the better peer", "rounds"]]
            .concat();
    text + "\n" + &table(&head, &measured.iter().map(line).collect::<Vec<_>>())
}

fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = uname().map(|it| it.release().to_string_lossy().into_owned());
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or(std::env::consts::ARCH, |it| it.trim_start_matches([' ', '\t', ':']));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!(
        "Linux {}, {cpus} CPUs ({model}), load {load} at the end.\n\n",
        kernel.unwrap_or_default()
    )
}

/// mini-docker is the first. Memory goes through the same functions as times, a millisecond a KiB.
fn line(measured: &Measured) -> Vec<String> {
    let micros = |value: &f64| Duration::from_secs_f64(value / 1e3);
    let medians: Vec<Duration> = measured
        .values
        .iter()
        .map(|values| median(&values.iter().map(micros).collect::<Vec<_>>()))
        .collect();
    let [ours, peers @ ..] = medians.as_slice() else { return Vec::new() };
    let better = peers.iter().min().map_or("–".to_owned(), |peer| ratio(*ours, *peer));
    let shown = |value: &Duration| match measured.row.kind {
        Kind::Time if *value < Duration::from_millis(100) => ms(*value),
        _ => value.as_millis().to_string(),
    };
    let rounds = measured.values[0].len().to_string();
    [measured.row.name.clone()]
        .into_iter()
        .chain(medians.iter().map(shown))
        .chain([better, rounds])
        .collect()
}
