//! Layers from somebody who means no good: each is refused in words or does no harm, nothing
//! half-written is visible, and the next try works.

use std::{
    fs,
    io::Write,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use mini_docker::{
    layout::Layout,
    snapshot::{self, ensure_layers},
    store::{Arrivals, Store, sha256},
};
use oci::{Descriptor, ImageConfig, MediaType, Platform};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;
use testbed::{needs, snapshot};

/// An archive that is written entry by entry, with names that the crate would refuse.
pub struct Archive(pub Builder<Vec<u8>>);

impl Archive {
    pub fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub fn header(kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_size(size);
        header
    }

    fn entry(mut self, kind: EntryType, name: &str, link: &str, content: &[u8]) -> Self {
        let mut header = Self::header(kind, content.len() as u64);
        let mut long = Vec::new();
        for (key, value, room) in [("path", name, 100), ("linkpath", link, 100)] {
            if value.len() > room {
                long.push((key, value.as_bytes()));
            }
        }
        if !long.is_empty() {
            self.0.append_pax_extensions(long).unwrap();
        }
        let gnu = header.as_gnu_mut().unwrap();
        copy(&mut gnu.name, name);
        copy(&mut gnu.linkname, link);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(EntryType::Regular, name, "", content)
    }

    pub fn dir(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name, "", b"")
    }

    pub fn link(self, name: &str, to: &str) -> Self {
        self.entry(EntryType::Symlink, name, to, b"")
    }

    pub fn hard_link(self, name: &str, to: &str) -> Self {
        self.entry(EntryType::Link, name, to, b"")
    }

    pub fn tar(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn copy(to: &mut [u8; 100], from: &str) {
    let count = from.len().min(100);
    to[..count].copy_from_slice(&from.as_bytes()[..count]);
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// A store, and beside it a file that must stay as it is.
struct World {
    scratch: TempDir,
    store: Store,
}

impl World {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::open(Layout::new(scratch.path().join("data"))).unwrap();
        fs::write(scratch.path().join("outside"), "untouched").unwrap();
        Self { scratch, store }
    }

    /// Unpacks an archive as the only layer of an image.
    fn unpack(&self, tar: &[u8]) -> ground::Result<PathBuf> {
        self.unpack_packed(tar, &gzip(tar))
    }

    fn unpack_packed(&self, tar: &[u8], packed: &[u8]) -> ground::Result<PathBuf> {
        let blob = self.store.put_bytes(MediaType::OciLayerGzip, packed).unwrap();
        let mut config = ImageConfig::new(&Platform::host());
        config.rootfs.diff_ids.push(sha256(tar));
        self.ensure(&config, &blob)
    }

    fn ensure(&self, config: &ImageConfig, blob: &Descriptor) -> ground::Result<PathBuf> {
        let layers = [blob.clone()];
        let chain = ensure_layers(&Arrivals::none(&self.store), config, &layers, &|_, _| {});
        let unfinished = self.store.layout().layers().join("unfinished");
        let left = fs::read_dir(unfinished).map_or(0, Iterator::count);
        assert_eq!(left, 0, "nothing half-written stays");
        let outside = fs::read_to_string(self.scratch.path().join("outside")).unwrap();
        assert_eq!(outside, "untouched");
        Ok(self.store.layout().layer_diff(&chain?.unwrap()[0]))
    }

    /// Nothing of a refused layer is visible, and another one works.
    fn check_refused(&self, tar: &[u8]) -> String {
        self.check_refused_packed(tar, &gzip(tar))
    }

    fn check_refused_packed(&self, tar: &[u8], packed: &[u8]) -> String {
        let error = self.unpack_packed(tar, packed).unwrap_err();
        assert_eq!(snapshot::layers_here(self.store.layout()).unwrap(), []);
        let good = Archive::new().file("good", b"x").tar();
        let dir = self.unpack(&good).unwrap();
        assert_eq!(fs::read_to_string(dir.join("good")).unwrap(), "x");
        error.to_string()
    }
}

/// Layers that are refused, and why somebody would make them.
pub fn refused() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a path with ..", Archive::new().file("../outside", b"evil").tar()),
        ("a path that climbs out later", Archive::new().file("a/../../outside", b"evil").tar()),
        ("a hard link outside", Archive::new().hard_link("a", "../../outside").tar()),
        ("a hard link to nothing", Archive::new().hard_link("a", "/etc/passwd").tar()),
        ("a hard link to a directory", Archive::new().dir("d").hard_link("a", "d").tar()),
        ("a whiteout of ..", Archive::new().file("etc/.wh...", b"").tar()),
        ("10 000 directories deep", Archive::new().file(&"d/".repeat(10_000), b"").tar()),
        ("1 500 directories deep", Archive::new().file(&("d/".repeat(1_500) + "f"), b"").tar()),
        ("a name too long", Archive::new().file(&"n".repeat(300), b"").tar()),
        ("a file on the way", Archive::new().file("a", b"").file("a/b", b"").tar()),
        (
            "a directory that is a link outside",
            Archive::new().link("etc", "/nowhere/../etc").file("etc/passwd", b"evil").tar(),
        ),
        ("a link that leads in a circle", Archive::new().link("a", "a").file("a/b", b"").tar()),
        ("a header of two megabytes", huge_header()),
        ("a file larger than the disk", larger_than_the_disk()),
    ]
}

/// What differs from disk to disk.
pub const NUMBERS: (&str, &str) = (
    r"wants \d+ bytes, and the file system has \d+",
    "wants [N] bytes, and the file system has [N]",
);

#[test]
fn what_leads_outside_or_cannot_be_is_refused_in_words() {
    needs!(Root);
    let mut told = String::new();
    for (name, tar) in refused() {
        told += &format!("{name}\n{}\n\n", World::new().check_refused(&tar));
    }
    snapshot!("hostile", told, [NUMBERS]);
}

/// pax records are kept in memory, so they must not be as large as they like.
fn huge_header() -> Vec<u8> {
    let mut archive = Archive::new();
    let value = vec![b'x'; 2 << 20];
    archive.0.append_pax_extensions([("comment", value.as_slice())]).unwrap();
    archive.file("a", b"").tar()
}

/// Only its header: the size alone must be enough to refuse it.
fn larger_than_the_disk() -> Vec<u8> {
    let mut header = Archive::header(EntryType::Regular, 1 << 60);
    header.set_path("bomb").unwrap();
    header.set_cksum();
    let mut tar = header.as_bytes().to_vec();
    tar.resize(4096, 0);
    tar
}

#[test]
fn what_is_broken_is_refused_in_words() {
    needs!(Root);
    let good = Archive::new().file("a", &[7; 100_000]).tar();
    let packed = gzip(&good);
    let mut told = String::new();
    let mut tell = |name: &str, tar: &[u8], packed: &[u8]| {
        let error = World::new().check_refused_packed(tar, packed);
        told += &format!("{name}\n{error}\n\n");
    };
    tell("another digest", b"something else", &packed);
    tell("cut off while packed", &good, &packed[..packed.len() / 2]);
    tell("cut off as an archive", &good[..50_000], &gzip(&good[..50_000]));
    tell("no archive at all", b"hello", &gzip(b"hello"));
    tell("a gzip that is none", &good, b"\x1f\x8bnonsense");
    snapshot!("broken", told);
}

#[test]
fn what_is_odd_stays_inside() {
    needs!(Root);
    let world = World::new();
    let outside = world.scratch.path().join("outside");
    let climb = "../".repeat(20) + "etc";
    let tar = Archive::new()
        .file("/absolute", b"1")
        .dir("etc")
        .link("alias", &climb)
        .file("alias/passwd", b"2")
        .link("out", outside.to_str().unwrap())
        .file("out", b"3")
        .link("shadow", "/etc/shadow")
        .file("shadow", b"4")
        .tar();
    let dir = world.unpack(&tar).unwrap();
    let read = |path: &str| fs::read_to_string(dir.join(path)).unwrap();
    assert_eq!(read("absolute"), "1");
    // A link on the way leads somewhere inside, as for a process that has this as its root.
    assert_eq!(read("etc/passwd"), "2");
    assert_eq!(read("out"), "3");
    // A link that is itself the entry's name is replaced, not followed.
    assert!(fs::symlink_metadata(dir.join("shadow")).unwrap().is_file());
    assert_eq!(read("shadow"), "4");
    let real = fs::read_to_string("/etc/passwd").unwrap();
    assert!(real.contains("root:"), "the host's file is as it was");
}

#[test]
fn a_layer_is_unpacked_with_all_that_it_says() {
    needs!(Root);
    let world = World::new();
    let mut archive = Archive::new()
        .dir("bin")
        .file("bin/tool", b"tool")
        .hard_link("bin/other", "bin/tool")
        .link("sbin", "bin")
        .file(".wh.gone", b"")
        .dir("opaque")
        .file("opaque/.wh..wh..opq", b"");
    let mut device = Archive::header(EntryType::Char, 0);
    device.set_path("null").unwrap();
    device.set_device_major(1).unwrap();
    device.set_device_minor(3).unwrap();
    device.set_uid(8);
    device.set_gid(9);
    device.set_cksum();
    archive.0.append(&device, std::io::empty()).unwrap();
    let xattr = ("SCHILY.xattr.user.note", b"hello".as_slice());
    let overlay = ("SCHILY.xattr.trusted.overlay.redirect", b"/etc".as_slice());
    let long = "n".repeat(200);
    archive
        .0
        .append_pax_extensions([xattr, overlay, ("mtime", b"1700000000.5".as_slice())])
        .unwrap();
    let dir = world.unpack(&archive.file(&long[..90], b"x").tar()).unwrap();
    let stat = |path: &str| fs::symlink_metadata(dir.join(path)).unwrap();
    assert_eq!(stat("bin/tool").ino(), stat("bin/other").ino());
    assert!(stat("sbin").is_symlink());
    assert!(stat("gone").file_type().is_char_device() && stat("gone").rdev() == 0);
    assert_eq!(xattr::get(dir.join("opaque"), "trusted.overlay.opaque").unwrap().unwrap(), b"y");
    assert_eq!((stat("null").uid(), stat("null").gid()), (8, 9));
    assert!(stat("null").file_type().is_char_device());
    let noted = &long[..90];
    assert_eq!(stat(noted).mtime_nsec(), 500_000_000);
    assert_eq!(
        xattr::get(dir.join(noted), "user.note").ok().flatten().as_deref(),
        Some(&b"hello"[..])
    );
    assert_eq!(xattr::get(dir.join(noted), "trusted.overlay.redirect").unwrap(), None);
    assert_eq!(stat("bin").mtime(), 1_700_000_000);
}

#[test]
fn a_layer_survives_the_way_there_and_back() {
    needs!(Root);
    let world = World::new();
    let tar = Archive::new()
        .dir("d")
        .file("d/a", b"a")
        .hard_link("d/b", "d/a")
        .link("l", "d/a")
        .file(".wh.gone", b"")
        .file(&("x/".repeat(80) + "deep"), b"deep")
        .tar();
    let dir = world.unpack(&tar).unwrap();
    let packed = snapshot::pack(&world.store, &dir, &|_| None).unwrap();
    let again = snapshot::pack(&world.store, &dir, &|_| None).unwrap();
    assert_eq!(packed, again, "the same files are the same bytes");
    let mut config = ImageConfig::new(&Platform::host());
    config.rootfs.diff_ids.push(packed.diff_id);
    let copy = world.ensure(&config, &packed.blob).unwrap();
    assert_eq!(list(&dir), list(&copy));
}

/// Everything below a directory: path, mode, owner, links, device, time and content.
fn list(dir: &Path) -> Vec<String> {
    let mut waiting = vec![dir.to_owned()];
    let mut lines = Vec::new();
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let file = fs::symlink_metadata(&path).unwrap();
            let content = file.is_file().then(|| fs::read(&path).unwrap());
            lines.push(format!(
                "{:?} {:o} {} {} {} {} {:?}",
                path.strip_prefix(dir).unwrap(),
                file.mode(),
                file.uid(),
                file.nlink(),
                file.rdev(),
                // A whiteout has no time of its own: it is made now.
                if file.file_type().is_char_device() { 0 } else { file.mtime() },
                content
            ));
            if file.is_dir() {
                waiting.push(path);
            }
        }
    }
    lines.sort();
    lines
}
