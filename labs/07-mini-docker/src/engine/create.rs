//! create: an image and options become a container that does not run yet.

use std::{fs, path::PathBuf};

use ground::Error as Report;
use oci::{Config, ImageConfig, Platform};

use super::{Dns, Engine, Error, Result, rm};
use crate::{
    bundle,
    container::{
        self, ImageUse, Mount, Network, NotAdded, Options, Overrides, Record, Source, State,
        fresh_id,
    },
    runtime::Runtime,
    snapshot::Snapshot,
    transfer::OnEvent,
    volume,
};

/// What a container is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Create {
    /// The image, by any of its names.
    pub image: String,
    /// Which of an image's platforms; any that is here if none.
    pub platform: Option<Platform>,
    /// The container's name; one is found if empty.
    pub name: String,
    /// What replaces a part of the image's config.
    pub overrides: Overrides,
    /// Whose volumes it gets, too.
    pub volumes_from: Vec<VolumesFrom>,
    /// What does not come from the image.
    pub options: Options,
}

/// The volumes of another container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumesFrom {
    /// The container.
    pub container: String,
    /// Whether they can be written; as there if nothing is said.
    pub read_only: Option<bool>,
}

impl Engine {
    /// Makes a container. Removed by `rm`; if this fails, nothing is left of it.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`] for an image that is not here, [`super::Kind::Conflict`] for a
    /// name in use, [`super::Kind::Invalid`] when there is nothing to run.
    pub fn create(&self, wanted: Create, on_event: OnEvent<'_>) -> Result<Record> {
        let mut record = self.plan(&wanted)?;
        Runtime::new(record.options.runtime.as_deref(), "").map_err(Error::invalid)?;
        check_init(&record.options)?;
        // Layers of an image that nobody uses may be collected: not while we begin to use them.
        let _lease = self.store.lease()?;
        record.image.layers = self.unpack(&record.image.manifest, on_event)?;
        // Until the record says that it is used, nobody removes a volume.
        let volumes = volume::lock_shared(&self.layout)?;
        if let Err(error) = container::add(&self.layout, &mut record, |it| self.furnish(it)) {
            drop(volumes);
            let _ = rm::remove_volumes(&self.layout, &record);
            return Err(not_added(&wanted.name)(error));
        }
        record.event("create").record(self.container_layout(&record).events());
        Ok(record)
    }

    /// Makes what a container is to have when it can be seen.
    fn furnish(&self, record: &Record) -> Result<(), Report> {
        self.make_sources(&record.options.mounts)?;
        let layout = self.container_layout(record);
        Snapshot::new(&self.layout, &layout, &record.image.layers).create(&self.layout)
    }

    /// The record that [`Engine::create`] would write, without its layers. Needs no privilege, and
    /// changes nothing: of others the records are read and no more.
    ///
    /// # Errors
    /// As [`Engine::create`].
    pub fn plan(&self, wanted: &Create) -> Result<Record> {
        check_name(&wanted.name)?;
        let image = self.store.resolve(&wanted.image)?;
        let image_config = self.store.image_config(&image)?;
        check_platform(wanted, &image_config)?;
        let image_config = image_config.config.unwrap_or_default();
        let config = bundle::effective(&image_config, &wanted.overrides).map_err(Error::invalid)?;
        let mut options = wanted.options.clone();
        self.check_networks(&mut options)?;
        self.dns.as_ref().map_err(Report::clone)?.fill(&mut options);
        self.name_others(&mut options.namespaces)?;
        for from in &wanted.volumes_from {
            let inherited = self.volumes_of(from, &options.mounts)?;
            options.mounts.extend(inherited);
        }
        options.mounts.extend(image_volumes(&config, &options.mounts)?);
        for mount in &mut options.mounts {
            name_volume(mount)?;
        }
        Ok(Record {
            id: fresh_id()?,
            name: wanted.name.clone(),
            created: container::now(),
            image: ImageUse {
                name: wanted.image.clone(),
                id: image.id,
                manifest: image.manifest,
                layers: Vec::new(),
            },
            config,
            options,
            state: State::created(),
        })
    }

    /// The directories of another container, where nothing else is mounted.
    fn volumes_of(&self, from: &VolumesFrom, mounts: &[Mount]) -> Result<Vec<Mount>> {
        let other = self.recorded(&from.container)?;
        let is_taken = |it: &Mount| mounts.iter().any(|mine| mine.destination == it.destination);
        let theirs = other.options.mounts.into_iter();
        let theirs = theirs.filter(|it| !matches!(it.source, Source::Tmpfs(_)) && !is_taken(it));
        let mine =
            |mount: Mount| Mount { read_only: from.read_only.unwrap_or(mount.read_only), ..mount };
        Ok(theirs.map(mine).collect())
    }

    /// What a mount shows must be there. Docker makes a missing directory of the host, too.
    fn make_sources(&self, mounts: &[Mount]) -> Result<(), Report> {
        for mount in mounts {
            match &mount.source {
                Source::Bind(path) if !path.exists() => {
                    fs::create_dir_all(path).map_err(|error| {
                        Report::new(format!("cannot mount {}", path.display()))
                            .io("mkdir", &error)
                            .fix("name a directory that is there, or one that you may make")
                    })?
                }
                Source::Volume { name, anonymous } => {
                    volume::ensure(&self.layout, name, *anonymous)?;
                }
                Source::Bind(_) | Source::Tmpfs(_) => {}
            }
        }
        Ok(())
    }
}

impl Dns {
    /// Where the container was told nothing, it is told this. With another's network come its names.
    fn fill(&self, options: &mut Options) {
        if matches!(options.network, Network::Container(_)) {
            return;
        }
        let connection = &mut options.connection;
        let own = |text: &mut Vec<String>, usual: &[String]| {
            if text.is_empty() {
                text.extend_from_slice(usual);
            }
        };
        if connection.dns.is_empty() {
            connection.dns.clone_from(&self.servers);
        }
        own(&mut connection.dns_search, &self.search);
        own(&mut connection.dns_options, &self.options);
    }
}

/// `--init` takes a program of ours, which has to be there.
fn check_init(options: &Options) -> Result<()> {
    let program = bundle::init_program();
    if !options.init || program.is_file() {
        return Ok(());
    }
    Err(Error::invalid(
        Report::new("cannot give the container an init")
            .why(format!("there is no {}", program.display()))
            .fix("install mini-init beside mini-docker, or leave --init out"),
    ))
}

/// An image of another platform is not the one that is wanted: who may, pulls the right one.
fn check_platform(wanted: &Create, image: &ImageConfig) -> Result<()> {
    let Some(platform) = &wanted.platform else { return Ok(()) };
    if image.is_for(platform) {
        return Ok(());
    }
    Err(Error::not_found(
        Report::new(format!(
            "image with reference {} was found but does not provide the specified platform \
             ({platform})",
            wanted.image
        ))
        .why(format!("the one that is here is for {}", image.platform))
        .fix(format!(
            "leave --platform out, or name an image that is made for it: \
             mini-docker pull --platform {platform} NAME:TAG tells"
        )),
    ))
}

/// The VOLUMEs of the image that nothing else is mounted on.
fn image_volumes(config: &Config, mounts: &[Mount]) -> Result<Vec<Mount>> {
    let is_taken = |path: &PathBuf| mounts.iter().any(|mount| mount.destination == *path);
    let paths = config.volumes.iter().flatten().map(|(path, _)| PathBuf::from(path));
    Ok(paths
        .filter(|path| path.is_absolute() && !is_taken(path))
        .map(|destination| {
            Mount::new(Source::Volume { name: String::new(), anonymous: true }, destination)
        })
        .collect())
}

/// Anonymous volumes get a name that nobody else has.
fn name_volume(mount: &mut Mount) -> Result<()> {
    if let Source::Volume { name, .. } = &mut mount.source
        && name.is_empty()
    {
        *name = fresh_id()?;
    }
    Ok(())
}

/// Docker's rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub(super) fn check_name(name: &str) -> Result<()> {
    let word = |c: char| c.is_ascii_alphanumeric();
    let good = name.len() > 1
        && name.starts_with(word)
        && name.chars().all(|c| word(c) || matches!(c, '_' | '.' | '-'));
    if good || name.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(
        Report::new(format!("Invalid container name ({name})"))
            .why("only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, two characters at least")
            .fix("choose another name, or leave --name out to get one"),
    ))
}

pub(super) fn not_added(name: &str) -> impl Fn(NotAdded) -> Error {
    move |not_added| match not_added {
        NotAdded::Failed(error) => error.into(),
        NotAdded::NameTaken(id) => Error::conflict(
            Report::new(format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{id}\""
            ))
            .why("a name belongs to one container until that is removed, also when it has ended")
            .fix(format!("remove it (mini-docker rm {name}) or choose another name")),
        ),
    }
}
