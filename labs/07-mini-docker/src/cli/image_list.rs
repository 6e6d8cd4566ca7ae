//! images: images in rows, one for each tag.

use std::{collections::BTreeMap, process::ExitCode};

use ground::{Error, Result};
use mini_docker::engine::{Engine, Filter, Filters, ImageSummary};
use oci::Reference;
use template::Value;

use super::{
    args::Images,
    format::{Columns, Format},
    output::{ago, line, size, stamp},
};

const COLUMNS: Columns = Columns {
    row: "*formatter.imageContext",
    table: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    raw: "repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\n\
          created_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n",
    headings: &[
        ("Containers", "CONTAINERS"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedSince", "CREATED"),
        ("Digest", "DIGEST"),
        ("ID", "IMAGE ID"),
        ("Repository", "REPOSITORY"),
        ("SharedSize", "SHARED SIZE"),
        ("Size", "SIZE"),
        ("Tag", "TAG"),
        ("UniqueSize", "UNIQUE SIZE"),
        ("VirtualSize", "SIZE"),
    ],
};

const WITH_DIGEST: Columns = Columns {
    table: "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    ..COLUMNS
};

/// `images`
pub fn images(engine: &Engine, args: &Images) -> Result<ExitCode> {
    let columns = if args.digests { &WITH_DIGEST } else { &COLUMNS };
    let format = Format::new(args.format.as_deref(), columns)?.whole(args.no_trunc);
    let repository = args
        .repository
        .iter()
        .map(|value| Filter { name: "reference".into(), value: value.clone() });
    let filters: Filters = args.filter.iter().cloned().chain(repository).collect();
    let images = engine.image_list(&filters).map_err(|error| Error::from(error).exit_code(1))?;
    let id = |image: &ImageSummary| match args.no_trunc {
        true => image.image.id.to_string(),
        false => image.image.id.short().to_owned(),
    };
    if args.quiet {
        let named = |image: &ImageSummary| names(image).iter().try_for_each(|_| line(id(image)));
        images.iter().try_for_each(named)?;
        return Ok(ExitCode::SUCCESS);
    }
    let used = format.mentions("Containers").then(|| users(engine)).transpose()?;
    let rows: Vec<Value> = images
        .iter()
        .flat_map(|image| {
            let used = used.as_ref();
            let containers =
                used.map(|it| it.get(&image.image.id.to_string()).copied().unwrap_or(0));
            names(image).into_iter().map(move |name| (image, name, containers))
        })
        .map(|(image, name, containers)| row(image, &name, (id(image), containers)))
        .collect();
    format.print(columns, &rows)?;
    Ok(ExitCode::SUCCESS)
}

/// How many containers are made from each image.
fn users(engine: &Engine) -> Result<BTreeMap<String, usize>> {
    let mut users = BTreeMap::new();
    for summary in engine.ps(true)? {
        *users.entry(summary.record.image.id.to_string()).or_default() += 1;
    }
    Ok(users)
}

/// Repository and tag for each tag; an image without one has a row with `<none>`.
fn names(summary: &ImageSummary) -> Vec<(String, String)> {
    let references = &summary.image.references;
    let tagged: Vec<_> = references
        .iter()
        .filter_map(|name| Some((name.familiar_name(), name.tag()?.to_owned())))
        .collect();
    if !tagged.is_empty() {
        return tagged;
    }
    let repository = references.first().map_or("<none>".into(), Reference::familiar_name);
    vec![(repository, "<none>".into())]
}

fn row(
    image: &ImageSummary,
    (repository, tag): &(String, String),
    (id, containers): (String, Option<usize>),
) -> Value {
    let created = image.created.as_deref();
    let unknown = || Value::text("N/A");
    Value::record(
        COLUMNS.row,
        vec![
            ("Containers", containers.map_or_else(unknown, |it| Value::text(it.to_string()))),
            ("CreatedAt", created.map_or_else(unknown, |it| Value::text(stamp(it)))),
            ("CreatedSince", created.map_or_else(unknown, |it| Value::text(ago(it)))),
            ("Digest", Value::text(image.digest.to_string())),
            ("ID", Value::text(id)),
            ("Repository", Value::text(repository.as_str())),
            ("SharedSize", unknown()),
            ("Size", Value::text(size(image.size))),
            ("Tag", Value::text(tag.as_str())),
            ("UniqueSize", unknown()),
            ("VirtualSize", Value::text(size(image.size))),
        ],
    )
}
