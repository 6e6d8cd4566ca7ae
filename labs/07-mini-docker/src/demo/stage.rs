//! The stage: an engine on an empty directory, and the registry beside it.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Mutex,
};

use ground::{Error, Explanation, Result};
use mini_docker::{
    container::Record,
    engine::{Dns, Engine, Settings},
    event::Event,
    registry::client::{ConfigFile, Options},
    runtime::OURSELVES,
    snapshot::Packed,
    store::Store,
};
use oci::{Descriptor, Digest, Platform, Reference};

/// Where the engine keeps everything; on a tmpfs that nobody else sees.
const ROOT: &str = "/tmp/mini-docker";

/// Where the registry does.
const REGISTRY: &str = "/tmp/registry";

fn settings() -> Settings {
    Settings {
        root: ROOT.into(),
        registries: Ok(Options::anonymous()),
        config_file: ConfigFile::new(format!("{ROOT}/config.json")),
        platform: Platform::host(),
        dns: Ok(Dns::default()),
    }
}

/// The engine of the calls: what it says of them is what it does.
pub fn on_paper() -> Engine {
    Engine::on_paper(settings())
}

/// A call of the engine with short names for long paths.
pub fn shortened(call: Explanation) -> Explanation {
    Explanation { call: short_path(&call.call), ..call }
}

/// A path, or several in a text, as seen from the root directory.
pub fn short_path(text: &str) -> String {
    let zeros = format!("sha256/{}", "0".repeat(64));
    text.replace(&format!("{ROOT}/"), "").replace(&zeros, "CHAIN")
}

/// Stands for the layer's chain ID.
pub fn some_layer() -> Result<Digest> {
    format!("sha256:{}", "0".repeat(64)).parse().map_err(invalid)
}

fn invalid(invalid: oci::Invalid) -> Error {
    Error::new(invalid.what).why(invalid.why)
}

/// The image's name where the registry has no address yet.
pub fn named(tag: &str) -> Result<Reference> {
    at("localhost", tag)
}

fn at(address: &str, tag: &str) -> Result<Reference> {
    format!("{address}/unboxed:{tag}").parse().map_err(invalid)
}

/// What the scenes make and share.
#[derive(Debug)]
pub struct Stage {
    /// The engine.
    pub engine: Engine,
    /// The registry's process.
    registry: Option<Child>,
    /// Its address, once it runs.
    pub address: String,
    /// The cgroup in which containers get theirs.
    pub cgroup: Option<String>,
    /// The layer that was packed.
    pub layer: Option<Packed>,
    /// The image ID.
    pub image: Option<Digest>,
    /// The image's manifest.
    pub manifest: Option<Descriptor>,
    /// The container.
    pub container: Option<Record>,
    /// The image that was made of it.
    pub committed: Option<mini_docker::engine::Committed>,
}

impl Stage {
    /// An empty engine.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(cgroup: Option<&str>) -> Result<Self> {
        Ok(Self {
            engine: Engine::open(settings())?,
            registry: None,
            address: String::new(),
            cgroup: cgroup.map(str::to_owned),
            layer: None,
            image: None,
            manifest: None,
            container: None,
            committed: None,
        })
    }

    /// The image's name at the registry.
    pub fn reference(&self, tag: &str) -> Result<Reference> {
        at(&self.address, tag)
    }

    /// The store below the engine, to look into.
    pub fn store(&self) -> Result<Store> {
        Ok(Store::open(self.engine.layout().clone())?)
    }

    /// What an earlier scene has made.
    pub fn made<T: Clone>(what: &Option<T>) -> Result<T> {
        what.clone().ok_or_else(|| Error::new("an earlier scene of the lesson is missing"))
    }

    /// Runs `mini-docker` as a person would, to its end.
    pub fn command(&self, args: &[&str]) -> Result<Output> {
        let mut command = Command::new(OURSELVES);
        command.arg0("mini-docker").args(["--root", ROOT]).args(args).stdin(Stdio::null());
        let output = command.output().map_err(|error| cannot_execute(&error))?;
        if output.status.success() {
            return Ok(output);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::new(format!("mini-docker {} failed", args.join(" "))).why(said))
    }

    /// Starts the registry on a port that the kernel chooses.
    pub fn start_registry(&mut self) -> Result<()> {
        let mut command = Command::new(OURSELVES);
        command.arg0("mini-docker").args(["--root", REGISTRY, "registry", "serve"]);
        command.args(["--listen", "127.0.0.1:0", "--dies-with-parent"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| cannot_execute(&error))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(|error| Error::new("cannot hear from the registry").io("read", &error))?;
        }
        self.registry = Some(child);
        let address = line.trim().strip_prefix("listening on ");
        self.address = address.map(str::to_owned).ok_or_else(|| {
            Error::new("the registry did not start").fix("look at what it said above")
        })?;
        Ok(())
    }

    /// Ends the registry.
    pub fn stop_registry(&mut self) {
        if let Some(mut registry) = self.registry.take() {
            let _ = registry.kill();
            let _ = registry.wait();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop_registry();
    }
}

fn cannot_execute(error: &std::io::Error) -> Error {
    Error::new("cannot execute mini-docker").io(format_args!("execve {OURSELVES}"), error)
}

/// Events, kept in the order in which they came.
#[derive(Debug, Default)]
pub struct Heard(Mutex<Vec<Event>>);

impl Heard {
    /// Keeps one.
    pub fn hear(&self, event: Event) {
        // A thread that panicked while it pushed cannot have broken a list.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(event);
    }

    /// All of them.
    pub fn all(self) -> Vec<Event> {
        self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A directory on the stage.
pub fn directory(name: &str) -> PathBuf {
    Path::new("/tmp").join(name)
}
