//! Device rules: config.json's words in lab 02's, and what every container may open.
//!
//! Source: runtime specification, config-linux.md, "Allowed Device list".

use cgroups::devices::{ANY, Access, Hole, Kind, List, Rule};
use ground::{Error, Result};
use oci::runtime::DeviceRule;

/// The list that the rules come to, with what every container may open after them, as runc has it:
/// without it the default nodes would be there and closed. Making any node is harmless; opening it is
/// what counts. It begins with everything denied, as runc's, whether the first rule says so or not:
/// the specification calls it the list of what is allowed. `None` where there are no rules.
///
/// # Errors
/// A type, a number or an access that there is not; a rule that cannot be kept.
pub(super) fn list(given: &[DeviceRule]) -> Result<Option<List>> {
    if given.is_empty() {
        return Ok(None);
    }
    let nothing = Rule { allow: false, ..Rule::EVERYTHING };
    let rules = given.iter().enumerate().map(|(index, it)| rule(index, it));
    let rules = rules.collect::<Result<Vec<_>>>()?;
    let all: Vec<Rule> = [nothing].into_iter().chain(rules).chain(always()).collect();
    List::of(&all).map(Some).map_err(|hole| impossible(&all, hole, given.len()))
}

fn always() -> impl Iterator<Item = Rule> {
    let numbered = |major, minor| (Kind::Char, Some(major), Some(minor));
    let always = [
        ((Kind::Char, ANY, ANY), "m"),
        ((Kind::Block, ANY, ANY), "m"),
        (numbered(1, 3), "rwm"),
        (numbered(1, 5), "rwm"),
        (numbered(1, 7), "rwm"),
        (numbered(1, 8), "rwm"),
        (numbered(1, 9), "rwm"),
        (numbered(5, 0), "rwm"),
        (numbered(5, 2), "rwm"),
        ((Kind::Char, Some(136), ANY), "rwm"),
    ];
    always.into_iter().filter_map(|((kind, major, minor), access)| {
        Some(Rule { allow: true, kind, major, minor, access: Access::of(access)? })
    })
}

/// What the kernel's own list would ignore without a word, and leave more open than was asked for.
fn impossible(all: &[Rule], Hole { rule, wildcard }: Hole, given: usize) -> Error {
    let place = match rule.checked_sub(1).filter(|index| *index < given) {
        Some(index) => format!("linux.resources.devices[{index}]"),
        None => "linux.resources.devices".to_owned(),
    };
    let verb = |allow| if allow { "allowed" } else { "denied" };
    let line = all.get(rule).map(Rule::line).unwrap_or_default();
    let (allow, before) = (verb(!wildcard.allow), verb(wildcard.allow));
    Error::new(format!("{place} cannot be kept"))
        .why(format!("{line} would be {allow}, a hole in {} that is {before}", wildcard.line()))
        .fix("name the devices one by one instead of all at once")
}

fn rule(index: usize, given: &DeviceRule) -> Result<Rule> {
    let wrong = |field: &str, found: &dyn std::fmt::Display, fix: &str| {
        Error::new(format!("linux.resources.devices[{index}].{field} makes no sense"))
            .why(format!("it is {found}"))
            .fix(fix)
    };
    let kind = match given.kind.as_deref() {
        None | Some("" | "a") => Kind::All,
        Some("b") => Kind::Block,
        Some("c" | "u") => Kind::Char,
        Some(other) => return Err(wrong("type", &other, "a for all, b, c or u")),
    };
    let number = |field, number: Option<i64>| match number {
        None | Some(-1) => Ok(ANY),
        Some(it) => {
            let number = u32::try_from(it).map(Some);
            number.map_err(|_| wrong(field, &it, "a device's number, or -1 for every one"))
        }
    };
    let letters = given.access.as_deref().filter(|it| !it.is_empty()).unwrap_or("rwm");
    let access = Access::of(letters).ok_or_else(|| wrong("access", &letters, "letters of rwm"))?;
    let (major, minor) = (number("major", given.major)?, number("minor", given.minor)?);
    Ok(Rule { allow: given.allow, kind, major, minor, access })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(given: &[DeviceRule]) -> Vec<String> {
        list(given).unwrap().iter().flat_map(List::rules).map(|it| it.line()).collect()
    }

    #[test]
    fn rules_bring_what_every_container_may_open() {
        let all = DeviceRule { allow: false, access: Some("rwm".to_owned()), ..Default::default() };
        let lines = lines(&[all]);
        assert_eq!(lines[0], "a *:* rwm");
        assert!(lines.contains(&"c 1:3 rwm".to_owned()), "{lines:?}");
        assert_eq!(list(&[]).unwrap(), None);
    }

    fn null(allow: bool, access: &str) -> DeviceRule {
        DeviceRule {
            allow,
            kind: Some("c".to_owned()),
            major: Some(1),
            minor: Some(3),
            access: Some(access.to_owned()),
        }
    }

    #[test]
    fn what_the_rules_allow_is_not_said_twice_and_what_they_deny_is_open_again() {
        let times = |given: &[DeviceRule]| {
            lines(given).into_iter().filter(|it| it.starts_with("c 1:3 ")).collect::<Vec<_>>()
        };
        assert_eq!(times(&[null(true, "rwm")]), ["c 1:3 rwm"]);
        assert_eq!(times(&[null(true, "rwm"), null(false, "w")]), ["c 1:3 rwm"]);
    }

    #[test]
    fn a_list_that_does_not_begin_with_everything_allows_what_it_names() {
        let list = list(&[null(false, "w")]).unwrap().unwrap();
        assert!(!list.allows_by_default());
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_named() {
        let access = DeviceRule { access: Some("rx".to_owned()), ..Default::default() };
        let error = list(&[access]).unwrap_err();
        assert_eq!(error.what, "linux.resources.devices[0].access makes no sense");
        let many = |allow| DeviceRule { major: None, minor: None, ..null(allow, "w") };
        let error = list(&[many(true), null(false, "rw")]).unwrap_err();
        assert_eq!(error.what, "linux.resources.devices[1] cannot be kept");
        let why = "c 1:3 rw would be denied, a hole in c *:* w that is allowed";
        assert_eq!(error.why.unwrap(), why);
        let all = DeviceRule { allow: true, ..Default::default() };
        let error = list(&[all, many(false)]).unwrap_err();
        assert_eq!(error.what, "linux.resources.devices cannot be kept");
    }
}
