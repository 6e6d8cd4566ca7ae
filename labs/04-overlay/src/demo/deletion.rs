//! Deletion: the lower file stays, and a mark in the upper layer hides it.

use std::{fs, path::Path};

use ground::{Evidence, Outcome, Result, Scene, Table};

use super::{Stage, call, done, expect, look, three_views};

pub fn scenes() -> Vec<Scene<Stage>> {
    vec![
        Scene::new(
            "A deleted lower file leaves a whiteout; a file that is only in upper leaves nothing.",
            [
                call(
                    "unlink(\"merged/a.txt\")",
                    "it is in A and B, which nobody writes: only a mark can hide it",
                    "2 unlink",
                ),
                call(
                    "unlink(\"merged/mine.txt\")",
                    "it is in C alone, where it can just go",
                    "2 unlink",
                ),
            ],
            files,
        ),
        Scene::new(
            "A deleted directory leaves a whiteout too; made again, it is opaque.",
            [
                call(
                    "unlink(\"merged/dir/old.txt\"), rmdir(\"merged/dir\")",
                    "the mark takes the place of the whole directory",
                    "2 rmdir",
                ),
                call(
                    "mkdir(\"merged/dir\")",
                    "a new one must not show what the old one held",
                    "2 mkdir",
                ),
            ],
            directories,
        ),
    ]
}

fn files(stage: &mut Stage) -> Result<Outcome> {
    done("write merged/mine.txt", fs::write("merged/mine.txt", "mine"))?;
    let names = ["a.txt", "mine.txt"];
    let before = three_views(&names).title("before");
    for name in names {
        done("unlink", fs::remove_file(format!("merged/{name}")))?;
    }
    let after = three_views(&names).title("after unlink(2)");
    expect(look::is_whiteout("C/a.txt"), "a.txt is a whiteout in upper")?;
    expect(!look::exists("C/mine.txt"), "nothing is left of mine.txt")?;
    expect(!look::exists("merged/a.txt"), "a.txt is gone from merged")?;
    let follows = "A whiteout is a character device with the number 0:0, and merged shows neither it \
                   nor what is below. Deleting frees nothing: the image below is as large as before.";
    stage.shown("deleting files", Evidence::new(follows).table(before).table(after))
}

fn directories(stage: &mut Stage) -> Result<Outcome> {
    if let Some(error) = &stage.unmarkable {
        return Ok(Outcome::NotHere(error.clone()));
    }
    let table = Table::new(["after", "lower (B)", "upper (C)", "mark", "merged"]);
    let directory = Path::new("C/dir");
    let marks = stage.marks;
    let mut table = table.title(format!("mark: the attribute {} in upper", marks.name("opaque")));
    let row = |after: &str| -> Result<[String; 5]> {
        let attribute =
            if directory.is_dir() { look::opaque(directory, marks)? } else { "-".to_owned() };
        Ok([
            after.to_owned(),
            look::look("B/dir"),
            look::look(directory),
            attribute,
            look::look("merged/dir"),
        ])
    };
    table.push(row("mount")?);
    done("rm -r merged/dir", fs::remove_dir_all("merged/dir"))?;
    expect(
        look::is_whiteout(directory),
        "a deleted directory is a whiteout, not an opaque directory",
    )?;
    table.push(row("rmdir")?);
    done("mkdir merged/dir", fs::create_dir("merged/dir"))?;
    table.push(row("mkdir")?);
    expect(look::opaque(directory, marks)?.ends_with("=\"y\""), "the new directory is opaque")?;
    expect(look::look("merged/dir") == "dir: empty", "the new directory shows nothing old")?;
    done("write", fs::write("merged/dir/new.txt", "new"))?;
    table.push(row("creat")?);
    let follows = "rmdir leaves the same mark for a directory as unlink for a file. Opaque is the \
                   directory that was made again: its attribute says that nothing from below \
                   belongs to it.";
    stage.shown("deleting directories", Evidence::new(follows).table(table))
}
