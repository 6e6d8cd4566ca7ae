//! events: what happens, line by line.

use std::{process::ExitCode, time::UNIX_EPOCH};

use ground::{Error, Result};
use mini_docker::{
    engine::{self, Engine, Watch, kind_word},
    events::Event,
};
use template::{Template, Value, to_value};

use super::{
    args::Events,
    format::{parsed, with_fields},
    output::{line, precise, reader_is_gone},
};

/// `events`
pub fn events(engine: &Engine, args: &Events) -> Result<ExitCode> {
    let moment = |text: &Option<String>| text.as_deref().map(moment).transpose();
    let watch = Watch {
        since: moment(&args.since)?,
        until: moment(&args.until)?,
        filters: args.filter.iter().cloned().collect(),
    };
    let shape = Shape::new(args.format.as_deref())?;
    let mut failed = None;
    let watched = engine.watch(&watch, |event| {
        if reader_is_gone() {
            return false;
        }
        let printed = event.map_or(Ok(()), |event| shape.text(event).and_then(line));
        failed = printed.err();
        failed.is_none()
    });
    watched.map_err(|error| Error::from(error).exit_code(1))?;
    failed.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// How an event is printed.
enum Shape {
    Words,
    Json,
    Template(Template),
}

impl Shape {
    fn new(format: Option<&str>) -> Result<Self> {
        match format.map(str::trim).filter(|text| !text.is_empty()) {
            None => Ok(Self::Words),
            Some("json" | "{{json .}}") => Ok(Self::Json),
            Some(text) => parsed(text).map(Self::Template),
        }
    }

    fn text(&self, event: &Event) -> Result<String> {
        match self {
            Self::Words => Ok(in_words(event)),
            Self::Json => serde_json::to_string(event)
                .map_err(|error| Error::new("cannot print an event").why(error.to_string())),
            Self::Template(template) => template.render(&value(event)).map_err(|error| {
                let report = Error::new(format!("failed to execute template: {error}"));
                with_fields(report.exit_code(1), &error)
            }),
        }
    }
}

/// `2026-11-21T11:22:51.763069557Z container start 6d0f.. (image=alpine, name=box)`
fn in_words(event: &Event) -> String {
    let attributes: Vec<String> =
        event.actor.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let attributes = match attributes.is_empty() {
        true => String::new(),
        false => format!(" ({})", attributes.join(", ")),
    };
    let time = precise(event.time_nano);
    format!("{time} {} {} {}{attributes}", kind_word(event.kind), event.action, event.actor.id)
}

/// The event as a template sees it, by the names of Docker's Go type.
fn value(event: &Event) -> Value {
    let actor = &event.actor;
    let time = i64::try_from(event.time_nano).unwrap_or(i64::MAX);
    let image = actor.attributes.get("image").map_or("", String::as_str);
    let seen = Value::record(
        "events.Actor",
        vec![("ID", Value::text(actor.id.as_str())), ("Attributes", to_value(&actor.attributes))],
    );
    Value::record(
        "*events.Message",
        vec![
            ("Status", Value::text(event.action.as_str())),
            ("ID", Value::text(actor.id.as_str())),
            ("From", Value::text(image)),
            ("Type", Value::text(kind_word(event.kind))),
            ("Action", Value::text(event.action.as_str())),
            ("Actor", seen),
            ("Scope", Value::text("local")),
            ("Time", Value::Int(time / 1_000_000_000)),
            ("TimeNano", Value::Int(time)),
        ],
    )
}

/// Nanoseconds since 1970 of a moment in a person's words.
fn moment(text: &str) -> Result<u64> {
    let time = engine::moment(text).ok_or_else(|| {
        Error::new(format!("failed to parse value as time or duration: {text:?}"))
            .fix("give a time as 2026-01-02T13:23:37Z, seconds since 1970, or a duration as 10m")
            .exit_code(1)
    })?;
    let passed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX))
}
