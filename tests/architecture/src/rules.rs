//! The nevers: what a line in a room must not name, and why.

use crate::{paths, source};

/// The longest file, tests not counted.
pub const MOST_LINES: usize = 500;
/// A function longer than this is worth a second look.
pub const LONG_FUNCTION: usize = 60;

/// A room of lab 07 and its floor; a line may name only rooms on the floors below its own.
pub const FLOORS: &[(&str, u8)] = &[
    ("sys", 1),
    ("tree", 1),
    ("layout", 2),
    ("event", 2),
    ("events", 2),
    ("inflate", 2),
    ("instruction", 2),
    ("digester", 2),
    ("workers", 2),
    ("store", 3),
    ("registry::client", 3),
    ("runtime", 3),
    ("network", 3),
    ("registry::server", 4),
    ("transfer", 4),
    ("archive", 4),
    ("container", 4),
    ("snapshot", 5),
    ("volume", 5),
    ("bundle", 6),
    ("xray", 6),
    ("engine", 7),
    ("demo", 8),
    ("cli", 9),
];

/// A module of lab 07 that no floor is named for: nothing would be said of what it looks at.
pub fn without_floor(module: &[&str]) -> Option<String> {
    let here = module.join("::");
    let has_floor = |room: &str| paths::is_below(&here, room);
    // The crate's root, and a room that is only the door to two others.
    let door = ["", "registry"].contains(&here.as_str());
    (!door && !FLOORS.iter().any(|(room, _)| has_floor(room)))
        .then(|| format!("{here} is on no floor: name one in FLOORS and in ARCHITECTURE.md"))
}

/// A room, what it never names, and why.
#[derive(Debug, Clone, Copy)]
pub struct Never {
    /// The room, as a path below `crate`.
    pub room: &'static str,
    /// Paths, in full.
    pub names: &'static [&'static str],
    /// The reason, for the message.
    pub because: &'static str,
}

/// The nevers of lab 07 that are more than floors.
pub const NEVERS: &[Never] = &[
    never("layout", &["std::fs"], "layout names paths and touches no disk"),
    never(
        "store",
        &["ureq", "axum", "crate::registry"],
        "the store knows content, not where it came from",
    ),
    never(
        "registry::client",
        &["crate::store"],
        "the client verifies bytes; the engine decides where they go",
    ),
    never(
        "registry::server",
        &["crate::registry::client"],
        "the server serves a store and calls nobody",
    ),
    never(
        "runtime",
        &["crate::store", "crate::snapshot", "crate::registry"],
        "a runtime sees a bundle and no image",
    ),
    never(
        "network",
        &["crate::container", "crate::store"],
        "the network knows only paths of network namespaces",
    ),
    never("snapshot", &["crate::registry"], "a snapshot is made of blobs, wherever they came from"),
    never(
        "xray",
        &["crate::runtime", "crate::registry", "std::process", "clap"],
        "an x-ray reads what the kernel says, and asks no other program",
    ),
    never("bundle", &["std::process", "crate::runtime"], "a bundle is written, not started"),
    never("engine", &["clap", "ureq", "axum"], "the engine parses no flags and knows no HTTP"),
];

const fn never(room: &'static str, names: &'static [&'static str], because: &'static str) -> Never {
    Never { room, names, because }
}

/// Complaints about a file of lab 07; `module` is its path within the crate.
pub fn lab_07(code: &str, module: &[&str]) -> Vec<String> {
    let here = module.join("::");
    let mut complaints = Vec::new();
    for path in paths::of(code, module) {
        // The binary says `mini_docker` where the library says `crate`.
        let path = match path.strip_prefix("mini_docker::") {
            Some(rest) => format!("crate::{rest}"),
            None => path,
        };
        let reasons = forbidden(&here, &path).or_else(|| upward(&here, &path));
        complaints.extend(reasons.map(|why| format!("{here} names {path}: {why}")));
    }
    complaints
}

fn forbidden(here: &str, path: &str) -> Option<String> {
    let mut rules = NEVERS.iter().filter(|never| paths::is_below(here, never.room));
    let broken = rules.find(|never| never.names.iter().any(|name| paths::is_below(path, name)));
    broken.map(|never| never.because.to_owned())
}

/// A path to a room that is not on a floor below.
fn upward(here: &str, path: &str) -> Option<String> {
    let floor_of = |module: &str| FLOORS.iter().find(|(room, _)| paths::is_below(module, room));
    let (room, floor) = floor_of(here)?;
    let (other, theirs) = floor_of(path.strip_prefix("crate::")?)?;
    (other != room && theirs >= floor).then(|| {
        format!("{room} is on floor {floor}, {other} on floor {theirs}, and imports run down")
    })
}

/// What the OCI types must not name. An `Ipv6Addr` or the name of the architecture is no I/O.
const IO: [&str; 9] = [
    "std::fs",
    "std::process",
    "std::os",
    "std::thread",
    "std::env::var",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
];

/// Complaints about I/O in the OCI types.
pub fn pure(code: &str, module: &[&str]) -> Vec<String> {
    let named = paths::of(code, module).into_iter();
    let io = named.filter(|path| IO.iter().any(|name| paths::is_below(path, name)));
    io.map(|path| format!("names {path}: the OCI types parse, compare and serialise")).collect()
}

/// Complaints about a library that speaks or listens to the command line.
///
/// The environment may be read. No caller could know better where programs lie (`PATH`), nor what one
/// process of ours told the next across execve(2), and nothing else is read below the front ends:
/// what a *person* means by a variable becomes a type at the door, as an argument does.
pub fn silent(code: &str, module: &[&str]) -> Vec<String> {
    let prints = ["println!", "eprintln!", "print!", "eprint!", "dbg!"];
    let words = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '!'));
    let printed = words
        .filter(|word| prints.contains(word))
        .map(|word| format!("{word} in a library: only a binary speaks, so that every front end can choose the words"));
    let args = paths::of(code, module)
        .into_iter()
        .filter(|path| {
            paths::is_below(path, "std::env::args") || paths::is_below(path, "std::env::args_os")
        })
        .map(|path| format!("{path} in a library: arguments become types at the door"));
    printed.chain(args).collect()
}

/// Complaints about `unsafe` outside of the fence.
pub fn fenced(code: &str, file_name: &str) -> Vec<String> {
    let mut words = code.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    let found = file_name != "sys.rs" && words.any(|word| word == "unsafe");
    let complaint = "unsafe outside of sys.rs: a lab's unsafe code is read in one place";
    found.then(|| complaint.to_owned()).into_iter().collect()
}

/// Complaints about the length of a file.
pub fn short(code: &str) -> Vec<String> {
    let lines = code.trim_end().lines().count();
    let complaint =
        format!("{lines} lines without tests: more than {MOST_LINES} are not read in one go");
    (lines > MOST_LINES).then_some(complaint).into_iter().collect()
}

/// Functions worth a second look, with their number of lines.
pub fn long_functions(code: &str) -> Vec<(String, usize)> {
    source::functions(code).into_iter().filter(|(_, lines)| *lines > LONG_FUNCTION).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(complaints: &[String], expected: &[&str]) {
        assert_eq!(complaints, expected);
    }

    #[test]
    fn the_store_that_calls_the_registry_is_refused() {
        check(
            &lab_07("use crate::{layout::Layout, registry::client::Client};", &["store", "blobs"]),
            &[
                "store::blobs names crate::registry::client::Client: the store knows content, not where it came from",
            ],
        );
    }

    #[test]
    fn the_client_that_touches_the_store_is_refused_also_through_super() {
        let complaints = lab_07("fn a() { super::super::store::put() }", &["registry", "client"]);
        assert!(complaints[0].contains("the engine decides where they go"), "{complaints:?}");
    }

    #[test]
    fn the_server_that_calls_the_client_is_refused() {
        assert_eq!(lab_07("use super::client::Client;", &["registry", "server"]).len(), 1);
    }

    #[test]
    fn the_engine_may_look_down_and_not_up() {
        check(
            &lab_07("use crate::{store, snapshot, bundle, registry::client};", &["engine", "pull"]),
            &[],
        );
        assert_eq!(lab_07("use clap::Parser; use crate::cli::Args;", &["engine", "pull"]).len(), 2);
    }

    #[test]
    fn the_message_of_an_upward_import_names_the_floors() {
        check(
            &lab_07("use mini_docker::engine::Error;", &["container", "record"]),
            &[
                "container::record names crate::engine::Error: container is on floor 4, engine on floor 7, and \
               imports run down",
            ],
        );
    }

    #[test]
    fn rooms_of_one_floor_do_not_meet() {
        assert_eq!(lab_07("use crate::transfer::Pull;", &["archive"]).len(), 1);
        assert_eq!(lab_07("use crate::archive::Layout;", &["transfer"]).len(), 1);
    }

    #[test]
    fn a_module_without_a_floor_is_named() {
        assert_eq!(without_floor(&["registry", "client", "auth"]), None);
        assert_eq!(without_floor(&["registry"]), None);
        assert!(without_floor(&["registry", "cache"]).is_some());
        assert!(without_floor(&["attic"]).unwrap().contains("attic is on no floor"));
    }

    #[test]
    fn types_that_read_files_are_refused() {
        check(
            &pure("use std::{fmt, fs::File, net::Ipv6Addr};", &[]),
            &["names std::fs::File: the OCI types parse, compare and serialise"],
        );
    }

    #[test]
    fn a_library_that_prints_is_refused() {
        assert_eq!(silent("fn a() { println!(); std::env::args(); writeln!(out) }", &[]).len(), 2);
    }

    #[test]
    fn unsafe_is_refused_outside_of_its_fence() {
        assert_eq!(fenced("#![deny(unsafe_code)] unsafe { a() }", "spawn.rs").len(), 1);
        check(&fenced("unsafe { a() }", "sys.rs"), &[]);
        check(&fenced("#![allow(unsafe_code)]", "lib.rs"), &[]);
    }

    #[test]
    fn a_long_file_is_refused_and_a_long_function_named() {
        assert_eq!(short(&"x\n".repeat(501)).len(), 1);
        check(&short(&"x\n".repeat(500)), &[]);
        let long = format!("fn long() {{\n{}}}", "x;\n".repeat(60));
        assert_eq!(long_functions(&long), [("long".to_owned(), 62)]);
    }
}
