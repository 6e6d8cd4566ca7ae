//! The machine: whose process is whose, read without asking any daemon.
//!
//! Nobody keeps a list of all containers. But whoever makes one gives it a control group with its
//! ID in the path, and leaves a small process beside it: conmon (Podman, CRI-O), containerd-shim
//! (Docker, containerd, Kubernetes), our monitor. Their arguments and the files that they were made
//! from say the rest: its name, its image.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use namespaces::{Id, Kind};
use nix::unistd::Pid;
use procfs::process::{Process, all_processes};
use serde::Serialize;

/// What is known of a container of ours, from its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The name of its image.
    pub image: String,
    /// The chain IDs of the image's layers, the lowest first, as hexadecimal digits.
    pub layers: Vec<String>,
    /// Its first process, while it runs.
    pub pid: Option<i32>,
}

/// A container that runs on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Container {
    /// Its ID.
    pub id: String,
    /// Its name, where the machine tells.
    pub name: Option<String>,
    /// Who made it: `mini-docker`, `Docker`, `Podman`, `containerd`, `Kubernetes`, `CRI-O`, or
    /// `unknown`.
    pub engine: &'static str,
    /// The name of its image, where the machine tells.
    pub image: Option<String>,
    /// The process that watches over it.
    pub keeper: Option<i32>,
    /// The chain IDs of its layers, the lowest first, if it is ours.
    #[serde(skip)]
    pub layers: Vec<String>,
    /// Its processes.
    #[serde(skip)]
    pub pids: BTreeSet<i32>,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = self.id.get(..12).unwrap_or(&self.id);
        match &self.name {
            Some(name) => write!(f, "{name} ({}, {short})", self.engine),
            None => write!(f, "{short} ({})", self.engine),
        }
    }
}

/// The processes of a container, or of what else was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// How they were found.
    pub known_by: String,
    /// Their numbers here, in order.
    pub pids: Vec<i32>,
}

/// All containers that run here.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    containers: BTreeMap<String, Container>,
    parents: BTreeMap<i32, i32>,
}

/// A process as far as it is needed here.
#[derive(Debug, Clone)]
struct Person {
    pid: i32,
    parent: i32,
    name: String,
    /// The ID in the path of its control group.
    id: Option<(String, &'static str)>,
}

impl Machine {
    /// Looks at all processes. A process that ends meanwhile is left out.
    ///
    /// # Errors
    /// When `/proc` cannot be listed.
    pub fn look(ours: &[Ours]) -> Result<Self> {
        let all = all_processes().map_err(|error| {
            Error::new("cannot list the processes")
                .why(error.to_string())
                .see("5 proc")
                .fix("mount a proc file system: mount -t proc proc /proc")
        })?;
        let people: Vec<Person> = all.filter_map(|process| person(&process.ok()?)).collect();
        let parents = people.iter().map(|it| (it.pid, it.parent)).collect();
        let mut machine = Self { containers: BTreeMap::new(), parents };
        let keepers: BTreeMap<i32, Keeper> =
            people.iter().filter_map(|it| Some((it.pid, Keeper::of(it)?))).collect();
        for person in &people {
            if !keepers.contains_key(&person.pid) {
                machine.place(person, &keepers, ours);
            }
        }
        machine.adopt();
        Ok(machine)
    }

    /// Notes a process that a control group or a keeper says to be a container's.
    fn place(&mut self, person: &Person, keepers: &BTreeMap<i32, Keeper>, ours: &[Ours]) {
        // A keeper also starts helpers of its own, as podman's cleanup; only a container's process
        // has other mounts than its keeper. One that has ended has none, and is in no container.
        let apart = || mounts_of(person.pid).is_some_and(|it| Some(it) != mounts_of(person.parent));
        let keeper = keepers.get(&person.parent).filter(|_| apart());
        let first = ours.iter().find(|it| it.pid == Some(person.pid));
        let by_keeper = || keeper.and_then(|keeper| Some((keeper.id.clone()?, keeper.engine)));
        let by_record = || first.map(|it| (it.id.clone(), OUR_NAME));
        let found = person.id.clone().or_else(by_keeper).or_else(by_record);
        let Some((id, engine)) = found else { return };
        let container = self.containers.entry(id.clone()).or_insert_with(|| Container {
            name: None,
            engine,
            image: None,
            keeper: None,
            layers: Vec::new(),
            pids: BTreeSet::new(),
            id,
        });
        container.pids.insert(person.pid);
        if let Some(keeper) = keeper {
            container.kept_by(person.parent, keeper);
        }
        if let Some(own) = ours.iter().find(|it| it.id == container.id) {
            container.is_ours(own);
        }
    }

    /// Children of a container's processes are its own, also where no group names it.
    fn adopt(&mut self) {
        let known: BTreeMap<i32, String> = self
            .containers
            .values()
            .flat_map(|it| it.pids.iter().map(|pid| (*pid, it.id.clone())))
            .collect();
        for &pid in self.parents.keys().filter(|pid| !known.contains_key(pid)) {
            let id = self.ancestors(pid).find_map(|above| known.get(&above));
            if let Some(container) = id.and_then(|id| self.containers.get_mut(id)) {
                container.pids.insert(pid);
            }
        }
    }

    fn ancestors(&self, pid: i32) -> impl Iterator<Item = i32> + use<> {
        let mut above = Vec::new();
        let mut at = pid;
        while let Some(&parent) = self.parents.get(&at).filter(|it| !above.contains(*it)) {
            above.push(parent);
            at = parent;
        }
        above.into_iter()
    }

    /// The container that a process belongs to.
    pub fn container_of(&self, pid: i32) -> Option<&Container> {
        self.containers.values().find(|it| it.pids.contains(&pid))
    }

    /// The containers with this name, this ID or an ID that begins so.
    pub fn named(&self, text: &str) -> Vec<&Container> {
        let all = self.containers.values();
        let exactly = |it: &&Container| it.id == text || it.name.as_deref() == Some(text);
        let exact: Vec<&Container> = all.clone().filter(exactly).collect();
        if !exact.is_empty() || text.is_empty() {
            return exact;
        }
        all.filter(|it| it.id.starts_with(text)).collect()
    }

    /// The first process of a container: the one whose parent is not in it.
    pub fn first(&self, container: &Container) -> Option<Pid> {
        let parent = |pid: &i32| self.parents.get(pid).copied().unwrap_or_default();
        let first = container.pids.iter().find(|pid| !container.pids.contains(&parent(pid)));
        first.or(container.pids.first()).map(|pid| Pid::from_raw(*pid))
    }

    /// The processes that belong together with `pid`.
    ///
    /// # Errors
    /// When the process is not there.
    pub fn members(&self, pid: Pid) -> Result<Members> {
        if let Some(container) = self.container_of(pid.as_raw()) {
            let known_by = "the ID in their control group, and by their parents".to_owned();
            return Ok(Members { known_by, pids: container.pids.iter().copied().collect() });
        }
        let elsewhere = |it: &Id| Id::own(Kind::Pid).is_ok_and(|own| own != *it);
        if let Some(theirs) = Id::of(pid, Kind::Pid).ok().filter(elsewhere) {
            let inside = |it: &i32| Id::of(Pid::from_raw(*it), Kind::Pid).ok() == Some(theirs);
            let pids = self.parents.keys().copied().filter(inside).collect();
            return Ok(Members { known_by: format!("their PID namespace, {theirs}"), pids });
        }
        let below =
            |it: &i32| *it == pid.as_raw() || self.ancestors(*it).any(|up| up == pid.as_raw());
        let pids = self.parents.keys().copied().filter(below).collect();
        Ok(Members { known_by: format!("descending from process {pid}"), pids })
    }
}

impl Container {
    fn kept_by(&mut self, pid: i32, keeper: &Keeper) {
        self.engine = keeper.engine;
        self.keeper = Some(pid);
        let (name, image) = keeper.told_of(&self.id);
        self.name = name.or_else(|| self.name.take());
        self.image = image.or_else(|| self.image.take());
    }

    fn is_ours(&mut self, own: &Ours) {
        self.engine = OUR_NAME;
        self.name = Some(own.name.clone());
        self.image = Some(own.image.clone());
        self.layers.clone_from(&own.layers);
    }
}

/// Its mount namespace, if we may look at it.
fn mounts_of(pid: i32) -> Option<Id> {
    Id::of(Pid::from_raw(pid), Kind::Mount).ok()
}

const OUR_NAME: &str = "mini-docker";

/// A process that watches over containers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Keeper {
    engine: &'static str,
    /// The container that its arguments name.
    id: Option<String>,
    name: Option<String>,
    /// The directory that the container was made from.
    bundle: Option<PathBuf>,
}

impl Keeper {
    fn of(person: &Person) -> Option<Self> {
        let words = || Process::new(person.pid).and_then(|it| it.cmdline()).unwrap_or_default();
        match person.name.as_str() {
            "conmon" => Some(Self::conmon(&words())),
            name if name.starts_with("containerd-shim") => Some(Self::shim(person.pid, &words())),
            name if "mini-docker-monitor".starts_with(name) && name.len() >= OUR_NAME.len() => {
                Some(Self { engine: OUR_NAME, id: None, name: None, bundle: None })
            }
            _ => None,
        }
    }

    /// `conmon -c ID -n NAME -b BUNDLE .. --exit-command /usr/bin/podman ..` (man 8 conmon).
    fn conmon(words: &[String]) -> Self {
        let is_podman = words.iter().any(|word| word.ends_with("podman"));
        Self {
            engine: if is_podman { "Podman" } else { "CRI-O" },
            id: after(words, "-c"),
            name: after(words, "-n"),
            bundle: after(words, "-b").map(PathBuf::from),
        }
    }

    /// `containerd-shim-runc-v2 -namespace moby -id ID ..`, in the directory of its task.
    fn shim(pid: i32, words: &[String]) -> Self {
        Self {
            engine: match after(words, "-namespace").as_deref() {
                Some("moby") => "Docker",
                Some("k8s.io") => "Kubernetes",
                _ => "containerd",
            },
            id: after(words, "-id"),
            name: None,
            bundle: fs::read_link(format!("/proc/{pid}/cwd")).ok(),
        }
    }

    /// Name and image of a container that it keeps; it may keep several, side by side.
    fn told_of(&self, id: &str) -> (Option<String>, Option<String>) {
        if self.engine == "Docker" {
            let path = Path::new("/var/lib/docker/containers").join(id).join("config.v2.json");
            let config = json(&path);
            let name = text(&config, "/Name").map(|it| it.trim_start_matches('/').to_owned());
            return (name, text(&config, "/Config/Image"));
        }
        let own = self.bundle.iter().cloned();
        let beside = self.bundle.iter().filter_map(|it| Some(it.parent()?.join(id)));
        let configs = beside.chain(own).map(|it| json(&it.join("config.json")));
        let annotation = |config: &serde_json::Value, names: &[&str]| {
            let all = config.get("annotations")?;
            names.iter().find_map(|name| Some(all.get(*name)?.as_str()?.to_owned()))
        };
        let mut configs = configs.filter(|it| it.is_object());
        let config = configs.next().unwrap_or_default();
        let name = annotation(&config, &["io.kubernetes.cri.container-name", "nerdctl/name"]);
        let image =
            annotation(&config, &["io.kubernetes.cri.image-name", "io.podman.annotations.image"]);
        let own = self.name.clone().filter(|_| self.id.as_deref() == Some(id));
        let plain = || (self.engine == "containerd").then(|| id.to_owned());
        (own.or(name).or_else(plain), image)
    }
}

fn json(path: &Path) -> serde_json::Value {
    let bytes = fs::read(path).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

fn text(value: &serde_json::Value, pointer: &str) -> Option<String> {
    Some(value.pointer(pointer)?.as_str()?.to_owned())
}

fn after(words: &[String], flag: &str) -> Option<String> {
    let at = words.iter().position(|word| word == flag)?;
    words.get(at + 1).cloned()
}

fn person(process: &Process) -> Option<Person> {
    let stat = process.stat().ok()?;
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", stat.pid)).unwrap_or_default();
    let id = groups.lines().find_map(|line| id_in(line.splitn(3, ':').nth(2)?));
    Some(Person { pid: stat.pid, parent: stat.ppid, name: stat.comm, id })
}

/// The container that a path of a control group names, and whose habit it is to write it so. The
/// innermost counts: a pod's has an ID of its own.
fn id_in(path: &str) -> Option<(String, &'static str)> {
    let is_digit = |it: char| it.is_ascii_hexdigit() && !it.is_ascii_uppercase();
    let named = path.split('/').rev().filter(|name| !name.contains("conmon"));
    let id =
        named.filter_map(|name| name.split(|it| !is_digit(it)).find(|it| it.len() == 64)).next()?;
    let habits = [
        ("mini-docker-", OUR_NAME),
        ("libpod", "Podman"),
        ("crio-", "CRI-O"),
        ("kubepods", "Kubernetes"),
        ("docker", "Docker"),
    ];
    let engine = habits.into_iter().find(|(word, _)| path.contains(word));
    Some((id.to_owned(), engine.map_or("unknown", |(_, engine)| engine)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<(char, &str)>) {
        let found = id_in(&path.replace("A*", &"a".repeat(64)).replace("B*", &"b".repeat(64)));
        assert_eq!(found.as_ref().map(|(id, by)| (id.chars().next().unwrap(), *by)), expected);
    }

    #[test]
    fn a_control_group_names_its_container() {
        check("/docker/A*", Some(('a', "Docker")));
        check("/system.slice/docker-A*.scope", Some(('a', "Docker")));
        check("/machine.slice/libpod-A*.scope/container", Some(('a', "Podman")));
        check("/kubepods/burstable/pod1-2/A*", Some(('a', "Kubernetes")));
        check("/libpod_parent/A*/B*", Some(('b', "Podman")));
        check("/mini-docker-A*", Some(('a', "mini-docker")));
        check("/libpod_parent/libpod-conmon-A*.scope", None);
        check("/user.slice/user-1000.slice", None);
    }

    #[test]
    fn a_keeper_names_what_it_keeps() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let conmon =
            Keeper::conmon(&words("conmon -c abc -n web -b /b --exit-command /usr/bin/podman"));
        assert_eq!((conmon.engine, conmon.id.as_deref()), ("Podman", Some("abc")));
        assert_eq!(conmon.told_of("abc").0.as_deref(), Some("web"));
        let shim = Keeper::shim(0, &words("containerd-shim-runc-v2 -namespace k8s.io -id abc"));
        assert_eq!(shim.engine, "Kubernetes");
    }
}
