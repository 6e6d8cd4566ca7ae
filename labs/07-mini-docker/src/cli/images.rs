//! pull, push, images, tag, rmi, history, commit.

use std::process::ExitCode;

use ground::Result;
use mini_docker::engine::{self, Engine, ImageSummary, Removed};
use oci::Reference;
use serde_json::json;

use super::{
    args::{Commit, Format, History, Images, Pull, Push, Rmi, Tag},
    each,
    output::{ago, line, size, table},
    progress::{Direction, Progress},
    run::invalid,
};

/// `pull`
pub fn pull(engine: &Engine, args: &Pull) -> Result<ExitCode> {
    let reference: Reference = args.image.parse().map_err(invalid)?;
    let reference = reference.or_latest();
    let progress = Progress::new(Direction::Pull, false);
    if args.quiet {
        engine.pull(&reference, &|_| {})?;
        line(reference.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    progress.line(&format!("{}: Pulling from {}", reference.tag_or_digest(), reference.path()));
    let pulled = engine.pull(&reference, &|event| progress.show(&event))?;
    line(format!("Digest: {}", pulled.target.digest))?;
    let name = reference.familiar();
    line(match pulled.was_up_to_date {
        true => format!("Status: Image is up to date for {name}"),
        false => format!("Status: Downloaded newer image for {name}"),
    })?;
    line(reference.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// `push`
pub fn push(engine: &Engine, args: &Push) -> Result<ExitCode> {
    let reference: Reference = args.image.parse().map_err(invalid)?;
    let reference = reference.or_latest();
    let progress = Progress::new(Direction::Push, false);
    if !args.quiet {
        line(format!("The push refers to repository [{}]", reference.name()))?;
    }
    let quiet = args.quiet;
    let pushed = engine.push(&reference, &|event| {
        if !quiet {
            progress.show(&event);
        }
    })?;
    let manifest = &pushed.manifest;
    line(format!(
        "{}: digest: {} size: {}",
        reference.tag_or_digest(),
        manifest.digest,
        manifest.size
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// `images`
pub fn images(engine: &Engine, args: &Images) -> Result<ExitCode> {
    let mut rows: Vec<Row> = engine.images()?.iter().flat_map(Row::of).collect();
    if let Some(repository) = &args.repository {
        let wanted: Reference = repository.parse().map_err(invalid)?;
        rows.retain(|row| {
            row.repository == wanted.familiar_name()
                && wanted.tag().is_none_or(|tag| tag == row.tag)
        });
    }
    rows.iter_mut().for_each(|row| row.shorten(args.no_trunc));
    if args.quiet {
        rows.iter().try_for_each(|row| line(&row.id))?;
    } else if args.format == Format::Json {
        rows.iter().try_for_each(|row| line(row.json()))?;
    } else {
        print_rows(&rows, args.digests)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_rows(rows: &[Row], digests: bool) -> Result<()> {
    let mut headings = vec!["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"];
    if digests {
        headings.insert(2, "DIGEST");
    }
    let cells = |row: &Row| {
        let Row { repository, tag, id, created, size, digest } = row.clone();
        let mut cells = vec![repository, tag, id, created, size];
        if digests {
            cells.insert(2, digest);
        }
        cells
    };
    table(&headings, &rows.iter().map(cells).collect::<Vec<_>>())
}

/// One name of one image.
#[derive(Debug, Clone)]
struct Row {
    repository: String,
    tag: String,
    digest: String,
    id: String,
    created: String,
    size: String,
}

impl Row {
    /// A row for each tag; an image without one has a row with `<none>`.
    fn of(summary: &ImageSummary) -> Vec<Self> {
        let row = |repository: String, tag: String| Self {
            repository,
            tag,
            digest: summary.digest.to_string(),
            id: summary.image.id.to_string(),
            created: summary.created.as_deref().map_or("N/A".into(), ago),
            size: size(summary.size),
        };
        let references = &summary.image.references;
        let tagged: Vec<Self> = references
            .iter()
            .filter_map(|name| Some(row(name.familiar_name(), name.tag()?.to_owned())))
            .collect();
        if !tagged.is_empty() {
            return tagged;
        }
        let repository = references.first().map_or("<none>".into(), Reference::familiar_name);
        vec![row(repository, "<none>".into())]
    }

    fn shorten(&mut self, whole: bool) {
        if !whole {
            self.id = self.id.trim_start_matches("sha256:").chars().take(12).collect();
        }
    }

    fn json(&self) -> String {
        json!({
            "Containers": "N/A", "CreatedSince": self.created, "Digest": self.digest,
            "ID": self.id, "Repository": self.repository, "Size": self.size, "Tag": self.tag,
        })
        .to_string()
    }
}

/// `tag`
pub fn tag(engine: &Engine, args: &Tag) -> Result<ExitCode> {
    let target: Reference = args.target.parse().map_err(invalid)?;
    engine.tag(&args.source, &target.or_latest())?;
    Ok(ExitCode::SUCCESS)
}

/// `rmi`
pub fn rmi(engine: &Engine, args: &Rmi) -> Result<ExitCode> {
    Ok(each(&args.images, |name| {
        for removed in engine.rmi(name, args.force)? {
            line(match removed {
                Removed::Untagged(reference) => format!("Untagged: {}", reference.familiar()),
                Removed::Deleted(id) => format!("Deleted: {id}"),
            })?;
        }
        Ok(())
    }))
}

/// `history`
pub fn history(engine: &Engine, args: &History) -> Result<ExitCode> {
    let mut rows = Vec::new();
    for step in engine.history(&args.image)? {
        let id = step.image.map_or("<missing>".into(), |id| match args.no_trunc {
            true => id.to_string(),
            false => id.short().to_owned(),
        });
        let by = step.history.created_by.unwrap_or_default();
        let by = match args.no_trunc || by.chars().count() <= 45 {
            true => by,
            false => by.chars().take(44).chain(['…']).collect(),
        };
        let created = step.history.created.as_deref().map_or("N/A".into(), ago);
        rows.push(vec![id, created, by, size(step.size), step.history.comment.unwrap_or_default()]);
    }
    if args.quiet {
        rows.iter().try_for_each(|row| line(&row[0]))?;
    } else if args.format == Format::Json {
        rows.iter().try_for_each(|row| {
            line(
                json!({
                    "ID": row[0], "CreatedSince": row[1], "CreatedBy": row[2], "Size": row[3],
                    "Comment": row[4],
                })
                .to_string(),
            )
        })?;
    } else {
        table(&["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"], &rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `commit`
pub fn commit(engine: &Engine, args: &Commit) -> Result<ExitCode> {
    let reference =
        args.image.as_deref().map(str::parse::<Reference>).transpose().map_err(invalid)?;
    let record = engine.container(&args.container)?;
    let committed = engine.commit(
        &record,
        &engine::Commit {
            reference: reference.map(Reference::or_latest),
            author: args.author.clone(),
            message: args.message.clone(),
            changes: args.change.clone(),
            pause: args.pause,
        },
    )?;
    line(committed.id.to_string())?;
    Ok(ExitCode::SUCCESS)
}
