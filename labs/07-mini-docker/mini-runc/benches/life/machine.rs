//! The machine: what it is, and what it must not see of the measurement.

use std::{fs, io, path::Path};

use cgroups::{Hierarchies, Mode};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
    sys::{prctl, utsname::uname},
};

use crate::contender::Contender;

/// A mount namespace of our own, and the orphans of runtimes for children. Where v1 and v2 are both
/// mounted, v1 alone is shown to all contenders: older versions of crun refuse a machine that is both.
///
/// # Errors
/// We are not root.
pub fn prepare() -> io::Result<()> {
    prctl::set_child_subreaper(true)?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none)?;
    let beside = Path::new("/sys/fs/cgroup/unified");
    if beside.exists() {
        umount2(beside, MntFlags::MNT_DETACH)?;
    }
    Ok(())
}

/// What was measured, and where.
pub fn facts(contenders: &[Contender], absent: &[String]) -> String {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let mode = Hierarchies::of_this_process().map(|it| it.mode());
    let cgroups = if matches!(mode, Ok(Mode::V2)) { "v2" } else { "v1" };
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let kernel = uname().map(|it| it.release().to_string_lossy().into_owned());
    let mut text = format!(
        "Linux {}, {cpus} CPUs ({}), cgroup {cgroups}, load {load} at the end.\n\n",
        kernel.unwrap_or_default(),
        processor()
    );
    for contender in contenders {
        text += &format!("- {}: {}\n", contender.name, contender.version());
    }
    for words in absent {
        text += &format!("- not measured: {words}\n");
    }
    text + "\n"
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name"));
    model.map_or(std::env::consts::ARCH, |it| it.trim_start_matches([' ', '\t', ':'])).to_owned()
}
