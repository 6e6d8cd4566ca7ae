//! Parsing: the first word says what the rest means.

use std::str::FromStr;

use ground::{Error, Result};

use super::{Command, Instruction, health, invalid, split};

/// What a build knows and a config cannot hold.
const OF_A_BUILD: [&str; 7] = ["ADD", "ARG", "COPY", "FROM", "MAINTAINER", "RUN", "SHELL"];

impl FromStr for Instruction {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let (word, rest) = (word.to_ascii_uppercase(), rest.trim());
        if OF_A_BUILD.contains(&word.as_str()) {
            return Err(invalid(
                format!("{} is not a valid change command", word.to_lowercase()),
                "only what changes how an image is run can be changed without a build",
            ));
        }
        if rest.is_empty() && KNOWN.contains(&word.as_str()) {
            return Err(invalid(format!("{word} requires at least one argument"), "none follows"));
        }
        Ok(match word.as_str() {
            "CMD" => Self::Cmd(Command::read(rest)),
            "ENTRYPOINT" => Self::Entrypoint(Command::read(rest)),
            "ENV" => Self::Env(pairs(&word, rest)?),
            "EXPOSE" => Self::Expose(split(rest)),
            "LABEL" => Self::Label(pairs(&word, rest)?),
            "ONBUILD" => Self::OnBuild(trigger(rest)?),
            "USER" => Self::User(single(&word, rest)?),
            "VOLUME" => Self::Volume(list(rest)),
            "WORKDIR" => Self::WorkDir(rest.to_owned()),
            "STOPSIGNAL" => Self::StopSignal(single(&word, rest)?),
            "HEALTHCHECK" => Self::HealthCheck(health::parse(rest)?),
            _ => {
                return Err(invalid(
                    format!("unknown instruction: {word}"),
                    format!("in {line:?}"),
                ));
            }
        })
    }
}

const KNOWN: [&str; 11] = [
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "LABEL",
    "ONBUILD",
    "USER",
    "VOLUME",
    "WORKDIR",
    "STOPSIGNAL",
    "HEALTHCHECK",
];

fn list(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| split(text))
}

fn single(word: &str, text: &str) -> Result<String> {
    match split(text).as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(invalid(format!("{word} requires exactly one argument"), format!("not {text:?}"))),
    }
}

/// `NAME=value NAME=value`, or the older `NAME value with spaces`.
fn pairs(word: &str, text: &str) -> Result<Vec<(String, String)>> {
    let words = split(text);
    let first = words.first().map_or("", String::as_str);
    if !first.contains('=') {
        let (name, value) = text.split_once(char::is_whitespace).ok_or_else(|| {
            invalid(format!("{word} must have two arguments"), format!("not {text:?}"))
        })?;
        return Ok(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    let pair = |pair: &String| match pair.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(invalid(
            format!("Syntax error - can't find = in {pair:?}. Must be of the form: name=value"),
            "a value with spaces needs quotes",
        )),
    };
    words.iter().map(pair).collect()
}

fn trigger(text: &str) -> Result<String> {
    let word = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    match word.as_str() {
        "ONBUILD" => Err(invalid(
            "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
            "a trigger runs once, in the build that uses the image",
        )),
        "FROM" | "MAINTAINER" => Err(invalid(
            format!("{word} isn't allowed as an ONBUILD trigger"),
            "a trigger runs after FROM of the build that uses the image",
        )),
        _ => Ok(text.to_owned()),
    }
}
