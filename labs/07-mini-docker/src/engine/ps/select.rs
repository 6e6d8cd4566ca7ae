//! Which containers a list shows: `--filter`, `--last`, `--all`.

use std::collections::BTreeSet;

use ground::Error as Report;

use super::{Connections, List, health};
use crate::{
    container::{Found, Record, Source, find},
    engine::{Engine, Error, Result, filter::invalid, ports::Range},
    snapshot,
};

const NAMES: [&str; 15] = [
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];
const STATES: [&str; 7] =
    ["created", "dead", "exited", "paused", "removing", "restarting", "running"];
const HEALTH: [&str; 4] = ["healthy", "none", "starting", "unhealthy"];

/// The filters of a list, each read once.
pub(super) struct Selection<'a> {
    list: &'a List,
    /// Everything that does not run is shown too.
    all: bool,
    before: Option<(String, String)>,
    since: Option<(String, String)>,
    exited: Vec<i32>,
    /// IDs and layers of the images that containers must be made from.
    ancestors: Option<Ancestors>,
    publish: Vec<Range>,
    expose: Vec<Range>,
}

#[derive(Default)]
struct Ancestors {
    ids: BTreeSet<String>,
    layers: Vec<Vec<oci::Digest>>,
}

impl<'a> Selection<'a> {
    /// Reads the filters.
    ///
    /// # Errors
    /// A filter, or a value of one, that does not exist.
    pub(super) fn new(engine: &Engine, list: &'a List) -> Result<Self> {
        let filters = &list.filters;
        filters.check(&NAMES)?;
        let one_of = |name: &str, known: &[&str]| match filters
            .values(name)
            .iter()
            .find(|value| !known.contains(&value.as_str()))
        {
            None => Ok(()),
            Some(value) => Err(invalid(name, value, &format!("one of {}", known.join(", ")))),
        };
        one_of("status", &STATES)?;
        one_of("health", &HEALTH)?;
        let number = |value: &String| {
            value.parse().map_err(|_| invalid("exited", value, "an exit status, as 137"))
        };
        let ranges = |name: &str| -> Result<Vec<Range>> {
            filters.values(name).iter().map(|value| Range::parse(name, value)).collect()
        };
        Ok(Self {
            list,
            all: list.all || list.last.is_some() || filters.has("status"),
            before: reference_point(engine, list, "before")?,
            since: reference_point(engine, list, "since")?,
            exited: filters.values("exited").iter().map(number).collect::<Result<_>>()?,
            ancestors: ancestors(engine, list)?,
            publish: ranges("publish")?,
            expose: ranges("expose")?,
        })
    }

    /// Whether a container is shown.
    ///
    /// # Errors
    /// A value that is no regular expression.
    pub(super) fn takes(&self, record: &Record, connections: &Connections) -> Result<bool> {
        let filters = &self.list.filters;
        let status = record.state.status;
        let label = |name: &str| record.config.labels.as_ref()?.get(name).map(String::as_str);
        Ok((self.all || record.state.status.is_up())
            && filters.finds("id", &[&record.id])?
            && filters.finds("name", &[&record.name, &format!("/{}", record.name)])?
            && filters.labels(label)
            && filters.any("status", |wanted| wanted == status.as_str())
            && filters.any("health", |wanted| wanted == health(record))
            // Nothing here belongs to a swarm.
            && filters.truth("is-task")?.is_none_or(|wanted| !wanted)
            && (self.exited.is_empty() || self.exited_so(record))
            && self.in_time(record)
            && self.ancestors.as_ref().is_none_or(|ancestors| ancestors.has(record))
            && filters.any("volume", |wanted| uses(record, wanted))
            && filters.any("network", |wanted| connections.is_in(wanted))
            && (self.publish.is_empty() || connections.publishes(&self.publish))
            && (self.expose.is_empty() || connections.exposes(&self.expose)))
    }

    fn exited_so(&self, record: &Record) -> bool {
        let has_run = record.state.finished.is_some() && !record.state.status.is_up();
        has_run && self.exited.contains(&record.state.exit_code)
    }

    fn in_time(&self, record: &Record) -> bool {
        let key = (record.created.as_str(), record.id.as_str());
        let before = self.before.as_ref();
        let since = self.since.as_ref();
        before.is_none_or(|(created, id)| key < (created.as_str(), id.as_str()))
            && since.is_none_or(|(created, id)| key > (created.as_str(), id.as_str()))
    }
}

/// The container that `before` or `since` names.
fn reference_point(engine: &Engine, list: &List, name: &str) -> Result<Option<(String, String)>> {
    let Some(wanted) = list.filters.values(name).last() else { return Ok(None) };
    match find(&engine.layout, wanted)? {
        Found::One(record) => Ok(Some((record.created, record.id))),
        _ => Err(Error::not_found(
            Report::new(format!("No such container: {wanted}"))
                .why(format!("the filter {name} compares with a container"))
                .fix("mini-docker ps -a shows all of them"),
        )),
    }
}

fn ancestors(engine: &Engine, list: &List) -> Result<Option<Ancestors>> {
    if !list.filters.has("ancestor") {
        return Ok(None);
    }
    let mut ancestors = Ancestors::default();
    for wanted in list.filters.values("ancestor") {
        // An image that is not here has no container either.
        let Ok(image) = engine.store.resolve(wanted) else { continue };
        let config = engine.store.image_config(&image)?;
        ancestors.layers.push(snapshot::chain_ids(&config));
        ancestors.ids.insert(image.id.to_string());
    }
    Ok(Some(ancestors))
}

impl Ancestors {
    /// Made from the image itself, or from one that begins with its layers.
    fn has(&self, record: &Record) -> bool {
        let begins = |layers: &Vec<oci::Digest>| {
            !layers.is_empty() && record.image.layers.starts_with(layers)
        };
        self.ids.contains(&record.image.id.to_string()) || self.layers.iter().any(begins)
    }
}

/// Whether a volume of this name, or anything at this place, is mounted.
fn uses(record: &Record, wanted: &str) -> bool {
    record.options.mounts.iter().any(|mount| {
        let named = match &mount.source {
            Source::Volume { name, .. } => name == wanted,
            Source::Bind(path) => path.as_os_str() == wanted,
            Source::Tmpfs(_) => false,
        };
        named || mount.destination.as_os_str() == wanted
    })
}
