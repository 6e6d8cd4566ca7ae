//! events: what happens, line by line.

use std::{
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ground::{Error, Result};
use mini_docker::{
    engine::{Engine, Watch, kind_word},
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

/// Nanoseconds since 1970 of a time (RFC 3339), a number of seconds, or a duration before now.
fn moment(text: &str) -> Result<u64> {
    let nanos = |time: SystemTime| {
        let passed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
    };
    let now = SystemTime::now();
    // A duration that begins with a minus is in the future, as in Docker.
    if let Some(later) = text.strip_prefix('-').and_then(|it| humantime::parse_duration(it).ok()) {
        return Ok(nanos(now.checked_add(later).unwrap_or(now)));
    }
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(nanos(now.checked_sub(ago).unwrap_or(UNIX_EPOCH)));
    }
    if let Ok(seconds) = text.parse::<f64>()
        && let Ok(passed) = Duration::try_from_secs_f64(seconds)
    {
        return Ok(nanos(UNIX_EPOCH.checked_add(passed).unwrap_or(now)));
    }
    let day = format!("{text}T00:00:00");
    let time =
        [text, day.as_str()].into_iter().find_map(|it| humantime::parse_rfc3339_weak(it).ok());
    time.map(nanos).ok_or_else(|| {
        Error::new(format!("failed to parse value as time or duration: {text:?}"))
            .fix("give a time as 2026-01-02T13:23:37Z, seconds since 1970, or a duration as 10m")
            .exit_code(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_can_be_said_in_many_ways() {
        assert_eq!(moment("1.5").unwrap(), 1_500_000_000);
        assert_eq!(moment("1970-01-01T00:00:02Z").unwrap(), 2_000_000_000);
        assert_eq!(moment("1970-01-02").unwrap(), 86_400_000_000_000);
        assert!(moment("10m").unwrap() < moment("-10m").unwrap());
        assert!(moment("wrong").is_err());
    }
}
