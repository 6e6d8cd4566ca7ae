//! Device rules: config.json's words in lab 02's, and what every container may open.
//!
//! Source: runtime specification, config-linux.md, "Allowed Device list".

use cgroups::devices::{ANY, Access, Kind, Rule};
use ground::{Error, Result};
use oci::runtime::DeviceRule;

/// The rules, and after them what every container may open, as runc has it: without it the default
/// nodes would be there and closed. Making any node is harmless; opening it is what counts. What
/// engines write they mostly allow already, and it is not said twice. No rules stay none.
///
/// # Errors
/// A type, a number or an access that there is not.
pub(super) fn rules(given: &[DeviceRule]) -> Result<Vec<Rule>> {
    if given.is_empty() {
        return Ok(Vec::new());
    }
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
    let always = always.into_iter().filter_map(|((kind, major, minor), access)| {
        Some(Rule { allow: true, kind, major, minor, access: Access::of(access)? })
    });
    let rules = given.iter().enumerate().map(|(index, it)| rule(index, it));
    let mut rules = rules.collect::<Result<Vec<_>>>()?;
    // What is allowed since the last denial stays so.
    let denials = rules.iter().rposition(|it| !it.allow).map_or(0, |last| last + 1);
    let allowed = rules.split_off(denials);
    let more = always.filter(|it| !allowed.contains(it)).collect::<Vec<_>>();
    Ok(rules.into_iter().chain(allowed.iter().copied()).chain(more).collect())
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

    #[test]
    fn rules_bring_what_every_container_may_open() {
        let all = DeviceRule { allow: false, access: Some("rwm".to_owned()), ..Default::default() };
        let lines: Vec<String> = rules(&[all]).unwrap().iter().map(Rule::line).collect();
        assert_eq!(lines[0], "a *:* rwm");
        assert!(lines.contains(&"c 1:3 rwm".to_owned()), "{lines:?}");
        assert_eq!(rules(&[]).unwrap(), []);
    }

    #[test]
    fn what_the_rules_allow_is_not_said_twice_unless_it_was_denied_since() {
        let null = |allow| DeviceRule {
            allow,
            kind: Some("c".to_owned()),
            major: Some(1),
            minor: Some(3),
            access: Some("rwm".to_owned()),
        };
        let times = |given: &[DeviceRule]| {
            let lines = rules(given).unwrap().into_iter().filter(|it| it.allow);
            lines.filter(|it| it.line() == "c 1:3 rwm").count()
        };
        assert_eq!(times(&[null(true)]), 1);
        assert_eq!(times(&[null(true), null(false)]), 2);
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_named() {
        let access = DeviceRule { access: Some("rx".to_owned()), ..Default::default() };
        let error = rules(&[access]).unwrap_err();
        assert_eq!(error.what, "linux.resources.devices[0].access makes no sense");
    }
}
