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
}

impl Writer {
    /// Opens the log for appending.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(target: Target) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(&target.path)?;
        let size = file.metadata()?.len();
        Ok(Self { target, file, size, begun: Default::default() })
    }

    /// Adds what was read from a stream, now.
    ///
    /// # Errors
    /// As write(2).
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let begun = std::mem::take(&mut self.begun[stream as usize]);
        let joined = [begun.as_slice(), bytes].concat();
        let bytes = if begun.is_empty() { bytes } else { &joined };
        let end = self.end_of_line(stream);
        let mut text = Vec::new();
        let mut rest = bytes;
        while let Some(length) = piece(rest) {
            let (piece, after) = rest.split_at(length);
            self.line(&mut text, piece, &end)?;
            rest = after;
        }
        self.begun[stream as usize] = rest.to_vec();
        self.flush(&mut text)
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
        serde_json::to_writer(&mut *text, &String::from_utf8_lossy(piece))?;
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
}

/// The length of the next piece, if there is a whole one.
fn piece(bytes: &[u8]) -> Option<usize> {
    let window = &bytes[..bytes.len().min(PIECE)];
    match memchr::memchr(b'\n', window) {
        Some(end) => Some(end + 1),
        None => (bytes.len() >= PIECE).then_some(PIECE),
    }
}
