//! Events: what happened to containers, images and volumes, one JSON object a line, in Docker's
//! words.
//!
//! There is no daemon that could tell it, so whoever does a thing writes it down: the verbs, and the
//! monitors. A line is one write(2) to a file opened with O_APPEND, so lines of many processes stand
//! one after the other and each is whole. A file that has grown to 4 MiB becomes the older
//! one of two; what was in the oldest is forgotten.
//!
//! ```text
//! {"status":"start","id":"6d0f..","from":"alpine","Type":"container","Action":"start",
//!  "Actor":{"ID":"6d0f..","Attributes":{"image":"alpine","name":"box"}},
//!  "scope":"local","time":1763700000,"timeNano":1763700000123456789}
//! ```
//!
//! Source: Docker Engine API v1.48, "Monitor events".

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// How long a file of events gets, in bytes. There are two of them.
const MOST: u64 = 4 << 20;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A volume.
    Volume,
    /// A network.
    Network,
}

/// Who it happened to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Actor {
    /// The ID of a container, an image or a network; the name of a volume.
    #[serde(rename = "ID")]
    pub id: String,
    /// `image`, `name`, `exitCode`, `signal` and the like, and the labels.
    pub attributes: BTreeMap<String, String>,
}

/// Something that happened. On disk it is Docker's object, which says some of it twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Event {
    /// What it is about.
    pub kind: Type,
    /// `create`, `die`, `exec_start: sh -c true`, `health_status: healthy`, ..
    pub action: String,
    /// Who it happened to.
    pub actor: Actor,
    /// When, in nanoseconds since 1970.
    pub time_nano: u64,
}

impl Event {
    /// Something that happens now.
    pub fn now(kind: Type, action: &str, id: &str) -> Self {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            kind,
            action: action.to_owned(),
            actor: Actor { id: id.to_owned(), attributes: BTreeMap::new() },
            time_nano: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// The same event, with an attribute more.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.actor.attributes.insert(name.to_owned(), value.into());
        self
    }

    /// Writes it down in the file `path` ([`crate::layout::Layout::events`]). A full disk loses
    /// the event, and not what it tells of: nobody is told.
    pub fn record(&self, path: &Path) {
        let _ = append(path, self);
    }
}

fn append(path: &Path, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    let open = || OpenOptions::new().append(true).create(true).open(path);
    let mut file = open()?;
    if file.metadata()?.len() >= MOST {
        rotate(path, &file)?;
        file = open()?;
    }
    file.write_all(&line)
}

/// Makes the file the older one, unless somebody was faster.
fn rotate(path: &Path, full: &File) -> io::Result<()> {
    full.lock()?;
    match fs::metadata(path) {
        Ok(named) if named.ino() == full.metadata()?.ino() => fs::rename(path, older(path)),
        _ => Ok(()),
    }
}

/// The name of the older file: `events.json.1`.
fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

/// Reads events, the oldest first, while more may come.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    // The older file first, if there is one.
    files: Vec<BufReader<File>>,
    begun: Vec<u8>,
}

impl Reader {
    /// Begins with the oldest event that is remembered.
    ///
    /// # Errors
    /// As open(2); that nothing ever happened is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        for path in [older(path), path.to_owned()] {
            files.extend(open(&path)?);
        }
        Ok(Self { path: path.to_owned(), files, begun: Vec::new() })
    }

    /// The next event; `None` when nothing further has happened yet: ask again later.
    ///
    /// # Errors
    /// As read(2). A line that is no event is passed over.
    pub fn next_event(&mut self) -> io::Result<Option<Event>> {
        loop {
            let Some(file) = self.files.first_mut() else {
                self.files.extend(open(&self.path)?);
                if self.files.is_empty() {
                    return Ok(None);
                }
                continue;
            };
            file.read_until(b'\n', &mut self.begun)?;
            if self.begun.last() == Some(&b'\n') {
                let event = serde_json::from_slice(&self.begun).ok();
                self.begun.clear();
                if event.is_some() {
                    return Ok(event);
                }
            } else if !self.has_next()? {
                return Ok(None);
            }
        }
    }

    /// At the end of a file: goes on with the next one, if this one was rotated away.
    fn has_next(&mut self) -> io::Result<bool> {
        if self.files.len() == 1 {
            let Some(fresh) = open(&self.path)? else { return Ok(false) };
            if fresh.get_ref().metadata()?.ino() == self.files[0].get_ref().metadata()?.ino() {
                return Ok(false);
            }
            self.files.push(fresh);
        }
        self.files.remove(0);
        self.begun.clear();
        Ok(true)
    }
}

fn open(path: &Path) -> io::Result<Option<BufReader<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::with_capacity(64 << 10, file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Docker's object.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(rename = "Type")]
    kind: Type,
    #[serde(rename = "Action")]
    action: String,
    #[serde(rename = "Actor")]
    actor: Actor,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    time: u64,
    #[serde(rename = "timeNano")]
    time_nano: u64,
}

impl From<Event> for Written {
    fn from(event: Event) -> Self {
        // The old names are there for containers and images only.
        let is_old = matches!(event.kind, Type::Container | Type::Image);
        Self {
            status: is_old.then(|| event.action.clone()),
            id: is_old.then(|| event.actor.id.clone()),
            from: event.actor.attributes.get("image").filter(|_| is_old).cloned(),
            kind: event.kind,
            action: event.action,
            actor: event.actor,
            scope: "local".into(),
            time: event.time_nano / 1_000_000_000,
            time_nano: event.time_nano,
        }
    }
}

impl From<Written> for Event {
    fn from(written: Written) -> Self {
        let Written { kind, action, actor, time_nano, .. } = written;
        Self { kind, action, actor, time_nano }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(reader: &mut Reader) -> Vec<String> {
        std::iter::from_fn(|| reader.next_event().unwrap()).map(|event| event.action).collect()
    }

    #[test]
    fn an_event_is_dockers_object_and_comes_back() {
        let event =
            Event { time_nano: 1_500_000_000, ..Event::now(Type::Container, "die", "6d0f") }
                .with("image", "alpine")
                .with("exitCode", "1");
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(
            json,
            r#"{"status":"die","id":"6d0f","from":"alpine","Type":"container","Action":"die","Actor":{"ID":"6d0f","Attributes":{"exitCode":"1","image":"alpine"}},"scope":"local","time":1,"timeNano":1500000000}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }

    #[test]
    fn a_reader_goes_on_while_files_are_rotated_below_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.json");
        let mut reader = Reader::open(&path).unwrap();
        assert_eq!(actions(&mut reader), [""; 0]);
        Event::now(Type::Volume, "create", "one").record(&path);
        assert_eq!(actions(&mut reader), ["create"]);
        let long = Event::now(Type::Image, "pull", "x").with("name", "x".repeat(1 << 20));
        for _ in 0..5 {
            long.record(&path);
        }
        Event::now(Type::Volume, "destroy", "one").record(&path);
        assert_eq!(actions(&mut reader), ["pull", "pull", "pull", "pull", "pull", "destroy"]);
        assert!(older(&path).exists());
        let mut later = Reader::open(&path).unwrap();
        assert_eq!(actions(&mut later).len(), 7);
    }
}
