//! What is run: Docker's usual config.json for a program that ends at once.
//!
//! The program is this benchmark itself, under another name: linked statically, it needs nothing
//! else in the root file system.

use std::{env, ffi::CStr, fs, io, path::PathBuf};

use mini_runc::defaults;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The program in the container.
pub const PAYLOAD: &CStr = c"/payload";

/// The argument with which it ends at once, and the one with which it stays.
pub const TRUE: &str = "true";
/// See [`TRUE`].
pub const PAUSE: &str = "pause";

/// What may be opened after everything was forbidden, in devices.allow's words.
pub const DEVICE_RULES: [&str; 11] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:1 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
];

/// The files that Docker writes for a container and binds into it.
pub const BINDS: [&str; 3] = ["resolv.conf", "hostname", "hosts"];

/// Docker's fourteen capabilities as a mask.
pub fn capability_mask() -> u64 {
    let number = |name: &str| name.parse::<caps::Capability>().map_or(0, |it| it.bitmask());
    defaults::CAPABILITIES.iter().fold(0, |mask, name| mask | number(name))
}

/// A directory with a root file system and with bundles; all of it goes at the end.
///
/// ```text
///   rootfs/payload           rootfs/{proc,sys,dev,etc}
///   resolv.conf  hostname  hosts
///   filter                   the compiled filter, for the floor
///   NAME/config.json         a bundle for each container that lives at the same time
///   state/CONTENDER/NAME     their state
/// ```
#[derive(Debug)]
pub struct Stage {
    dir: TempDir,
}

/// A bundle, named as its container and its group.
#[derive(Debug, Clone)]
pub struct Bundle<'a> {
    pub stage: &'a Stage,
    pub name: String,
    /// The argument of the program, [`TRUE`] or [`PAUSE`].
    pub argument: &'static str,
    /// Whether it has Docker's filter.
    pub filtered: bool,
}

impl Stage {
    /// Makes it.
    ///
    /// # Errors
    /// No room for it.
    pub fn new() -> io::Result<Self> {
        let stage = Self { dir: TempDir::with_prefix("unboxed-bench.")? };
        for directory in ["rootfs/proc", "rootfs/sys", "rootfs/dev", "rootfs/etc", "state/floor"] {
            fs::create_dir_all(stage.path(directory))?;
        }
        for name in BINDS {
            fs::write(stage.path(name), "127.0.0.1 localhost\n")?;
            fs::write(stage.path("rootfs/etc").join(name), "")?;
        }
        fs::copy(env::current_exe()?, stage.path("rootfs/payload"))?;
        Ok(stage)
    }

    /// A path below it.
    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Writes a bundle.
    ///
    /// # Errors
    /// As write(2).
    pub fn bundle(
        &self,
        what: &str,
        argument: &'static str,
        filtered: bool,
    ) -> io::Result<Bundle<'_>> {
        let name = format!("mini-runc-bench-{}-{what}", std::process::id());
        let bundle = Bundle { stage: self, name, argument, filtered };
        fs::create_dir_all(bundle.dir())?;
        fs::write(bundle.dir().join("config.json"), bundle.config().to_string())?;
        Ok(bundle)
    }
}

impl Bundle<'_> {
    /// Its directory.
    pub fn dir(&self) -> PathBuf {
        self.stage.path(&self.name)
    }

    /// What dockerd writes for `docker run IMAGE`, but for the hook that sets the network up.
    fn config(&self) -> Value {
        let mut config = json!(defaults::spec());
        // Debian's crun knows no later one.
        config["ociVersion"] = json!("1.0.2");
        config["root"] = json!({"path": self.stage.path("rootfs"), "readonly": false});
        config["hostname"] = json!("box");
        let process = &mut config["process"];
        process["terminal"] = json!(false);
        process["args"] = json!(["/payload", self.argument]);
        process["capabilities"] = json!(defaults::capabilities(&defaults::CAPABILITIES));
        process["noNewPrivileges"] = json!(false);
        process["oomScoreAdj"] = json!(0);
        process["rlimits"] = json!([]);
        let bind = |file: &str| {
            json!({"destination": format!("/etc/{file}"), "type": "bind",
                "source": self.stage.path(file), "options": ["rbind", "rprivate"]})
        };
        config["mounts"].as_array_mut().into_iter().for_each(|it| it.extend(BINDS.map(bind)));
        config["linux"]["cgroupsPath"] = json!(format!("/{}", self.name));
        config["linux"]["resources"] = json!({"devices": device_rules(), "blockIO": {"weight": 0}});
        if self.filtered {
            config["linux"]["seccomp"] = json!(defaults::seccomp(&defaults::CAPABILITIES));
        }
        config
    }
}

/// [`DEVICE_RULES`] in config.json's words.
fn device_rules() -> Vec<Value> {
    let mut rules = vec![json!({"allow": false, "access": "rwm"})];
    for rule in DEVICE_RULES {
        let words: Vec<&str> = rule.split([' ', ':']).collect();
        let [kind, major, minor, access] = words[..] else { continue };
        let number = |word: &str| word.parse::<i64>().ok();
        rules.push(json!({"allow": true, "type": kind, "major": number(major),
            "minor": number(minor), "access": access}));
    }
    rules
}
