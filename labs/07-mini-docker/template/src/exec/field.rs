//! Fields and methods: one step into a value after the other.

use std::sync::Arc;

use super::{Executor, Result};
use crate::{
    Method, Value,
    error::Fault,
    node::{Command, Kind, Term},
};

impl Executor<'_> {
    /// `.A.B.C` of a value.
    pub(super) fn fields(&self, term: &Term, value: Value, names: &[String]) -> Result<Value> {
        let found = names.iter().try_fold(value, |value, name| field(&value, name));
        let found = found.map_err(|fault| self.error(term.at, &term.to_string(), fault))?;
        match found {
            Value::Method(_) if !matches!(term.kind, Kind::Variable(..)) => {
                let fault = Fault::new(format!("wrong number of args for {term}: want 1 got 0"));
                Err(self.error(term.at, &term.to_string(), fault))
            }
            found => Ok(found),
        }
    }

    /// A field at the head of a command: with arguments it must be a method.
    pub(super) fn called(
        &mut self,
        command: &Command,
        last: Option<Value>,
        dot: &Value,
    ) -> Result<Value> {
        let Some((first, rest)) = command.terms.split_first() else { return Ok(Value::Nil) };
        if rest.is_empty() && last.is_none() {
            return self.term(first, dot);
        }
        let mut arguments = Vec::new();
        for term in rest {
            arguments.push(self.term(term, dot)?);
        }
        arguments.extend(last);
        let (start, names) = match &first.kind {
            Kind::Field(names) => (dot.clone(), names.as_slice()),
            Kind::Variable(name, names) => (self.variable(name), names.as_slice()),
            Kind::Chain(inner, names) => (self.term(inner, dot)?, names.as_slice()),
            _ => (Value::Nil, [].as_slice()),
        };
        let found = names.iter().try_fold(start, |value, name| field(&value, name));
        let failed = |fault| self.error(first.at, &first.to_string(), fault);
        match found.map_err(failed)? {
            Value::Method(method) => invoke(&method, &arguments).map_err(failed),
            _ => {
                let name = names.last().map(String::as_str).unwrap_or_default();
                Err(failed(Fault::new(format!("{name} is not a method but has arguments"))))
            }
        }
    }
}

fn invoke(method: &Method, arguments: &[Value]) -> std::result::Result<Value, Fault> {
    let [Value::String(name)] = arguments else {
        return Err(Fault::new(match arguments {
            [other] => format!("wrong type for value; expected string; got {}", other.type_name()),
            more => format!("wrong number of args for Label: want 1 got {}", more.len()),
        }));
    };
    Ok(Value::text(match method {
        Method::Label(labels) => labels.get(&**name).map_or("", String::as_str).to_owned(),
        // As Docker makes a heading of `com.example.some-thing`: `some thing`.
        Method::LabelHeading => {
            name.rsplit('.').next().unwrap_or_default().replace(['-', '_'], " ")
        }
    }))
}

/// One field of a value.
fn field(value: &Value, name: &str) -> std::result::Result<Value, Fault> {
    match value {
        Value::Struct(it) => match it.field(name) {
            Some(value) => Ok(value.clone()),
            None => {
                let text = match it.type_name {
                    "" => format!("map has no entry for key {name:?}"),
                    kind => format!("can't evaluate field {name} in type {kind}"),
                };
                let fields = it.fields.iter().map(|(name, _)| format!(".{name}")).collect();
                Err(Fault { text, fields })
            }
        },
        Value::Map(map) => Ok(Arc::clone(map).get(name).cloned().unwrap_or(Value::NoValue)),
        nothing if nothing.is_nothing() => {
            Err(Fault::new(format!("nil data; no entry for key {name:?}")))
        }
        _ => Err(Fault::new(format!("can't evaluate field {name} in type interface {{}}"))),
    }
}
