//! logs.

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use ground::{Error, Result};
use mini_docker::{
    container::logs::{Line, Stream},
    engine::{Engine, Logs},
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
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let mut err = io::stderr().lock();
    let follow = args.follow;
    engine.logs(&record, &wanted, &mut |line| {
        let text = text(&line, args.timestamps);
        let written = match line.stream {
            Stream::Stdout => out.write_all(text.as_bytes()).and_then(|()| match follow {
                true => out.flush(),
                false => Ok(()),
            }),
            Stream::Stderr => out.flush().and_then(|()| err.write_all(text.as_bytes())),
        };
        // A reader that went away has seen enough.
        written.is_ok()
    })?;
    let _ = out.flush();
    Ok(ExitCode::SUCCESS)
}

fn text(line: &Line, timestamps: bool) -> String {
    match timestamps {
        true => format!("{} {}", line.time, line.log),
        false => line.log.clone(),
    }
}

fn tail(text: &str) -> Result<Option<usize>> {
    match text {
        "all" => Ok(None),
        number => number.parse().map(Some).map_err(|_| {
            Error::new(format!("invalid number of lines: {number:?}"))
                .fix("give a number, or all: --tail 20")
        }),
    }
}

/// A time (RFC 3339, UTC), or a duration before now.
fn time(text: &str) -> Result<String> {
    if let Ok(duration) = humantime::parse_duration(text) {
        return Ok(written(SystemTime::now().checked_sub(duration)));
    }
    let seconds = text
        .parse()
        .ok()
        .map(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    let time = seconds.or_else(|| humantime::parse_rfc3339_weak(text).ok().map(Some));
    time.map(written).ok_or_else(|| {
        Error::new(format!("invalid time: {text:?}"))
            .fix("give a time as 2026-01-02T13:23:37Z, or a duration as 10m")
    })
}

fn written(time: Option<SystemTime>) -> String {
    humantime::format_rfc3339_nanos(time.unwrap_or(SystemTime::UNIX_EPOCH)).to_string()
}
