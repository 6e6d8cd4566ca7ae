//! Looking: small readings of the store, for tables.

use std::{fs, path::Path};

use ground::Table;
use mini_docker::event::Event;
use oci::{Digest, Manifest};

/// A size that was measured: always with a point, so that nobody takes it for a setting.
pub fn size(bytes: u64) -> String {
    match bytes {
        0 => "0".into(),
        1..1_048_576 => format!("{:.2} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.2} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// How many files are below a directory, and their bytes.
pub fn count(dir: &Path) -> (usize, u64) {
    let mut found = (0, 0);
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(file) = entry.metadata() else { continue };
        if file.is_dir() {
            let (files, bytes) = count(&entry.path());
            found = (found.0 + files, found.1 + bytes);
        } else {
            found = (found.0 + 1, found.1 + file.len());
        }
    }
    found
}

/// How many entries are in a directory.
pub fn entries(dir: &Path) -> usize {
    fs::read_dir(dir).map_or(0, Iterator::count)
}

/// The blobs of an image, and what became of each on its way.
pub fn blobs(manifest: &Manifest, events: &[Event]) -> Table {
    let mut table = Table::new(["blob", "digest", "size", "what happened", "bytes moved"]);
    for (index, blob) in manifest.layers.iter().enumerate() {
        table.push(row(&format!("layer {}", index + 1), &blob.digest, blob.size, events));
    }
    let config = &manifest.config;
    table.push(row("config", &config.digest, config.size, events));
    table
}

fn row(name: &str, digest: &Digest, bytes: u64, events: &[Event]) -> [String; 5] {
    let (what, moved) = fate(digest, events);
    [name.to_owned(), short(digest), size(bytes), what.to_owned(), size(moved)]
}

/// What the events say of a blob.
pub fn fate(digest: &Digest, events: &[Event]) -> (&'static str, u64) {
    let said = events.iter().find_map(|event| match event {
        Event::BlobDone { digest: it, moved } if it == digest => Some(("moved", *moved)),
        Event::BlobPresent { digest: it, .. } if it == digest => Some(("already there", 0)),
        Event::BlobMounted { digest: it, .. } if it == digest => Some(("mounted", 0)),
        _ => None,
    });
    said.unwrap_or(("not asked for", 0))
}

/// The first twelve digits, as Docker shows them.
pub fn short(digest: &Digest) -> String {
    digest.short().to_owned()
}
