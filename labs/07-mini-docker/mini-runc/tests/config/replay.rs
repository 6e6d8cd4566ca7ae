//! What the fuzzer has found worth keeping, read again, and broken further at random.
//!
//! `fuzz/corpus` are the inputs that reach most of the parser and the planner. The changes are drawn
//! from a fixed seed: each run tries the same ones, so that a failure can be repeated.
//! `UNBOXED_SEED` draws others, `UNBOXED_FUZZ_CHANGES` says how many a file.

use std::{env, fs, path::Path};

use super::{bundle, judge};

/// Pieces of which a config.json is made, and numbers at the edge of what is taken.
const PIECES: [&[u8]; 20] = [
    b"\"",
    b"{",
    b"}",
    b"[]",
    b",",
    b":",
    b"\\u0000",
    b"\\",
    b"\xff",
    b"null",
    b"-1",
    b"4294967296",
    b"18446744073709551616",
    b"1e999",
    b"\"..\"",
    b"\"/proc/self/fd/3\"",
    b"\"path\":\"/proc/self/ns/user\",",
    b"\"options\":[\"bind\",\"idmap\"],",
    b"\"hooks\":{\"prestart\":[{}]},",
    b"\"linux\":{},",
];

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
}

/// xorshift64 (Marsaglia, 2003): the same numbers for the same seed.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    /// A text with one to four changes in it.
    fn change(&mut self, text: &[u8], all: &[Vec<u8>]) -> Vec<u8> {
        let mut text = text.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(text.len() + 1);
            let end = (at + self.below(40)).min(text.len());
            match self.below(5) {
                0 if at < text.len() => text[at] ^= 1 << self.below(8),
                1 => drop(text.drain(at..end)),
                2 => drop(text.splice(at..at, PIECES[self.below(PIECES.len())].iter().copied())),
                3 => drop(text.splice(at..end, PIECES[self.below(PIECES.len())].iter().copied())),
                // A part of another one.
                _ => {
                    let other = &all[self.below(all.len())];
                    let from = self.below(other.len());
                    let to = (from + self.below(200)).min(other.len());
                    drop(text.splice(at..at, other[from..to].iter().copied()));
                }
            }
        }
        text
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/config");
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|it| it.unwrap().path()).collect();
    // In an order of their own on every machine.
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

#[test]
fn what_the_fuzzer_kept_is_planned_or_refused_in_words() {
    let bundle = bundle();
    let seed = number("UNBOXED_SEED", 20_261_121).max(1);
    let changes = number("UNBOXED_FUZZ_CHANGES", 25);
    let (mut drawn, corpus) = (Drawn(seed), corpus());
    assert!(corpus.len() > 30, "where is the corpus?");
    let (mut tried, mut refused) = (0, 0);
    for text in &corpus {
        let changed = (0..changes).map(|_| drawn.change(text, &corpus)).collect::<Vec<_>>();
        for text in [text.clone()].iter().chain(&changed) {
            let case = format!("UNBOXED_SEED={seed}: {}", String::from_utf8_lossy(text));
            tried += 1;
            let Some(error) = judge(&bundle, &case, text) else { continue };
            refused += 1;
            assert!(!error.what.is_empty() && error.why.is_some(), "{case}: {error}");
            assert!(error.to_string().len() < 10_000, "{case}: a long error");
        }
    }
    println!("config.json: {tried} of the fuzzer's and broken further, {refused} refused");
}
