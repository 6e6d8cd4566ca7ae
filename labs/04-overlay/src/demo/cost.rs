//! The cost: a copy-up takes as long as the file is large, however little is changed.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    time::{Duration, Instant},
};

use ground::{Evidence, Outcome, Result, Scene, Table};
use overlay::{Marks, Options};

use super::{Stage, aside, call, done, expect, look, unmount};

/// Sizes of the files, in MiB.
const SIZES_MIB: [u64; 3] = [1, 8, 64];
const MIB: u64 = 1 << 20;

pub fn scenes() -> Vec<Scene<Stage>> {
    let why = "one byte is to be written, and the whole file is copied for it";
    vec![Scene::new(
        "The first write of a byte costs the whole file; every later one costs a byte.",
        [call("open(\"merged/FILE\", O_WRONLY), write(.., 1)", why, "2 open")],
        cost,
    )]
}

fn cost(stage: &mut Stage) -> Result<Outcome> {
    let (overlay, merged) = aside("cost", Options::with_marks(stage.marks))?;
    for size in SIZES_MIB {
        fill(&format!("cost/lower/{size}"), size)?;
    }
    overlay.mount(&merged)?;
    let mut table = Table::new(["file", "first write", "second write", "in upper, MiB"]);
    for size in SIZES_MIB {
        let path = format!("cost/merged/{size}");
        let (first, second) = (write_a_byte(&path)?, write_a_byte(&path)?);
        let copied = look::stat(format!("cost/upper/{size}"))?.blocks() * 512 / MIB;
        expect(copied >= size, "the whole file was copied")?;
        table.push([format!("{size} MiB"), millis(first), millis(second), copied.to_string()]);
    }
    unmount(&merged)?;
    done("rm -r cost", fs::remove_dir_all("cost"))?;
    let follows = "Time and space of the first write grow with the file. So big files that change \
                   belong in a volume, not in an image.";
    let mut evidence = Evidence::new(follows).table(table);
    if stage.marks == Marks::Trusted {
        evidence = evidence.table(metacopy(stage.marks)?);
        evidence.follows.push_str(
            " With metacopy=on a chmod copies the metadata alone, and the data follows with the \
             first open for writing.",
        );
    } else {
        evidence.follows.push_str(
            " Root can soften it with metacopy=on, where a chmod copies no data; in a user \
             namespace the kernel forbids that.",
        );
    }
    stage.shown("copying 73 MiB", evidence)
}

/// chmod, then a write, where metadata may be copied alone.
fn metacopy(marks: Marks) -> Result<Table> {
    let on = Some(true);
    let options = Options { metacopy: on, redirect_dir: on, ..Options::with_marks(marks) };
    let (overlay, merged) = aside("metacopy", options)?;
    fill("metacopy/lower/8", 8)?;
    overlay.mount(&merged)?;
    let in_upper = || -> Result<u64> { Ok(look::stat("metacopy/upper/8")?.blocks() * 512 / MIB) };
    let mut table = Table::new(["with metacopy=on, 8 MiB, after", "size, MiB", "in upper, MiB"]);
    done("chmod", fs::set_permissions("metacopy/merged/8", Permissions::from_mode(0o600)))?;
    let size = look::stat("metacopy/merged/8")?.size() / MIB;
    let after_chmod = in_upper()?;
    table.push(["chmod".to_owned(), size.to_string(), after_chmod.to_string()]);
    write_a_byte("metacopy/merged/8")?;
    let after_write = in_upper()?;
    table.push(["write".to_owned(), size.to_string(), after_write.to_string()]);
    expect(after_chmod == 0 && after_write >= 8, "metacopy copies the data with the first write")?;
    unmount(&merged)?;
    done("rm -r metacopy", fs::remove_dir_all("metacopy"))?;
    Ok(table)
}

/// A file without holes, for holes are not copied.
fn fill(path: &str, size_mib: u64) -> Result<()> {
    let mut file = done(path, File::create(path))?;
    let block = [0xA5; MIB as usize];
    (0..size_mib).try_for_each(|_| done(path, file.write_all(&block)))
}

fn write_a_byte(path: impl AsRef<Path>) -> Result<Duration> {
    let started = Instant::now();
    let mut file = done("open", OpenOptions::new().write(true).open(path))?;
    done("write", file.write_all(b"!"))?;
    Ok(started.elapsed())
}

fn millis(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}
