//! Names: an ID that nobody else has, a name that is free, and finding a container by either.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Read},
};

use ground::{Error, Result};
use serde::Deserialize;

use super::{Record, record};
use crate::layout::Layout;

/// What somebody who names a container means.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// This one.
    One(Box<Record>),
    /// There is none of that name, and no ID starts so.
    None,
    /// Several IDs start so.
    Many,
}

/// Finds a container by its ID, its name, or the first digits of its ID, looked for in this order.
///
/// # Errors
/// A directory or a record that cannot be read.
pub fn find(layout: &Layout, text: &str) -> Result<Found> {
    let ids = record::ids(layout)?;
    // Also asked of the list: a text with a slash would be some other directory.
    if ids.iter().any(|id| id == text)
        && let Some(record) = Record::read(&layout.container(text))?
    {
        return Ok(Found::One(Box::new(record)));
    }
    if let Some(record) = named(layout, &ids, text.strip_prefix('/').unwrap_or(text))? {
        return Ok(Found::One(Box::new(record)));
    }
    let mut fitting = Vec::new();
    for id in ids.iter().filter(|id| !text.is_empty() && id.starts_with(text)) {
        fitting.extend(Record::read(&layout.container(id))?);
    }
    Ok(match (fitting.pop(), fitting.len()) {
        (Some(record), 0) => Found::One(Box::new(record)),
        (Some(_), _) => Found::Many,
        (None, _) => Found::None,
    })
}

/// The container of this name. Among many, parsing is what takes time, so only records in which the
/// name occurs are parsed.
fn named(layout: &Layout, ids: &[String], name: &str) -> Result<Option<Record>> {
    let quoted = format!("\"{name}\"");
    let finder = memchr::memmem::Finder::new(&quoted);
    for layout in ids.iter().map(|id| layout.container(id)) {
        let is_mentioned = fs::read(layout.record()).is_ok_and(|it| finder.find(&it).is_some());
        if is_mentioned
            && let Some(record) = Record::read(&layout)?
            && record.name == name
        {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// Why a record was not added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAdded {
    /// The name belongs to the container of this ID.
    NameTaken(String),
    /// Something failed.
    Failed(Error),
}

impl From<Error> for NotAdded {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Makes the directory of a container and writes its record, if its name is free. An empty name
/// gets replaced by one that is. `furnish` makes whatever else a container has.
///
/// Atomic: without a record the directory does not count, so that comes last; and what a killed
/// process left of one is swept here, under the lock that all who add containers hold.
///
/// # Errors
/// [`NotAdded::NameTaken`], what `furnish` says, or a failed file operation.
pub fn add(
    layout: &Layout,
    record: &mut Record,
    furnish: impl FnOnce(&Record) -> Result<()>,
) -> Result<(), NotAdded> {
    let dir = layout.containers();
    let cannot = |error: io::Error| {
        Error::new("cannot make a container")
            .io(format_args!("mkdir {}", dir.display()), &error)
            .fix("free some space, or choose another directory with --root")
    };
    fs::create_dir_all(&dir).map_err(cannot)?;
    let _lock = record::lock(&dir).map_err(cannot)?;
    sweep(layout);
    let ids = record::ids(layout)?;
    if record.name.is_empty() {
        record.name = free_name(layout, &ids, &record.id);
    } else if let Some(other) = named(layout, &ids, &record.name)? {
        return Err(NotAdded::NameTaken(other.id));
    }
    let layout = layout.container(&record.id);
    for dir in [layout.dir().to_owned(), layout.bundle()] {
        fs::create_dir(dir).map_err(cannot)?;
    }
    let made = furnish(record).and_then(|()| record.write(&layout));
    made.inspect_err(|_| drop(crate::tree::remove(layout.dir())))?;
    Ok(())
}

/// Gives a container another name, if that is free.
///
/// # Errors
/// As [`add`].
pub fn rename(layout: &Layout, record: &Record, name: &str) -> Result<(), NotAdded> {
    let dir = layout.containers();
    let _lock = record::lock(&dir)
        .map_err(|error| Error::new("cannot rename a container").io(dir.display(), &error))?;
    if let Some(other) = named(layout, &record::ids(layout)?, name)? {
        return Err(NotAdded::NameTaken(other.id));
    }
    Ok(Record::update(&layout.container(&record.id), |record| {
        name.clone_into(&mut record.name);
        Ok(())
    })?)
}

/// Removes directories without a record: their maker died before it was done.
fn sweep(layout: &Layout) {
    let Ok(entries) = fs::read_dir(layout.containers()) else { return };
    for entry in entries.flatten() {
        let dir = entry.file_name();
        let layout = layout.container(&dir.to_string_lossy());
        if !layout.record().exists() {
            // Somebody who removes a container holds its lock and does not need our help.
            if File::open(layout.dir()).is_ok_and(|dir| dir.try_lock().is_ok()) {
                let _ = crate::tree::remove(layout.dir());
            }
        }
    }
}

/// A fresh ID: 256 random bits.
///
/// # Errors
/// When /dev/urandom cannot be read.
pub fn fresh_id() -> Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Error::new("cannot make an ID").io("read /dev/urandom", &error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

const ADJECTIVES: [&str; 16] = [
    "brave", "calm", "clever", "eager", "gentle", "happy", "keen", "kind", "lively", "modest",
    "patient", "proud", "quiet", "swift", "tidy", "wise",
];

/// People to whom containers owe something.
const NAMES: [&str; 16] = [
    "biederman",
    "bovet",
    "cerf",
    "dijkstra",
    "hopper",
    "kamp",
    "kernighan",
    "liskov",
    "lovelace",
    "mckusick",
    "menage",
    "ritchie",
    "thompson",
    "torvalds",
    "turing",
    "watson",
];

/// `quiet_hopper`: chosen by the ID, so that it needs no further randomness.
fn free_name(layout: &Layout, ids: &[String], id: &str) -> String {
    let taken = names(layout, ids);
    let number = id.get(..8).and_then(|digits| usize::from_str_radix(digits, 16).ok()).unwrap_or(0);
    let name = |number: usize| {
        let adjective = ADJECTIVES[number % ADJECTIVES.len()];
        let person = NAMES[number / ADJECTIVES.len() % NAMES.len()];
        format!("{adjective}_{person}")
    };
    let all = ADJECTIVES.len() * NAMES.len();
    (number..number + all)
        .map(name)
        .find(|name| !taken.contains(name))
        .unwrap_or_else(|| format!("{}_{}", name(number), id.get(..12).unwrap_or(id)))
}

/// All names, of records that can be read.
fn names(layout: &Layout, ids: &[String]) -> HashSet<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let name = |id: &String| {
        let record = fs::read(layout.container(id).record()).ok()?;
        serde_json::from_slice(&record).ok().map(|named: Named| named.name)
    };
    ids.iter().filter_map(name).collect()
}
