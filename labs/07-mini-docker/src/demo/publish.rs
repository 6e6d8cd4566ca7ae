//! Scenes 2 to 4: pushed, forgotten, pulled back.

use ground::{Evidence, Explanation, Outcome, Result, Scene, Table};

use super::{
    expect,
    look::{blobs, count, entries, fate, short, size},
    stage::{Heard, Stage},
};

pub fn scenes() -> Vec<Scene<Stage>> {
    vec![
        Scene::new(
            "A registry is started, and the image is pushed: blobs first, the manifest last.",
            [
                Explanation::new(
                    "HEAD /v2/unboxed/blobs/DIGEST",
                    "only what the registry does not have is sent (distribution specification)",
                    "2 connect",
                ),
                Explanation::new(
                    "POST /v2/unboxed/blobs/uploads/, PUT ..?digest=DIGEST",
                    "the digest comes with the last byte: what does not match is refused",
                    "2 sendfile",
                ),
                Explanation::new(
                    "PUT /v2/unboxed/manifests/1",
                    "a registry refuses a manifest that points to nothing",
                    "2 connect",
                ),
            ],
            push,
        ),
        Scene::new(
            "The image is forgotten: with the last name go its blobs and unpacked layers.",
            [Explanation::new(
                "flock(\"lock\", LOCK_EX), unlink(\"blobs/sha256/..\")",
                "what no name can reach is removed, while nobody adds anything",
                "2 flock",
            )],
            forget,
        ),
        Scene::new(
            "The image is pulled back, checked while it comes in, and unpacked.",
            [
                Explanation::new(
                    "GET /v2/unboxed/manifests/1, /v2/unboxed/blobs/DIGEST",
                    "from one name to everything: each document names the next by digest",
                    "2 connect",
                ),
                Explanation::new(
                    "openat2(layer, \"usr/bin\", {flags=O_PATH|O_DIRECTORY, resolve=RESOLVE_IN_ROOT})",
                    "an archive from a stranger: no path in it may lead out of the layer's directory",
                    "2 openat2",
                ),
            ],
            pull,
        ),
    ]
}

fn push(stage: &mut Stage) -> Result<Outcome> {
    stage.start_registry()?;
    let reference = stage.reference("1")?;
    let id = Stage::made(&stage.image)?;
    stage.engine.tag(&id.to_string(), &reference)?;
    let heard = Heard::default();
    stage.engine.push(&reference, &|event| heard.hear(event))?;
    let (_, manifest) = stage.engine.image(&id.to_string())?;
    let events = heard.all();
    let all_moved = manifest.blobs().all(|blob| fate(&blob.digest, &events).0 == "moved");
    expect(all_moved, "an empty registry has none of the blobs")?;
    let follows = "An empty registry has none of the blobs, so all of them were sent; the name now \
                   leads to the manifest that lists them.";
    Ok(Evidence::new(follows).table(blobs(&manifest, &events)).into())
}

fn forget(stage: &mut Stage) -> Result<Outcome> {
    let layout = stage.engine.layout().clone();
    let look = |when: &str, images: usize| {
        let (files, bytes) = count(&layout.blobs());
        [when.to_owned(), images.to_string(), files.to_string(), size(bytes)]
    };
    let mut table = Table::new(["", "images", "blobs", "size"]);
    table.push(look("before", stage.engine.images()?.len()));
    stage.engine.rmi(&stage.reference("1")?.familiar(), false)?;
    table.push(look("after", stage.engine.images()?.len()));
    expect(count(&layout.blobs()).0 == 0, "no blob stays without a name")?;
    let follows = "Nothing of it is here any more. The registry has it.";
    Ok(Evidence::new(follows).table(table).into())
}

fn pull(stage: &mut Stage) -> Result<Outcome> {
    let reference = stage.reference("1")?;
    let heard = Heard::default();
    let pulled = stage.engine.pull(&reference, &|event| heard.hear(event))?;
    let (image, manifest) = stage.engine.image(&reference.familiar())?;
    let known = Stage::made(&stage.image)?;
    expect(image.id == known, "the image that comes back has the ID of the one that was sent")?;
    let pushed = Stage::made(&stage.manifest)?;
    expect(pulled.manifest.digest == pushed.digest, "the manifest is the very same bytes")?;
    let again = stage.engine.pull(&reference, &|_| {})?;
    expect(again.moved == 0, "a second pull moves nothing")?;
    let layers = entries(&stage.engine.layout().layers().join("sha256"));
    let follows = format!(
        "Image ID and manifest are the same as before: {} and {}. {layers} layer is unpacked. \
         A second pull moved {} bytes.",
        short(&image.id),
        short(&pulled.manifest.digest),
        again.moved,
    );
    Ok(Evidence::new(follows).table(blobs(&manifest, &heard.all())).into())
}
