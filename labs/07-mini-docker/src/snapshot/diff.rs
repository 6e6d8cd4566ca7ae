//! Packing: an upper directory becomes a layer, the same bytes for the same files every time.
//!
//! Names are sorted, times are whole seconds, and nothing of this machine gets in, so that a layer
//! that did not change has the digest that it had. The overlay's marks become the names of the
//! image specification (lab 04): a device 0:0 is `.wh.NAME`, an opaque directory has an entry
//! `.wh..wh..opq`. One pass: the archive is hashed for its diff_id, compressed, and hashed again
//! for its digest, while it is written.

use std::{
    collections::HashMap,
    fs::{self, File, Metadata},
    io::{self, Read, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use ground::{Error, Result};
use oci::{Algorithm, Descriptor, Digest, MediaType};
use overlay::{
    Marks,
    whiteout::{self, OciEntry, Opacity},
};
use tar::{Builder, EntryType, Header};

use super::{Kept, ownership::Device};
use crate::store::{BlobWriter, Digester, Store};

/// A layer that was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The compressed archive in the store.
    pub blob: Descriptor,
    /// The digest of the archive itself.
    pub diff_id: Digest,
    /// Files, directories and whiteouts in it.
    pub entries: usize,
}

/// Packs `upper` into the store. `kept` knows owners that are not on the files.
///
/// Works while a container writes to it; what changes meanwhile is packed as it was, or as it
/// became.
///
/// # Errors
/// As open(2) and read(2), and the store's.
pub fn pack(store: &Store, upper: &Path, kept: &dyn Fn(&Path) -> Option<Kept>) -> Result<Packed> {
    let sink = Sink {
        digester: Digester::new(Algorithm::Sha256),
        packed: GzEncoder::new(store.writer()?, Compression::default()),
    };
    let mut packer = Packer {
        tar: Builder::new(sink),
        upper,
        kept,
        marks: Marks::here(),
        linked: HashMap::new(),
        entries: 0,
    };
    packer.directory(Path::new(""))?;
    let entries = packer.entries;
    let sink = packer.tar.into_inner().map_err(|error| cannot(upper, &error))?;
    let diff_id = sink.digester.finish();
    let writer = sink.packed.finish().map_err(|error| cannot(upper, &error))?;
    Ok(Packed { blob: writer.commit(MediaType::OciLayerGzip)?, diff_id, entries })
}

/// Where the archive goes: to both hashes and into the store.
struct Sink {
    digester: Digester,
    packed: GzEncoder<BlobWriter>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.packed.write(bytes)?;
        self.digester.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.packed.flush()
    }
}

struct Packer<'a> {
    tar: Builder<Sink>,
    upper: &'a Path,
    kept: &'a dyn Fn(&Path) -> Option<Kept>,
    marks: Marks,
    /// The first name of every file that has several.
    linked: HashMap<(u64, u64), PathBuf>,
    entries: usize,
}

impl Packer<'_> {
    /// The entries of a directory, sorted, each followed by what is in it.
    fn directory(&mut self, path: &Path) -> Result<()> {
        let dir = self.upper.join(path);
        let opacity = whiteout::opacity(&dir, self.marks)?;
        if opacity == Opacity::Opaque && !path.as_os_str().is_empty() {
            self.empty(&OciEntry::opaque_path(path))?;
        }
        let mut names: Vec<_> = fs::read_dir(&dir)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
            .map_err(|error| cannot(&dir, &error))?;
        names.sort();
        for name in names {
            self.entry(&path.join(name), opacity)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, around: Opacity) -> Result<()> {
        let full = self.upper.join(path);
        let file = match fs::symlink_metadata(&full) {
            // It went away since the directory was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file.map_err(|error| cannot(&full, &error))?,
        };
        let is_gone = whiteout::is_whiteout(&file)
            || (around == Opacity::Xwhiteouts
                && whiteout::is_xattr_whiteout(&full, &file, self.marks)?);
        if is_gone {
            return self.empty(&OciEntry::whiteout_path(path));
        }
        // A socket is useless without the process that made it; Docker leaves them out as well.
        if file.file_type().is_socket() {
            return Ok(());
        }
        self.file(path, &full, &file)?;
        if file.is_dir() { self.directory(path) } else { Ok(()) }
    }

    /// An empty file: how whiteouts are spelled.
    fn empty(&mut self, path: &Path) -> Result<()> {
        let mut header = blank();
        header.set_mode(0o600);
        self.append(&mut header, path, Vec::new(), None, io::empty())
    }

    fn file(&mut self, path: &Path, full: &Path, file: &Metadata) -> Result<()> {
        let kept = (self.kept)(path);
        let mut header = header(file, kept);
        let extensions = attributes(full)?;
        let is_stand_in = kept.is_some_and(|kept| kept.device.is_some()) && file.len() == 0;
        if file.is_file() && !is_stand_in {
            return self.regular(path, full, file, header, extensions);
        }
        let link = match file.file_type().is_symlink() {
            true => Some(fs::read_link(full).map_err(|error| cannot(full, &error))?),
            false => None,
        };
        self.append(&mut header, path, extensions, link.as_deref(), io::empty())
    }

    fn regular(
        &mut self,
        path: &Path,
        full: &Path,
        file: &Metadata,
        mut header: Header,
        extensions: Extensions,
    ) -> Result<()> {
        if file.nlink() > 1 {
            let inode = (file.dev(), file.ino());
            if let Some(first) = self.linked.get(&inode).cloned() {
                header.set_entry_type(EntryType::Link);
                return self.append(&mut header, path, Vec::new(), Some(&first), io::empty());
            }
            self.linked.insert(inode, path.to_owned());
        }
        header.set_size(file.len());
        let content = File::open(full).map_err(|error| cannot(full, &error))?;
        // Exactly as long as the header says, even if the file shrinks or grows meanwhile.
        let content = content.chain(io::repeat(0)).take(file.len());
        self.append(&mut header, path, extensions, None, content)
    }

    fn append(
        &mut self,
        header: &mut Header,
        path: &Path,
        mut extensions: Extensions,
        link: Option<&Path>,
        content: impl Read,
    ) -> Result<()> {
        self.entries += 1;
        let mut name = path.as_os_str().as_bytes().to_vec();
        if header.entry_type().is_dir() {
            name.push(b'/');
        }
        let failed = |error| cannot(path, &error);
        if header.set_path(Path::new(std::ffi::OsStr::from_bytes(&name))).is_err() {
            extensions.push(("path".into(), name));
        }
        if let Some(link) = link
            && header.set_link_name_literal(link.as_os_str().as_bytes()).is_err()
        {
            extensions.push(("linkpath".into(), link.as_os_str().as_bytes().to_vec()));
        }
        header.set_cksum();
        if !extensions.is_empty() {
            let extensions = extensions.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
            self.tar.append_pax_extensions(extensions).map_err(failed)?;
        }
        self.tar.append(header, content).map_err(failed)
    }
}

type Extensions = Vec<(String, Vec<u8>)>;

/// A header with all numbers 0; left empty, some readers take them for broken.
fn blank() -> Header {
    let mut header = Header::new_ustar();
    header.set_size(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// What fits into the header: everything but names and sizes.
fn header(file: &Metadata, kept: Option<Kept>) -> Header {
    let mut header = blank();
    let (uid, gid) = kept.map_or((file.uid(), file.gid()), |kept| (kept.uid, kept.gid));
    header.set_mode(file.mode() & 0o7777);
    header.set_uid(uid.into());
    header.set_gid(gid.into());
    header.set_mtime(file.mtime().try_into().unwrap_or(0));
    let kind = file.file_type();
    let device = kept.and_then(|kept| kept.device).filter(|_| file.len() == 0).or_else(|| {
        (kind.is_char_device() || kind.is_block_device()).then(|| Device {
            block: kind.is_block_device(),
            major: u32::try_from(nix::sys::stat::major(file.rdev())).unwrap_or(0),
            minor: u32::try_from(nix::sys::stat::minor(file.rdev())).unwrap_or(0),
        })
    });
    header.set_entry_type(match device {
        Some(Device { block: true, .. }) => EntryType::Block,
        Some(Device { block: false, .. }) => EntryType::Char,
        None if kind.is_dir() => EntryType::Directory,
        None if kind.is_symlink() => EntryType::Symlink,
        None if kind.is_fifo() => EntryType::Fifo,
        None => EntryType::Regular,
    });
    if let Some(Device { major, minor, .. }) = device {
        // A ustar header has room for both.
        let _ = header.set_device_major(major).and_then(|()| header.set_device_minor(minor));
    }
    header
}

/// Attributes as extensions, sorted; those of the overlay stay here.
fn attributes(full: &Path) -> Result<Extensions> {
    let mut extensions = Vec::new();
    // A file system without attributes has none.
    for name in xattr::list(full).into_iter().flatten() {
        let Some(name) = name.to_str() else { continue };
        // SELinux labels belong to the machine.
        let is_ours = name.starts_with("security.capability")
            || (name.starts_with("user.") && !name.starts_with("user.overlay."));
        if is_ours && let Ok(Some(value)) = xattr::get(full, name) {
            extensions.push((format!("SCHILY.xattr.{name}"), value));
        }
    }
    extensions.sort();
    Ok(extensions)
}

fn cannot(path: &Path, error: &io::Error) -> Error {
    Error::new("cannot pack the layer")
        .io(path.display(), error)
        .fix("free some space, or look at the file named here")
}
