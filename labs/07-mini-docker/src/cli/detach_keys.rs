//! Detach keys: a sequence in the input that lets go of a container and leaves it running.
//!
//! Only where the program has a terminal: in a pipe every byte is the program's. A key that could
//! begin the sequence waits until the next one tells.

use ground::{Error, Result};

/// Docker's: ctrl-p ctrl-q.
const DEFAULT: &str = "ctrl-p,ctrl-q";

/// The sequence, and how much of it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachKeys {
    keys: Vec<u8>,
    seen: usize,
}

/// What came of some input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// For the program.
    pub bytes: Vec<u8>,
    /// Whether the whole sequence was typed.
    pub detached: bool,
}

impl DetachKeys {
    /// Reads `ctrl-a,b,ctrl-@`; the usual keys for nothing.
    ///
    /// # Errors
    /// A word that is no key.
    pub fn parse(text: Option<&str>) -> Result<Self> {
        let text = text.filter(|text| !text.is_empty()).unwrap_or(DEFAULT);
        let keys: Option<Vec<u8>> = text.split(',').map(key).collect();
        keys.map(|keys| Self { keys, seen: 0 }).ok_or_else(|| {
            Error::new(format!("Invalid escape keys ({text}) provided")).fix(
                "separate keys by commas; a key is a character, or ctrl- and one of a-z @ [ \\ ] ^ _",
            )
        })
    }

    /// Sends input through.
    pub fn pass(&mut self, input: &[u8]) -> Typed {
        let mut bytes = Vec::with_capacity(input.len());
        for &byte in input {
            if self.keys.get(self.seen) == Some(&byte) {
                self.seen += 1;
                if self.seen == self.keys.len() {
                    return Typed { bytes, detached: true };
                }
                continue;
            }
            bytes.extend_from_slice(&self.keys[..self.seen]);
            self.seen = usize::from(self.keys.first() == Some(&byte));
            if self.seen == 0 {
                bytes.push(byte);
            }
        }
        Typed { bytes, detached: false }
    }
}

fn key(word: &str) -> Option<u8> {
    match word.as_bytes() {
        [byte] => Some(*byte),
        _ => match word.strip_prefix("ctrl-")?.as_bytes() {
            [letter @ (b'a'..=b'z' | b'@' | b'['..=b'_')] => Some(letter & 0x1f),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(keys: &str, typed: &[&[u8]], expected: &[u8], detached: bool) {
        let mut keys = DetachKeys::parse(Some(keys)).unwrap();
        let passed: Vec<Typed> = typed.iter().map(|input| keys.pass(input)).collect();
        let bytes: Vec<u8> = passed.iter().flat_map(|typed| typed.bytes.clone()).collect();
        assert_eq!((bytes.as_slice(), passed.last().unwrap().detached), (expected, detached));
    }

    #[test]
    fn the_sequence_is_found_and_everything_else_gets_through() {
        check("", &[b"ls\n"], b"ls\n", false);
        check("", &[b"ab\x10\x11"], b"ab", true);
        check("", &[b"ab\x10", b"\x11cd"], b"ab", true);
        check("", &[b"\x10", b"x"], b"\x10x", false);
        check("", &[b"\x10\x10\x11"], b"\x10", true);
        check("a,b,c", &[b"aab", b"c"], b"a", true);
        check("ctrl-@", &[b"x\0"], b"x", true);
        check("ctrl-\\,q", &[b"\x1cw"], b"\x1cw", false);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["ctrl-", "ctrl-A", "ctrl-1", "ab", "a,", ","] {
            assert!(DetachKeys::parse(Some(text)).is_err(), "{text}");
        }
    }
}
