//! Afterwards: the kernel's bench, the diff, and the lower layers as they were.

use std::{fs, path::Path};

use ground::{Evidence, Explanation, Outcome, Result, Scene, Step, Table};
use overlay::{ChangeKind, Options, diff};
use rootfs::Umount;

use super::{Stage, aside, call, done, expect, look, unmount, write};
use crate::marks;

pub fn scenes() -> Result<Vec<Scene<Stage>>> {
    let unmounts =
        Umount::now(c"merged").why("the upper directory stays, as any directory").explain();
    Ok(vec![
        Scene::new(
            "The work directory is the kernel's bench: it clears it, and we keep our hands off.",
            [bench_explained()?],
            bench,
        ),
        Scene::new(
            "Unmounted, the upper directory is all that the container changed: that is docker diff.",
            [
                unmounts,
                call(
                    "lstat(..), lgetxattr(..)",
                    "marks are deletions; the lower layers tell changed from added",
                    "2 lstat",
                ),
            ],
            changes,
        ),
        Scene::new(
            "And the lower layers? Every scene has taken their digest.",
            [call(
                "lstat(..), read(..)",
                "names, modes, owners, times and contents of A and of B",
                "2 lstat",
            )],
            untouched,
        ),
    ])
}

fn bench_explained() -> Result<Explanation> {
    let overlay = overlay::Overlay {
        lower: vec!["bench/lower".into()],
        upper: Some(overlay::Upper { dir: "bench/upper".into(), work: "bench/work".into() }),
        options: Options::with_marks(marks()),
    };
    Ok(overlay.step(Path::new("bench/merged"))?.explain())
}

fn bench(stage: &mut Stage) -> Result<Outcome> {
    let (overlay, merged) = aside("bench", Options::with_marks(stage.marks))?;
    write("bench/lower/a.txt", "from lower")?;
    write("bench/work/note.txt", "mine")?;
    write("bench/work/work/left-over", "from a crash")?;
    let mut table = Table::new(["when", "bench/work", "bench/work/work"]);
    let row =
        |when: &str| [when.to_owned(), look::look("bench/work"), kept_private("bench/work/work")];
    table.push(row("before the mount"));
    overlay.mount(&merged)?;
    expect(!look::exists("bench/work/work/left-over"), "the mount clears work/work")?;
    table.push(row("mounted"));
    done("unlink", fs::remove_file("bench/merged/a.txt"))?;
    table.push(row("after a deletion"));
    unmount(&merged)?;
    table.push(row("unmounted"));
    done("rm -r bench", fs::remove_dir_all("bench"))?;
    let follows = "The kernel clears a directory `work` at each mount, finishes its copies there and \
                   renames them into upper, so that nobody sees half a file. It may keep a \
                   whiteout there, to link the next ones to.";
    stage.shown("using the work directory", Evidence::new(follows).table(table))
}

/// What the kernel's own directory holds; its names change from kernel to kernel.
fn kept_private(path: &str) -> String {
    let mode = look::stat(path).map(|file| std::os::unix::fs::MetadataExt::mode(&file) & 0o7777);
    let whiteouts = |names: Vec<String>| {
        let (marks, others): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| look::is_whiteout(Path::new(path).join(name)));
        match (marks.len(), others.is_empty()) {
            (0, true) => "empty".to_owned(),
            (count, true) => format!("{count} whiteout"),
            (_, false) => others.join(" "),
        }
    };
    match (mode, look::names(Path::new(path))) {
        (Ok(mode), Ok(names)) => format!("mode {mode:04o}: {}", whiteouts(names)),
        _ => "-".to_owned(),
    }
}

fn changes(stage: &mut Stage) -> Result<Outcome> {
    unmount(Path::new("merged"))?;
    let changes = diff(Path::new("C"), &["A".into(), "B".into()], stage.marks)?;
    let kind = |path: &str| {
        changes.iter().find(|change| change.path == Path::new(path)).map(|change| change.kind)
    };
    expect(kind("/a.txt") == Some(ChangeKind::Deleted), "a.txt was deleted")?;
    expect(kind("/write.txt") == Some(ChangeKind::Changed), "write.txt was changed")?;
    let moved = stage.unmarkable.is_none().then_some(ChangeKind::Added);
    expect(kind("/moved") == moved, "moved was added")?;
    expect(kind("/two.txt").is_none(), "two.txt was left alone")?;
    expect(look::look("C/open.txt") == look::look("B/open.txt"), "no byte of open.txt changed")?;
    let of = |wanted| changes.iter().filter(|change| change.kind == wanted).count();
    let follows = format!(
        "{} added, {} changed, {} deleted, read from C without any mount. open.txt is among the \
         changed, although no byte of it is: it was opened for writing. docker commit packs exactly \
         this as the next layer, with a whiteout spelled .wh.NAME.",
        of(ChangeKind::Added),
        of(ChangeKind::Changed),
        of(ChangeKind::Deleted),
    );
    let mut table = Table::new(["kind", "path", "in upper (C)"]).title("lab-04 diff C --lower A:B");
    for change in &changes {
        let path = change.path.display();
        table.push([change.kind.to_string(), path.to_string(), look::look(format!("C{path}"))]);
    }
    stage.shown("reading the diff", Evidence::new(follows).table(table))
}

fn untouched(stage: &mut Stage) -> Result<Outcome> {
    let mut table = Table::new(["after", "digest of A", "digest of B"]);
    let [a, b] = &stage.untouched;
    table.push(["before the first mount", a, b]);
    for (scene, [a, b]) in &stage.afterwards {
        table.push([scene, &a.as_str(), &b.as_str()]);
    }
    let same = stage.afterwards.iter().all(|(_, digests)| *digests == stage.untouched);
    expect(same, "the lower layers never change")?;
    let follows = "Not a byte, not a mode, not a time. So one image serves a thousand containers at \
                   once, and a layer can be named by the digest of what is in it: lab 07 does \
                   both.";
    Ok(Evidence::new(follows).table(table).into())
}
