//! The stack: who wins, and how high it can be.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ground::{Errno, Evidence, Outcome, Result, Scene, Step, Table};
use nix::unistd::{SysconfVar, sysconf};
use overlay::{MAX_LOWER, Marks, Options, Overlay};

use super::{Stage, done, expect, look, story, unmount};
use crate::marks;

pub fn scenes() -> Result<Vec<Scene<Stage>>> {
    let mounts = story(marks()).step(Path::new("merged"))?.explain();
    let turned = other_way_round(marks()).step(Path::new("turned"))?.explain();
    let many = many(MAX_LOWER, marks()).step(Path::new(TALL))?.explain();
    Ok(vec![
        Scene::new(
            "Three directories become one; of equal names, the topmost wins.",
            [mounts, turned],
            who_wins,
        ),
        Scene::new(
            "A stack may have more than two layers: as many as the kernel's limit.",
            [many],
            how_high,
        ),
    ])
}

/// Where the tall stack is mounted.
const TALL: &str = "/tmp/tall";

/// The four files of the notes, and in which of the layers each one is.
const WINNERS: [(&str, &str); 4] =
    [("a.txt", "from A"), ("b.txt", "from C"), ("c.txt", "from C"), ("x.txt", "from A")];

fn who_wins(stage: &mut Stage) -> Result<Outcome> {
    let turned = Path::new("turned");
    done("mkdir turned", fs::create_dir(turned))?;
    story(stage.marks).mount(Path::new("merged"))?;
    other_way_round(stage.marks).mount(turned)?;
    let columns = ["name", "A (lower)", "B (lower)", "C (upper)", "merged", "turned (B:A)"];
    let mut table = Table::new(columns);
    for (name, winner) in WINNERS {
        let [a, b, c, merged, turned] =
            ["A", "B", "C", "merged", "turned"].map(|layer| text(&format!("{layer}/{name}")));
        expect(merged == winner, &format!("{name} is {winner}"))?;
        expect(turned == if b == "-" { "from A" } else { "from B" }, "turned, B wins")?;
        table.push([name.to_owned(), a, b, c, merged, turned]);
    }
    let refused = fs::write("turned/new.txt", "").err().and_then(|error| error.raw_os_error());
    let refused = refused.map(Errno::from_raw);
    expect(refused == Some(Errno::EROFS), "an overlay without upper is read-only")?;
    let errno = refused.map(|errno| format!("{errno:?}")).unwrap_or_default();
    let writing = Table::new(["call", "result"]).row(["open(\"turned/new.txt\", O_CREAT)", &errno]);
    unmount(turned)?;
    let follows = "The upper layer beats both lower ones (b.txt, c.txt), and of lowerdir=A:B the \
                   first beats the second (a.txt, x.txt): leftmost is topmost. Nothing was copied \
                   to get here, and without an upper layer nobody can write.";
    stage.shown("mounting", Evidence::new(follows).table(table).table(writing))
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|_| "-".to_owned())
}

/// The lower layers of the story the other way round, for reading only.
fn other_way_round(marks: Marks) -> Overlay {
    Overlay {
        lower: vec!["B".into(), "A".into()],
        upper: None,
        options: Options::with_marks(marks),
    }
}

/// A stack of `count` layers in the directory `layers`.
fn many(count: usize, marks: Marks) -> Overlay {
    let lower = (0..count).map(|n| PathBuf::from(format!("/tmp/layers/{n}"))).collect();
    Overlay { lower, upper: None, options: Options::with_marks(marks) }
}

fn how_high(stage: &mut Stage) -> Result<Outcome> {
    let target = Path::new(TALL);
    done("mkdir tall", fs::create_dir(target))?;
    for n in 0..=MAX_LOWER {
        let layer = format!("layers/{n}");
        done("mkdir", fs::create_dir_all(&layer))?;
        done("write", fs::write(format!("{layer}/{n}.txt"), ""))?;
        done("write", fs::write(format!("{layer}/same.txt"), n.to_string()))?;
    }
    let mut table = Table::new(["lower layers", "mount(2)", "files seen", "same.txt is from"]);
    for count in [2, MAX_LOWER, MAX_LOWER + 1] {
        // Past the check that would say it in words: the kernel is to answer.
        let result = many(count, stage.marks).step(target)?.run();
        expect(result.is_ok() == (count <= MAX_LOWER), "500 layers can be mounted and 501 cannot")?;
        let row = match result {
            Err(errno) => [count.to_string(), format!("{errno:?}"), "-".to_owned(), "-".to_owned()],
            Ok(()) => {
                let files = done("readdir", look::names(target))?.len().to_string();
                let row = [
                    count.to_string(),
                    "ok".to_owned(),
                    files,
                    format!("layer {}", text("tall/same.txt")),
                ];
                unmount(target)?;
                row
            }
        };
        table.push(row);
    }
    done("rm -r layers", fs::remove_dir_all("layers"))?;
    let follows = format!(
        "lowerdir takes {MAX_LOWER} layers. The other limit is the text: mount(2) takes one page, {} \
         bytes, and cuts off the rest without a word. So long stacks are named from the \
         directory that holds the layers.",
        page_size()?
    );
    stage.shown("stacking 500 layers", Evidence::new(follows).table(table))
}

fn page_size() -> Result<i64> {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    size.ok_or_else(|| ground::Error::new("the kernel does not tell its page size"))
}
