//! Layer: a tar of files, packed or not, becomes a packed layer of the store.

use std::io::{self, Read, Write};

use flate2::{Compression, write::GzEncoder};
use ground::{Error, Result};
use oci::{Algorithm, Descriptor, Digest, MediaType};

use crate::{
    inflate,
    store::{Digester, Store},
};

/// A layer of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The digest of the archive itself.
    pub diff_id: Digest,
    /// The packed archive.
    pub blob: Descriptor,
}

/// Packs a tar of files as a layer. One that is here already, whoever packed it, is used again.
///
/// # Errors
/// What cannot be read or unpacked; a full disk.
pub fn pack_layer(store: &Store, tar: impl Read) -> Result<Layer> {
    let cannot = |error: io::Error| {
        Error::new("cannot read the archive")
            .io("read", &error)
            .fix("give a whole tar, plain or packed by gzip or zstd; if it comes from the web, try again")
    };
    let mut tar = inflate::reader(tar).map_err(cannot)?;
    // Quickly: whoever loads an image waits, and a push of it may never come.
    let mut packed = GzEncoder::new(store.writer()?, Compression::fast());
    let mut digester = Digester::new(Algorithm::Sha256);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = match tar.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(cannot(error)),
        };
        digester.update(&buffer[..count]);
        packed.write_all(&buffer[..count]).map_err(cannot_write)?;
    }
    let diff_id = digester.finish();
    let writer = packed.finish().map_err(cannot_write)?;
    if let Some(blob) = store.blob_of_diff_id(&diff_id) {
        return Ok(Layer { diff_id, blob });
    }
    let blob = writer.commit(MediaType::OciLayerGzip)?;
    store.record_layer(&diff_id, &blob)?;
    Ok(Layer { diff_id, blob })
}

fn cannot_write(error: io::Error) -> Error {
    crate::store::disk("cannot write to the image store", "write")(error).into()
}
