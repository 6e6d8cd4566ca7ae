//! Scenes 8 to 10: what was written, committed, and pushed again.

use std::{fs, path::Path};

use ground::{Error, Evidence, Explanation, Outcome, Result, Scene, Table};
use mini_docker::engine::{Commit, explain_pack, explain_probe};

use super::{
    expect,
    look::{blobs, fate, short, size},
    stage::{Heard, Stage, named},
};

pub fn scenes() -> Result<Vec<Scene<Stage>>> {
    Ok(vec![
        Scene::new(
            "What it wrote is in its upper directory, and nowhere else.",
            [Explanation::new(
                "readdir(\"containers/ID/upper\"), lstat(..)",
                "the lower layers are only read: the difference is there to be picked up (lab 04)",
                "3 readdir",
            )],
            diff,
        ),
        Scene::new(
            "The difference is committed: one layer more, the others as they are.",
            explain_pack(Path::new("containers/ID/upper")),
            commit,
        ),
        Scene::new(
            "The new image is pushed: the registry asks for the new layer only.",
            [explain_probe(&named("2")?)],
            push,
        ),
    ])
}

fn diff(stage: &mut Stage) -> Result<Outcome> {
    let record = Stage::made(&stage.container)?;
    let changes = stage.engine.diff(&record)?;
    let mut table = Table::new(["", "path"]).title("mini-docker diff demo");
    for change in &changes {
        table.push([change.kind.to_string(), change.path.display().to_string()]);
    }
    let layout = stage.engine.layout();
    let note = layout.container(&record.id).upper().join("note");
    let text = fs::read_to_string(&note)
        .map_err(|error| Error::new("cannot read what was written").io("upper/note", &error))?;
    let in_image =
        record.image.layers.iter().any(|layer| layout.layer_diff(layer).join("note").exists());
    expect(!in_image, "the image's layer has no such file")?;
    let kinds: Vec<String> = changes.iter().map(|change| change.kind.to_string()).collect();
    expect(kinds == ["A"], "one file was added and nothing else changed")?;
    let follows = format!(
        "upper/note holds {:?}; the image's layer has no such file. Starting the image again would \
         give another container an upper directory of its own.",
        text.trim()
    );
    Ok(Evidence::new(follows).table(table).into())
}

fn commit(stage: &mut Stage) -> Result<Outcome> {
    let record = Stage::made(&stage.container)?;
    let how = Commit { reference: Some(stage.reference("2")?), ..Commit::default() };
    let committed = stage.engine.commit(&record, &how)?;
    let (_, before) = stage.engine.image(&stage.reference("1")?.familiar())?;
    let (_, after) = stage.engine.image(&stage.reference("2")?.familiar())?;
    let mut table = Table::new(["layer", "of unboxed:1", "of unboxed:2", "size"]);
    for (index, layer) in after.layers.iter().enumerate() {
        let below = before.layers.get(index).map_or("-".to_owned(), |layer| short(&layer.digest));
        table.push([(index + 1).to_string(), below, short(&layer.digest), size(layer.size)]);
    }
    expect(after.layers.len() == before.layers.len() + 1, "there is one layer more")?;
    expect(after.layers.starts_with(&before.layers), "the layers below are the same")?;
    let follows = format!(
        "The new layer holds {} entry in {}; image {} shares the other one with image {}.",
        committed.layer.entries,
        size(committed.layer.blob.size),
        short(&committed.id),
        short(&record.image.id),
    );
    stage.committed = Some(committed);
    Ok(Evidence::new(follows).table(table).into())
}

fn push(stage: &mut Stage) -> Result<Outcome> {
    let committed = Stage::made(&stage.committed)?;
    let reference = stage.reference("2")?;
    let heard = Heard::default();
    let pushed = stage.engine.push(&reference, &|event| heard.hear(event))?;
    let (_, manifest) = stage.engine.image(&reference.familiar())?;
    let events = heard.all();
    let first = Stage::made(&stage.layer)?;
    let is = |digest, what: &str| fate(digest, &events).0 == what;
    expect(is(&first.blob.digest, "already there"), "the registry has the first layer")?;
    expect(is(&committed.layer.blob.digest, "moved"), "the new layer is sent")?;
    let follows = format!(
        "{} were sent for an image of {}: the digest is what makes that safe.",
        size(pushed.moved),
        size(manifest.blobs().map(|blob| blob.size).sum()),
    );
    Ok(Evidence::new(follows).table(blobs(&manifest, &events)).into())
}
