//! Scene 1: an image is made.

use ground::{Evidence, Explanation, Outcome, Result, Scene, Table};
use mini_docker::{snapshot, store};
use oci::{Config, History, ImageConfig, Manifest, MediaType, Platform};
use rootfs::{DEFAULT_PATH, Program};

use super::{
    look::{short, size},
    stage::{Stage, directory},
};

/// What the image has to offer.
const PROGRAMS: [&str; 7] = ["sh", "ls", "cat", "sleep", "readlink", "id", "true"];

pub fn scenes() -> Vec<Scene<Stage>> {
    vec![Scene::new(
        "An image is made: a few programs of this machine, packed as a layer, and two documents.",
        [
            Explanation::new(
                "open(\"/usr/bin/sh\"), .. copy_file_range(..)",
                "a program is copied with its loader and libraries, found in its ELF header (lab 03)",
                "5 elf",
            ),
            store::explain_put(),
        ],
        make,
    )]
}

fn make(stage: &mut Stage) -> Result<Outcome> {
    let dir = directory("rootfs");
    let programs: Vec<Program> = PROGRAMS.into_iter().map(Program::from).collect();
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    rootfs::build(&dir, &programs, &path)?;
    let store = stage.store()?;
    let layer = snapshot::pack(&store, &dir, &|_| None)?;
    rootfs::remove(&dir)?;
    store.record_layer(&layer.diff_id, &layer.blob)?;
    let config = config(&layer);
    let json = |value: serde_json::Result<Vec<u8>>| {
        value.map_err(|error| ground::Error::new("cannot write a document").why(error.to_string()))
    };
    let config = store.put_bytes(MediaType::OciConfig, &json(serde_json::to_vec(&config))?)?;
    let manifest = Manifest::new(config.clone(), vec![layer.blob.clone()]);
    let manifest =
        store.put_bytes(MediaType::OciManifest, &json(serde_json::to_vec(&manifest))?)?;
    store.add_image(&manifest)?;
    let documents = [("layer", &layer.blob), ("config", &config), ("manifest", &manifest)];
    let empty = Table::new(["what", "media type: application/", "digest", "size"]);
    let table = documents.into_iter().fold(empty.title("blobs/sha256"), |table, (what, it)| {
        let media_type = it.media_type.as_str();
        let media_type = media_type.strip_prefix("application/").unwrap_or(media_type);
        table.row([what, media_type, &short(&it.digest), &size(it.size)])
    });
    let follows = format!(
        "The manifest names config and layer by digest, the config says how to run it. Its digest is \
         the image ID. Unpacked, the layer has another digest: {}.",
        short(&layer.diff_id),
    );
    stage.image = Some(config.digest);
    stage.manifest = Some(manifest);
    stage.layer = Some(layer);
    Ok(Evidence::new(follows).table(table).into())
}

fn config(layer: &snapshot::Packed) -> ImageConfig {
    let mut image = ImageConfig::new(&Platform::host());
    image.config = Some(Config {
        cmd: Some(vec!["sh".into()]),
        env: Some(vec![format!("PATH={DEFAULT_PATH}")]),
        ..Config::default()
    });
    image.rootfs.diff_ids.push(layer.diff_id.clone());
    image
        .history
        .push(History { created_by: Some("copied from the host".into()), ..History::default() });
    image
}
