//! history: the steps of an image in rows.

use std::process::ExitCode;

use ground::{Error, Result};
use mini_docker::engine::{Engine, HistoryStep};
use template::Value;

use super::{
    args::History,
    format::{Columns, Format},
    output::{ago, cut, line, size},
};

const COLUMNS: Columns = Columns {
    row: "*image.historyContext",
    table: "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    raw: "",
    headings: &[
        ("Comment", "COMMENT"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedBy", "CREATED BY"),
        ("CreatedSince", "CREATED"),
        ("ID", "IMAGE"),
        ("Size", "SIZE"),
    ],
};

/// With `--human=false` the table has times and bytes.
const EXACT: Columns = Columns {
    table: "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    ..COLUMNS
};

/// `history`
pub fn history(engine: &Engine, args: &History) -> Result<ExitCode> {
    let columns = if args.human { &COLUMNS } else { &EXACT };
    let format = Format::new(args.format.as_deref(), columns)?.whole(args.no_trunc);
    let steps = engine.history(&args.image).map_err(|error| Error::from(error).exit_code(1))?;
    if args.quiet {
        steps.iter().try_for_each(|step| line(id(step, args.no_trunc)))?;
    } else {
        let rows: Vec<Value> = steps.iter().map(|step| row(step, args)).collect();
        format.print(columns, &rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Only the last step is an image that is here.
fn id(step: &HistoryStep, whole: bool) -> String {
    match &step.image {
        None => "<missing>".into(),
        Some(id) if whole => id.to_string(),
        Some(id) => id.short().to_owned(),
    }
}

fn row(step: &HistoryStep, args: &History) -> Value {
    let history = &step.history;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let by = text(&history.created_by).replace('\t', " ");
    let by = if args.no_trunc { by } else { cut(&by, 45) };
    let since = history.created.as_deref().map_or("N/A".into(), ago);
    let bytes = if args.human { size(step.size) } else { step.size.to_string() };
    Value::record(
        COLUMNS.row,
        vec![
            ("Comment", Value::text(text(&history.comment))),
            ("CreatedAt", Value::text(text(&history.created))),
            ("CreatedBy", Value::text(by)),
            ("CreatedSince", Value::text(since)),
            ("ID", Value::text(id(step, args.no_trunc))),
            ("Size", Value::text(bytes)),
        ],
    )
}
