//! Go's text/template, as Docker's `--format` uses it: a template is parsed once and rendered for
//! each row.
//!
//! People have these templates in scripts, so what comes out must be what Docker prints, letter by
//! letter: a struct is `{running true}`, a map `map[80/tcp:[{ 8080}]]`, and an error says
//! `template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"`. The crates that there
//! are for this know maps only, and accept what Go refuses; so it is done here.
//!
//! | file | what it does |
//! |---|---|
//! | `lex`, `parse`, `node` | text -> tokens -> tree, with Go's messages |
//! | `value`, `serialize`, `json` | what a template sees, made from any `Serialize` |
//! | `duration` | a time in words |
//! | `exec` | the tree, walked |
//! | `functions`, `strings`, `compare`, `printf`, `failure` | what a template can call, and why that failed |
//!
//! Pure: nothing is read, nothing printed. Source: <https://pkg.go.dev/text/template>.

mod compare;
mod duration;
mod error;
mod exec;
mod failure;
mod functions;
mod json;
mod lex;
mod node;
mod parse;
mod printf;
mod serialize;
mod strings;
mod value;

use std::collections::BTreeMap;

pub use error::Error;
pub use json::line as json_line;
pub use printf::quoted;
pub use serialize::{Nanoseconds, OmitEmpty, to_value};
pub use value::{Method, Struct, Value};

/// A parsed template.
#[derive(Debug, Clone)]
pub struct Template {
    name: String,
    nodes: Vec<node::Node>,
    defined: BTreeMap<String, Vec<node::Node>>,
}

/// What the functions do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What their names say.
    Row,
    /// Nothing: `{{upper .Names}}` in a table has the heading `NAMES`.
    Heading,
}

impl Template {
    /// Parses a template. The name only appears in messages; Docker mostly has none.
    ///
    /// # Errors
    /// What Go's parser says.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let (nodes, defined) = parse::parse(name, text)?;
        Ok(Self { name: name.to_owned(), nodes, defined })
    }

    /// Renders the template with `data` as dot.
    ///
    /// # Errors
    /// What Go's executor says: a field that is not there, a function's wrong argument.
    pub fn render(&self, data: &Value) -> Result<String, Error> {
        self.render_as(Mode::Row, data)
    }

    /// Renders the template as a row, or as the heading of a table.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render_as(&self, mode: Mode, data: &Value) -> Result<String, Error> {
        exec::Executor::new(self, mode).run(data)
    }

    /// Whether a field is named anywhere: what is costly is only found out where it is.
    pub fn mentions(&self, field: &str) -> bool {
        let names = |nodes: &[node::Node]| nodes.iter().any(|node| node.mentions(field));
        names(&self.nodes) || self.defined.values().any(|nodes| names(nodes))
    }
}
