//! Scenes 2 to 4: pushed, forgotten, pulled back.

use std::path::Path;

use ground::{Evidence, Outcome, Result, Scene, Table};
use mini_docker::{engine::explain_unpack, store};

use super::{
    expect,
    look::{blobs, count, entries, fate, short, size},
    stage::{Heard, Stage, named, on_paper},
};

pub fn scenes() -> Result<Vec<Scene<Stage>>> {
    let (engine, reference) = (on_paper(), named("1")?);
    let unpacked = explain_unpack(Path::new("layers/CHAIN/diff"));
    Ok(vec![
        Scene::new(
            "A registry is started, and the image is pushed: blobs first, the manifest last.",
            engine.explain_push(&reference),
            push,
        ),
        Scene::new(
            "The image is forgotten: with the last name go its blobs and unpacked layers.",
            [store::explain_gc()],
            forget,
        ),
        Scene::new(
            "The image is pulled back, checked while it comes in, and unpacked.",
            engine.explain_pull(&reference).into_iter().chain([unpacked]),
            pull,
        ),
    ])
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
