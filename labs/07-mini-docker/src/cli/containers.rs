//! ps, rm, diff.

use std::process::ExitCode;

use ground::Result;
use mini_docker::{
    container::{Record, Status, Verdict},
    engine::{self, Engine, Summary},
    network::Ledger,
};
use serde_json::json;

use super::{
    args::{Format, Name, Ps, Rm},
    each,
    output::{ago, in_words, line, since, table},
    port, privilege,
};

/// `ps`
pub fn ps(engine: &Engine, args: &Ps) -> Result<ExitCode> {
    let last = args.last.or(args.latest.then_some(1));
    let mut summaries = engine.ps(args.all || last.is_some())?;
    summaries.truncate(last.unwrap_or(usize::MAX));
    let ledger = engine.ledger()?;
    let rows: Vec<Vec<String>> =
        summaries.iter().map(|summary| columns(summary, &ledger, args.no_trunc)).collect();
    if args.quiet {
        rows.iter().try_for_each(|row| line(&row[0]))?;
    } else if args.format == Format::Json {
        rows.iter().zip(&summaries).try_for_each(|(row, summary)| line(json_line(row, summary)))?;
    } else {
        let headings = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"];
        table(&headings, &rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn columns(Summary { record }: &Summary, ledger: &Ledger, whole: bool) -> Vec<String> {
    let id = if whole { &record.id } else { record.short_id() };
    vec![
        id.to_owned(),
        record.image.name.clone(),
        command(record, whole),
        ago(&record.created),
        status(record),
        port::column(ledger, record),
        record.name.clone(),
    ]
}

/// `"sleep 100"`: quoted, and cut after twenty characters with a dot-dot-dot of one.
fn command(record: &Record, whole: bool) -> String {
    const LENGTH: usize = 20;
    let words = mini_docker::bundle::words(&record.config).join(" ");
    let text = match whole || words.chars().count() <= LENGTH {
        true => words,
        false => words.chars().take(LENGTH - 1).chain(['…']).collect(),
    };
    format!("\"{text}\"")
}

/// `Up 3 minutes`, `Exited (0) 2 hours ago`, `Created`.
fn status(record: &Record) -> String {
    let state = &record.state;
    let since = |time: &Option<String>| time.as_deref().and_then(since).map(in_words);
    match state.status {
        Status::Created => "Created".into(),
        Status::Running | Status::Paused => {
            let up = format!("Up {}", since(&state.started).unwrap_or_default());
            match (state.status, &state.health) {
                (Status::Paused, _) => format!("{up} (Paused)"),
                (_, None) => up,
                (_, Some(health)) if health.status == Verdict::Starting => {
                    format!("{up} (health: starting)")
                }
                (_, Some(health)) => format!("{up} ({})", health.status.as_str()),
            }
        }
        Status::Restarting => {
            let ended = since(&state.finished).unwrap_or_default();
            format!("Restarting ({}) {ended} ago", state.exit_code)
        }
        Status::Exited => {
            let ended = since(&state.finished).unwrap_or_default();
            format!("Exited ({}) {ended} ago", state.exit_code)
        }
        Status::Removing => "Removal In Progress".into(),
    }
}

fn json_line(row: &[String], Summary { record }: &Summary) -> String {
    let labels =
        record.config.labels.iter().flatten().map(|(name, value)| format!("{name}={value}"));
    json!({
        "Command": row[2], "CreatedAt": record.created, "ID": row[0], "Image": row[1],
        "Labels": labels.collect::<Vec<_>>().join(","), "Names": row[6],
        "Ports": row[5], "RunningFor": row[3], "State": record.state.status.as_str(),
        "Status": row[4],
    })
    .to_string()
}

/// `rm`
pub fn rm(engine: &Engine, args: &Rm) -> Result<ExitCode> {
    // In two rounds: what runs is reached in its own user namespace, and from ours no other one
    // can be reached any more.
    let mut records = Vec::new();
    let first = each(&args.containers, |name| {
        let record = engine.container(name);
        let record = match record {
            Err(error) if error.kind == engine::Kind::NotFound && args.force => return Err(error),
            record => record?,
        };
        if args.force {
            engine.kill_and_wait(&record)?;
        }
        records.push((name.to_owned(), record.id));
        Ok(())
    });
    // One with `--rm` has gone by itself when it was killed.
    let records: Vec<_> = records
        .into_iter()
        .map(|(name, id)| (name, engine.container(&id).ok().map(|record| engine.truth(record))))
        .collect();
    privilege::own()?;
    let names: Vec<String> = records.iter().map(|(name, _)| name.clone()).collect();
    let mut records = records.into_iter();
    let second = each(&names, |name| {
        if let Some((_, Some(record))) = records.next() {
            engine.rm(&record, args.volumes)?;
        }
        Ok(line(name)?)
    });
    Ok(if first == ExitCode::SUCCESS { second } else { first })
}

/// `diff`
pub fn diff(engine: &Engine, args: &Name) -> Result<ExitCode> {
    for change in engine.diff(&engine.container(&args.container)?)? {
        line(format!("{} {}", change.kind, change.path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
