//! Layers: the directories under a container's root, and whose they are.
//!
//! An overlay's options name its layers (lab 04), and where a directory lies says who unpacked it:
//! each engine has a store with a habit of its own, and notes beside it which image a layer is of.

use std::{
    fs,
    path::{Path, PathBuf},
};

use oci::{Digest, chain_ids};
use overlay::Stack;
use serde::Serialize;
use serde_json::Value;

use super::machine::Container;
use crate::store::sha256;

/// One directory under a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// `upper`: what the container writes; `lower`: what it only reads.
    pub role: &'static str,
    /// The directory, as the mount table names it.
    pub dir: PathBuf,
    /// Whose it is, in words.
    pub origin: String,
    /// The image that it is a layer of, and which, the lowest is 1; if that is known.
    pub image: Option<(String, usize)>,
}

/// The layers of a stack, topmost first.
pub fn of(stack: &Stack, container: Option<&Container>) -> Vec<Layer> {
    let upper = stack.upper.iter().map(|dir| Layer {
        role: "upper",
        dir: dir.clone(),
        origin: "what this container has written".to_owned(),
        image: None,
    });
    let lower = stack.lower.iter().map(|dir| {
        let image = image_of(dir, container);
        let origin = match &image {
            Some((name, number)) => format!("layer {number} of image {name}"),
            None => stranger(dir),
        };
        Layer { role: "lower", dir: dir.clone(), origin, image }
    });
    upper.chain(lower).collect()
}

/// Which image a directory belongs to.
fn image_of(dir: &Path, container: Option<&Container>) -> Option<(String, usize)> {
    container.and_then(|it| ours(dir, it)).or_else(|| {
        // Docker and Podman name layers by short links, to fit more of them into one mount.
        let dir = fs::canonicalize(dir).ok()?;
        let (store, id) = in_store(&dir)?;
        match store.file_name()?.to_str()? {
            "overlay2" => dockers(store, id),
            "overlay" => podmans(store, id),
            _ => None,
        }
    })
}

/// Ours are named after their chain IDs.
fn ours(dir: &Path, container: &Container) -> Option<(String, usize)> {
    let mut names = dir.components().filter_map(|it| it.as_os_str().to_str());
    let at = names.find_map(|name| container.layers.iter().position(|layer| layer == name))?;
    Some((container.image.clone().unwrap_or_default(), at + 1))
}

/// `STORE/ID/diff`.
fn in_store(dir: &Path) -> Option<(&Path, &str)> {
    let layer = dir.parent().filter(|_| dir.ends_with("diff"))?;
    Some((layer.parent()?, layer.file_name()?.to_str()?))
}

/// `overlay2/CACHE-ID` is a chain ID by `image/overlay2/layerdb/sha256/CHAIN-ID/cache-id`.
fn dockers(store: &Path, id: &str) -> Option<(String, usize)> {
    let notes = store.parent()?.join("image/overlay2");
    let known = fs::read_dir(notes.join("layerdb/sha256")).ok()?.flatten();
    let is_it = |dir: &PathBuf| fs::read_to_string(dir.join("cache-id")).is_ok_and(|it| it == id);
    let chain = known.map(|it| it.path()).find(is_it)?;
    let chain: Digest = format!("sha256:{}", chain.file_name()?.to_str()?).parse().ok()?;
    let names = json(&notes.join("repositories.json"));
    let images = fs::read_dir(notes.join("imagedb/content/sha256")).ok()?.flatten();
    images.into_iter().find_map(|image| {
        let diff_ids = json(&image.path()).pointer("/rootfs/diff_ids").cloned()?;
        let diff_ids: Vec<Digest> = serde_json::from_value(diff_ids).ok()?;
        let at = chain_ids(&diff_ids, sha256).iter().position(|it| *it == chain)?;
        let image = format!("sha256:{}", image.file_name().to_str()?);
        let named = names.get("Repositories").and_then(Value::as_object)?.values();
        let tags = named.filter_map(Value::as_object).flatten();
        let name =
            tags.filter(|(_, id)| id.as_str() == Some(&image)).map(|(name, _)| name.clone()).next();
        Some((name.unwrap_or(image), at + 1))
    })
}

/// `overlay/ID` is a layer of `overlay-layers/layers.json`, with a parent; an image of
/// `overlay-images/images.json` names its topmost one.
fn podmans(store: &Path, id: &str) -> Option<(String, usize)> {
    let root = store.parent()?;
    let layers = json(&root.join("overlay-layers/layers.json"));
    let below = |layer: &str| -> Option<String> {
        let all = layers.as_array()?;
        let found = all.iter().find(|it| it["id"] == layer)?;
        Some(found.get("parent")?.as_str()?.to_owned())
    };
    let depth = std::iter::successors(Some(id.to_owned()), |it| below(it)).count();
    let images = json(&root.join("overlay-images/images.json"));
    let has = |image: &&Value| {
        let top = image["layer"].as_str().map(str::to_owned);
        std::iter::successors(top, |it| below(it)).any(|it| it == id)
    };
    let image = images.as_array()?.iter().find(has)?;
    let name = image["names"].as_array().and_then(|names| names.first()).unwrap_or(&image["id"]);
    Some((name.as_str()?.to_owned(), depth))
}

/// A directory of which no image is known.
fn stranger(dir: &Path) -> String {
    let text = dir.display().to_string();
    match () {
        () if text.ends_with("-init/diff") => {
            "Docker's own: mount points for /etc/hosts and the like".to_owned()
        }
        () if dir.ends_with("layers/mount-points") => {
            "mini-docker's own: mount points for /proc, /etc/hosts and the like".to_owned()
        }
        () if text.contains("io.containerd.snapshotter") => "a snapshot of containerd".to_owned(),
        () if text.contains("/overlay2/") => "a layer of Docker".to_owned(),
        () if text.contains("/storage/overlay/") => "a layer of Podman".to_owned(),
        () if dir.is_relative() => {
            "named relative to a directory that only its maker knows".to_owned()
        }
        () => "a directory".to_owned(),
    }
}

fn json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_layer_of_podman_is_found_by_its_notes() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("overlay/aa/diff")).unwrap();
        fs::create_dir_all(root.join("overlay/bb/diff")).unwrap();
        write(
            &root.join("overlay-layers/layers.json"),
            r#"[{"id":"aa"},{"id":"bb","parent":"aa"}]"#,
        );
        write(
            &root.join("overlay-images/images.json"),
            r#"[{"id":"i","names":["box:1"],"layer":"bb"}]"#,
        );
        assert_eq!(image_of(&root.join("overlay/bb/diff"), None), Some(("box:1".into(), 2)));
        assert_eq!(podmans(&root.join("overlay"), "bb"), Some(("box:1".into(), 2)));
        assert_eq!(podmans(&root.join("overlay"), "aa"), Some(("box:1".into(), 1)));
        assert_eq!(podmans(&root.join("overlay"), "cc"), None);
    }

    #[test]
    fn a_layer_of_docker_is_found_by_its_notes() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let diff = sha256(b"layer");
        let notes = root.join("image/overlay2");
        write(&notes.join("layerdb/sha256").join(diff.hex()).join("cache-id"), "cc");
        write(
            &notes.join("imagedb/content/sha256/ee"),
            &format!(r#"{{"rootfs":{{"diff_ids":["{diff}"]}}}}"#),
        );
        write(
            &notes.join("repositories.json"),
            r#"{"Repositories":{"box":{"box:1":"sha256:ee"}}}"#,
        );
        assert_eq!(dockers(&root.join("overlay2"), "cc"), Some(("box:1".into(), 1)));
        assert_eq!(dockers(&root.join("overlay2"), "dd"), None);
    }
}
