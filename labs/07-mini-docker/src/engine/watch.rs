//! events: what happened, and what happens while somebody looks on.

use std::{
    io,
    thread::sleep,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ground::Error as Report;

use super::{Engine, Filters, Result};
use crate::events::{Event, Reader, Type};

/// How often somebody who looks on asks whether something happened.
const PAUSE: Duration = Duration::from_millis(50);

const FILTERS: [&str; 8] =
    ["container", "event", "image", "label", "network", "scope", "type", "volume"];

/// Which events somebody wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// From this moment on, in nanoseconds since 1970; what happens from now on if none.
    pub since: Option<u64>,
    /// Up to this moment; without end if none.
    pub until: Option<u64>,
    /// Only those that are like this.
    pub filters: Filters,
}

impl Engine {
    /// Tells of each event, in the order in which they happened, until `tell` has seen enough or
    /// the time is over. Now and then, while nothing happens, it is asked whether it still listens.
    ///
    /// # Errors
    /// [`super::Kind::Invalid`] for a filter that does not exist; events that cannot be read.
    pub fn watch(&self, watch: &Watch, mut tell: impl FnMut(Option<&Event>) -> bool) -> Result<()> {
        watch.filters.check(&FILTERS)?;
        let cannot = |error: io::Error| {
            Report::new("cannot read what happened").io(self.layout.events().display(), &error)
        };
        let start = now();
        let since = watch.since.unwrap_or(start);
        let mut reader = Reader::open(&self.layout.events()).map_err(cannot)?;
        loop {
            let Some(event) = reader.next_event().map_err(cannot)? else {
                if watch.until.is_some_and(|until| until <= now()) || !tell(None) {
                    return Ok(());
                }
                sleep(PAUSE);
                continue;
            };
            if watch.until.is_some_and(|until| event.time_nano > until) {
                return Ok(());
            }
            if event.time_nano >= since && fits(&watch.filters, &event) && !tell(Some(&event)) {
                return Ok(());
            }
        }
    }
}

fn now() -> u64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
}

fn fits(filters: &Filters, event: &Event) -> bool {
    let attributes = &event.actor.attributes;
    let attribute = |name: &str| attributes.get(name).map(String::as_str);
    let is = |kind: Type, wanted: &str| {
        let by_id = !wanted.is_empty() && event.actor.id.starts_with(wanted);
        event.kind == kind && (by_id || attribute("name") == Some(wanted))
    };
    let of_image = |wanted: &str| {
        // `alpine` stands for `alpine:latest` too, and an event names what was typed.
        let names = [Some(event.actor.id.as_str()), attribute("image"), attribute("name")];
        let same =
            |name: &str| name == wanted || name.split_once(':').is_some_and(|(it, _)| it == wanted);
        ![Type::Volume, Type::Network].contains(&event.kind)
            && names.into_iter().flatten().any(same)
    };
    filters.any("container", |wanted| is(Type::Container, wanted))
        && filters.any("network", |wanted| is(Type::Network, wanted))
        && filters.any("volume", |wanted| is(Type::Volume, wanted))
        && filters.any("image", of_image)
        && filters.any("scope", |wanted| wanted == "local")
        && filters.any("type", |wanted| wanted == kind_word(event.kind))
        // `exec_start: sh -c true` is an exec_start.
        && filters.any("event", |wanted| {
            event.action == wanted || event.action.split(':').next() == Some(wanted)
        })
        && filters.labels(attribute)
}

/// Docker's word for what an event is about.
pub fn kind_word(kind: Type) -> &'static str {
    match kind {
        Type::Container => "container",
        Type::Image => "image",
        Type::Volume => "volume",
        Type::Network => "network",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Filter;

    #[test]
    fn events_are_chosen_by_who_and_what() {
        let exec = Event::now(Type::Container, "exec_start: sh -c true", "6d0f11")
            .with("image", "alpine:3.20")
            .with("name", "box")
            .with("tier", "front");
        let check = |texts: &[&str], expected: bool| {
            let filters = texts.iter().map(|text| text.parse::<Filter>().unwrap()).collect();
            assert_eq!(fits(&filters, &exec), expected, "{texts:?}");
        };
        check(&["event=exec_start", "container=box"], true);
        check(&["container=6d0", "type=container"], true);
        check(&["container=other"], false);
        check(&["image=alpine"], true);
        check(&["image=alp"], false);
        check(&["label=tier=front"], true);
        check(&["label=tier=back"], false);
        check(&["event=die", "event=exec_start"], true);
        check(&["volume=box"], false);
    }
}
