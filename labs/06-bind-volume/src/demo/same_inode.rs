//! One inode at two paths, what it covers, and why `:ro` is a second step.

use std::{ffi::CStr, os::unix::fs::MetadataExt, path::Path};

use ground::{Errno, Error, Evidence, Outcome, Result, Scene, Step, Table};
use rootfs::{Mount, MountInfo, MsFlags, Umount};
use volumes::{Bind, RemountReadOnly, SetReadOnly, table};

use super::{
    BIND, DATA, Stage, VOLUME, expect, make_directory, names, outcome, perform, read_file,
    try_to_write, write_file,
};

const C_DATA: &CStr = c"/tmp/data";
const C_VOLUME: &CStr = c"/tmp/volume";

pub fn scenes() -> Vec<Scene<Stage>> {
    vec![
        Scene::new(
            "Show one directory in a second place.",
            [Bind::new(C_DATA, C_VOLUME).explain()],
            show_twice,
        ),
        Scene::new(
            "Unmount it: what was covered is there again.",
            [Umount::now(C_VOLUME).explain()],
            uncover,
        ),
        Scene::new(
            "Ask for read-only in the same call, and try to write.",
            [ignored_read_only().explain()],
            read_only_ignored,
        ),
        Scene::new(
            "Make it read-only in a second call, and try again.",
            [RemountReadOnly::new(C_VOLUME).explain()],
            read_only_in_a_second_step,
        ),
        Scene::new(
            "Look below: a mount inside the volume has flags of its own.",
            [
                Mount::tmpfs(c"/tmp/data/inner", c"size=1m").explain(),
                Bind::new(C_DATA, C_VOLUME).explain(),
                RemountReadOnly::new(C_VOLUME).explain(),
                SetReadOnly::new(C_VOLUME).explain(),
            ],
            read_only_below,
        ),
    ]
}

fn show_twice(_: &mut Stage) -> Result<Outcome> {
    perform(&Bind::new(C_DATA, C_VOLUME))?;
    write_file(&format!("{VOLUME}/reply"), "hello from the volume\n")?;
    let mut inodes =
        Table::new(["path", "inode", "device", "what it reads"]).title("stat(2), read(2)");
    let first = identity(&format!("{DATA}/reply"))?;
    for path in [format!("{DATA}/reply"), format!("{VOLUME}/reply")] {
        let (device, inode) = identity(&path)?;
        let device = if device == first.0 { "the same" } else { "another" };
        inodes.push([path.clone(), inode.to_string(), device.to_owned(), read_file(&path)?]);
    }
    let second = identity(&format!("{VOLUME}/reply"))?;
    expect(first == second, "both paths should lead to one inode")?;
    let evidence = Evidence::new(
        "A file written through one path is there through the other: it is one file. What \
         changed is the mount table; `root` says which directory is shown.",
    );
    Ok(evidence.table(inodes).table(mount_line(VOLUME)?).into())
}

fn uncover(_: &mut Stage) -> Result<Outcome> {
    let (during, source) = (names(VOLUME)?, names(DATA)?);
    perform(&Umount::now(C_VOLUME))?;
    let after = names(VOLUME)?;
    expect(during != after, "the volume should be uncovered")?;
    let listing = Table::new(["when", VOLUME, DATA])
        .title("getdents64(2)")
        .row(["while mounted", &during, &source])
        .row(["after umount2", &after, &names(DATA)?]);
    Ok(Evidence::new(
        "Nothing was copied and nothing was lost: the mount only covered the directory.",
    )
    .table(listing)
    .into())
}

fn ignored_read_only() -> Mount {
    Mount::bind(C_DATA, C_VOLUME)
        .flags(BIND | MsFlags::MS_RDONLY)
        .why("one would think so: but a bind looks at no other flag than MS_REC")
}

fn read_only_ignored(_: &mut Stage) -> Result<Outcome> {
    perform(&ignored_read_only())?;
    let written = try_to_write(&format!("{VOLUME}/reply"), "changed\n");
    expect(written.is_ok(), "the flag should have been ignored")?;
    Ok(Evidence::new(
        "mount(2) reported success and the volume is writable: MS_RDONLY was ignored.",
    )
    .table(writes(&[(VOLUME, outcome(written))]))
    .table(mount_line(VOLUME)?)
    .into())
}

fn read_only_in_a_second_step(_: &mut Stage) -> Result<Outcome> {
    perform(&RemountReadOnly::new(C_VOLUME))?;
    let volume = try_to_write(&format!("{VOLUME}/reply"), "again\n");
    let host = try_to_write(&format!("{DATA}/reply"), "again\n");
    expect(volume == Err(Errno::EROFS), "the volume should refuse the write")?;
    expect(host.is_ok(), "the host should still write")?;
    let evidence = Evidence::new(
        "Read-only belongs to the mount and not to the files: the container is refused, the host \
         goes on writing the same inode.",
    );
    let evidence = evidence
        .table(writes(&[(VOLUME, outcome(volume)), (DATA, outcome(host))]))
        .table(mount_line(VOLUME)?);
    perform(&Umount::now(C_VOLUME))?;
    Ok(evidence.into())
}

fn read_only_below(_: &mut Stage) -> Result<Outcome> {
    make_directory("/tmp/data/inner")?;
    perform(&Mount::tmpfs(c"/tmp/data/inner", c"size=1m"))?;
    perform(&Bind::new(C_DATA, C_VOLUME))?;
    let inner = format!("{VOLUME}/inner/file");
    perform(&RemountReadOnly::new(C_VOLUME))?;
    let remounted = try_to_write(&inner, "x");
    expect(remounted.is_ok(), "a remount should reach one mount only")?;
    perform(&SetReadOnly::new(C_VOLUME))?;
    let recursive = try_to_write(&inner, "x");
    perform(&Umount::detach(C_VOLUME))?;
    perform(&Umount::now(c"/tmp/data/inner"))?;
    if recursive.is_ok() {
        return Ok(Outcome::NotHere(
            Error::new("this kernel cannot make a whole tree read-only in one call")
                .why("mount_setattr(2) came with Linux 5.12; only the topmost mount was changed")
                .see("2 mount_setattr")
                .fix("use a newer kernel, or remount every mount of the tree by itself"),
        ));
    }
    let table = Table::new(["after", "a write to the mount inside"])
        .row(["MS_REMOUNT|MS_BIND|MS_RDONLY", &outcome(remounted)])
        .row(["mount_setattr(AT_RECURSIVE)", &outcome(recursive)]);
    Ok(Evidence::new(
        "A remount reaches one mount: for years `-v /data:/data:ro` left the ones below open.",
    )
    .table(table)
    .into())
}

fn identity(path: &str) -> Result<(u64, u64)> {
    let file = std::fs::metadata(path).map_err(|error| {
        Error::new("cannot see the file").io(format_args!("stat {path}"), &error)
    })?;
    Ok((file.dev(), file.ino()))
}

fn writes(rows: &[(&str, String)]) -> Table {
    let empty = Table::new(["open(.., O_WRONLY) below", "result"]);
    rows.iter().fold(empty, |table, (path, result)| table.row([*path, result]))
}

/// The line of the mount table for a mount point.
fn mount_line(mount_point: &str) -> Result<Table> {
    let mounts = MountInfo::of("self")?;
    let Some(entry) = table::at(&mounts, Path::new(mount_point)) else {
        return Err(super::contradicted("the mount should be in the mount table"));
    };
    let options = if table::is_read_only(entry) { "ro" } else { "rw" };
    Ok(Table::new(["root", "mount point", "options", "type"]).title("/proc/self/mountinfo").row([
        entry.root.to_string_lossy().as_ref(),
        mount_point,
        options,
        &entry.fstype,
    ]))
}
