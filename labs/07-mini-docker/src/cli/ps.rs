//! ps: containers in rows.

use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

use ground::{Error, Result};
use mini_docker::{
    container::{Record, Source, Status, Verdict},
    engine::{self, Engine, List, Summary},
};
use template::{Method, Value, quoted};

use super::{
    args::Ps,
    format::{Columns, Format},
    output::{ago, cut, in_words, line, since, size, stamp},
};

const COLUMNS: Columns = Columns {
    row: "*formatter.ContainerContext",
    table: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}",
    raw: "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\n\
          state: {{.State}}\nstatus: {{.Status}}\nnames: {{.Names}}\nlabels: {{.Labels}}\n\
          ports: {{.Ports}}\n",
    headings: &[
        ("Command", "COMMAND"),
        ("CreatedAt", "CREATED AT"),
        ("ID", "CONTAINER ID"),
        ("Image", "IMAGE"),
        ("Label", ""),
        ("Labels", "LABELS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Mounts", "MOUNTS"),
        ("Names", "NAMES"),
        ("Networks", "NETWORKS"),
        ("Platform", "PLATFORM"),
        ("Ports", "PORTS"),
        ("RunningFor", "CREATED"),
        ("Size", "SIZE"),
        ("State", "STATE"),
        ("Status", "STATUS"),
    ],
};

const WITH_SIZE: Columns = Columns {
    table: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}\t{{.Size}}",
    ..COLUMNS
};

/// `ps`
pub fn ps(engine: &Engine, args: &Ps) -> Result<ExitCode> {
    let columns = if args.size { &WITH_SIZE } else { &COLUMNS };
    let format = Format::new(args.format.as_deref(), columns)?.whole(args.no_trunc);
    let list = List {
        all: args.all,
        // As in Docker, 0 and less are no number of rows.
        last: args
            .last
            .and_then(|last| usize::try_from(last).ok())
            .filter(|last| *last > 0)
            .or(args.latest.then_some(1)),
        filters: args.filter.iter().cloned().collect(),
        sizes: args.size || (!args.quiet && format.mentions("Size")),
    };
    let summaries = engine.list(&list).map_err(|error| Error::from(error).exit_code(1))?;
    if args.quiet {
        if args.format.is_some() {
            crate::warn("Ignoring custom format, because both --format and --quiet are set.");
        }
        let id = |record: &Record| match args.no_trunc {
            true => record.id.clone(),
            false => record.short_id().to_owned(),
        };
        summaries.iter().try_for_each(|summary| line(id(&summary.record)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Value> = summaries.iter().map(|summary| row(summary, args.no_trunc)).collect();
    format.print(columns, &rows)?;
    Ok(ExitCode::SUCCESS)
}

fn row(summary: &Summary, whole: bool) -> Value {
    let Summary { record, connections, sizes } = summary;
    let id = if whole { &record.id } else { record.short_id() };
    let labels: BTreeMap<String, String> =
        record.config.labels.iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    let networks: Vec<_> = connections.networks.iter().map(|it| it.name.as_str()).collect();
    Value::record(
        COLUMNS.row,
        vec![
            ("Command", Value::text(command(record, whole))),
            ("CreatedAt", Value::text(stamp(&record.created))),
            ("ID", Value::text(id)),
            ("Image", Value::text(record.image.name.as_str())),
            ("Labels", Value::text(joined(&labels))),
            ("Label", Value::Method(Method::Label(Arc::new(labels)))),
            ("LocalVolumes", Value::text(volumes(record).to_string())),
            ("Mounts", Value::text(mounts(record, whole))),
            ("Names", Value::text(record.name.as_str())),
            ("Networks", Value::text(networks.join(","))),
            ("Platform", Value::Nil),
            ("Ports", Value::text(engine::ports_shown(&connections.ports))),
            ("RunningFor", Value::text(ago(&record.created))),
            (
                "Size",
                Value::text(sizes.map_or("0B".into(), |it| {
                    format!("{} (virtual {})", size(it.rw), size(it.root_fs))
                })),
            ),
            ("State", Value::text(record.state.status.as_str())),
            ("Status", Value::text(status(record))),
        ],
    )
}

/// `a=b,c=d`
pub fn joined(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

/// `"sleep 100"`: quoted, and cut after twenty characters with a dot-dot-dot of one.
fn command(record: &Record, whole: bool) -> String {
    let words = mini_docker::bundle::words(&record.config).join(" ");
    quoted(&if whole { words } else { cut(&words, 20) })
}

fn volumes(record: &Record) -> usize {
    let is_volume = |source: &Source| matches!(source, Source::Volume { .. });
    record.options.mounts.iter().filter(|mount| is_volume(&mount.source)).count()
}

/// The names of volumes and the paths of the host.
fn mounts(record: &Record, whole: bool) -> String {
    let name = |source: &Source| match source {
        Source::Volume { name, .. } => Some(name.clone()),
        Source::Bind(path) => Some(path.display().to_string()),
        Source::Tmpfs(_) => None,
    };
    let names = record.options.mounts.iter().filter_map(|mount| name(&mount.source));
    let cut = |name: String| if whole { name } else { cut(&name, 15) };
    names.map(cut).collect::<Vec<_>>().join(",")
}

/// `Up 3 minutes`, `Exited (0) 2 hours ago`, `Created`.
fn status(record: &Record) -> String {
    let state = &record.state;
    let since = |time: &Option<String>| time.as_deref().and_then(since).map(in_words);
    match state.status {
        Status::Created => "Created".into(),
        Status::Running | Status::Paused => {
            let up = format!("Up {}", since(&state.started).unwrap_or_default());
            match (state.status, &state.health) {
                (Status::Paused, _) => format!("{up} (Paused)"),
                (_, None) => up,
                (_, Some(health)) if health.status == Verdict::Starting => {
                    format!("{up} (health: starting)")
                }
                (_, Some(health)) => format!("{up} ({})", health.status.as_str()),
            }
        }
        Status::Restarting => {
            let ended = since(&state.finished).unwrap_or_default();
            format!("Restarting ({}) {ended} ago", state.exit_code)
        }
        Status::Exited => {
            let ended = since(&state.finished).unwrap_or_default();
            format!("Exited ({}) {ended} ago", state.exit_code)
        }
        Status::Removing => "Removal In Progress".into(),
    }
}
