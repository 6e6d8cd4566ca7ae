//! Logs: what the program wrote, one JSON object a line, as Docker's `json-file` driver has it.
//!
//! ```text
//! {"log":"hello\n","stream":"stdout","time":"2026-11-21T05:30:00.123456789Z"}
//! ```
//!
//! A line is written with one write(2) to a file opened with O_APPEND, so a reader sees whole
//! lines. What is longer than 16 KiB, or ends without a line feed, is written in pieces without
//! one; joined, the pieces are what the program wrote.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::record;

/// The longest piece, as in Docker.
const PIECE: usize = 16 << 10;

/// Which of the program's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output; a terminal has only this one.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The text, with its line feed if it had one.
    pub log: String,
    /// Where it was written.
    pub stream: Stream,
    /// When it came (RFC 3339).
    pub time: String,
}

/// Appends to a log.
#[derive(Debug)]
pub struct Writer {
    file: File,
    // Begun lines, by stream.
    begun: [Vec<u8>; 2],
}

impl Writer {
    /// Opens the log for appending.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self { file, begun: Default::default() })
    }

    /// Adds what was read from a stream.
    ///
    /// # Errors
    /// As write(2).
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let begun = &mut self.begun[stream as usize];
        begun.extend_from_slice(bytes);
        let mut text = Vec::new();
        let mut done = 0;
        while let Some(length) = piece(&begun[done..]) {
            line(&mut text, stream, &begun[done..done + length])?;
            done += length;
        }
        begun.drain(..done);
        self.file.write_all(&text)
    }

    /// Writes the lines that were begun and will not be ended.
    ///
    /// # Errors
    /// As write(2).
    pub fn finish(mut self) -> io::Result<()> {
        let mut text = Vec::new();
        for (stream, begun) in [Stream::Stdout, Stream::Stderr].into_iter().zip(&self.begun) {
            if !begun.is_empty() {
                line(&mut text, stream, begun)?;
            }
        }
        self.file.write_all(&text)
    }
}

/// The length of the next piece, if there is a whole one.
fn piece(bytes: &[u8]) -> Option<usize> {
    let window = &bytes[..bytes.len().min(PIECE)];
    match window.iter().position(|byte| *byte == b'\n') {
        Some(end) => Some(end + 1),
        None => (bytes.len() >= PIECE).then_some(PIECE),
    }
}

fn line(text: &mut Vec<u8>, stream: Stream, bytes: &[u8]) -> io::Result<()> {
    let log = String::from_utf8_lossy(bytes).into_owned();
    serde_json::to_writer(&mut *text, &Line { log, stream, time: record::now() })?;
    text.push(b'\n');
    Ok(())
}

/// Reads a log while it may still grow.
#[derive(Debug)]
pub struct Reader {
    file: BufReader<File>,
    // A line that was not whole yet when we came to it.
    begun: Vec<u8>,
}

impl Reader {
    /// Opens the log; `None` where nothing was ever written.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => {
                Ok(Some(Self { file: BufReader::with_capacity(64 << 10, file), begun: Vec::new() }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Goes to the last `count` lines. Reads from the end, so a long log costs nothing.
    ///
    /// # Errors
    /// As read(2).
    pub fn tail(&mut self, count: usize) -> io::Result<()> {
        const BLOCK: u64 = 64 << 10;
        let mut at = self.file.seek(SeekFrom::End(0))?;
        if count == 0 {
            return Ok(());
        }
        let mut wanted = count;
        let mut last_byte = true;
        while at > 0 {
            let length = at.min(BLOCK);
            at -= length;
            self.file.seek(SeekFrom::Start(at))?;
            let mut block = vec![0; usize::try_from(length).unwrap_or(0)];
            self.file.read_exact(&mut block)?;
            for index in (0..block.len()).rev() {
                // The line feed at the very end ends the last line, it begins none.
                if block[index] == b'\n' && !std::mem::take(&mut last_byte) {
                    wanted = wanted.saturating_sub(1);
                    if wanted == 0 {
                        self.file.seek(SeekFrom::Start(at + index as u64 + 1))?;
                        return Ok(());
                    }
                }
                last_byte = false;
            }
        }
        self.file.seek(SeekFrom::Start(0))?;
        Ok(())
    }

    /// The next line; `None` when there is no further whole line yet.
    ///
    /// # Errors
    /// As read(2). A line that is no JSON, as after a power cut, is passed over.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            self.file.read_until(b'\n', &mut self.begun)?;
            if self.begun.last() != Some(&b'\n') {
                return Ok(None);
            }
            let line = serde_json::from_slice(&self.begun).ok();
            self.begun.clear();
            if line.is_some() {
                return Ok(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(reader: &mut Reader) -> Vec<String> {
        std::iter::from_fn(|| reader.next_line().unwrap()).map(|line| line.log).collect()
    }

    #[track_caller]
    fn check_tail(count: usize, expected: &[&str]) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = Writer::open(file.path()).unwrap();
        writer.write(Stream::Stdout, b"one\ntwo\nthree\n").unwrap();
        let mut reader = Reader::open(file.path()).unwrap().unwrap();
        reader.tail(count).unwrap();
        assert_eq!(lines(&mut reader), expected);
    }

    #[test]
    fn the_tail_is_the_last_lines() {
        check_tail(0, &[]);
        check_tail(1, &["three\n"]);
        check_tail(2, &["two\n", "three\n"]);
        check_tail(3, &["one\n", "two\n", "three\n"]);
        check_tail(9, &["one\n", "two\n", "three\n"]);
    }

    #[test]
    fn the_pieces_of_a_log_are_what_was_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = Writer::open(file.path()).unwrap();
        let long = "x".repeat(PIECE + 1) + "\n";
        writer.write(Stream::Stdout, b"begun").unwrap();
        let mut reader = Reader::open(file.path()).unwrap().unwrap();
        assert_eq!(lines(&mut reader), [""; 0]);
        writer.write(Stream::Stderr, b"error\n").unwrap();
        writer.write(Stream::Stdout, b" and ended\n").unwrap();
        writer.write(Stream::Stdout, long.as_bytes()).unwrap();
        writer.write(Stream::Stdout, b"no line feed").unwrap();
        writer.finish().unwrap();
        let lines = lines(&mut reader);
        assert_eq!(lines[..2], ["error\n", "begun and ended\n"]);
        assert_eq!(lines[2..4].concat(), long);
        assert_eq!(lines[4], "no line feed");
    }
}
