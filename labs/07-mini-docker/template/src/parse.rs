//! The tree of a template from its words, by recursive descent, with the messages of Go's parser.

mod literal;
mod pipe;

use std::collections::BTreeMap;

use crate::{
    Error,
    lex::{self, Kind as Word, Token},
    node::{Branch, Node, Place},
};

/// Deeper than this nobody writes, and the stack is not endless.
const DEEPEST: usize = 100;

type Result<T> = std::result::Result<T, Error>;
type Defined = BTreeMap<String, Vec<Node>>;

/// The nodes of a template, and the templates that it defines.
pub(crate) fn parse(name: &str, text: &str) -> Result<(Vec<Node>, Defined)> {
    let mut parser = Parser {
        name,
        text,
        tokens: lex::tokens(text),
        at: 0,
        variables: vec!["$".to_owned()],
        loops: 0,
        depth: 0,
        defined: BTreeMap::new(),
    };
    let (nodes, end) = parser.list()?;
    match end {
        Ending::Text => Ok((nodes, parser.defined)),
        Ending::End => Err(parser.error("unexpected {{end}}")),
        Ending::Else => Err(parser.error("unexpected {{else}}")),
    }
}

struct Parser<'a> {
    name: &'a str,
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    /// Those that can be named here.
    variables: Vec<String>,
    /// How many `range` we are in.
    loops: usize,
    depth: usize,
    defined: Defined,
}

/// What ended a list of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Text,
    End,
    Else,
}

/// What may begin after an `{{if}}`, and what it is called in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    If,
    Range,
    With,
}

impl Control {
    fn word(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::Range => "range",
            Self::With => "with",
        }
    }
}

impl Parser<'_> {
    /// The word that comes next; the last one stays.
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len());
        token
    }

    fn skip_space(&mut self) {
        while self.peek().kind == Word::Space {
            self.at += 1;
        }
    }

    fn next_word(&mut self) -> Token {
        self.skip_space();
        self.next()
    }

    fn place(&self, offset: usize) -> Place {
        let before = &self.text[..offset];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = 1 + before.matches('\n').count();
        // Go counts from the line feed, so that only the first line begins with 0.
        let column = offset - start + usize::from(line > 1);
        Place { line, column }
    }

    fn error(&self, what: &str) -> Error {
        let last = self.at.saturating_sub(1).min(self.tokens.len() - 1);
        Error::syntax(format!("template: {}:{}: {what}", self.name, self.tokens[last].line))
    }

    fn unexpected(&self, token: &Token, context: &str) -> Error {
        if token.kind == Word::Wrong {
            return self.error(&token.text);
        }
        self.error(&format!("unexpected {} in {context}", quoted(token)))
    }

    fn expect(&mut self, kind: Word, context: &str) -> Result<Token> {
        let token = self.next_word();
        if token.kind == kind { Ok(token) } else { Err(self.unexpected(&token, context)) }
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("the template is nested too deeply"));
        }
        Ok(())
    }

    /// Nodes up to `{{end}}`, `{{else` or the end of the text.
    fn list(&mut self) -> Result<(Vec<Node>, Ending)> {
        self.enter()?;
        let mut nodes = Vec::new();
        let ending = loop {
            let token = self.next();
            match token.kind {
                Word::Text => nodes.push(Node::Text(token.text)),
                Word::End => break Ending::Text,
                Word::Left => {
                    self.skip_space();
                    let keyword = match self.peek() {
                        it if it.kind == Word::Keyword => it.text.clone(),
                        _ => String::new(),
                    };
                    match keyword.as_str() {
                        "end" => {
                            self.next();
                            self.expect(Word::Right, "end")?;
                            break Ending::End;
                        }
                        "else" => {
                            self.next();
                            break Ending::Else;
                        }
                        "define" => self.define()?,
                        _ => nodes.push(self.action(&keyword)?),
                    }
                }
                _ => return Err(self.unexpected(&token, "input")),
            }
        };
        self.depth -= 1;
        Ok((nodes, ending))
    }

    fn action(&mut self, keyword: &str) -> Result<Node> {
        match keyword {
            "if" => self.control(Control::If).map(Node::If),
            "range" => self.control(Control::Range).map(Node::Range),
            "with" => self.control(Control::With).map(Node::With),
            "template" => self.template(),
            "block" => self.block(),
            "break" => self.jump("break", Node::Break),
            "continue" => self.jump("continue", Node::Continue),
            _ => Ok(Node::Action(self.pipe("command", Word::Right)?)),
        }
    }

    fn jump(&mut self, word: &str, node: Node) -> Result<Node> {
        self.next();
        self.expect(Word::Right, &format!("{{{{{word}}}}}"))?;
        match self.loops {
            0 => Err(self.error(&format!("{{{{{word}}}}} outside {{{{range}}}}"))),
            _ => Ok(node),
        }
    }

    fn control(&mut self, control: Control) -> Result<Branch> {
        self.enter()?;
        self.next();
        let known = self.variables.len();
        let pipe = self.pipe(control.word(), Word::Right)?;
        self.loops += usize::from(control == Control::Range);
        let (body, ending) = self.list()?;
        self.loops -= usize::from(control == Control::Range);
        let otherwise = match ending {
            Ending::Text => return Err(self.error("unexpected EOF")),
            Ending::End => Vec::new(),
            Ending::Else => self.otherwise(control)?,
        };
        self.variables.truncate(known);
        self.depth -= 1;
        Ok(Branch { pipe, body, otherwise })
    }

    /// After `{{else`: another condition, or `}}` and a list.
    fn otherwise(&mut self, control: Control) -> Result<Vec<Node>> {
        self.skip_space();
        let keyword = self.peek().text.clone();
        if self.peek().kind == Word::Keyword {
            match (control, keyword.as_str()) {
                (Control::If, "if") => return Ok(vec![Node::If(self.control(Control::If)?)]),
                (Control::With, "with") => {
                    return Ok(vec![Node::With(self.control(Control::With)?)]);
                }
                _ => {}
            }
        }
        self.expect(Word::Right, "else")?;
        match self.list()? {
            (nodes, Ending::End) => Ok(nodes),
            (_, Ending::Else) => Err(self.error("expected end; found {{else}}")),
            (_, Ending::Text) => Err(self.error("unexpected EOF")),
        }
    }

    /// `{{define "name"}}body{{end}}`, at the top only.
    fn define(&mut self) -> Result<()> {
        if self.depth > 1 {
            return Err(self.error("unexpected {{define}}"));
        }
        self.next();
        let name = self.template_name("define clause")?;
        self.expect(Word::Right, "define clause")?;
        self.body_of(name, "unexpected {{else}} in define clause")
    }

    /// The body of a template that is defined here; it knows no variable but its own `$`.
    fn body_of(&mut self, name: String, stray_else: &str) -> Result<()> {
        let outer = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let loops = std::mem::take(&mut self.loops);
        let (nodes, ending) = self.list()?;
        (self.variables, self.loops) = (outer, loops);
        match ending {
            Ending::End => {
                self.defined.insert(name, nodes);
                Ok(())
            }
            Ending::Else => Err(self.error(stray_else)),
            Ending::Text => Err(self.error("unexpected EOF")),
        }
    }

    fn template(&mut self) -> Result<Node> {
        let offset = self.next().offset;
        let name = self.template_name("template clause")?;
        self.skip_space();
        let pipe = match self.peek().kind {
            Word::Right => {
                self.next();
                None
            }
            _ => Some(self.pipe("template clause", Word::Right)?),
        };
        Ok(Node::Template { at: self.place(offset), name, pipe })
    }

    /// A template that is defined and used at once.
    fn block(&mut self) -> Result<Node> {
        let offset = self.next().offset;
        let name = self.template_name("block clause")?;
        let pipe = self.pipe("block clause", Word::Right)?;
        self.body_of(name.clone(), "unexpected {{else}} in block clause")?;
        Ok(Node::Template { at: self.place(offset), name, pipe: Some(pipe) })
    }

    fn template_name(&mut self, context: &str) -> Result<String> {
        let token = self.next_word();
        match token.kind {
            Word::Quoted | Word::Raw => self.text_of(&token),
            _ => Err(self.unexpected(&token, context)),
        }
    }
}

/// A word as Go quotes it in a message.
fn quoted(token: &Token) -> String {
    match token.kind {
        Word::End => "EOF".into(),
        Word::Keyword => format!("<{}>", token.text),
        _ if token.text.chars().count() > 10 => {
            format!("{:?}...", token.text.chars().take(10).collect::<String>())
        }
        _ => format!("{:?}", token.text),
    }
}
