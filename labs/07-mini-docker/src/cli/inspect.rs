//! inspect: everything, as JSON in Docker's shape or through a template.

use std::process::ExitCode;

use ground::{Error, Result};
use mini_docker::engine::{Count, Document, Engine, Kind, ObjectKind};
use serde::Serialize;
use template::{Template, Value, json_line, to_value};

use super::{args::Inspect, format::with_fields, network, output::line};

const KINDS: &str = "container, image, network, volume";

/// `inspect`
pub fn inspect(engine: &Engine, args: &Inspect) -> Result<ExitCode> {
    let is_network = args.kind.as_deref() == Some("network");
    let kind = args.kind.as_deref().filter(|_| !is_network).map(object_kind).transpose()?;
    let count = if args.size { Count::Sizes } else { Count::Nothing };
    documents(args.format.as_deref(), &args.names, |name| {
        if is_network {
            return network::document(engine, name);
        }
        let found = match kind {
            Some(kind) => engine.inspect_as(kind, name, count),
            None => engine.inspect(name, count),
        };
        if let (None, Err(error)) = (kind, &found)
            && error.kind == Kind::NotFound
            && let Ok(network) = network::document(engine, name)
        {
            return Ok(network);
        }
        Ok(match found? {
            Document::Container(document) => to_value(&document),
            Document::Image(document) => to_value(&document),
            Document::Volume(document) => to_value(&document),
        })
    })
}

fn object_kind(kind: &str) -> Result<ObjectKind> {
    match kind {
        "container" => Ok(ObjectKind::Container),
        "image" => Ok(ObjectKind::Image),
        "volume" => Ok(ObjectKind::Volume),
        _ => Err(Error::new(format!("unknown type: {kind:?}"))
            .fix(format!("it must be one of {KINDS}"))
            .exit_code(1)),
    }
}

/// Prints the documents of several names: as a list, each through the template, or each on a line.
/// A name that there is not is told at the end; the others are printed.
///
/// # Errors
/// A template that cannot be parsed, or does not fit.
pub fn documents(
    format: Option<&str>,
    names: &[String],
    find: impl Fn(&str) -> Result<Value>,
) -> Result<ExitCode> {
    let format = format.filter(|text| !text.is_empty());
    let template = format.filter(|text| *text != "json").map(parsed).transpose()?;
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for name in names {
        match find(name) {
            Ok(value) => found.push(value),
            Err(error) => errors.push(error),
        }
    }
    match &template {
        Some(template) => {
            for value in &found {
                line(rendered(template, value)?)?;
            }
        }
        None if format.is_some() => {
            let lines: Vec<_> = found.iter().map(json_line).collect();
            line(format!("[{}]", lines.join(",")))?;
        }
        None => line(pretty(&found)?)?,
    }
    errors.iter().for_each(crate::report);
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Docker's status for a template that is wrong whatever the data.
const WRONG_TEMPLATE: u8 = 64;

fn parsed(text: &str) -> Result<Template> {
    Template::parse("", text).map_err(|error| {
        Error::new(format!("template parsing error: {error}"))
            .fix("a template is text with {{.Field}} in it; put it in single quotes for the shell")
            .exit_code(WRONG_TEMPLATE)
    })
}

fn rendered(template: &Template, value: &Value) -> Result<String> {
    template.render(value).map_err(|error| {
        let report = Error::new(format!("template parsing error: {error}")).exit_code(1);
        with_fields(report, &error)
    })
}

/// JSON with Docker's four spaces.
fn pretty(values: &[Value]) -> Result<String> {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    let cannot = || Error::new("cannot write this down as JSON");
    values.serialize(&mut serializer).map_err(|error| cannot().why(error.to_string()))?;
    String::from_utf8(out).map_err(|error| cannot().why(error.to_string()))
}
