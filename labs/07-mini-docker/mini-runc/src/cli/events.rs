//! events: one JSON object a line.

use ground::Result;

use super::{args::Events, look::print};
use crate::{events, record::Root};

pub(super) fn events(root: &Root, args: &Events) -> Result<()> {
    let container = root.container(&args.id.id)?;
    if args.stats {
        return print(&events::stats(&container)?.to_string());
    }
    events::follow(&container, args.interval, &mut |event| print(&event.to_string()))
}
