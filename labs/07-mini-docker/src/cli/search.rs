//! search.

use std::process::ExitCode;

use clap::Args;
use ground::{Error, Result};
use mini_docker::{
    engine::{Engine, Filter, Filters},
    registry::client::Found,
};
use template::Value;

use super::{
    format::{Columns, Format},
    output::cut,
};

const COLUMNS: Columns = Columns {
    row: "*registry.searchContext",
    table: "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
    raw: "",
    headings: &[
        ("Description", "DESCRIPTION"),
        ("IsOfficial", "OFFICIAL"),
        ("Name", "NAME"),
        ("StarCount", "STARS"),
    ],
};

/// Docker's default, and the most that docker.io tells.
const LIMIT: usize = 25;
const LIMIT_MAX: usize = 100;
/// So much of a description fits into its column.
const DESCRIPTION_MAX: usize = 45;

/// `search`
#[derive(Debug, Args)]
pub struct Search {
    /// Filter output based on conditions provided: is-official=BOOL, stars=N
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub filter: Vec<Filter>,
    /// Format output: table, table TEMPLATE, json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Max number of search results
    #[arg(long, default_value_t = LIMIT)]
    pub limit: usize,
    /// Don't truncate output
    #[arg(long)]
    pub no_trunc: bool,
    /// What a name contains; behind a registry's name, as localhost:5000/TERM, it is sought there
    #[arg(value_name = "TERM")]
    pub term: String,
}

/// `search`
pub fn search(engine: &Engine, args: &Search) -> Result<ExitCode> {
    let format = Format::new(args.format.as_deref(), &COLUMNS)?.whole(args.no_trunc);
    if !(1..=LIMIT_MAX).contains(&args.limit) {
        return Err(Error::new(format!("invalid limit {}", args.limit))
            .why(format!("a registry tells between 1 and {LIMIT_MAX} images"))
            .fix("mini-docker search --limit 100 TERM"));
    }
    let filters: Filters = args.filter.iter().cloned().collect();
    let found = engine.search(&args.term, args.limit, &filters)?;
    let rows: Vec<Value> = found.iter().map(|found| row(found, args)).collect();
    format.print(&COLUMNS, &rows)?;
    Ok(ExitCode::SUCCESS)
}

fn row(found: &Found, args: &Search) -> Value {
    let is_json = args.format.as_deref().map(str::trim) == Some("json");
    let official = match (found.is_official, is_json) {
        (is, true) => is.to_string(),
        (true, false) => "[OK]".to_owned(),
        (false, false) => String::new(),
    };
    let description = found.description.replace(['\n', '\r'], " ");
    let description = match args.no_trunc {
        true => description,
        false => cut(&description, DESCRIPTION_MAX),
    };
    Value::record(
        COLUMNS.row,
        vec![
            ("Description", Value::text(description)),
            ("IsOfficial", Value::text(official)),
            ("Name", Value::text(found.name.as_str())),
            ("StarCount", Value::text(found.stars.to_string())),
        ],
    )
}
