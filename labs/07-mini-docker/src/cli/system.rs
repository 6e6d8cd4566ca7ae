//! system df, system check.

use std::process::ExitCode;

use ground::{Error, Result};
use mini_docker::engine::{Checked, Engine, Usage};
use template::Value;

use super::{
    archive_args::{Check, Df, System},
    format::{Columns, Format, table},
    output::{ago, line, size},
    prune,
};

/// `system`
pub fn system(engine: &Engine, args: &System) -> Result<ExitCode> {
    match args {
        System::Df(it) => df(engine, it),
        System::Check(it) => check(engine, it),
        System::Prune(it) => prune::system(engine, it),
    }
}

const COLUMNS: Columns = Columns {
    row: "*formatter.diskUsageContext",
    table: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
    raw: "type: {{.Type}}\ntotal: {{.TotalCount}}\nactive: {{.Active}}\nsize: {{.Size}}\nreclaimable: {{.Reclaimable}}\n",
    headings: &[
        ("Active", "ACTIVE"),
        ("Reclaimable", "RECLAIMABLE"),
        ("Size", "SIZE"),
        ("TotalCount", "TOTAL"),
        ("Type", "TYPE"),
    ],
};

fn df(engine: &Engine, args: &Df) -> Result<ExitCode> {
    if args.verbose && args.format.is_some() {
        return Err(Error::new("the verbose option cannot be combined with the format option yet")
            .why("--verbose prints several tables, and a format is for one")
            .fix("leave one of them out"));
    }
    let format = Format::new(args.format.as_deref(), &COLUMNS)?;
    let usage = engine.usage()?;
    match args.verbose {
        true => details(&usage)?,
        false => format.print(&COLUMNS, &summary(&usage))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(usage: &Usage) -> Vec<Value> {
    let row = |kind: &str, all: usize, active: usize, bytes: u64, free: u64| {
        let percent = (free * 100).checked_div(bytes).unwrap_or(0);
        // As in docker, nothing of nothing has no share.
        let share = if bytes > 0 { format!(" ({percent}%)") } else { String::new() };
        Value::record(
            COLUMNS.row,
            vec![
                ("Active", Value::text(active.to_string())),
                ("Reclaimable", Value::text(size(free) + &share)),
                ("Size", Value::text(size(bytes))),
                ("TotalCount", Value::text(all.to_string())),
                ("Type", Value::text(kind)),
            ],
        )
    };
    let active = usage.images.iter().filter(|image| image.containers > 0).count();
    let unused = usage.images.iter().filter(|image| image.containers == 0);
    let free = unused.map(|image| image.size - image.shared).sum();
    let (containers, volumes) = (&usage.containers, &usage.volumes);
    let running = containers.iter().filter(|it| it.is_active);
    let written: u64 = containers.iter().map(|it| it.size).sum();
    let stopped = containers.iter().filter(|it| !it.is_active).map(|it| it.size).sum();
    let in_use = volumes.iter().filter(|it| it.links > 0).count();
    let kept: u64 = volumes.iter().map(|it| it.size).sum();
    let loose = volumes.iter().filter(|it| it.links == 0).map(|it| it.size).sum();
    vec![
        row("Images", usage.images.len(), active, usage.images_bytes, free),
        row("Containers", containers.len(), running.count(), written, stopped),
        row("Local Volumes", volumes.len(), in_use, kept, loose),
        // Nothing is built here, and so nothing of it is kept.
        row("Build Cache", 0, 0, 0, 0),
    ]
}

fn details(usage: &Usage) -> Result<()> {
    let images = usage.images.iter().flat_map(|it| {
        let names: Vec<(String, String)> = it
            .image
            .references
            .iter()
            .filter_map(|name| Some((name.familiar_name(), name.tag()?.to_owned())))
            .collect();
        let none = || vec![("<none>".to_owned(), "<none>".to_owned())];
        let names = if names.is_empty() { none() } else { names };
        names.into_iter().map(|(repository, tag)| {
            vec![
                repository,
                tag,
                it.image.id.short().to_owned(),
                it.created.as_deref().map_or("N/A".into(), ago),
                size(it.size),
                size(it.shared),
                size(it.size - it.shared),
                it.containers.to_string(),
            ]
        })
    });
    line("Images space usage:\n")?;
    let headings = [
        "REPOSITORY",
        "TAG",
        "IMAGE ID",
        "CREATED",
        "SIZE",
        "SHARED SIZE",
        "UNIQUE SIZE",
        "CONTAINERS",
    ];
    table(&headings, &images.collect::<Vec<_>>())?;
    let containers = usage.containers.iter().map(|it| {
        let words = mini_docker::bundle::words(&it.record.config).join(" ");
        vec![
            it.record.short_id().to_owned(),
            it.record.image.name.clone(),
            format!("\"{}\"", words.chars().take(20).collect::<String>()),
            it.volumes.to_string(),
            size(it.size),
            ago(&it.record.created),
            it.record.state.status.as_str().to_owned(),
            it.record.name.clone(),
        ]
    });
    line("\nContainers space usage:\n")?;
    let headings =
        ["CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"];
    table(&headings, &containers.collect::<Vec<_>>())?;
    let volumes =
        usage.volumes.iter().map(|it| vec![it.name.clone(), it.links.to_string(), size(it.size)]);
    line("\nLocal Volumes space usage:\n")?;
    table(&["VOLUME NAME", "LINKS", "SIZE"], &volumes.collect::<Vec<_>>())
}

fn check(engine: &Engine, args: &Check) -> Result<ExitCode> {
    let checked = engine.check(args.repair)?;
    for flaw in &checked.flaws {
        line(&flaw.what)?;
        match (&flaw.mended, &flaw.advice, args.repair) {
            (Some(mended), _, true) => line(format!("  repaired: {mended}"))?,
            (Some(mended), _, false) => line(format!("  can be repaired: {mended}"))?,
            (None, Some(advice), _) => line(format!("  cannot be repaired here: {advice}"))?,
            (None, None, _) => {}
        }
    }
    let Checked { blobs, images, layers, containers, volumes, flaws } = &checked;
    line(format!(
        "checked {blobs} blobs, {images} images, {layers} layers, {containers} containers, \
         {volumes} volumes: {}",
        match flaws.len() {
            0 => "all is well".to_owned(),
            1 => "1 thing is wrong".to_owned(),
            many => format!("{many} things are wrong"),
        }
    ))?;
    let is_left = flaws.iter().any(|flaw| !args.repair || flaw.mended.is_none());
    if is_left && !args.repair && flaws.iter().any(|flaw| flaw.mended.is_some()) {
        line("mini-docker system check --repair mends what can be mended")?;
    }
    Ok(if is_left { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
