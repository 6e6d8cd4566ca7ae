//! logs.

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use ground::{Error, Result};
use mini_docker::{
    container::logs::{Line, Stream},
    engine::{self, Engine, Logs},
};

use super::args;

/// `logs`
pub fn logs(engine: &Engine, args: &args::Logs) -> Result<ExitCode> {
    let record = engine.truth(engine.container(&args.container)?);
    let wanted = Logs {
        tail: tail(&args.tail)?,
        follow: args.follow,
        since: args.since.as_deref().map(time).transpose()?,
        until: args.until.as_deref().map(time).transpose()?,
    };
    let mut out = BufWriter::with_capacity(256 << 10, io::stdout().lock());
    let mut err = io::stderr().lock();
    engine.logs(&record, &wanted, &mut |line| {
        let written = match line {
            // Nothing more for now: what there is must be seen.
            None => out.flush(),
            Some(line) if line.stream == Stream::Stdout => print(&mut out, &line, args),
            Some(line) => out.flush().and_then(|()| print(&mut err, &line, args)),
        };
        // A reader that went away has seen enough.
        written.is_ok()
    })?;
    let _ = out.flush();
    Ok(ExitCode::SUCCESS)
}

fn print(to: &mut impl Write, line: &Line<'_>, args: &args::Logs) -> io::Result<()> {
    if args.timestamps {
        write!(to, "{} ", line.time)?;
    }
    if args.details {
        write!(to, "{} ", line.attributes.map(details).unwrap_or_default())?;
    }
    to.write_all(line.log)
}

/// `A=1,B=2`, the values as in a URL's query.
fn details(json: &str) -> String {
    let attributes: BTreeMap<String, String> = serde_json::from_str(json).unwrap_or_default();
    let pairs =
        attributes.iter().map(|(name, value)| format!("{}={}", quoted(name), quoted(value)));
    pairs.collect::<Vec<_>>().join(",")
}

fn quoted(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    text.bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            byte if plain(&byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

fn tail(text: &str) -> Result<Option<usize>> {
    match text {
        "all" => Ok(None),
        // As in docker, fewer than none is all.
        number if number.parse().is_ok_and(|number: i64| number < 0) => Ok(None),
        number => number.parse().map(Some).map_err(|_| {
            Error::new(format!("invalid number of lines: {number:?}"))
                .fix("give a number, or all: --tail 20")
        }),
    }
}

/// A moment in a person's words, as the log has it.
fn time(text: &str) -> Result<String> {
    let time = engine::moment(text).ok_or_else(|| {
        Error::new(format!("invalid time: {text:?}"))
            .fix("give a time as 2026-01-02T13:23:37Z, or a duration as 10m")
    })?;
    Ok(humantime::format_rfc3339_nanos(time).to_string())
}
