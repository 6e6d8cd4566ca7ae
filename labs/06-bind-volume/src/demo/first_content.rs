//! What a volume begins with: the image's files where it is new, its own where it was used before.

use std::{os::unix::fs::MetadataExt, path::Path};

use ground::{Error, Evidence, Outcome, Result, Scene, Table};
use rootfs::Umount;
use volumes::{Access, fill, fill_explained, volume, volume_explained};

use super::{Stage, expect, make_directory, names, perform, write_file};

/// Stands for an image that has files in the place of the volume.
const IMAGE: &str = "/tmp/image";
const IN_IMAGE: &str = "/tmp/image/data";
const NEW: &str = "/tmp/volumes/new";
const USED: &str = "/tmp/volumes/used";

/// Claim V07.
pub fn scenes() -> Vec<Scene<Stage>> {
    let mut calls = fill_explained(Path::new(NEW), Path::new(IN_IMAGE)).to_vec();
    calls.push(volume_explained(Path::new(NEW), IN_IMAGE, Access::ReadWrite));
    let what = "Mount a new volume and a used one where the image has files of its own.";
    vec![Scene::new(what, calls, begin)]
}

fn begin(_: &mut Stage) -> Result<Outcome> {
    for directory in [IN_IMAGE, NEW, USED] {
        make_directory(directory)?;
    }
    write_file(&format!("{IN_IMAGE}/index.html"), "made for the volume to begin with\n")?;
    write_file(&format!("{USED}/mine"), "from the container before\n")?;
    let columns = ["volume", "held", "holds now", "seen at /data inside"];
    let mut table = Table::new(columns).title(format!("/data of the image: {}", names(IN_IMAGE)?));
    for volume in [NEW, USED] {
        let held = names(volume)?;
        let seen = mounted(volume)?;
        table.push([volume, &held, &names(volume)?, &seen]);
    }
    expect(names(NEW)? == names(IN_IMAGE)?, "a new volume is filled")?;
    expect(names(USED)? == "mine", "a used volume is left alone")?;
    let (copy, original) = (identity(NEW)?, identity(IN_IMAGE)?);
    expect(copy.0 != original.0, "the file was copied, not shared")?;
    expect(copy.1 == original.1, "owner, mode and time of change come along")?;
    Ok(Evidence::new(
        "A new volume begins as a copy of what it is going to cover, owners, modes and times \
         included. A used one keeps what it has: so a database survives the next image.",
    )
    .table(table)
    .into())
}

/// Fills the volume as an engine does, mounts it on the image and lists what is there then.
fn mounted(source: &str) -> Result<String> {
    let source = Path::new(source);
    fill(source, Path::new(IN_IMAGE))?;
    perform(&volume(source, Path::new(IMAGE), Path::new("/data"), Access::ReadWrite)?)?;
    let seen = names(IN_IMAGE);
    perform(&Umount::now(c"/tmp/image/data"))?;
    seen
}

/// The inode of `index.html` in a directory; and owner, mode and time of change.
fn identity(directory: &str) -> Result<(u64, (u32, u32, u32, i64))> {
    let path = format!("{directory}/index.html");
    let file = std::fs::metadata(&path).map_err(|error| {
        Error::new("cannot see the file").io(format_args!("stat {path}"), &error)
    })?;
    Ok((file.ino(), (file.uid(), file.gid(), file.mode(), file.mtime())))
}
