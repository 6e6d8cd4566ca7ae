//! The tree, walked: every node prints, and a pipeline is evaluated from left to right.

mod field;

use std::sync::Arc;

use crate::{
    Error, Mode, Template, Value,
    error::Fault,
    failure::Failure,
    functions,
    node::{Branch, Command, Kind, Node, Pipe, Place, Term},
};

/// Templates that call each other deeper than this never end.
const DEEPEST: usize = 200;

type Result<T> = std::result::Result<T, Error>;

/// What a list of nodes wants of the loop around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

pub(crate) struct Executor<'a> {
    template: &'a Template,
    mode: Mode,
    out: String,
    variables: Vec<(String, Value)>,
    /// The template that is being executed, for messages.
    name: String,
    depth: usize,
}

impl<'a> Executor<'a> {
    pub(crate) fn new(template: &'a Template, mode: Mode) -> Self {
        let name = template.name.clone();
        Self { template, mode, out: String::new(), variables: Vec::new(), name, depth: 0 }
    }

    pub(crate) fn run(mut self, data: &Value) -> Result<String> {
        self.variables.push(("$".into(), data.clone()));
        self.list(&self.template.nodes, data)?;
        Ok(self.out)
    }

    /// An error at a place: `template: :1:2: executing "" at <.Foo>: ..`.
    fn error(&self, at: Place, what: &str, fault: Fault) -> Error {
        let Place { line, column } = at;
        let name = &self.template.name;
        let text = format!(
            "template: {name}:{line}:{column}: executing {:?} at <{what}>: {}",
            self.name, fault.text
        );
        Error { text, fields: fault.fields, is_syntax: false }
    }

    fn list(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow> {
        for node in nodes {
            match self.node(node, dot)? {
                Flow::On => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.variables.is_empty() {
                    self.out.push_str(&value.to_string());
                }
            }
            Node::If(branch) => return self.choose(branch, dot, false),
            Node::With(branch) => return self.choose(branch, dot, true),
            Node::Range(branch) => self.range(branch, dot)?,
            Node::Template { at, name, pipe } => self.call(*at, name, pipe.as_ref(), dot)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn choose(&mut self, branch: &Branch, dot: &Value, is_with: bool) -> Result<Flow> {
        let known = self.variables.len();
        let value = self.pipe(&branch.pipe, dot)?;
        let flow = match value.truth() {
            true => self.list(&branch.body, if is_with { &value } else { dot }),
            false => self.list(&branch.otherwise, dot),
        };
        self.variables.truncate(known);
        flow
    }

    fn range(&mut self, branch: &Branch, dot: &Value) -> Result<()> {
        let known = self.variables.len();
        let value = self.pipe(&branch.pipe, dot)?;
        let pairs: Box<dyn Iterator<Item = (Value, Value)>> = match &value {
            Value::List(list) => {
                let list = Arc::clone(list);
                Box::new((0..list.len()).map(move |at| (Value::Int(at as i64), list[at].clone())))
            }
            Value::Map(map) => {
                let pairs: Vec<_> =
                    map.iter().map(|(key, it)| (Value::text(key.as_str()), it.clone())).collect();
                Box::new(pairs.into_iter())
            }
            Value::Int(count) => Box::new((0..*count).map(|at| (Value::Int(at), Value::Int(at)))),
            it if it.is_nothing() => Box::new(std::iter::empty()),
            it => {
                let fault = Fault::new(format!("range can't iterate over {it}"));
                return Err(self.error(branch.pipe.at, &branch.pipe.to_string(), fault));
            }
        };
        let inner = self.variables.len();
        let mut any = false;
        for (key, element) in pairs {
            any = true;
            self.loop_variables(&branch.pipe, &key, &element);
            let flow = self.list(&branch.body, &element)?;
            self.variables.truncate(inner);
            if flow == Flow::Break {
                break;
            }
        }
        if !any {
            self.list(&branch.otherwise, dot)?;
        }
        self.variables.truncate(known);
        Ok(())
    }

    /// One variable is the element; of two the first is the key.
    fn loop_variables(&mut self, pipe: &Pipe, key: &Value, element: &Value) {
        let values = match pipe.variables.len() {
            1 => vec![element],
            _ => vec![key, element],
        };
        for (name, value) in pipe.variables.iter().zip(values) {
            self.set(name, value.clone(), pipe.assigns);
        }
    }

    fn set(&mut self, name: &str, value: Value, assigns: bool) {
        let known = self.variables.iter_mut().rev().find(|(known, _)| assigns && known == name);
        match known {
            Some((_, place)) => *place = value,
            None => self.variables.push((name.to_owned(), value)),
        }
    }

    fn call(&mut self, at: Place, name: &str, pipe: Option<&Pipe>, dot: &Value) -> Result<()> {
        let quoted = format!("{{{{template {name:?}}}}}");
        let template = self.template;
        let Some(nodes) = template.defined.get(name) else {
            let fault = Fault::new(format!("template {name:?} not defined"));
            return Err(self.error(at, &quoted, fault));
        };
        self.depth += 1;
        if self.depth > DEEPEST {
            let fault = Fault::new(format!("exceeded maximum template depth ({DEEPEST})"));
            return Err(self.error(at, &quoted, fault));
        }
        let data = match pipe {
            Some(pipe) => self.pipe(pipe, dot)?,
            None => Value::Nil,
        };
        let outer = std::mem::replace(&mut self.variables, vec![("$".into(), data.clone())]);
        let caller = std::mem::replace(&mut self.name, name.to_owned());
        self.list(nodes, &data)?;
        (self.variables, self.name) = (outer, caller);
        self.depth -= 1;
        Ok(())
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, value, dot)?);
        }
        let value = value.unwrap_or(Value::Nil);
        for name in &pipe.variables {
            self.set(name, value.clone(), pipe.assigns);
        }
        Ok(value)
    }

    /// A command with what came through the bar as its last argument.
    fn command(&mut self, command: &Command, last: Option<Value>, dot: &Value) -> Result<Value> {
        let Some((first, rest)) = command.terms.split_first() else { return Ok(Value::Nil) };
        match &first.kind {
            Kind::Function(name) => return self.function(command, (name, first.at), last, dot),
            Kind::Field(_) | Kind::Variable(..) | Kind::Chain(..) => {
                return self.called(command, last, dot);
            }
            _ => {}
        }
        let failed = |executor: &Self, text: String| {
            Err(executor.error(first.at, &first.to_string(), Fault::new(text)))
        };
        if !rest.is_empty() || last.is_some() {
            return failed(self, format!("can't give argument to non-function {first}"));
        }
        match first.kind {
            Kind::Nil => failed(self, "nil is not a command".into()),
            _ => self.term(first, dot),
        }
    }

    fn function(
        &mut self,
        command: &Command,
        (name, at): (&str, Place),
        last: Option<Value>,
        dot: &Value,
    ) -> Result<Value> {
        // `and` and `or` stop at the first value that decides.
        if name == "and" || name == "or" {
            let mut value = None;
            for term in &command.terms[1..] {
                let it = self.term(term, dot)?;
                let decides = it.truth() == (name == "or");
                value = Some(it);
                if decides {
                    return Ok(value.unwrap_or(Value::Nil));
                }
            }
            return last.or(value).ok_or_else(|| {
                let text = format!("wrong number of args for {name}: want at least 1 got 0");
                self.error(at, name, Fault::new(text))
            });
        }
        let mut arguments = Vec::new();
        for term in &command.terms[1..] {
            arguments.push(self.term(term, dot)?);
        }
        arguments.extend(last);
        if let ("call", Some(it)) = (name, arguments.first()) {
            // None of our values can be called.
            let named = command.terms.get(1).map(ToString::to_string).unwrap_or_default();
            let kind = it.type_name();
            let text = format!("error calling call: non-function {named} of type {kind}");
            return Err(self.error(at, &command.to_string(), Fault::new(text)));
        }
        functions::call(self.mode, name, &arguments).map_err(|failure| match failure {
            Failure::Misused(text) => self.error(at, name, Fault::new(text)),
            Failure::Failed(text) => {
                let text = format!("error calling {name}: {text}");
                self.error(at, &command.to_string(), Fault::new(text))
            }
        })
    }

    /// The value of one word.
    fn term(&mut self, term: &Term, dot: &Value) -> Result<Value> {
        match &term.kind {
            Kind::Dot => Ok(dot.clone()),
            Kind::Nil => Ok(Value::Nil),
            Kind::Literal(value, _) => Ok(value.clone()),
            Kind::Field(names) => self.fields(term, dot.clone(), names),
            Kind::Variable(name, names) => {
                let value = self.variable(name);
                self.fields(term, value, names)
            }
            Kind::Pipe(pipe) => self.pipe(pipe, dot),
            Kind::Chain(inner, names) => {
                let value = self.term(inner, dot)?;
                self.fields(term, value, names)
            }
            Kind::Function(name) => {
                let command = Command { terms: vec![term.clone()] };
                self.function(&command, (name, term.at), None, dot)
            }
        }
    }

    fn variable(&self, name: &str) -> Value {
        let found = self.variables.iter().rev().find(|(known, _)| known == name);
        found.map_or(Value::Nil, |(_, value)| value.clone())
    }
}
