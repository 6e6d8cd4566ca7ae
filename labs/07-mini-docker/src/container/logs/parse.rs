//! A line of a log, read without a JSON parser where it is as we write it.
//!
//! `logs` of a long log does little else than undo escapes. What looks different, from another
//! program or with an escape that is rare, goes to the parser.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use super::{Line, Stream};

/// Any line, in JSON.
#[derive(Deserialize)]
struct Any<'a> {
    #[serde(default)]
    log: String,
    stream: Stream,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(default)]
    attrs: Option<Value>,
}

/// What was read from a line. Used again and again, so that no line costs an allocation.
#[derive(Debug)]
pub(super) struct Parsed {
    log: Vec<u8>,
    stream: Stream,
    time: String,
    attributes: Option<String>,
}

impl Parsed {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self { log: Vec::new(), stream: Stream::Stdout, time: String::new(), attributes: None }
    }

    /// Takes a line in. Not for what is none, as after a power cut: `false`.
    pub(super) fn read(&mut self, line: &[u8]) -> bool {
        self.attributes = None;
        self.plain(line).or_else(|| self.any(line)).is_some()
    }

    /// The line that was taken in last.
    pub(super) fn line(&self) -> Line<'_> {
        Line {
            log: &self.log,
            stream: self.stream,
            time: &self.time,
            attributes: self.attributes.as_deref(),
        }
    }

    fn any(&mut self, line: &[u8]) -> Option<()> {
        let Any { log, stream, time, attrs } = serde_json::from_slice(line).ok()?;
        self.log = log.into_bytes();
        self.stream = stream;
        self.time = time.into_owned();
        self.attributes = attrs.map(|attrs| attrs.to_string());
        Some(())
    }

    /// The usual line.
    fn plain(&mut self, line: &[u8]) -> Option<()> {
        self.log.clear();
        let mut rest = line.strip_prefix(b"{\"log\":\"")?;
        loop {
            let at = memchr::memchr2(b'"', b'\\', rest)?;
            self.log.extend_from_slice(&rest[..at]);
            if rest[at] == b'"' {
                rest = &rest[at + 1..];
                break;
            }
            self.log.push(match *rest.get(at + 1)? {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                quoted @ (b'"' | b'\\') => quoted,
                _ => return None,
            });
            rest = &rest[at + 2..];
        }
        let rest = rest.strip_prefix(b",\"stream\":\"std")?;
        let (stream, rest) = match rest.split_at_checked(3)? {
            (b"out", rest) => (Stream::Stdout, rest),
            (b"err", rest) => (Stream::Stderr, rest),
            _ => return None,
        };
        let time = rest.strip_prefix(b"\",\"time\":\"")?.strip_suffix(b"\"}\n")?;
        let is_plain = time.iter().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(byte));
        self.time.clear();
        self.time.push_str(std::str::from_utf8(time).ok().filter(|_| is_plain)?);
        self.stream = stream;
        Some(())
    }
}
