//! inspect: everything, as JSON in Docker's shape or through a template.

use std::process::ExitCode;

use ground::{Error, Result};
use mini_docker::engine::{Count, Document, Engine, Kind, ObjectKind};
use template::to_value;

use super::{args::Inspect, documents::documents, network};

const KINDS: &str = "container, image, network, volume";

/// `inspect`
pub fn inspect(engine: &Engine, args: &Inspect) -> Result<ExitCode> {
    let is_network = args.kind.as_deref() == Some("network");
    let kind = args.kind.as_deref().filter(|_| !is_network).map(object_kind).transpose()?;
    let count = if args.size { Count::Sizes } else { Count::Nothing };
    documents(args.format.as_deref(), &args.names, |name| {
        if is_network {
            return network::document(engine, name);
        }
        let found = match kind {
            Some(kind) => engine.inspect_as(kind, name, count),
            None => engine.inspect(name, count),
        };
        if let (None, Err(error)) = (kind, &found)
            && error.kind == Kind::NotFound
            && let Ok(network) = network::document(engine, name)
        {
            return Ok(network);
        }
        Ok(match found? {
            Document::Container(document) => to_value(&document),
            Document::Image(document) => to_value(&document),
            Document::Volume(document) => to_value(&document),
        })
    })
}

fn object_kind(kind: &str) -> Result<ObjectKind> {
    match kind {
        "container" => Ok(ObjectKind::Container),
        "image" => Ok(ObjectKind::Image),
        "volume" => Ok(ObjectKind::Volume),
        _ => Err(Error::new(format!("unknown type: {kind:?}"))
            .fix(format!("it must be one of {KINDS}"))
            .exit_code(1)),
    }
}
