//! Pipelines: commands with a bar between them, each with its words.

use super::{Parser, Result, quoted};
use crate::{
    functions,
    lex::{Kind as Word, Token},
    node::{Command, Kind, Pipe, Term},
};

impl Parser<'_> {
    /// A pipeline up to the word that ends it.
    pub(super) fn pipe(&mut self, context: &str, end: Word) -> Result<Pipe> {
        self.enter()?;
        self.skip_space();
        let at = self.place(self.peek().offset);
        let (variables, assigns) = self.variables_of(context)?;
        let mut commands = Vec::new();
        loop {
            let token = self.next_word();
            match token.kind {
                kind if kind == end => break,
                _ if begins_a_term(&token) => {
                    self.at -= 1;
                    commands.push(self.command()?);
                }
                _ => return Err(self.unexpected(&token, context)),
            }
        }
        self.check(&commands, context)?;
        self.depth -= 1;
        Ok(Pipe { at, variables, assigns, commands })
    }

    fn check(&self, commands: &[Command], context: &str) -> Result<()> {
        if commands.is_empty() {
            return Err(self.error(&format!("missing value for {context}")));
        }
        for (place, command) in commands.iter().enumerate().skip(1) {
            let first = command.terms.first().map(|term| &term.kind);
            if matches!(first, Some(Kind::Literal(..) | Kind::Dot | Kind::Nil)) {
                let what = format!("non executable command in pipeline stage {}", place + 1);
                return Err(self.error(&what));
            }
        }
        Ok(())
    }

    /// `$x :=`, `$x =`, `$i, $v :=`
    fn variables_of(&mut self, context: &str) -> Result<(Vec<String>, bool)> {
        let mut names = Vec::new();
        loop {
            self.skip_space();
            let start = self.at;
            if self.peek().kind != Word::Variable {
                return Ok((names, false));
            }
            let variable = self.next();
            let sign = self.next_word();
            match sign.kind {
                Word::Declare | Word::Assign => {
                    let assigns = sign.kind == Word::Assign;
                    if assigns && !self.variables.contains(&variable.text) {
                        let what = format!("undefined variable {:?}", variable.text);
                        return Err(self.error(&what));
                    }
                    self.variables.push(variable.text.clone());
                    names.push(variable.text);
                    return Ok((names, assigns));
                }
                Word::Comma if context == "range" && names.is_empty() => {
                    self.variables.push(variable.text.clone());
                    names.push(variable.text);
                    self.skip_space();
                    if self.peek().kind != Word::Variable {
                        return Err(self.error("range can only initialize variables"));
                    }
                }
                Word::Comma => {
                    return Err(self.error(&format!("too many declarations in {context}")));
                }
                _ => {
                    self.at = start;
                    return Ok((names, false));
                }
            }
        }
    }

    fn command(&mut self) -> Result<Command> {
        let mut terms = Vec::new();
        loop {
            self.skip_space();
            terms.extend(self.operand()?);
            let token = self.next();
            match token.kind {
                Word::Space => {}
                Word::Right | Word::Close => {
                    self.at -= 1;
                    break;
                }
                Word::Bar => break,
                _ => return Err(self.unexpected(&token, "operand")),
            }
        }
        match terms.is_empty() {
            true => Err(self.error("empty command")),
            false => Ok(Command { terms }),
        }
    }

    /// A term with the fields that follow it without a space.
    fn operand(&mut self) -> Result<Option<Term>> {
        let Some(term) = self.term()? else { return Ok(None) };
        let mut at = term.at;
        let mut fields = Vec::new();
        while self.peek().kind == Word::Field {
            let token = self.next();
            if fields.is_empty() {
                at = self.place(token.offset);
            }
            fields.push(token.text[1..].to_owned());
        }
        if fields.is_empty() {
            return Ok(Some(term));
        }
        let kind = match term.kind {
            Kind::Field(mut names) => {
                names.append(&mut fields);
                Kind::Field(names)
            }
            Kind::Variable(name, mut names) => {
                names.append(&mut fields);
                Kind::Variable(name, names)
            }
            Kind::Literal(..) | Kind::Nil | Kind::Dot => {
                return Err(self.error(&format!("unexpected . after term {:?}", term.to_string())));
            }
            _ => Kind::Chain(Box::new(term), fields),
        };
        Ok(Some(Term { at, kind }))
    }

    fn term(&mut self) -> Result<Option<Term>> {
        let token = self.next_word();
        let at = self.place(token.offset);
        let kind = match token.kind {
            Word::Wrong => return Err(self.error(&token.text)),
            Word::Identifier => self.identifier(&token)?,
            Word::Dot => Kind::Dot,
            Word::Field => Kind::Field(vec![token.text[1..].to_owned()]),
            Word::Variable => {
                if !self.variables.contains(&token.text) {
                    return Err(self.error(&format!("undefined variable {}", quoted(&token))));
                }
                Kind::Variable(token.text, Vec::new())
            }
            Word::Number | Word::Character => {
                Kind::Literal(self.number_of(&token)?, token.text.clone())
            }
            Word::Quoted | Word::Raw => {
                let text = self.text_of(&token)?;
                Kind::Literal(crate::Value::text(text), token.text)
            }
            Word::Open => Kind::Pipe(Box::new(self.pipe("parenthesized pipeline", Word::Close)?)),
            _ => {
                self.at -= 1;
                return Ok(None);
            }
        };
        Ok(Some(Term { at, kind }))
    }

    fn identifier(&self, token: &Token) -> Result<Kind> {
        match token.text.as_str() {
            word @ ("true" | "false") => {
                Ok(Kind::Literal(crate::Value::Bool(word == "true"), word.to_owned()))
            }
            "nil" => Ok(Kind::Nil),
            name if functions::NAMES.contains(&name) => Ok(Kind::Function(name.to_owned())),
            name => Err(self.error(&format!("function {name:?} not defined"))),
        }
    }
}

fn begins_a_term(token: &Token) -> bool {
    use Word::{Character, Dot, Field, Identifier, Number, Open, Quoted, Raw, Variable};
    let kinds = [Character, Dot, Field, Identifier, Number, Open, Quoted, Raw, Variable];
    kinds.contains(&token.kind)
}
