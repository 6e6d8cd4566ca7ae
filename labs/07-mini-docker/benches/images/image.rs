//! The images: the same bytes each time, and about as compressible as programs are.

use std::{fs, io, path::Path};

use mini_docker::{
    archive,
    layout::Layout,
    registry::client::{Client, Options},
    store::Store,
    transfer::push_image,
};
use oci::{ImageConfig, Manifest, MediaType, Platform};

/// What an image looks like.
#[derive(Debug)]
pub struct Shape {
    /// Its name in the registry.
    pub name: String,
    /// What a reader is told.
    pub words: String,
    layers: usize,
    files: usize,
    bytes: usize,
}

impl Shape {
    /// The three that are measured, or smaller ones.
    pub fn all(divisor: usize) -> Vec<Self> {
        let shape = |name: &str, words: &str, layers, files: usize, megabytes: usize| Self {
            name: name.to_owned(),
            words: words.to_owned(),
            layers,
            files: files / divisor,
            bytes: megabytes * 1_000_000 / divisor,
        };
        vec![
            shape("usual", "195 MB in 9500 files, 2 layers", 2, 9500, 195),
            shape("crowded", "60 000 files, 1 layer", 1, 60_000, 120),
            shape("tall", "565 MB in 12 layers", 12, 12_000, 565),
        ]
    }
}

/// Makes the image and pushes it. `scratch` is gone afterwards.
///
/// # Errors
/// The disk's or the registry's.
pub fn publish(shape: &Shape, name: &str, scratch: &Path) -> io::Result<()> {
    let store = open(scratch)?;
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut layers = Vec::new();
    for layer in 0..shape.layers {
        let files = shape.files / shape.layers;
        let each = shape.bytes / shape.files.max(1);
        layers.push(pack(&store, |archive| {
            (0..files).try_for_each(|file| {
                let path = format!("usr/share/{layer}/{}/file-{file}", file / 50);
                append(archive, &path, 0o644, &noise.text(each))
            })
        })?);
    }
    push(&store, layers, name)?;
    fs::remove_dir_all(scratch)
}

/// An image with a shell, to make files in.
///
/// # Errors
/// There is no static busybox here.
pub fn publish_busybox(name: &str, scratch: &Path) -> io::Result<()> {
    let store = open(scratch)?;
    let program = fs::read("/bin/busybox")?;
    let layer = pack(&store, |archive| {
        append(archive, "bin/busybox", 0o755, &program)?;
        append(archive, "bin/sh", 0o755, &program)
    })?;
    push(&store, vec![layer], name)?;
    fs::remove_dir_all(scratch)
}

fn open(dir: &Path) -> io::Result<Store> {
    Store::open(Layout::new(dir)).map_err(io::Error::other)
}

/// An archive in the making.
type Archive = tar::Builder<Vec<u8>>;

fn pack(
    store: &Store,
    fill: impl FnOnce(&mut Archive) -> io::Result<()>,
) -> io::Result<archive::Layer> {
    let mut tar = Archive::new(Vec::new());
    fill(&mut tar)?;
    archive::pack_layer(store, &*tar.into_inner()?).map_err(io::Error::other)
}

fn append(archive: &mut Archive, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    archive.append_data(&mut header, path, content)
}

fn push(store: &Store, layers: Vec<archive::Layer>, name: &str) -> io::Result<()> {
    let mut config = ImageConfig::new(&Platform::host());
    let (blobs, diff_ids): (Vec<_>, Vec<_>) =
        layers.into_iter().map(|it| (it.blob, it.diff_id)).unzip();
    config.rootfs.diff_ids = diff_ids;
    let json = serde_json::to_vec(&config)?;
    let config = store.put_bytes(MediaType::OciConfig, &json).map_err(io::Error::other)?;
    let json = serde_json::to_vec(&Manifest::new(config, blobs))?;
    let manifest = store.put_bytes(MediaType::OciManifest, &json).map_err(io::Error::other)?;
    let reference = name.parse().map_err(io::Error::other)?;
    store.tag(&reference, &manifest).map_err(io::Error::other)?;
    let image = store.find(&reference).map_err(io::Error::other)?;
    let image = image.ok_or_else(|| io::Error::other("the image is not there"))?;
    let client = Client::new(Options::anonymous());
    push_image(&client, store, (&image, &reference), &|_| {}).map_err(io::Error::other)?;
    Ok(())
}

/// xorshift: numbers that look random and are the same each time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Words of a small language, and now and then a number: it packs to about two fifths.
    fn text(&mut self, length: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(length + 16);
        while text.len() < length {
            let number = self.next();
            match number % 4 {
                0 => text.extend(number.to_le_bytes()),
                _ => {
                    let word = (number >> 8) % 2048;
                    text.extend(format!("{:x}", word.wrapping_mul(0x9e37_79b9_7f4a_7c15)).bytes());
                    text.push(b' ');
                }
            }
        }
        text.truncate(length);
        text
    }
}
