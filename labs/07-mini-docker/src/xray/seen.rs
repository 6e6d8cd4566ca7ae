//! What was seen, or why it was not; and what is said of it.

use std::fmt;

use ground::{Error, Result, Table};
use serde::{Serialize, Serializer};

/// Facts, or the reason why they are hidden from this user.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen<T> {
    /// They could be read.
    Facts(T),
    /// They could not.
    Hidden(Error),
}

impl<T> From<Result<T>> for Seen<T> {
    fn from(looked: Result<T>) -> Self {
        looked.map_or_else(Self::Hidden, Self::Facts)
    }
}

/// The facts themselves, or `{"hidden": {what, why, see, fix}}`.
impl<T: Serialize> Serialize for Seen<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Facts(facts) => facts.serialize(serializer),
            Self::Hidden(error) => {
                serde_json::json!({ "hidden": error.to_json() }).serialize(serializer)
            }
        }
    }
}

impl<T> Seen<T> {
    /// The facts, where there are some.
    pub fn facts(&self) -> Option<&T> {
        match self {
            Self::Facts(facts) => Some(facts),
            Self::Hidden(_) => None,
        }
    }

    /// Tells the facts, or why there are none.
    pub fn told(
        &self,
        title: &'static str,
        lab: &'static str,
        tell: impl FnOnce(&T) -> (Vec<Table>, Vec<String>),
    ) -> Section {
        let (tables, words) = match self {
            Self::Facts(facts) => tell(facts),
            Self::Hidden(error) => (Vec::new(), vec![format!("hidden: {error}")]),
        };
        Section { title, lab, tables, words }
    }
}

/// One subject, told: what a person reads of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The subject.
    pub title: &'static str,
    /// The labs that explain it.
    pub lab: &'static str,
    /// What was read.
    pub tables: Vec<Table>,
    /// What follows from it.
    pub words: Vec<String>,
}

/// A text for a person: of an ID of 64 digits the first twelve, as everywhere; `--json` has them
/// all.
pub(super) fn short(text: impl fmt::Display) -> String {
    let mut short = String::new();
    for part in text.to_string().split_inclusive(|it: char| !it.is_ascii_hexdigit()) {
        let digits = part.trim_end_matches(|it: char| !it.is_ascii_hexdigit());
        match digits.len() {
            64 => short += &format!("{}…{}", &part[..12], &part[64..]),
            _ => short += part,
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ids_are_cut_as_everywhere() {
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(
            short(format!("/a/x-{id}.scope/{id}")),
            "/a/x-0123456789ab….scope/0123456789ab…"
        );
        assert_eq!(short("/sys/fs/cgroup"), "/sys/fs/cgroup");
    }

    #[test]
    fn what_is_hidden_says_why() {
        let hidden: Seen<u32> = Err(Error::new("no").why("because").fix("do")).into();
        let json = serde_json::to_value(&hidden).unwrap();
        assert_eq!(json["hidden"]["why"], "because");
        let told = hidden.told("A", "lab 01", |_| (Vec::new(), Vec::new()));
        assert_eq!(told.words, ["hidden: no\n  why: because\n  fix: do"]);
        assert_eq!(serde_json::to_value(Seen::Facts(7)).unwrap(), 7);
    }
}
