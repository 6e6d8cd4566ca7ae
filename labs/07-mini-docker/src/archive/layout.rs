//! The OCI image layout: `index.json` leads to manifests, as a registry's tag does.

use ground::Result;
use oci::{Descriptor, Document, Index, Manifest, MediaType, Platform, Reference};

use super::{Loaded, read::Contents, untrue};
use crate::store::Store;

/// How often an index may lead to an index. Docker's own lead to one.
const DEPTH_MAX: usize = 4;

/// The whole name, as containerd and Docker note it.
pub const IMAGE_NAME: &str = "io.containerd.image.name";
/// The name by which an image is found in a layout; for Docker only its tag.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The images that `index.json` leads to; none without it.
pub fn images(store: &Store, contents: &Contents, platform: &Platform) -> Result<Vec<Loaded>> {
    let Some(json) = contents.document("index.json") else { return Ok(Vec::new()) };
    let index = parse(&MediaType::OciIndex, json)?;
    let Document::Index(index) = index else { return Ok(Vec::new()) };
    let mut images: Vec<Loaded> = Vec::new();
    for entry in &index.manifests {
        let manifest = one(store, entry, platform, DEPTH_MAX)?;
        let names = name(entry).into_iter();
        match images.iter_mut().find(|image| image.manifest.digest == manifest.digest) {
            Some(known) => known.names.extend(names),
            None => images.push(Loaded { manifest, names: names.collect() }),
        }
    }
    Ok(images)
}

/// The manifest that an entry leads to, whole.
fn one(store: &Store, entry: &Descriptor, platform: &Platform, depth: usize) -> Result<Descriptor> {
    let json = store.document(&entry.digest).map_err(|_| missing(entry, "index.json"))?;
    match parse(&entry.media_type, &json)? {
        Document::Manifest(manifest) => {
            check_whole(store, &manifest)?;
            // Without what the index says about it: those are not the image's.
            let Descriptor { media_type, digest, size, .. } = entry.clone();
            if size != json.len() as u64 {
                return Err(untrue(format!("{digest} has another size than index.json says")));
            }
            Ok(Descriptor::new(media_type, digest, size))
        }
        Document::Index(_) if depth == 0 => Err(untrue("its indexes lead to indexes for ever")),
        Document::Index(index) => {
            let chosen = choose(store, index, platform)?;
            one(store, &chosen, platform, depth - 1)
        }
    }
}

/// The entry for our platform among those that are here: whoever saves an image of several
/// platforms often has one of them only.
fn choose(store: &Store, mut index: Index, platform: &Platform) -> Result<Descriptor> {
    index.manifests.retain(|entry| store.has(&entry.digest));
    let chosen = platform.choose(&index).map_err(|invalid| {
        let error = super::refused(format!("{}: {}", invalid.what, invalid.why));
        match invalid.fix {
            Some(fix) => error.fix(fix),
            None => error,
        }
    })?;
    Ok(chosen.clone())
}

fn check_whole(store: &Store, manifest: &Manifest) -> Result<()> {
    for blob in manifest.blobs() {
        let size = store.size(&blob.digest).map_err(|_| missing(blob, "a manifest"))?;
        if size != blob.size {
            let why =
                format!("{} has {size} bytes, and its manifest says {}", blob.digest, blob.size);
            return Err(untrue(why));
        }
    }
    Ok(())
}

fn missing(blob: &Descriptor, from: &str) -> ground::Error {
    untrue(format!("{from} in it leads to {}, which is not in it", blob.digest))
}

fn parse(media_type: &MediaType, json: &[u8]) -> Result<Document> {
    Document::parse(media_type, json)
        .map_err(|invalid| untrue(format!("{}: {}", invalid.what, invalid.why)))
}

/// What an entry calls its image. A lone tag is no name.
fn name(entry: &Descriptor) -> Option<Reference> {
    let noted = |key: &str| entry.annotations.get(key);
    let name =
        noted(IMAGE_NAME).or_else(|| noted(REF_NAME).filter(|it| it.contains([':', '/'])))?;
    let name: Reference = name.parse().ok()?;
    // `name@digest` is what a registry says; an archive cannot vouch for that.
    name.digest().is_none().then(|| name.or_latest())
}
