//! The tree of a template, and how Go quotes a part of it in a message.

use std::fmt;

use crate::Value;

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Text(String),
    Action(Pipe),
    If(Branch),
    Range(Branch),
    With(Branch),
    Template { at: Place, name: String, pipe: Option<Pipe> },
    Break,
    Continue,
}

/// Where something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub line: usize,
    /// Bytes since the beginning of the line.
    pub column: usize,
}

/// `{{if pipe}}body{{else}}otherwise{{end}}`
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Branch {
    pub pipe: Pipe,
    pub body: Vec<Node>,
    pub otherwise: Vec<Node>,
}

/// `$x := command | command`
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pipe {
    pub at: Place,
    pub variables: Vec<String>,
    /// `=` and not `:=`.
    pub assigns: bool,
    pub commands: Vec<Command>,
}

/// Something with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Command {
    pub terms: Vec<Term>,
}

/// One word of a command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    pub at: Place,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Dot,
    Nil,
    /// A value, and how it was written.
    Literal(Value, String),
    /// `.A.B`
    Field(Vec<String>),
    /// `$x.A.B`
    Variable(String, Vec<String>),
    Function(String),
    /// `(pipe)`
    Pipe(Box<Pipe>),
    /// `(pipe).A.B`
    Chain(Box<Term>, Vec<String>),
}

impl Node {
    /// Whether a field of this name is read.
    pub(crate) fn mentions(&self, field: &str) -> bool {
        match self {
            Self::Text(_) | Self::Break | Self::Continue => false,
            Self::Action(pipe) => pipe.mentions(field),
            Self::If(it) | Self::Range(it) | Self::With(it) => {
                let nodes = it.body.iter().chain(&it.otherwise);
                it.pipe.mentions(field) || nodes.into_iter().any(|node| node.mentions(field))
            }
            Self::Template { pipe, .. } => pipe.as_ref().is_some_and(|pipe| pipe.mentions(field)),
        }
    }
}

impl Pipe {
    fn mentions(&self, field: &str) -> bool {
        self.commands.iter().flat_map(|command| &command.terms).any(|term| term.mentions(field))
    }
}

impl Term {
    fn mentions(&self, field: &str) -> bool {
        let among = |names: &[String]| names.iter().any(|name| name == field);
        match &self.kind {
            // Whoever asks for everything asks for this too.
            Kind::Dot => true,
            Kind::Field(names) => among(names),
            Kind::Variable(name, names) => among(names) || (name == "$" && names.is_empty()),
            Kind::Pipe(pipe) => pipe.mentions(field),
            Kind::Chain(inner, names) => inner.mentions(field) || among(names),
            Kind::Nil | Kind::Literal(..) | Kind::Function(_) => false,
        }
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            let sign = if self.assigns { "=" } else { ":=" };
            write!(f, "{} {sign} ", self.variables.join(", "))?;
        }
        for (place, command) in self.commands.iter().enumerate() {
            let bar = if place == 0 { "" } else { " | " };
            write!(f, "{bar}{command}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, term) in self.terms.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(f, "{space}{term}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = |f: &mut fmt::Formatter<'_>, names: &[String]| {
            names.iter().try_for_each(|name| write!(f, ".{name}"))
        };
        match &self.kind {
            Kind::Dot => f.write_str("."),
            Kind::Nil => f.write_str("nil"),
            Kind::Literal(_, written) => f.write_str(written),
            Kind::Field(names) => fields(f, names),
            Kind::Variable(name, names) => {
                f.write_str(name)?;
                fields(f, names)
            }
            Kind::Function(name) => f.write_str(name),
            Kind::Pipe(pipe) => write!(f, "({pipe})"),
            Kind::Chain(inner, names) => {
                inner.fmt(f)?;
                fields(f, names)
            }
        }
    }
}
