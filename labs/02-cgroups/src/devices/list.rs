//! The list: what rules come to, read in their order, as v1 keeps them.
//!
//! v1 has one default for all devices and the exceptions from it. A rule that says what the default
//! says takes exceptions away; any other is an exception, and joins one of the same devices: so
//! `allow 10:229 r` and `allow 10:229 w` are `rw`, and `deny 10:229 w` after them leaves `r`.
//!
//! | default | asked for is allowed when |
//! |---|---|
//! | deny | one exception has all of it |
//! | allow | no exception has any of it |
//!
//! An exception about many devices has no hole for one of them. The kernel ignores a rule that would
//! make one, and says nothing; here it is a [`Hole`]. It also ignores a rule about many devices that
//! would take away exceptions about some of them; here it takes them.
//!
//! Source: the kernel's security/device_cgroup.c, `match_exception`, `match_exception_partial`.

use super::{Access, Kind, Rule};

/// What rules come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Whether what no exception names is allowed; `None` where no rule was about everything, and it
    /// is as in a fresh group: allowed.
    default: Option<bool>,
    exceptions: Vec<Rule>,
}

/// A rule that the list has no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// Which of the rules.
    pub rule: usize,
    /// The exception that it would make a hole in.
    pub wildcard: Rule,
}

impl List {
    /// The list after all of these rules.
    ///
    /// # Errors
    /// A rule about some of the devices of an earlier one that says the contrary.
    pub fn of(rules: &[Rule]) -> Result<Self, Hole> {
        let mut list = Self { default: None, exceptions: Vec::new() };
        for (index, rule) in rules.iter().enumerate() {
            list.add(rule).map_err(|wildcard| Hole { rule: index, wildcard })?;
        }
        Ok(list)
    }

    /// Whether what no exception names is allowed.
    pub fn allows_by_default(&self) -> bool {
        self.default.unwrap_or(true)
    }

    /// The devices that are treated otherwise.
    pub fn exceptions(&self) -> &[Rule] {
        &self.exceptions
    }

    /// The shortest rules that come to this list: v1's lines.
    pub fn rules(&self) -> impl Iterator<Item = Rule> {
        let everything = self.default.map(|allow| Rule { allow, ..Rule::EVERYTHING });
        everything.into_iter().chain(self.exceptions.iter().copied())
    }

    fn add(&mut self, rule: &Rule) -> Result<(), Rule> {
        if (Rule { allow: true, ..*rule }) == Rule::EVERYTHING {
            *self = Self { default: Some(rule.allow), exceptions: Vec::new() };
            return Ok(());
        }
        // v1 reads `a` as everything, whatever stands behind it.
        let kinds: &[Kind] = match &rule.kind {
            Kind::All => &[Kind::Block, Kind::Char],
            one => std::slice::from_ref(one),
        };
        kinds.iter().try_for_each(|kind| {
            let rule = Rule { kind: *kind, ..*rule };
            if rule.allow == self.allows_by_default() { self.take(&rule) } else { self.put(rule) }
        })
    }

    fn put(&mut self, rule: Rule) -> Result<(), Rule> {
        match self.exceptions.iter_mut().find(|it| it.nodes() == rule.nodes()) {
            Some(same) => same.access.0 |= rule.access.0,
            None => self.exceptions.push(rule),
        }
        Ok(())
    }

    fn take(&mut self, rule: &Rule) -> Result<(), Rule> {
        let wider = self.exceptions.iter().find(|it| it.meets(rule) && !rule.covers(it));
        if let Some(wider) = wider {
            return Err(*wider);
        }
        let covered = self.exceptions.iter_mut().filter(|it| rule.covers(it));
        covered.for_each(|it| it.access.0 &= !rule.access.0);
        self.exceptions.retain(|it| it.access != Access(0));
        Ok(())
    }
}

impl Rule {
    fn nodes(&self) -> (Kind, Option<u32>, Option<u32>) {
        (self.kind, self.major, self.minor)
    }

    /// Whether all devices of another rule are ours, too.
    fn covers(&self, other: &Self) -> bool {
        let all = |ours: Option<u32>, theirs| ours.is_none() || ours == theirs;
        self.kind == other.kind && all(self.major, other.major) && all(self.minor, other.minor)
    }

    /// Whether there is a device, and a way to use it, that both rules are about.
    fn meets(&self, other: &Self) -> bool {
        let some = |ours: Option<u32>, theirs: Option<u32>| {
            ours.is_none() || theirs.is_none_or(|it| ours == Some(it))
        };
        self.kind == other.kind
            && some(self.major, other.major)
            && some(self.minor, other.minor)
            && self.access.0 & other.access.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules as text: `+c 10:229 rw` allows, `-a *:* rwm` denies.
    fn rules(text: &[&str]) -> Vec<Rule> {
        let number = |it: &str| it.parse().ok();
        let rule = |text: &&str| {
            let words: Vec<_> = text[1..].split([' ', ':']).collect();
            let kind = match words[0] {
                "a" => Kind::All,
                "b" => Kind::Block,
                _ => Kind::Char,
            };
            let (major, minor) = (number(words[1]), number(words[2]));
            let access = Access::of(words[3]).unwrap();
            Rule { allow: text.starts_with('+'), kind, major, minor, access }
        };
        text.iter().map(rule).collect()
    }

    #[track_caller]
    fn check(given: &[&str], expected: Result<&[&str], (usize, &str)>) {
        let told = |it: &Rule| format!("{}{}", if it.allow { '+' } else { '-' }, it.line());
        let list = List::of(&rules(given));
        let list = list.map(|it| it.rules().map(|it| told(&it)).collect::<Vec<_>>());
        let list = list.map_err(|hole| (hole.rule, told(&hole.wildcard)));
        let expected = expected.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(list, expected.map_err(|(rule, wildcard)| (rule, wildcard.to_owned())));
    }

    #[test]
    fn rules_about_the_same_devices_are_one() {
        let nothing = "-a *:* rwm";
        check(&[nothing, "+c 10:229 r", "+c 10:229 w"], Ok(&[nothing, "+c 10:229 rw"]));
        check(&[nothing, "+c 10:229 rwm", "-c 10:229 w"], Ok(&[nothing, "+c 10:229 rm"]));
        check(&[nothing, "+c 10:229 r", "-c 10:229 rw"], Ok(&[nothing]));
        check(&["+a *:* rwm", "-c 1:1 w", "-c 1:1 r"], Ok(&["+a *:* rwm", "-c 1:1 rw"]));
        check(&["-c 1:1 w", "+c 1:1 w"], Ok(&[]));
    }

    #[test]
    fn the_last_rule_about_everything_is_where_the_list_begins() {
        check(&["+c 1:1 r", "-a *:* rwm", "+c 1:3 r"], Ok(&["-a *:* rwm", "+c 1:3 r"]));
        let reading = ["-a *:* rwm", "+b *:* r", "+c *:* r"];
        check(&["-a *:* rwm", "+a *:* r"], Ok(&reading));
    }

    #[test]
    fn many_devices_take_some_with_them_and_some_make_no_hole_in_many() {
        let nothing = "-a *:* rwm";
        check(&[nothing, "+c 10:229 rw", "-c 10:* w"], Ok(&[nothing, "+c 10:229 r"]));
        check(&[nothing, "+c 10:* rw", "-c 10:229 w"], Err((2, "+c 10:* rw")));
        check(&[nothing, "+c 10:* r", "-c *:229 rw"], Err((2, "+c 10:* r")));
        check(&[nothing, "+c 10:* r", "-c 10:229 w"], Ok(&[nothing, "+c 10:* r"]));
        check(&["-c *:* w", "+c 1:3 rwm"], Err((1, "-c *:* w")));
    }
}
