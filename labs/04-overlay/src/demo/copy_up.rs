//! Copy-up: a lower file is copied when something is about to change it.

use std::{
    fs::{self, File, FileTimes, OpenOptions, Permissions},
    io::{Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    time::{Duration, SystemTime},
};

use ground::{Error, Evidence, Outcome, Result, Scene, Table};

use super::{Stage, call, done, expect, look};

pub fn scenes() -> Vec<Scene<Stage>> {
    let on_open = "the kernel cannot know whether a write will follow, so it copies now";
    vec![
        Scene::new(
            "Reading copies nothing; opening for writing copies, even if no write follows.",
            [
                call(
                    "open(\"merged/open.txt\", O_RDONLY), read(..)",
                    "served from the lower file",
                    "2 open",
                ),
                call("open(\"merged/open.txt\", O_RDWR)", on_open, "2 open"),
            ],
            open_copies,
        ),
        Scene::new(
            "Every change copies once: data, mode, times, size, a new name.",
            [
                call("write(..)", "the data of merged/write.txt", "2 write"),
                call(
                    "chmod(\"merged/mode.txt\", 0600)",
                    "only the mode, yet the data goes along",
                    "2 chmod",
                ),
                call("futimens(..)", "only the times of merged/time.txt", "2 futimens"),
                call(
                    "truncate(\"merged/cut.txt\", 0)",
                    "copied whole, and then cut; only open(2) with O_TRUNC copies nothing",
                    "2 truncate",
                ),
                call(
                    "link(\"merged/linked.txt\", \"merged/new.txt\")",
                    "a link is to the upper copy",
                    "2 link",
                ),
            ],
            every_change,
        ),
        Scene::new(
            "The copy is a new inode, not a hard link; links between lower files break.",
            [call(
                "write(..)",
                "to merged/one.txt, which is one file with two.txt in the lower layer",
                "2 write",
            )],
            links_break,
        ),
    ]
}

fn open_copies(stage: &mut Stage) -> Result<Outcome> {
    let mut table = Table::new(["after", "lower (B)", "upper (C)", "merged"]);
    let path = "merged/open.txt";
    let row = |after: &str| {
        [after.to_owned(), look::look("B/open.txt"), look::look("C/open.txt"), look::look(path)]
    };
    table.push(row("mount"));
    let mut file = done(path, File::open(path))?;
    done(path, file.read_to_string(&mut String::new()))?;
    expect(!look::exists("C/open.txt"), "reading copies nothing")?;
    table.push(row("open(O_RDONLY), read"));
    drop(done(path, OpenOptions::new().read(true).write(true).open(path))?);
    expect(look::exists("C/open.txt"), "open(O_RDWR) copies without a write")?;
    table.push(row("open(O_RDWR), close"));
    let follows = "It is the open that copies, not the write: a program that opens its files \
                   read-write fills the container although it changes nothing.";
    stage.shown("reading and opening", Evidence::new(follows).table(table))
}

fn every_change(stage: &mut Stage) -> Result<Outcome> {
    let columns = ["call", "lower (B)", "in C before", "in C and merged after", "mtime"];
    let mut table = Table::new(columns);
    for (call, name, change) in CHANGES {
        let (lower, upper, merged) =
            (format!("B/{name}"), format!("C/{name}"), format!("merged/{name}"));
        let before = look::look(&upper);
        expect(before == "-", "the file was not in upper before")?;
        change(&merged)?;
        expect(look::exists(&upper), "the change copied the file up")?;
        let after = look::look(&upper);
        expect(after == look::look(&merged), "merged shows the upper file")?;
        let kept = look::stat(&lower)?.modified().ok() == look::stat(&upper)?.modified().ok();
        let mtime = if kept { "copied" } else { "new" }.to_owned();
        table.push([call.to_owned(), look::look(&lower), before, after, mtime]);
    }
    let written = || Ok::<_, Error>((look::stat("C/write.txt")?.ino(), look::look("C/write.txt")));
    let (first, content) = written()?;
    append("merged/write.txt")?;
    let (second, content_again) = written()?;
    expect(first == second, "a second write copies nothing")?;
    let again = Table::new(["write to write.txt", "inode in upper", "content"])
        .row(["first", &first.to_string(), &content])
        .row(["second", &second.to_string(), &content_again]);
    let follows = "Each call made its own copy before it changed anything, and merged shows that \
                   copy from then on. The second write finds the copy and makes none.";
    stage.shown("every kind of change", Evidence::new(follows).table(table).table(again))
}

/// A call, the file it changes, and the change.
type Change = (&'static str, &'static str, fn(&str) -> Result<()>);

const CHANGES: [Change; 5] = [
    ("write", "write.txt", append),
    ("chmod", "mode.txt", |path| {
        done("chmod", fs::set_permissions(path, Permissions::from_mode(0o600)))
    }),
    ("futimens", "time.txt", |path| {
        // Opened for reading: an open for writing would copy before the call does.
        let file = done(path, File::open(path))?;
        let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        done("futimens", file.set_times(times))
    }),
    ("truncate", "cut.txt", |path| {
        nix::unistd::truncate(path, 0)
            .map_err(|errno| Error::new("the demonstration cannot go on").call("truncate", errno))
    }),
    ("link", "linked.txt", |path| done("link", fs::hard_link(path, "merged/new.txt"))),
];

fn append(path: &str) -> Result<()> {
    let mut file = done(path, OpenOptions::new().append(true).open(path))?;
    done(path, file.write_all(b", written"))
}

fn links_break(stage: &mut Stage) -> Result<Outcome> {
    append("merged/one.txt")?;
    let columns = ["file", "inode", "links", "content"];
    let mut table = Table::new(columns);
    for path in ["B/one.txt", "B/two.txt", "C/one.txt", "merged/one.txt", "merged/two.txt"] {
        let file = look::stat(path)?;
        table.push([
            path.to_owned(),
            file.ino().to_string(),
            file.nlink().to_string(),
            look::look(path),
        ]);
    }
    let [one, two, copy] = ["B/one.txt", "B/two.txt", "C/one.txt"].map(look::stat);
    let (one, two, copy) = (one?, two?, copy?);
    expect(one.ino() == two.ino() && one.nlink() == 2, "below, both names are one file")?;
    expect(one.dev() == copy.dev(), "B and C are on one file system, where a link was possible")?;
    expect(copy.ino() != one.ino() && copy.nlink() == 1, "the copy is a file of its own")?;
    expect(
        look::look("merged/two.txt") == look::look("B/two.txt"),
        "the other name keeps the old content",
    )?;
    expect(!look::exists("C/two.txt"), "the other name was not copied")?;
    let follows = "No link leads from upper to lower: the copy has an inode of its own, although both \
                   are on one file system. And what was one file under two names is two files \
                   now; only the option index=on keeps them together.";
    stage.shown("breaking a hard link", Evidence::new(follows).table(table))
}
