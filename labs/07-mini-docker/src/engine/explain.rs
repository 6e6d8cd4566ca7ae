//! explain: what `run` would do, as calls, without doing any of it and without any privilege.

use std::collections::BTreeMap;

use ground::{Explanation, Step};
use namespaces::{IdMaps, Kind, Kinds, rootless};
use nix::unistd::geteuid;
use oci::runtime::Spec;
use overlay::{Marks, Options};

use super::{Create, Engine, Result};
use crate::{
    bundle::{self, Found},
    container::{ImageUse, Record, State},
    snapshot::{Mapped, Snapshot, chain_ids, is_unpacked},
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
            Err(error) if error.kind == crate::store::Kind::NotFound => {
                calls.push(pull(&wanted.image));
                self.plan_without_image(wanted)?
            }
            Err(error) => return Err(error.into()),
        };
        // The plan of the same command is the same plan.
        record.id = "0".repeat(64);
        let layout = self.container_layout(&record);
        let snapshot = Snapshot::new(&self.layout, &layout, &record.image.layers);
        for layer in &record.image.layers {
            if !is_unpacked(&self.layout, layer) {
                calls.push(unpack(&self.layout.layer_diff(layer).display().to_string()));
            }
        }
        calls.push(start_monitor());
        calls.extend(rootless::explain(Kinds::of([Kind::Mount])));
        let maps = rootless_maps();
        let mut overlay = snapshot.overlay();
        if maps.is_some() {
            // As the user namespace will have it.
            overlay.options =
                Options { index: Some(false), ..Options::kernel_default(Marks::User) };
        }
        calls.push(overlay.step(&snapshot.merged)?.explain());
        calls.push(write_bundle(&layout.bundle().display().to_string()));
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
        let nothing = crate::store::sha256(b"");
        Ok(Record {
            id: String::new(),
            name: wanted.name.clone(),
            created: crate::container::now(),
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

fn pull(image: &str) -> Explanation {
    Explanation::new(
        format!("GET /v2/../manifests/.., /v2/../blobs/..   ({image})"),
        "the image is not here: its manifest names a config and layers, each by digest",
        "2 connect",
    )
}

fn unpack(dir: &str) -> Explanation {
    Explanation::new(
        format!("openat2(.., RESOLVE_IN_ROOT), mkdirat, linkat, fchownat ..   ({dir})"),
        "a layer is an archive from a stranger: its paths are resolved as if this were the root",
        "2 openat2",
    )
}

fn start_monitor() -> Explanation {
    Explanation::new(
        "execve(\"/proc/self/exe\", [\"mini-docker\", \"monitor\", ..]), setsid()",
        "one small process watches over the container: no daemon, and no terminal to lose",
        "2 setsid",
    )
}

fn write_bundle(dir: &str) -> Explanation {
    Explanation::new(
        format!("write(\"{dir}/config.json\")"),
        "from here on images are forgotten: a runtime is told a directory and this file",
        "2 write",
    )
}
