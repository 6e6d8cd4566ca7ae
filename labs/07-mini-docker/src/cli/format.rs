//! Format: how a list is printed. `--format` is `table`, `table TEMPLATE`, `json` or a template;
//! even the usual table is a template, so there is one way for all.

mod tabs;

use ground::{Error, Result};
use template::{Mode, Template, Value, json_line};

use super::{output::line, terminal};

/// What `--format` says, read once.
#[derive(Debug)]
pub struct Format {
    kind: Kind,
    /// Cells may be cut where a terminal is too narrow for them.
    may_cut: bool,
}

#[derive(Debug)]
enum Kind {
    Table(Template),
    Rows(Template),
    Json,
}

/// What a kind of list is made of.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    /// Go's name of a row, for messages.
    pub row: &'static str,
    /// What is printed when nothing else is asked for.
    pub table: &'static str,
    /// What `--format raw` means; nothing where there is no such thing.
    pub raw: &'static str,
    /// The headings, by the fields' names.
    pub headings: &'static [(&'static str, &'static str)],
}

impl Format {
    /// Reads `--format`.
    ///
    /// # Errors
    /// A template that cannot be parsed.
    pub fn new(format: Option<&str>, columns: &Columns) -> Result<Self> {
        let text = format.map(str::trim).filter(|text| !text.is_empty()).unwrap_or("table");
        let usual = columns.table;
        let kind = match (text.strip_prefix("table"), text) {
            (Some(""), _) => Kind::Table(parsed(usual)?),
            (Some(rest), _) => Kind::Table(parsed(&unescaped(rest.trim()))?),
            (None, "json") => Kind::Json,
            (None, "raw") if !columns.raw.is_empty() => Kind::Rows(parsed(columns.raw)?),
            (None, text) => Kind::Rows(parsed(&unescaped(text))?),
        };
        Ok(Self { kind, may_cut: true })
    }

    /// Leaves long cells whole on the narrowest terminal, too, as `--no-trunc` wants it.
    pub fn whole(self, no_trunc: bool) -> Self {
        Self { may_cut: !no_trunc, ..self }
    }

    /// Whether a field is asked for by its name, or all of them.
    pub fn mentions(&self, field: &str) -> bool {
        match &self.kind {
            Kind::Table(template) | Kind::Rows(template) => template.mentions(field),
            Kind::Json => false,
        }
    }

    /// Prints a list.
    ///
    /// # Errors
    /// A field that there is not; as write(2).
    pub fn print(&self, columns: &Columns, rows: &[Value]) -> Result<()> {
        match &self.kind {
            Kind::Json => rows.iter().try_for_each(|row| line(json_line(row))),
            Kind::Rows(template) => {
                rows.iter().try_for_each(|row| line(rendered(template, Mode::Row, row)?))
            }
            Kind::Table(template) => self.table(template, columns, rows),
        }
    }

    fn table(&self, template: &Template, columns: &Columns, rows: &[Value]) -> Result<()> {
        let names = columns.headings.iter().map(|(name, heading)| match *name {
            "Label" => (*name, Value::Method(template::Method::LabelHeading)),
            name => (name, Value::text(*heading)),
        });
        let headings = Value::record(columns.row, names.collect());
        let mut lines = vec![rendered(template, Mode::Heading, &headings)?];
        for row in rows {
            lines.push(rendered(template, Mode::Row, row)?);
        }
        let widest = terminal::columns().filter(|_| self.may_cut);
        line(tabs::aligned(&lines.join("\n"), tabs::LEAST, widest))
    }
}

/// Parses a template of a list.
///
/// # Errors
/// In Docker's words, with what mends it.
pub fn parsed(text: &str) -> Result<Template> {
    Template::parse("", text).map_err(|error| {
        Error::new(format!("failed to parse template: {error}"))
            .fix("a template is text with {{.Field}} in it; put it in single quotes for the shell")
            .exit_code(1)
    })
}

fn rendered(template: &Template, mode: Mode, data: &Value) -> Result<String> {
    template.render_as(mode, data).map_err(|error| {
        let report = Error::new(format!("failed to execute template: {error}")).exit_code(1);
        with_fields(report, &error)
    })
}

/// Names the fields that are there, where one was asked for that is not.
pub fn with_fields(report: Error, error: &template::Error) -> Error {
    match error.fields.is_empty() {
        true => report,
        false => report.fix(format!("there are: {}", error.fields.join(" "))),
    }
}

/// Inside single quotes a shell leaves `\t` and `\n` as they are typed.
fn unescaped(text: &str) -> String {
    text.replace("\\t", "\t").replace("\\n", "\n")
}

/// Prints rows under their headings, where no template is asked for.
///
/// # Errors
/// As write(2).
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> Result<()> {
    let lines = std::iter::once(headings.join("\t")).chain(rows.iter().map(|row| row.join("\t")));
    line(tabs::aligned(&lines.collect::<Vec<_>>().join("\n"), tabs::LEAST, terminal::columns()))
}

/// Cells with tabs between them as columns of at least twenty: the output of `top`.
pub fn aligned_wide(text: &str) -> String {
    tabs::aligned(text, 20, None)
}
