//! Logs: what the program wrote, one JSON object a line, as Docker's `json-file` driver has it.
//!
//! ```text
//! {"log":"hello\n","stream":"stdout","time":"2026-11-21T05:30:00.123456789Z"}
//! ```
//!
//! Whole lines are written, many of them with one write(2), to a file opened with O_APPEND. What is
//! longer than 16 KiB, or ends without a line feed, is written in pieces without one; joined, the
//! pieces are what the program wrote. With `--log-opt max-size` a full `log` becomes `log.1`, that
//! `log.2`, and so on; the oldest of `max-file` files is forgotten.

mod parse;
mod reader;
mod writer;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use reader::Reader;
pub use writer::{Target, Writer};

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// The text, with its line feed if it had one.
    pub log: &'a [u8],
    /// Where it was written.
    pub stream: Stream,
    /// When it came (RFC 3339).
    pub time: &'a str,
    /// What `--log-opt labels` and `env` add, as JSON.
    pub attributes: Option<&'a str>,
}

// ANCHOR: rotated
/// The name of a file that was full, the `age`th before the one that is written: `log.1`.
fn rotated(path: &Path, age: u32) -> PathBuf {
    if age == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{age}"));
    name.into()
}
// ANCHOR_END: rotated

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(reader: &mut Reader) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            lines.push(String::from_utf8(line.log.to_vec()).unwrap());
        }
        lines
    }

    fn writer(path: &Path, max_size: Option<u64>, max_files: u32) -> Writer {
        let path = path.to_owned();
        Writer::open(Target { path, max_size, max_files, attributes: None }).unwrap()
    }

    #[track_caller]
    fn check_tail(count: usize, expected: &[&str]) {
        for max_size in [None, Some(1), Some(120)] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("log");
            let mut writer = writer(&path, max_size, 5);
            writer.write(Stream::Stdout, b"one\ntwo\nthree\n").unwrap();
            let mut reader = Reader::open(&path).unwrap();
            reader.tail(count).unwrap();
            assert_eq!(lines(&mut reader), expected, "{max_size:?}");
        }
    }

    #[test]
    fn the_tail_is_the_last_lines_in_however_many_files() {
        check_tail(0, &[]);
        check_tail(1, &["three\n"]);
        check_tail(2, &["two\n", "three\n"]);
        check_tail(3, &["one\n", "two\n", "three\n"]);
        check_tail(9, &["one\n", "two\n", "three\n"]);
    }

    #[test]
    fn the_pieces_of_a_log_are_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut writer = writer(&path, None, 1);
        let long = "x".repeat(PIECE + 1) + "\n";
        writer.write(Stream::Stdout, b"begun").unwrap();
        let mut reader = Reader::open(&path).unwrap();
        assert_eq!(lines(&mut reader), [""; 0]);
        writer.write(Stream::Stderr, b"error\n").unwrap();
        writer.write(Stream::Stdout, b" and ended\n").unwrap();
        writer.write(Stream::Stdout, long.as_bytes()).unwrap();
        writer.write(Stream::Stdout, b"\"\\\t\x01\xff\xc3\xa9").unwrap();
        writer.finish().unwrap();
        let lines = lines(&mut reader);
        assert_eq!(lines[..2], ["error\n", "begun and ended\n"]);
        assert_eq!(lines[2..4].concat(), long);
        assert_eq!(lines[4], "\"\\\t\u{1}\u{fffd}é");
    }

    /// What a reader finds while the writer is at it: names in the midst of becoming older ones.
    #[test]
    fn a_file_that_is_renamed_meanwhile_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let write = |text: &str| writer(&path, None, 1).write(Stream::Stdout, text.as_bytes());
        write("old\n").unwrap();
        std::fs::rename(&path, rotated(&path, 2)).unwrap();
        write("new\n").unwrap();
        // `log.1` has become `log.2`, and `log` is next.
        assert_eq!(lines(&mut Reader::open(&path).unwrap()), ["old\n", "new\n"]);
        // It is opened under its old name and found under the next.
        std::fs::hard_link(&path, rotated(&path, 1)).unwrap();
        assert_eq!(lines(&mut Reader::open(&path).unwrap()), ["old\n", "new\n"]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(lines(&mut Reader::open(&path).unwrap()), ["old\n", "new\n"]);
    }

    #[test]
    fn a_reader_follows_through_rotations_and_truncations() {
        for max_files in [1, 2, 3] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("log");
            let mut writer = writer(&path, Some(200), max_files);
            let mut reader = Reader::open(&path).unwrap();
            for number in 0..20 {
                writer.write(Stream::Stdout, format!("{number}\n").as_bytes()).unwrap();
                assert_eq!(lines(&mut reader), [format!("{number}\n")], "{max_files}");
            }
            let count = std::fs::read_dir(dir.path()).unwrap().count();
            assert_eq!(count, max_files as usize);
        }
    }
}
