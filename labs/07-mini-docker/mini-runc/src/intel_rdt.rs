//! Intel RDT: the share of the processor's cache and memory bandwidth, by directories of resctrl.
//!
//! ```text
//! /sys/fs/resctrl/              the default class of service
//!     schemata  tasks
//!     CLASS/                    one more: its lines in `schemata`, its processes in `tasks`
//!         mon_groups/ID/tasks   whose use is counted apart
//! ```
//!
//! Who made a directory removes it: one that is called after the container is ours, one that
//! `closID` names stays, because others may be in it.
//!
//! Source: runtime specification, config-linux.md, "IntelRdt"; the kernel's filesystems/resctrl.rst.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ground::{Error, Explanation, Result};
use nix::unistd::Pid;
use oci::runtime::IntelRdt;

/// The class of a container, found or made.
#[derive(Debug)]
pub(crate) struct Class {
    /// The files that take the container's process, in this order.
    tasks: Vec<PathBuf>,
}

impl Class {
    /// The directories that go with the container, for its record: they are to be known before they
    /// are made.
    ///
    /// # Errors
    /// No resctrl, or a class that is no name.
    pub(crate) fn ours(asked: Option<&IntelRdt>, id: &str) -> Result<Vec<PathBuf>> {
        let Some(asked) = asked else { return Ok(Vec::new()) };
        let root = mount_point()?;
        let class = directory(&root, asked, id)?;
        let monitor = asked.enable_monitoring.then(|| class.join("mon_groups").join(id));
        let class = asked.clos_id.is_none().then_some(class);
        let ours = monitor.into_iter().chain(class);
        // What is there already is somebody else's.
        Ok(ours.filter(|directory| !directory.exists()).collect())
    }

    /// Finds or makes the class of a container.
    ///
    /// # Errors
    /// No resctrl; a class that is not there, or that has other schemata; what the kernel refuses.
    pub(crate) fn make(asked: Option<&IntelRdt>, id: &str) -> Result<Option<Self>> {
        asked.map(|asked| Self::below(&mount_point()?, asked, id)).transpose()
    }

    fn below(root: &Path, asked: &IntelRdt, id: &str) -> Result<Self> {
        let class = directory(root, asked, id)?;
        let lines = lines(asked)?;
        match fs::create_dir(&class) {
            Ok(()) if asked.clos_id.is_some() && lines.is_empty() => {
                let _ = fs::remove_dir(&class);
                return Err(no_class(&class));
            }
            Ok(()) => write_lines(&class, &lines)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => compare(&class, &lines)?,
            Err(error) => {
                return Err(cannot().io(format_args!("mkdir {}", class.display()), &error));
            }
        }
        let mut tasks = vec![class.join("tasks")];
        if asked.enable_monitoring {
            let group = class.join("mon_groups").join(id);
            fs::create_dir(&group)
                .map_err(|error| cannot().io(format_args!("mkdir {}", group.display()), &error))?;
            tasks.push(group.join("tasks"));
        }
        Ok(Self { tasks })
    }

    /// Puts the container's process into it; what it starts follows.
    ///
    /// # Errors
    /// As write(2).
    pub(crate) fn add(&self, pid: Pid) -> Result<()> {
        self.tasks.iter().try_for_each(|file| write(file, &pid.to_string()))
    }
}

/// Where resctrl usually is mounted.
const USUAL: &str = "/sys/fs/resctrl";

/// The calls of [`Class::make`] and of [`Class::add`], for a plan; where no resctrl is mounted, as if it
/// were where it usually is.
///
/// # Errors
/// A class that is no name, schemata that are none.
pub(crate) fn explain(
    asked: Option<&IntelRdt>,
    id: &str,
) -> Result<(Vec<Explanation>, Vec<Explanation>)> {
    let Some(asked) = asked else { return Ok((Vec::new(), Vec::new())) };
    let root = mount_point().unwrap_or_else(|_| PathBuf::from(USUAL));
    let class = directory(&root, asked, id)?;
    let write = |file: PathBuf, text: &str, why| {
        Explanation::new(format!("write({file:?}, {text})"), why, "2 write")
    };
    let mkdir = |dir: &Path, why| Explanation::new(format!("mkdir({dir:?}, 0777)"), why, "2 mkdir");
    let mut made = vec![mkdir(&class, "linux.intelRdt: a class of service, unless it is there")];
    let line = |it: &String| {
        write(class.join("schemata"), &format!("{it:?}"), "its share of cache and memory bandwidth")
    };
    made.extend(lines(asked)?.iter().map(line));
    let monitor = asked.enable_monitoring.then(|| class.join("mon_groups").join(id));
    made.extend(monitor.iter().map(|it| mkdir(it, "what it uses is counted apart")));
    let enter =
        |dir: &PathBuf| write(dir.join("tasks"), "PID", "what the process starts follows it");
    Ok((made, [class].iter().chain(&monitor).map(enter).collect()))
}

/// Removes the directories of a container; one that is gone is fine.
pub(crate) fn remove(ours: &[PathBuf]) {
    for directory in ours {
        // The kernel gives the processes in it back to the group above.
        let _ = fs::remove_dir(directory);
    }
}

fn cannot() -> Error {
    Error::new("cannot give the container its class of service")
        .see("https://docs.kernel.org/filesystems/resctrl.html")
}

fn mount_point() -> Result<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| cannot().io("read /proc/self/mountinfo", &error))?;
    found(&table).ok_or_else(|| {
        cannot()
            .why("config.json has linux.intelRdt, and no resctrl is mounted")
            .fix("mount -t resctrl resctrl /sys/fs/resctrl, where the processor and the kernel have it (CONFIG_X86_CPU_RESCTRL); or leave linux.intelRdt out")
    })
}

/// The fifth field of a line is the mount point, the first behind " - " the type (man 5
/// proc_pid_mountinfo).
fn found(table: &str) -> Option<PathBuf> {
    let mut lines = table.lines();
    lines.find_map(|line| {
        let (mount, what) = line.split_once(" - ")?;
        what.starts_with("resctrl ").then(|| mount.split(' ').nth(4).map(PathBuf::from)).flatten()
    })
}

fn directory(root: &Path, asked: &IntelRdt, id: &str) -> Result<PathBuf> {
    match asked.clos_id.as_deref().unwrap_or(id) {
        "/" => Ok(root.to_owned()),
        name if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\n']) => {
            Err(cannot()
                .why(format!(
                    "config.json, linux.intelRdt.closID: {name:?} is no name of a directory"
                ))
                .fix("\"/\" is the default class; any other is a name without \"/\""))
        }
        name => Ok(root.join(name)),
    }
}

/// The lines for `schemata`, the cache first and those of `schemata` last.
fn lines(asked: &IntelRdt) -> Result<Vec<String>> {
    let single = [&asked.l3_cache_schema, &asked.mem_bw_schema].into_iter().flatten();
    let lines: Vec<String> = single.chain(&asked.schemata).cloned().collect();
    if let Some(line) = lines.iter().find(|line| line.contains('\n')) {
        return Err(cannot()
            .why(format!("config.json, linux.intelRdt: {line:?} has a line feed"))
            .fix("give each line its own entry in `schemata`"));
    }
    if let Some(line) = asked.mem_bw_schema.as_ref().filter(|it| !it.starts_with("MB:")) {
        return Err(cannot()
            .why(format!("config.json, linux.intelRdt.memBwSchema is {line:?}"))
            .fix("it begins with \"MB:\", as MB:0=20;1=70"));
    }
    Ok(lines)
}

fn write_lines(class: &Path, lines: &[String]) -> Result<()> {
    let written =
        lines.iter().try_for_each(|it| write(&class.join("schemata"), &format!("{it}\n")));
    written.inspect_err(|_| drop(fs::remove_dir(class)))
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).map_err(|error| {
        cannot()
            .io(format_args!("write {} to {}", text.trim(), file.display()), &error)
            .fix("what was wrong with it says info/last_cmd_status of resctrl")
    })
}

/// A class that is there must be what is asked for: others live in it.
fn compare(class: &Path, lines: &[String]) -> Result<()> {
    let file = class.join("schemata");
    let there = fs::read_to_string(&file)
        .map_err(|error| cannot().io(format_args!("read {}", file.display()), &error))?;
    let plain = |line: &str| line.split_whitespace().collect::<String>();
    let has = |line: &&String| there.lines().any(|it| plain(it) == plain(line));
    match lines.iter().find(|line| !has(line)) {
        None => Ok(()),
        Some(line) => Err(cannot()
            .why(format!("the class {} is there, without the line {line:?}", class.display()))
            .fix("choose another closID, or ask for what it has")),
    }
}

fn no_class(class: &Path) -> Error {
    cannot()
        .why(format!(
            "there is no {}, and config.json has no schemata to make it with",
            class.display()
        ))
        .fix("make it, add schemata to linux.intelRdt, or leave closID out")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that looks like resctrl with one class; its files are plain ones.
    fn resctrl() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("there")).unwrap();
        fs::write(root.path().join("there/schemata"), "    L3:0=f\n    MB:0=50\n").unwrap();
        root
    }

    fn asked(json: &str) -> IntelRdt {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_class_that_is_there_must_be_the_one_asked_for() {
        let root = resctrl();
        let below = |json: &str| Class::below(root.path(), &asked(json), "box");
        let same = r#"{"closID": "there", "l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=50"}"#;
        let class = below(same).unwrap();
        assert_eq!(class.tasks, [root.path().join("there/tasks")]);
        assert!(below(r#"{"closID": "there"}"#).is_ok());
        let other = below(r#"{"closID": "there", "schemata": ["L3:0=7"]}"#).unwrap_err();
        assert!(other.why.unwrap().contains("without the line \"L3:0=7\""));
    }

    #[test]
    fn a_class_that_is_not_there_is_made_of_its_schemata() {
        let root = resctrl();
        let absent = Class::below(root.path(), &asked(r#"{"closID": "new"}"#), "box").unwrap_err();
        assert!(absent.why.unwrap().contains("no schemata to make it with"));
        assert!(!root.path().join("new").exists());
        let made = asked(r#"{"schemata": ["L3:0=1", "MB:0=20"]}"#);
        let class = Class::below(root.path(), &made, "box").unwrap();
        assert_eq!(class.tasks, [root.path().join("box/tasks")]);
        // A plain file keeps what was written last; resctrl takes line by line.
        assert_eq!(fs::read_to_string(root.path().join("box/schemata")).unwrap(), "MB:0=20\n");
    }

    #[test]
    fn words_are_checked() {
        for json in [
            r#"{"closID": "a/b"}"#,
            r#"{"closID": ".."}"#,
            r#"{"memBwSchema": "L3:0=1"}"#,
            r#"{"schemata": ["a\nb"]}"#,
        ] {
            assert!(Class::below(Path::new("/nowhere"), &asked(json), "box").is_err(), "{json}");
        }
        let root = directory(Path::new("/r"), &asked(r#"{"closID": "/"}"#), "box").unwrap();
        assert_eq!(root, Path::new("/r"));
    }

    #[test]
    fn resctrl_is_found_in_the_mount_table() {
        let table = "1 2 0:3 / /proc rw - proc proc rw\n4 5 0:6 / /sys/fs/resctrl rw - resctrl resctrl rw\n";
        assert_eq!(found(table), Some(PathBuf::from("/sys/fs/resctrl")));
        assert_eq!(found("1 2 0:3 / /resctrl rw - tmpfs resctrl rw\n"), None);
    }
}
