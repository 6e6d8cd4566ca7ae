//! Names: an ID that nobody else has, a name that is free, and finding a container by either.

use std::{
    fs::{self, File},
    io::{self, Read},
};

use ground::{Error, Result};

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
/// As [`Record::all`].
pub fn find(layout: &Layout, text: &str) -> Result<Found> {
    let records = Record::all(layout)?;
    let name = text.strip_prefix('/').unwrap_or(text);
    let exactly = records.iter().find(|record| record.id == text || record.name == name);
    if let Some(record) = exactly {
        return Ok(Found::One(Box::new(record.clone())));
    }
    let mut fitting =
        records.iter().filter(|record| !text.is_empty() && record.id.starts_with(text));
    Ok(match (fitting.next(), fitting.next()) {
        (Some(record), None) => Found::One(Box::new(record.clone())),
        (None, _) => Found::None,
        (Some(_), Some(_)) => Found::Many,
    })
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
/// gets replaced by one that is.
///
/// Atomic: without a record the directory does not count, and what a killed process left of one is
/// swept here, under the lock that all who add containers hold.
///
/// # Errors
/// [`NotAdded::NameTaken`], or a failed file operation.
pub fn add(layout: &Layout, record: &mut Record) -> Result<(), NotAdded> {
    let dir = layout.containers();
    let cannot = |error: io::Error| {
        Error::new("cannot make a container")
            .io(format_args!("mkdir {}", dir.display()), &error)
            .fix("free some space, or choose another directory with --root")
    };
    fs::create_dir_all(&dir).map_err(cannot)?;
    let _lock = record::lock(&dir).map_err(cannot)?;
    sweep(layout);
    let others = Record::all(layout)?;
    if record.name.is_empty() {
        record.name = free_name(&others, &record.id);
    }
    if let Some(other) = others.iter().find(|other| other.name == record.name) {
        return Err(NotAdded::NameTaken(other.id.clone()));
    }
    let layout = layout.container(&record.id);
    for dir in [layout.dir().to_owned(), layout.bundle()] {
        fs::create_dir(dir).map_err(cannot)?;
    }
    Ok(record.write(&layout)?)
}

/// Gives a container another name, if that is free.
///
/// # Errors
/// As [`add`].
pub fn rename(layout: &Layout, record: &Record, name: &str) -> Result<(), NotAdded> {
    let dir = layout.containers();
    let _lock = record::lock(&dir)
        .map_err(|error| Error::new("cannot rename a container").io(dir.display(), &error))?;
    let others = Record::all(layout)?;
    if let Some(other) = others.iter().find(|other| other.name == name) {
        return Err(NotAdded::NameTaken(other.id.clone()));
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
fn free_name(others: &[Record], id: &str) -> String {
    let number = id.get(..8).and_then(|digits| usize::from_str_radix(digits, 16).ok()).unwrap_or(0);
    let name = |number: usize| {
        let adjective = ADJECTIVES[number % ADJECTIVES.len()];
        let person = NAMES[number / ADJECTIVES.len() % NAMES.len()];
        format!("{adjective}_{person}")
    };
    let all = ADJECTIVES.len() * NAMES.len();
    let is_free = |name: &String| others.iter().all(|other| other.name != *name);
    (number..number + all)
        .map(name)
        .find(is_free)
        .unwrap_or_else(|| format!("{}_{}", name(number), id.get(..12).unwrap_or(id)))
}
