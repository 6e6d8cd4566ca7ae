//! explain: what `run` would do, as calls, without doing any of it and without any privilege.
//!
//! Each call is put in words by the room that makes it, beside the code that does. The demonstration
//! prints the same words.

use std::{collections::BTreeMap, path::Path};

use ground::{Error as Report, Explanation, Step};
use namespaces::{IdMaps, Kinds, rootless};
use nix::unistd::geteuid;
use oci::{Reference, runtime::Spec};
use overlay::{Marks, Options, Overlay};

use super::{Create, Engine, Error, Result, taken};
use crate::{
    bundle::{self, Found},
    container::{self, ImageUse, Record, State},
    layout::ContainerLayout,
    registry::client,
    runtime::Runtime,
    snapshot::{self, Mapped, Snapshot, chain_ids, is_unpacked},
    store,
};

/// The plan of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What happens above the runtime.
    pub calls: Vec<Explanation>,
    /// What the runtime is told.
    pub spec: Spec,
}

impl Engine {
    /// Plans a run. An image that is not here is planned as one without config and layers.
    ///
    /// # Errors
    /// What makes no sense, as a name that cannot be one.
    pub fn explain(&self, wanted: &Create) -> Result<Plan> {
        let mut calls = Vec::new();
        let mut record = match self.store.resolve(&wanted.image) {
            Ok(image) => {
                let mut record = self.plan(wanted)?;
                record.image.layers = chain_ids(&self.store.image_config(&image)?);
                record
            }
            Err(error) if error.kind == store::Kind::NotFound => {
                calls.extend(self.explain_pull(&reference(&wanted.image)?));
                self.plan_without_image(wanted)?
            }
            Err(error) => return Err(error.into()),
        };
        // The plan of the same command is the same plan.
        record.id = "0".repeat(64);
        let layout = self.container_layout(&record);
        let snapshot = Snapshot::new(&self.layout, &layout, &record.image.layers);
        let missing = record.image.layers.iter().filter(|it| !is_unpacked(&self.layout, it));
        calls.extend(missing.map(|layer| explain_unpack(&self.layout.layer_diff(layer))));
        calls.extend(self.explain_monitor(&record.id));
        calls.extend(rootless::explain(Kinds::NONE));
        let maps = rootless_maps();
        let mut overlay = snapshot.overlay();
        if maps.is_some() {
            // As the user namespace will have it.
            overlay.options =
                Options { index: Some(false), ..Options::kernel_default(Marks::User) };
        }
        let runtime = record.options.runtime.as_deref();
        calls.extend(explain_prepare(&layout, (&snapshot.merged, &overlay), &record.id, runtime)?);
        let cgroup = format!("/mini-docker-{}", record.id);
        let other = record.options.network.joined().map(|id| format!("/proc/PID-OF-{id}/ns/net"));
        let parts = bundle::Parts {
            record: &record,
            layout: &self.layout,
            cgroup: Some(&cgroup),
            network: other.as_deref(),
            env: &[],
            joined: &BTreeMap::new(),
        };
        let mapped = maps.as_ref().map_or_else(Mapped::here, Mapped::of);
        let mut found = Found::on_paper(mapped);
        found.look(&record)?;
        let spec = bundle::spec(parts, &found);
        Ok(Plan { calls, spec })
    }

    fn plan_without_image(&self, wanted: &Create) -> Result<Record> {
        let mut overrides = wanted.overrides.clone();
        if overrides.command.is_empty() && overrides.entrypoint.is_none() {
            overrides.command = vec!["the-command-of-the-image".into()];
        }
        let nothing = store::sha256(b"");
        Ok(Record {
            id: String::new(),
            name: wanted.name.clone(),
            created: container::now(),
            image: ImageUse {
                name: wanted.image.clone(),
                id: nothing.clone(),
                manifest: oci::Descriptor::new(oci::MediaType::OciManifest, nothing, 0),
                layers: Vec::new(),
            },
            config: bundle::effective(&oci::Config::default(), &overrides)?,
            options: wanted.options.clone(),
            state: State::created(),
        })
    }
}

/// The maps of the user namespace that an ordinary user will get.
fn rootless_maps() -> Option<IdMaps> {
    let maps = || IdMaps::with_subordinate_ids().unwrap_or_else(IdMaps::only_root);
    (!geteuid().is_root()).then(maps)
}

impl Engine {
    /// The requests of a pull.
    pub fn explain_pull(&self, reference: &Reference) -> Vec<Explanation> {
        client::explain::pull(&reference.clone().or_latest())
    }

    /// The requests of a push of something that the registry does not have.
    pub fn explain_push(&self, reference: &Reference) -> Vec<Explanation> {
        client::explain::push(&reference.clone().or_latest())
    }

    /// What a start of this container does above its runtime, as root of its user namespace.
    ///
    /// # Errors
    /// A path with a NUL in it.
    pub fn explain_start(&self, id: &str, snapshot: &Snapshot) -> Result<Vec<Explanation>> {
        let mounted = (snapshot.merged.as_path(), &snapshot.overlay());
        let mut calls = self.explain_monitor(id).to_vec();
        calls.extend(explain_prepare(&self.layout.container(id), mounted, id, None)?);
        Ok(calls)
    }

    /// How limits reach the runtime.
    pub fn explain_limits(&self, id: &str, options: &container::Options) -> Explanation {
        let config = self.layout.container(id).bundle().join("config.json");
        let resources = serde_json::to_value(bundle::limits(options)).unwrap_or_default();
        Explanation::new(
            format!("write({config:?}, {{\"linux\": {{\"resources\": {resources}}}}})"),
            "the runtime makes small files of a control group of these (lab 02), before the program \
             begins",
            "7 cgroups",
        )
    }
}

/// The question that saves most of a push.
pub fn explain_probe(reference: &Reference) -> Explanation {
    client::explain::probe(reference)
}

/// How an archive of a layer becomes files below `dir`.
pub fn explain_unpack(dir: &Path) -> Explanation {
    snapshot::explain_unpack(dir)
}

/// How files below `dir` become a blob.
pub fn explain_pack(dir: &Path) -> [Explanation; 2] {
    snapshot::explain_pack(dir)
}

/// From a mount namespace of its own to the execution of the runtime.
fn explain_prepare(
    layout: &ContainerLayout,
    (merged, overlay): (&Path, &Overlay),
    id: &str,
    runtime: Option<&str>,
) -> Result<Vec<Explanation>> {
    let runtime = Runtime::new(runtime, layout.runtime()).map_err(Error::invalid)?;
    let mut calls = taken::explain().to_vec();
    calls.push(overlay.step(merged)?.explain());
    calls.push(write_bundle(&layout.bundle().display().to_string()));
    calls.push(runtime.explain_create(id, &layout.bundle(), &layout.pid_file()));
    Ok(calls)
}

fn reference(image: &str) -> Result<Reference> {
    image.parse().map_err(|invalid: oci::Invalid| {
        let report = Report::new(invalid.what).why(invalid.why);
        Error::invalid(match invalid.fix {
            Some(fix) => report.fix(fix),
            None => report,
        })
    })
}

fn write_bundle(dir: &str) -> Explanation {
    Explanation::new(
        format!("write(\"{dir}/config.json\")"),
        "from here on images are forgotten: a runtime is told a directory and this file",
        "2 write",
    )
}
