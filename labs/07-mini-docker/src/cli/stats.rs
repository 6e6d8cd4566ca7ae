//! stats: what containers use, once or again and again.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    process::ExitCode,
    thread::sleep,
    time::Duration,
};

use ground::{Error, Result};
use mini_docker::{
    container::Record,
    engine::{Engine, Sample},
};
use template::Value;

use super::{
    args::Stats,
    format::{Columns, Format},
    output::{binary_size, reader_is_gone, size},
};

/// From one look to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// For a single look: as short as still gives a percentage.
const ONCE: Duration = Duration::from_millis(500);

const COLUMNS: Columns = Columns {
    row: "*formatter.statsContext",
    table: "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
    raw: "",
    headings: &[
        ("BlockIO", "BLOCK I/O"),
        ("CPUPerc", "CPU %"),
        ("Container", "CONTAINER"),
        ("ID", "CONTAINER ID"),
        ("MemPerc", "MEM %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("Name", "NAME"),
        ("NetIO", "NET I/O"),
        ("PIDs", "PIDS"),
    ],
};

/// `stats`
pub fn stats(engine: &Engine, args: &Stats) -> Result<ExitCode> {
    let format = Format::new(args.format.as_deref(), &COLUMNS)?.whole(args.no_trunc);
    let mut before: BTreeMap<String, Sample> = BTreeMap::new();
    let records = chosen(engine, args)?;
    samples(engine, &records, &mut before);
    loop {
        sleep(if args.no_stream { ONCE } else { PAUSE });
        // Containers come and go while one looks on.
        let records = if args.no_stream { records.clone() } else { chosen(engine, args)? };
        let earlier = before.clone();
        let rows: Vec<Value> = samples(engine, &records, &mut before)
            .into_iter()
            .map(|(record, now)| row(record, &now, earlier.get(&record.id), args))
            .collect();
        if reader_is_gone() {
            return Ok(ExitCode::SUCCESS);
        }
        if args.no_stream {
            format.print(&COLUMNS, &rows)?;
            return Ok(ExitCode::SUCCESS);
        }
        redraw()?;
        format.print(&COLUMNS, &rows)?;
        // A list that got shorter leaves nothing below it.
        clear_rest()?;
    }
}

/// Those that are named; all that run, or with `-a` all.
fn chosen(engine: &Engine, args: &Stats) -> Result<Vec<Record>> {
    if args.containers.is_empty() {
        let all = engine.ps(args.all)?;
        return Ok(all.into_iter().map(|summary| summary.record).collect());
    }
    let named = args.containers.iter().map(|name| Ok(engine.truth(engine.container(name)?)));
    let named: mini_docker::engine::Result<Vec<Record>> = named.collect();
    named.map_err(|error| Error::from(error).exit_code(1))
}

fn samples<'r>(
    engine: &Engine,
    records: &'r [Record],
    before: &mut BTreeMap<String, Sample>,
) -> Vec<(&'r Record, Sample)> {
    let samples: Vec<_> = records.iter().map(|record| (record, engine.sample(record))).collect();
    *before = samples.iter().map(|(record, it)| (record.id.clone(), it.clone())).collect();
    samples
}

fn row(record: &Record, now: &Sample, before: Option<&Sample>, args: &Stats) -> Value {
    let percent = |percent: Option<f64>| Value::text(format!("{:.2}%", percent.unwrap_or(0.0)));
    let pair = |pair: Option<(u64, u64)>, shown: fn(u64) -> String| {
        let (first, second) = pair.unwrap_or_default();
        Value::text(format!("{} / {}", shown(first), shown(second)))
    };
    let memory = (now.memory.unwrap_or(0), now.memory_limit.unwrap_or(0));
    let id = if args.no_trunc { &record.id } else { record.short_id() };
    Value::record(
        COLUMNS.row,
        vec![
            ("BlockIO", pair(now.block, size)),
            ("CPUPerc", percent(before.and_then(|before| now.cpu_percent(before)))),
            ("Container", Value::text(id)),
            ("ID", Value::text(id)),
            ("MemPerc", percent(now.memory_percent())),
            ("MemUsage", pair(Some(memory), binary_size)),
            ("Name", Value::text(record.name.as_str())),
            ("NetIO", pair(now.network, size)),
            ("PIDs", Value::text(now.pids.unwrap_or(0).to_string())),
        ],
    )
}

/// On a terminal the next look covers the last one (console_codes(4)).
fn redraw() -> Result<()> {
    print("\x1b[H\x1b[2J")
}

fn clear_rest() -> Result<()> {
    print("\x1b[J")
}

fn print(codes: &str) -> Result<()> {
    let mut stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return Ok(());
    }
    let written = stdout.write_all(codes.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| Error::new("cannot print").io("write", &error))
}
