//! Documents: what `inspect` finds, as a list, through a template, or each on a line.

use std::process::ExitCode;

use ground::{Error, Result};
use serde::Serialize;
use template::{Template, Value, json_line};

use super::{format::with_fields, output::line};

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
