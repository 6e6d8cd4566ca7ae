//! Filters: `--filter name=value`, which of many somebody wants to see.
//!
//! Several values of one filter are alternatives; several labels must all be there. A value for
//! names and IDs is a regular expression, as in Docker: `^web` is a beginning, `web` is anywhere.

use std::{collections::BTreeMap, str::FromStr, time::SystemTime};

use ground::Error as Report;
use regex_lite::Regex;

use super::{Error, Result, moment};

/// What was asked for, by the filter's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, Vec<String>>);

/// One `name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// What is looked at.
    pub name: String,
    /// How it must be.
    pub value: String,
}

impl FromStr for Filter {
    type Err = Report;

    fn from_str(text: &str) -> Result<Self, Report> {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Report::new("bad format of filter (expected name=value)")
                .why(format!("'{text}' has no '='"))
                .fix("as in --filter name=web")
        })?;
        Ok(Self { name: name.trim().to_lowercase(), value: value.trim().to_owned() })
    }
}

impl FromIterator<Filter> for Filters {
    fn from_iter<T: IntoIterator<Item = Filter>>(filters: T) -> Self {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for Filter { name, value } in filters {
            all.entry(name).or_default().push(value);
        }
        Self(all)
    }
}

impl Filters {
    /// The values of a filter; none when it was not asked for.
    pub fn values(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether a filter was asked for.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Holds the names against those that a list knows.
    ///
    /// # Errors
    /// A filter that does not exist there.
    pub fn check(&self, known: &[&str]) -> Result<()> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(Error::invalid(
                Report::new(format!("Invalid filter '{name}'"))
                    .fix(format!("there are: {}", known.join(", "))),
            )),
        }
    }

    /// Whether one of the values is found in one of the texts, or nothing was asked.
    ///
    /// # Errors
    /// A value that is no regular expression.
    pub fn finds(&self, name: &str, texts: &[&str]) -> Result<bool> {
        if !self.has(name) {
            return Ok(true);
        }
        for value in self.values(name) {
            let pattern = Regex::new(value).map_err(|error| {
                let report = Report::new(format!("Invalid filter '{name}={value}'"));
                Error::invalid(report.why(error.to_string()).fix("a name, or a regular expression"))
            })?;
            if texts.iter().any(|text| pattern.is_match(text)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether one of the values is true of something, or nothing was asked.
    pub fn any(&self, name: &str, mut is_true: impl FnMut(&str) -> bool) -> bool {
        !self.has(name) || self.values(name).iter().any(|value| is_true(value))
    }

    /// Whether all `label=NAME` and `label=NAME=VALUE` are there, and no `label!=` is.
    pub fn labels<'a>(&self, value_of: impl Fn(&str) -> Option<&'a str>) -> bool {
        let is_there = |wanted: &String| match wanted.split_once('=') {
            Some((name, value)) => value_of(name) == Some(value),
            None => value_of(wanted).is_some(),
        };
        self.values("label").iter().all(is_there) && !self.values("label!").iter().any(is_there)
    }

    /// The moment of `until`.
    ///
    /// # Errors
    /// A value that is no moment.
    pub fn until(&self) -> Result<Option<SystemTime>> {
        let Some(text) = self.values("until").last() else { return Ok(None) };
        let accepted = "a time (2026-01-02T15:04:05) or a duration (24h)";
        moment(text).map(Some).ok_or_else(|| invalid("until", text, accepted))
    }

    /// A filter that is true or false.
    ///
    /// # Errors
    /// A value that is neither.
    pub fn truth(&self, name: &str) -> Result<Option<bool>> {
        match self.values(name) {
            [] => Ok(None),
            values => {
                let truth = |value: &String| match value.as_str() {
                    "1" | "true" => Ok(true),
                    "0" | "false" => Ok(false),
                    _ => Err(invalid(name, value, "true or false")),
                };
                let truths: Vec<bool> = values.iter().map(truth).collect::<Result<_>>()?;
                // Both at once is no filter.
                Ok(truths.iter().all(|it| *it == truths[0]).then_some(truths[0]))
            }
        }
    }
}

/// A value that makes no sense.
pub(super) fn invalid(name: &str, value: &str, accepted: &str) -> Error {
    let report = Report::new(format!("Invalid filter '{name}={value}'"));
    Error::invalid(report.fix(format!("it can be {accepted}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(texts: &[&str]) -> Filters {
        texts.iter().map(|text| text.parse::<Filter>().unwrap()).collect()
    }

    #[test]
    fn values_are_alternatives_and_labels_are_not() {
        let names = filters(&["name=^web$", "name=db"]);
        let finds = |text| names.finds("name", &[text]).unwrap();
        assert_eq!(["web", "webs", "db1"].map(finds), [true, false, true]);
        let labels = filters(&["label=a", "label=b=2"]);
        let value_of = |name: &str| match name {
            "a" => Some("1"),
            "b" => Some("2"),
            _ => None,
        };
        assert!(labels.labels(value_of));
        assert!(!filters(&["label=a", "label=c"]).labels(value_of));
        assert!(!filters(&["label=b=3"]).labels(value_of));
        assert!(filters(&["label!=c", "label!=b=3"]).labels(value_of));
        assert!(!filters(&["label=a", "label!=b"]).labels(value_of));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        assert!("name".parse::<Filter>().is_err());
        assert!(filters(&["name=("]).finds("name", &["x"]).is_err());
        assert!(filters(&["foo=1"]).check(&["name"]).is_err());
        assert!(filters(&["dangling=x"]).truth("dangling").is_err());
        assert_eq!(filters(&["dangling=1"]).truth("dangling").unwrap(), Some(true));
        assert_eq!(filters(&["dangling=1", "dangling=0"]).truth("dangling").unwrap(), None);
    }
}
