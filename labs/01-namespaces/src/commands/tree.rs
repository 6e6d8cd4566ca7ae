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

use super::{ls::source, told};
use crate::process;

/// Draws both trees.
pub fn tree(narrator: &mut Narrator<'_>) -> Result<ExitCode> {
    let census = census::take()?;
    for kind in [Kind::Pid, Kind::User] {
        told(narrator.table(&Family::of(kind, &census).table(source(&census))))?;
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

    fn table(&self, source: String) -> Table {
        let columns = ["NAMESPACE", "LIES IN", "OWNER", "NPROCS", "PID", "USER", "COMMAND"];
        let mut table =
            Table::new(columns).title(format!("{source}; NS_GET_PARENT, NS_GET_USERNS"));
        for (depth, id) in self.in_order() {
            table.push(self.row(depth, id));
        }
        table
    }

    fn row(&self, depth: usize, id: Id) -> [String; 7] {
        let name = match depth {
            0 => id.to_string(),
            depth => format!("{}└─ {id}", "   ".repeat(depth - 1)),
        };
        let or_none = |other: Option<&Id>| other.map_or_else(|| "-".to_owned(), Id::to_string);
        let pids = self.members.get(&id).map(|found| found.pids.as_slice()).unwrap_or_default();
        let first = pids.first().copied();
        [
            name,
            or_none(self.parents.get(&id).and_then(Option::as_ref)),
            or_none(self.owners.get(&id)),
            pids.len().to_string(),
            first.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            first.map_or_else(|| "-".to_owned(), process::user),
            first.map_or_else(|| "-".to_owned(), process::command),
        ]
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
