//! The writer: pieces of output become lines of JSON, and full files older ones.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::{PIECE, Stream, rotated};
use crate::container::record;

/// Text is handed to the kernel when there is this much of it.
const BATCH: usize = 256 << 10;

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The file that is written.
    pub path: PathBuf,
    /// How long it gets, in bytes, before it becomes an older one.
    pub max_size: Option<u64>,
    /// How many files there are at most, the written one included.
    pub max_files: u32,
    /// What is added to each line, a JSON object.
    pub attributes: Option<String>,
}

/// Appends to a log.
#[derive(Debug)]
pub struct Writer {
    target: Target,
    file: File,
    size: u64,
    // Begun lines, by stream.
    begun: [Vec<u8>; 2],
    // Empty between two writes: kept for its memory.
    text: Vec<u8>,
}

impl Writer {
    /// Opens the log for appending.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(target: Target) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(&target.path)?;
        let size = file.metadata()?.len();
        Ok(Self { target, file, size, begun: Default::default(), text: Vec::new() })
    }

    /// Adds what was read from a stream, now.
    ///
    /// # Errors
    /// As write(2).
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let end = self.end_of_line(stream);
        let mut text = std::mem::take(&mut self.text);
        let mut begun = std::mem::take(&mut self.begun[stream as usize]);
        let mut rest = bytes;
        if !begun.is_empty() {
            let window = &rest[..rest.len().min(PIECE - begun.len())];
            let (more, after) = rest.split_at(piece(window).unwrap_or(window.len()));
            begun.extend_from_slice(more);
            rest = after;
            if piece(&begun).is_some() {
                self.line(&mut text, &begun, &end)?;
                begun.clear();
            }
        }
        while let Some(length) = piece(rest) {
            let (piece, after) = rest.split_at(length);
            self.line(&mut text, piece, &end)?;
            rest = after;
        }
        begun.extend_from_slice(rest);
        self.begun[stream as usize] = begun;
        let written = self.flush(&mut text);
        self.text = text;
        written
    }

    /// Gives back the memory that is needed only while much is written.
    pub fn rest(&mut self) {
        self.text = Vec::new();
        self.begun.iter_mut().for_each(Vec::shrink_to_fit);
    }

    /// Writes the lines that were begun and will not be ended.
    ///
    /// # Errors
    /// As write(2).
    pub fn finish(mut self) -> io::Result<()> {
        let mut text = Vec::new();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let begun = std::mem::take(&mut self.begun[stream as usize]);
            if !begun.is_empty() {
                self.line(&mut text, &begun, &self.end_of_line(stream))?;
            }
        }
        self.flush(&mut text)
    }

    fn line(&mut self, text: &mut Vec<u8>, piece: &[u8], end: &str) -> io::Result<()> {
        let is_full = self.target.max_size.is_some_and(|max| self.size + text.len() as u64 >= max);
        if is_full || text.len() >= BATCH {
            self.flush(text)?;
        }
        if is_full {
            self.rotate()?;
        }
        text.extend_from_slice(b"{\"log\":");
        match piece.strip_suffix(b"\n") {
            // The usual line needs no escape but the last.
            Some(line) if is_plain(line) => {
                text.push(b'"');
                text.extend_from_slice(line);
                text.extend_from_slice(b"\\n\"");
            }
            _ => serde_json::to_writer(&mut *text, &String::from_utf8_lossy(piece))?,
        }
        text.extend_from_slice(end.as_bytes());
        Ok(())
    }

    /// What all lines of one read end with: they came at the same time.
    fn end_of_line(&self, stream: Stream) -> String {
        let stream = if stream == Stream::Stdout { "stdout" } else { "stderr" };
        let attributes = self.target.attributes.as_ref();
        let attributes = attributes.map(|json| format!(",\"attrs\":{json}")).unwrap_or_default();
        format!(",\"stream\":\"{stream}\"{attributes},\"time\":\"{}\"}}\n", record::now())
    }

    fn flush(&mut self, text: &mut Vec<u8>) -> io::Result<()> {
        self.file.write_all(text)?;
        self.size += text.len() as u64;
        text.clear();
        Ok(())
    }

    // ANCHOR: rotate
    /// The written file becomes the first of the older ones; alone, it begins anew.
    fn rotate(&mut self) -> io::Result<()> {
        let path = &self.target.path;
        self.size = 0;
        if self.target.max_files <= 1 {
            return self.file.set_len(0);
        }
        for age in (0..self.target.max_files - 1).rev() {
            match fs::rename(rotated(path, age), rotated(path, age + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(())
    }
    // ANCHOR_END: rotate
}

/// Whether JSON has these bytes as they are. Without a branch for each byte, so that the compiler
/// looks at many at once.
fn is_plain(bytes: &[u8]) -> bool {
    let plain = |byte: u8| (0x20..0x7f).contains(&byte) & (byte != b'"') & (byte != b'\\');
    bytes.iter().fold(true, |all, byte| all & plain(*byte))
}

/// The length of the next piece, if there is a whole one.
fn piece(bytes: &[u8]) -> Option<usize> {
    let window = &bytes[..bytes.len().min(PIECE)];
    match memchr::memchr(b'\n', window) {
        Some(end) => Some(end + 1),
        None => (bytes.len() >= PIECE).then_some(PIECE),
    }
}
