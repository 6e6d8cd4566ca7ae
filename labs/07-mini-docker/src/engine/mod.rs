//! The engine: one verb a file, each a sentence about the rooms below.
//!
//! A verb calls what it needs in the order of the way of the data, says what happens as events, and
//! returns data. It prints nothing, reads no flag and speaks no HTTP; so the command line, a build
//! and an API can all call it.
//!
//! ```text
//! pull    registry client -> blobs -> layers unpacked -> name
//! create  image + options -> record, upper directory
//! start   monitor: overlay, bundle, runtime, log, exit status
//! commit  upper directory -> layer -> config, manifest -> name
//! push    blobs -> registry, then the manifest
//! ```

mod attach;
mod cgroup;
mod check;
mod commit;
mod connections;
mod cp;
mod create;
mod df;
mod diff;
mod discard;
mod error;
mod exec;
mod explain;
mod export;
mod filter;
mod history;
mod hold;
mod images;
mod import;
mod info;
mod inspect;
mod joining;
mod keep;
mod kill;
mod links;
mod load;
mod login;
mod logs;
mod moment;
mod network;
mod pause;
mod plug;
mod porters;
mod ports;
mod probe;
mod processes;
mod prune;
mod prune_images;
mod prune_system;
mod ps;
mod pull;
mod push;
mod rename;
mod restart;
mod rm;
mod rmi;
mod save;
mod search;
mod session;
mod size;
mod start;
mod stats;
mod stop;
mod supervise;
mod tag;
mod taken;
mod top;
mod update;
mod user_namespace;
mod view;
mod volumes;
mod wait;
mod watch;
mod xray;

use std::{net::IpAddr, path::PathBuf};

use ground::Error as Report;
use namespaces::{Id, Kind as Namespace};
use nix::unistd::Pid;
use oci::{Manifest, Platform};

pub use check::{Checked, Flaw};
pub use commit::{Commit, Committed};
pub use connections::{Address, Connections, Joined};
pub use cp::Cp;
pub use create::{Create, VolumesFrom};
pub use df::{ContainerUsage, ImageUsage, Usage, VolumeUsage};
pub use discard::discard;
pub use error::{Error, Kind, Result};
pub use exec::{Exec, join};
pub use explain::{Plan, explain_pack, explain_probe, explain_unpack};
pub use filter::{Filter, Filters};
pub use history::Step as HistoryStep;
pub use hold::hold;
pub use images::ImageSummary;
pub use import::Import;
pub use info::{Info, VERSION};
pub use inspect::{ContainerDocument, Count, Document, ImageDocument, ObjectKind, VolumeDocument};
pub use joining::{relative, relative_of};
pub use keep::{Kept, keep};
pub use kill::signal;
pub use load::Loaded;
pub use login::{DOCKER_HUB, registry_domain};
pub use logs::Logs;
pub use moment::moment;
pub use network::{CreateNetwork, NetworkSummary};
pub use plug::resolve;
pub use ports::{Port, shown as ports_shown};
pub use probe::probe;
pub use prune::Prune;
pub use prune_system::Pruned;
pub use ps::{List, Summary};
pub use rmi::Removed;
pub use session::Session;
pub use size::Sizes;
pub use stats::Sample;
pub use stop::Stop;
pub use supervise::supervise;
pub use top::Top;
pub use update::Update;
pub use user_namespace::enter;
pub use volumes::PrunedVolumes;
pub use wait::Until;
pub use watch::{Watch, kind_word};

use crate::{
    container::{Found, Identity, Record, find},
    events::{Event, Type},
    layout::{ContainerLayout, Layout},
    registry::client::{self, Client},
    runtime::Runtime,
    store::{Image, Store},
};

/// What an engine is told once.
#[derive(Debug)]
pub struct Settings {
    /// Where everything lies.
    pub root: PathBuf,
    /// How registries are spoken to, or why nobody knows: that matters to who speaks to one.
    pub registries: ground::Result<client::Options>,
    /// Where logins are kept.
    pub config_file: client::ConfigFile,
    /// Which of an index's images is wanted.
    pub platform: Platform,
    /// How containers find names, or why nobody knows.
    pub dns: ground::Result<Dns>,
}

/// How containers find names that are told nothing else; where this is silent, too, as the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// Whom to ask.
    pub servers: Vec<IpAddr>,
    /// The domains of short names.
    pub search: Vec<String>,
    /// resolv.conf(5)'s options.
    pub options: Vec<String>,
}

/// Everything that mini-docker can do.
#[derive(Debug)]
pub struct Engine {
    layout: Layout,
    store: Store,
    client: ground::Result<Client>,
    config_file: client::ConfigFile,
    platform: Platform,
    dns: ground::Result<Dns>,
}

impl Engine {
    /// Opens the engine on its root directory, which is made if it is not there.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(settings: Settings) -> Result<Self> {
        let engine = Self::on_paper(settings);
        Store::open(engine.layout.clone())?;
        Ok(engine)
    }

    /// The engine for who only plans ([`Engine::explain`]): the root directory stays as it is, also
    /// where there is none.
    pub fn on_paper(settings: Settings) -> Self {
        let layout = Layout::new(settings.root);
        Self {
            store: Store::as_found(layout.clone()),
            layout,
            client: settings.registries.map(Client::new),
            config_file: settings.config_file,
            platform: settings.platform,
            dns: settings.dns,
        }
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Who speaks to registries.
    fn client(&self) -> Result<&Client> {
        Ok(self.client.as_ref().map_err(Report::clone)?)
    }

    /// The container that somebody means. What a killed process has left undone of its networks is
    /// done now.
    ///
    /// # Errors
    /// [`Kind::NotFound`], or [`Kind::Invalid`] when the digits fit several.
    pub fn container(&self, name: &str) -> Result<Record> {
        let record = self.recorded(name)?;
        // A look is no failure because of it.
        let _ = self.regain_network(&record);
        let _ = self.catch_up_on_names(&record);
        self.mend_porter(&record);
        Ok(record)
    }

    /// The container that somebody means, as its record has it: nothing is changed.
    fn recorded(&self, name: &str) -> Result<Record> {
        match find(&self.layout, name)? {
            Found::One(record) => Ok(*record),
            Found::None => Err(Error::not_found(
                Report::new(format!("No such container: {name}"))
                    .why("no name and no ID of a container is like that")
                    .fix("mini-docker ps -a shows all of them"),
            )),
            Found::Many => Err(Error::invalid(
                Report::new(format!("multiple IDs found with provided prefix: {name}"))
                    .fix("give more digits, or the name"),
            )),
        }
    }

    /// The image that somebody means, with its manifest.
    ///
    /// # Errors
    /// [`Kind::NotFound`], or [`Kind::Invalid`] when the digits fit several.
    pub fn image(&self, name: &str) -> Result<(Image, Manifest)> {
        let image = self.store.resolve(name)?;
        let manifest = self.store.image_manifest(&image.manifest)?;
        Ok((image, manifest))
    }

    /// Writes down what happened to an image.
    fn image_event(&self, action: &str, id: &str, name: &str) {
        let event = Event::now(Type::Image, action, id).with("name", name);
        event.record(&self.layout.events());
    }

    /// The directories of a container.
    fn container_layout(&self, record: &Record) -> ContainerLayout {
        self.layout.container(&record.id)
    }

    /// The container's runtime, where it can reach the container: an ordinary user's container
    /// lives in another user namespace than this command.
    fn runtime(&self, record: &Record) -> Result<Runtime> {
        let root = self.container_layout(record).runtime();
        let runtime = Runtime::new(record.options.runtime.as_deref(), root)?;
        Ok(runtime.inside(foreign_process(record)))
    }
}

/// A process of the container whose user namespace is not ours: its monitor, or, where that was
/// killed, its first process.
fn foreign_process(record: &Record) -> Option<i32> {
    let monitor = record.state.monitor.as_ref().filter(|monitor| monitor.is_alive());
    let first = record.state.pid.filter(|&pid| Identity::runs(pid));
    let pid = monitor.map(|monitor| monitor.pid).or(first)?;
    let its = Id::of(Pid::from_raw(pid), Namespace::User).ok()?;
    let ours = Id::own(Namespace::User).ok()?;
    (its != ours).then_some(pid)
}

/// Whether somebody watches over the container.
fn is_watched(record: &Record) -> bool {
    record.state.monitor.as_ref().is_some_and(Identity::is_alive)
}
