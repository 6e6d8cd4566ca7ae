//! Renaming a directory: the one everyday call that an overlay refuses.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use ground::{Errno, Error, Evidence, Explanation, Outcome, Result, Scene, Table};
use overlay::{Marks, Options};

use super::{Stage, aside, call, done, expect, look, three_views, unmount, write};

pub fn scenes() -> Vec<Scene<Stage>> {
    let why = "the directory is a merge of A and B, and a merge has no name of its own to change";
    let mv = Explanation::new(
        "mv merged/moving merged/moved",
        "mv(1) takes EXDEV for another file system: it copies the tree and deletes the old one",
        "1 mv",
    );
    vec![Scene::new(
        "Renaming a directory of a lower layer is refused; mv(1) copies it instead.",
        [call("rename(\"merged/moving\", \"merged/moved\")", why, "2 rename"), mv],
        rename,
    )]
}

fn rename(stage: &mut Stage) -> Result<Outcome> {
    // mv(1) deletes a directory of two layers, for which the kernel makes an opaque one first.
    if let Some(error) = &stage.unmarkable {
        return Ok(Outcome::NotHere(error.clone()));
    }
    let names = ["moving", "moved"];
    let mut calls = Table::new(["call", "result"]);
    done("mkdir", fs::create_dir("merged/own"))?;
    let own = errno(fs::rename("merged/own", "merged/mine"));
    calls.push(["rename(\"own\", \"mine\"), only in upper", &own]);
    let lower = errno(fs::rename("merged/moving", "merged/moved"));
    calls.push(["rename(\"moving\", \"moved\"), in lower", &lower]);
    expect(own == "ok", "a directory of upper can be renamed")?;
    expect(lower == "EXDEV", "a directory of a lower layer cannot be renamed")?;
    let before = three_views(&names).title("after rename(2)");
    let mv = mv()?;
    calls.push(["mv moving moved", &mv]);
    expect(mv == "exit status 0", "mv copies the directory")?;
    expect(look::look("merged/moved") == "dir: a.txt b.txt", "mv moved the files of both layers")?;
    expect(look::is_whiteout("C/moving"), "the old name is a whiteout")?;
    let after = three_views(&names).title("after mv(1)");
    let mut follows =
        "EXDEV is what a move between file systems gives, and mv(1) knows what to do: \
                       every file of the directory is now in upper as well."
            .to_owned();
    let mut evidence = Evidence::default().table(calls).table(before).table(after);
    if stage.marks == Marks::Trusted {
        evidence = evidence.table(redirected(stage.marks)?);
        follows.push_str(
            " With redirect_dir=on the kernel leaves a pointer to the old name and copies no file; \
             Docker keeps it off, for such an upper directory is no layer by itself.",
        );
    }
    stage.shown("renaming a directory", Evidence { follows, ..evidence })
}

fn errno(result: std::io::Result<()>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => error
            .raw_os_error()
            .map_or_else(|| error.to_string(), |raw| format!("{:?}", Errno::from_raw(raw))),
    }
}

fn mv() -> Result<String> {
    let mut mv = Command::new("mv");
    mv.args(["merged/moving", "merged/moved"]).stdin(Stdio::null());
    let status = mv.status().map_err(|error| {
        Error::new("the demonstration cannot go on")
            .io("mv", &error)
            .fix("install coreutils or busybox")
    })?;
    Ok(format!("exit status {}", status.code().unwrap_or(-1)))
}

/// The same rename where redirects are allowed.
fn redirected(marks: Marks) -> Result<Table> {
    let options = Options { redirect_dir: Some(true), ..Options::with_marks(marks) };
    let (overlay, merged) = aside("redirect", options)?;
    write("redirect/lower/moving/a.txt", "from lower")?;
    overlay.mount(&merged)?;
    let renamed = errno(fs::rename("redirect/merged/moving", "redirect/merged/moved"));
    expect(renamed == "ok", "with redirect_dir=on a directory can be renamed")?;
    let upper = Path::new("redirect/upper/moved");
    let redirect = marks.get(upper, "redirect")?;
    let redirect = redirect.map(|value| String::from_utf8_lossy(&value).into_owned());
    let attribute = format!("redirect={:?}", redirect.unwrap_or_default());
    let table = Table::new(["with redirect_dir=on", "upper", "mark", "merged"])
        .title(format!("mark: the attribute {} in upper", marks.name("redirect")))
        .row([
            "moving".to_owned(),
            look::look("redirect/upper/moving"),
            String::new(),
            look::look("redirect/merged/moving"),
        ])
        .row([
            "moved".to_owned(),
            look::look(upper),
            attribute,
            look::look("redirect/merged/moved"),
        ]);
    unmount(&merged)?;
    done("rm -r redirect", fs::remove_dir_all("redirect"))?;
    Ok(table)
}
