//! tree: the two kinds that nest, PID and user, drawn as they lie in one another.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use ground::{Narrator, Result, Table};
use namespaces::{
    Id, Kind,
    census::{self, Census, Held, Members},
};
use nix::unistd::Pid;

use super::{ls::who, told};
use crate::process;

/// Draws both trees; for a program, `json`, the surroundings are a column instead.
pub fn tree(narrator: &mut Narrator<'_>, json: bool) -> Result<ExitCode> {
    let census = census::take()?;
    for kind in [Kind::Pid, Kind::User] {
        let family = Family::of(kind, &census);
        let title = format!("{} namespaces of {}", kind.name(), who(&census));
        let table = if json { family.rows() } else { family.drawing() };
        told(narrator.table(&table.title(title)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The namespaces of one kind: who lies in whom.
#[derive(Debug)]
struct Family {
    /// `None` for those whose surroundings we may not see.
    parents: BTreeMap<Id, Option<Id>>,
    owners: BTreeMap<Id, Id>,
    members: BTreeMap<Id, Members>,
}

impl Family {
    fn of(kind: Kind, census: &Census) -> Self {
        let members = census.namespaces.iter().filter(|found| found.id.kind == kind);
        let members: BTreeMap<Id, Members> =
            members.map(|found| (found.id, found.clone())).collect();
        let mut family = Self { parents: BTreeMap::new(), owners: BTreeMap::new(), members };
        for found in census.namespaces.iter().filter(|found| found.id.kind == kind) {
            // A process that has ended meanwhile leaves a namespace without known relatives.
            let held = found.pids.iter().find_map(|pid| Held::of(*pid, kind).ok());
            family.add(found.id, held);
        }
        family
    }

    /// Notes a namespace and all around it, also those that no process is left in.
    fn add(&mut self, id: Id, held: Option<Held>) {
        if self.parents.contains_key(&id) {
            return;
        }
        let owner = held.as_ref().and_then(|held| held.owner().ok()?);
        let around = held.and_then(|held| held.parent().ok()?);
        let around = around.and_then(|held| Some((held.id().ok()?, held)));
        self.parents.insert(id, around.as_ref().map(|(id, _)| *id));
        if let Some(owner) = owner.and_then(|held| held.id().ok()) {
            self.owners.insert(id, owner);
        }
        if let Some((around, held)) = around {
            self.add(around, Some(held));
        }
    }

    /// For a person: what lies in a namespace stands below it.
    fn drawing(&self) -> Table {
        let mut table = Table::new(["NAMESPACE", "OWNER", "NPROCS", "PID", "USER", "COMMAND"]);
        for (depth, id) in self.in_order() {
            let name = match depth {
                0 => id.ino.to_string(),
                depth => format!("{}└─ {}", "   ".repeat(depth - 1), id.ino),
            };
            let owner = self.owners.get(&id).map_or_else(none, |owner| owner.ino.to_string());
            let command = self.first(id).map_or_else(none, |pid| process::cut(pid, 16));
            let [members, first, user] = self.facts(id);
            table.push([name, owner, members, first, user, command]);
        }
        table
    }

    /// For a program: the same order, and each with the namespace it lies in.
    fn rows(&self) -> Table {
        let columns = ["NAMESPACE", "LIES IN", "OWNER", "NPROCS", "PID", "USER", "COMMAND"];
        let mut table = Table::new(columns);
        for (_, id) in self.in_order() {
            let around = name_of(self.parents.get(&id).and_then(Option::as_ref));
            let owner = name_of(self.owners.get(&id));
            let command = self.first(id).map_or_else(none, process::command);
            let [members, first, user] = self.facts(id);
            table.push([id.to_string(), around, owner, members, first, user, command]);
        }
        table
    }

    /// The number of its members, the first of them, and whose that is.
    fn facts(&self, id: Id) -> [String; 3] {
        let first = self.first(id);
        [
            self.members.get(&id).map_or(0, |found| found.pids.len()).to_string(),
            first.map_or_else(none, |pid| pid.to_string()),
            first.map_or_else(none, process::user),
        ]
    }

    fn first(&self, id: Id) -> Option<Pid> {
        self.members.get(&id)?.pids.first().copied()
    }

    /// Every namespace after the one around it, with its depth.
    fn in_order(&self) -> Vec<(usize, Id)> {
        let mut order = Vec::new();
        let tops: BTreeSet<Id> =
            self.parents.iter().filter(|(_, around)| around.is_none()).map(|(id, _)| *id).collect();
        let mut waiting: Vec<(usize, Id)> = tops.into_iter().rev().map(|id| (0, id)).collect();
        while let Some((depth, id)) = waiting.pop() {
            order.push((depth, id));
            let inside = self.parents.iter().rev().filter(|(_, around)| **around == Some(id));
            waiting.extend(inside.map(|(id, _)| (depth + 1, *id)));
        }
        order
    }
}

fn name_of(id: Option<&Id>) -> String {
    id.map_or_else(none, Id::to_string)
}

fn none() -> String {
    "-".to_owned()
}
