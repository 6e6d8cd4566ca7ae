//! What a snapshot does not show: numbers that are others in every run, named so that equal stays equal.
//!
//! Each kind of number is counted: the first PID namespace of a text is `pid:[NS-1]`, another one
//! `pid:[NS-2]`, and the first again `pid:[NS-1]`. So a snapshot still proves that inside is not
//! outside, or that two names are one inode. In a demonstration each scene counts anew: what died
//! in one may have left its number to the next.
//!
//! | in the text | in the snapshot |
//! |---|---|
//! | `mnt:[4026531841]` | `mnt:[NS-1]` |
//! | 64 hexadecimal digits, 12 of them | `[ID64-1]`, `[ID-1]` |
//! | `pid 4711`, `pid=4711`, `/proc/4711/`, from 30 on | `pid [PID-1]`, `/proc/[PID-1]/` |
//! | the same in a column whose heading has the word pid | `[PID-1]` |
//! | a column whose heading has the word inode; `inode 77` | `[INODE-1]` |
//! | `lab-02-4711-x7y`, `mini-runc-4711` | `lab-02-[RUN]` |
//! | `/tmp/.tmpAb12Cd`, `/tmp/name-4711` | `/tmp/[TMP]` |
//! | `2026-11-21T05:30:00Z` | `[TIME]` |
//! | `0.83 s`, `20.3 %`, `3.5 MiB`: measured, so with a point | `[N] s`, `[N] %`, `[N] MiB` |
//! | `6.12.101-amd64` | `[KERNEL]` |
//!
//! A whole number with a unit (`100000 us`, `64 MiB`) is a setting and stays.

use std::{collections::HashMap, sync::LazyLock};

use regex::{Captures, Regex};

use crate::table::redraw;

/// A rule: what to look for, and what comes instead of it or how it is counted.
enum Rule {
    /// `$1[LABEL-n]$3`, where n counts the values of `$2`.
    Counted(&'static str),
    /// The text of the replacement.
    Plain(&'static str),
}

static RULES: LazyLock<Vec<(Regex, Rule)>> = LazyLock::new(|| {
    use Rule::{Counted, Plain};
    const UNIT: &str = r"( ?(?:ns|us|µs|ms|s|%|B|[KMG]i?B|bytes)\b|%| %)";
    [
        (
            r"\b((?:cgroup|ipc|mnt|net|pid|time|user|uts)(?:_for_children)?:)\[(\d+)\]()",
            Counted("NS"),
        ),
        (r"(\b)([0-9a-f]{64})(\b)", Counted("ID64")),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?Z| ?UTC|[+-]\d\d:?\d\d)?", Plain("[TIME]")),
        (r"\b(lab-\d\d|mini-\w+|unboxed)[-.]\d{2,}(?:[-.]\w+)*", Plain("$1-[RUN]")),
        (
            r"((?:/var)?/tmp|/dev/shm|/run)/(?:\.tmp\w{6}|[A-Za-z_-]+[.-][\w.-]*\d[\w.-]*)",
            Plain("$1/[TMP]"),
        ),
        (r"(\b)([0-9a-f]{12})(\b)", Counted("ID")),
        (r"(/proc/)([3-9]\d|\d{3,})(/|\b)", Counted("PID")),
        (r"((?i:\bpids?\b)(?: is | = |[ =:]+))([3-9]\d|\d{3,})(\b)", Counted("PID")),
        (r"((?i:\binode)[ =:]+)(\d+)(\b)", Counted("INODE")),
        (r"\b[4-9]\.\d{1,2}\.\d+(?:[-+][\w.+~-]+)?", Plain("[KERNEL]")),
    ]
    .into_iter()
    .map(|(pattern, rule)| (pattern.to_owned(), rule))
    .chain([(format!(r"\b\d+\.\d+{UNIT}"), Plain("[N]$1"))])
    .map(|(pattern, rule)| (Regex::new(&pattern).expect("a pattern of ours"), rule))
    .collect()
});

/// What was seen so far: the number of each value within its kind.
#[derive(Default)]
struct Seen(HashMap<(String, String), usize>);

impl Seen {
    fn name(&mut self, label: &str, kind: &str, value: &str) -> String {
        let next = self.0.keys().filter(|(of, _)| of == kind).count() + 1;
        let n = *self.0.entry((kind.to_owned(), value.to_owned())).or_insert(next);
        format!("[{label}-{n}]")
    }

    fn apply(&mut self, text: &str, (pattern, rule): &(Regex, Rule)) -> String {
        match rule {
            Rule::Plain(instead) => pattern.replace_all(text, *instead).into_owned(),
            Rule::Counted(label) => pattern
                .replace_all(text, |found: &Captures<'_>| {
                    // Namespace inodes are counted for each kind, `pid:` and `net:`.
                    let kind = if *label == "NS" {
                        found[1].replace("_for_children", "")
                    } else {
                        (*label).to_owned()
                    };
                    format!("{}{}{}", &found[1], self.name(label, &kind, &found[2]), &found[3])
                })
                .into_owned(),
        }
    }

    /// A cell that is nothing but a number is known by its heading.
    fn cell(&mut self, heading: &str, cell: &str) -> String {
        let has = |word: &str| {
            heading.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|part| part == word)
        };
        let number = cell.parse::<u64>().ok();
        match number {
            // First, because a pid namespace has an inode too.
            Some(_) if has("inode") || has("ino") => self.name("INODE", "INODE", cell),
            Some(30..) if has("pid") || has("pids") => self.name("PID", "PID", cell),
            _ => cell.to_owned(),
        }
    }
}

/// Replaces what differs from run to run, first by these pairs of pattern and replacement, then by
/// the rules of this module. Tables are drawn anew, so their lines meet.
///
/// # Panics
/// When a pattern is not a regular expression.
pub fn redact(text: &(impl AsRef<str> + ?Sized), filters: &[(&str, &str)]) -> String {
    let mut text = text.as_ref().to_owned();
    for (pattern, instead) in filters {
        let pattern =
            Regex::new(pattern).unwrap_or_else(|error| panic!("filter {pattern}: {error}"));
        text = pattern.replace_all(&text, *instead).into_owned();
    }
    scenes(&text).into_iter().map(redact_scene).collect()
}

fn redact_scene(scene: &str) -> String {
    let mut seen = Seen::default();
    let text = RULES.iter().fold(scene.to_owned(), |text, rule| seen.apply(&text, rule));
    redraw(&text, &mut |heading, cell| seen.cell(heading, cell))
}

/// The text cut before every heading of a scene, ` 3/12  What happens`.
fn scenes(text: &str) -> Vec<&str> {
    static HEADING: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?m)^ ?\d+/\d+  \S").expect("a pattern of ours"));
    let starts = HEADING.find_iter(text).map(|found| found.start());
    let cuts: Vec<usize> = std::iter::once(0).chain(starts).chain([text.len()]).collect();
    cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(redact(text, &[]), expected);
    }

    #[test]
    fn equal_namespaces_stay_equal_and_others_differ() {
        check(
            "pid:[4026531836] net:[4026531840] pid:[4026532200] pid_for_children:[4026532200]",
            "pid:[NS-1] net:[NS-1] pid:[NS-2] pid_for_children:[NS-2]",
        );
    }

    #[test]
    fn a_scene_counts_anew() {
        check(
            " 1/2  One\npid:[7] pid:[8]\n 2/2  Two\npid:[8] pid:[7]\n",
            " 1/2  One\npid:[NS-1] pid:[NS-2]\n 2/2  Two\npid:[NS-1] pid:[NS-2]\n",
        );
    }

    #[test]
    fn settings_stay_and_measurements_go() {
        check("20000 of 100000 us gave 20.3 % in 4.01 s", "20000 of 100000 us gave [N] % in [N] s");
        check("memory.max = 67108864, used 63.9 MiB", "memory.max = 67108864, used [N] MiB");
        check(
            "at most 64 MiB, 5 s, 20 %, version 0.1.0",
            "at most 64 MiB, 5 s, 20 %, version 0.1.0",
        );
    }

    #[test]
    fn ids_are_told_apart() {
        let long = "0123456789abcdef".repeat(4);
        check(&format!("sha256:{long} {}", &long[..12]), "sha256:[ID64-1] [ID-1]");
    }

    #[test]
    fn pids_go_but_the_first_ones_inside_stay() {
        check(
            "pid 1 inside is pid 4711, /proc/4711/ns",
            "pid 1 inside is pid [PID-1], /proc/[PID-1]/ns",
        );
        check("PID: 99, pids.max 512", "PID: [PID-1], pids.max 512");
    }

    #[test]
    fn a_pid_has_one_name_in_text_and_table() {
        check(
            "pid 4711\n╭──────┬────╮\n│ pid  │ n  │\n├──────┼────┤\n│ 4711 │ 77 │\n╰──────┴────╯\n",
            "pid [PID-1]\n╭─────────┬────╮\n│ pid     │ n  │\n├─────────┼────┤\n│ [PID-1] │ 77 │\n\
             ╰─────────┴────╯\n",
        );
    }

    #[test]
    fn names_of_a_run_go() {
        check("/sys/fs/cgroup/cpu/lab-02-4711-x7y/tasks", "/sys/fs/cgroup/cpu/lab-02-[RUN]/tasks");
        check("/tmp/.tmpAb12Cd/upper /tmp/rootfs", "/tmp/[TMP]/upper /tmp/rootfs");
        check("2026-11-21T05:30:00.123Z on 6.18.44-fc-v595", "[TIME] on [KERNEL]");
    }

    #[test]
    fn the_tests_own_filters_come_first() {
        assert_eq!(redact("port 40001", &[(r"port \d+", "port [PORT]")]), "port [PORT]");
    }
}
