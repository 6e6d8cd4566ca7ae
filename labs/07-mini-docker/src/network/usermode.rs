//! User mode: a network for those who may make no bridge on the host.
//!
//! An ordinary user may make network namespaces, and has no right to plug anything into the host's. So
//! a program of the user stands in between: it holds a TAP device inside, and speaks for who is there
//! through sockets of its own, as any program may. A container in the default network has one by
//! itself; those in networks of one's own share one (`holder`). slirp4netns(1) and
//! pasta(1) are such programs; both belong to the same packages that podman uses.

use std::{
    fs::File,
    io::{self, Read},
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ground::{Error, Result};

use super::{link::Links, netns::Netns};
use crate::sys;

/// How long a program may take to make an interface.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(10);

/// What every container of a user sees of itself and of the host, if slirp4netns(1) made it.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 100);
/// What the interface is called inside.
pub const INTERFACE: &str = "eth0";
/// The way out.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

/// Gives the namespace behind `netns` an interface `eth0` with a way out. The program ends with the
/// caller, or when it is killed. Returns also the address that a service inside is reached at, from
/// inside.
///
/// # Errors
/// When no such program is there, or it has no access to /dev/net/tun; what it said.
pub fn start(netns: &Path) -> Result<(Child, IpAddr)> {
    let program = find()?;
    let inside = Netns::open(netns)?;
    inside.inside(|| Links::here()?.up("lo"))?;
    match program {
        Program::Slirp4netns(path) => Ok((slirp4netns(&path, netns)?, ADDRESS.into())),
        // It gives the host's own address, which is not ours to choose.
        Program::Pasta(path) => Ok((pasta(&path, &inside)?, Ipv4Addr::LOCALHOST.into())),
    }
}

/// A program that carries packets.
#[derive(Debug)]
pub enum Program {
    /// slirp4netns(1).
    Slirp4netns(PathBuf),
    /// pasta(1).
    Pasta(PathBuf),
}

/// The program that this machine has for it.
///
/// # Errors
/// When there is none, or it has no access to /dev/net/tun.
pub fn find() -> Result<Program> {
    // pasta waits for ever for a device that it may not open, and slirp4netns has no words for it.
    let tun = File::options().read(true).write(true).open("/dev/net/tun");
    tun.map_err(|error| no_tun(&error))?;
    let slirp4netns = in_path("slirp4netns").map(Program::Slirp4netns);
    slirp4netns.or_else(|| in_path("pasta").map(Program::Pasta)).ok_or_else(|| {
        Error::new("cannot give the container a network")
            .why("only root may plug anything into the host, and neither slirp4netns nor pasta is installed")
            .fix(
                "sudo apt-get install slirp4netns (or passt); or do without: --network none or \
                 --network host; or run it as root",
            )
    })
}

fn no_tun(error: &io::Error) -> Error {
    let command = match error.kind() {
        io::ErrorKind::PermissionDenied => "sudo chmod 666 /dev/net/tun",
        // ENOENT or ENODEV: the module makes the file.
        _ => "sudo modprobe tun",
    };
    Error::new("cannot give the container a network")
        .io("open /dev/net/tun", error)
        .fix(format!("{command}; or do without: --network none or --network host"))
}

fn slirp4netns(program: &Path, netns: &Path) -> Result<Child> {
    let cannot = |error: io::Error| cannot_start(program, &error);
    let (mut ready, theirs) = io::pipe().map_err(cannot)?;
    let mut command = Command::new(program);
    command.args(["--configure", "--mtu=65520", "--disable-host-loopback"]);
    // It says that it is ready on the descriptor that it is given, here its standard input.
    command.args(["--ready-fd=0", "--netns-type=path"]).arg(netns).arg(INTERFACE);
    command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::piped());
    sys::dies_with_parent(&mut command);
    let mut child = command.spawn().map_err(cannot)?;
    // Our copy of the other end would keep end-of-file from arriving.
    drop(command);
    let mut byte = [0];
    match ready.read(&mut byte) {
        Ok(1) => Ok(child),
        _ => Err(said(program, &mut child)),
    }
}

fn pasta(program: &Path, inside: &Netns) -> Result<Child> {
    let cannot = |error: io::Error| cannot_start(program, &error);
    let mut command = Command::new(program);
    command.args(["--config-net", "--foreground", "--quiet", "--ns-ifname", INTERFACE]);
    // Ports are the porter's business, and services on this machine's loopback interface nobody's.
    command.args(["-t", "none", "-u", "none", "-T", "none", "-U", "none", "--no-map-gw"]);
    // It has given up the capability to look at the container's process (CAP_SYS_PTRACE) when it opens
    // this; so it gets the namespace itself, as its standard input.
    command.args(["--netns", "/proc/self/fd/0"]);
    command.stdin(inside.descriptor().try_clone().map_err(cannot)?);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    sys::dies_with_parent(&mut command);
    let mut child = command.spawn().map_err(cannot)?;
    let begun = Instant::now();
    // It says nothing; the interface is what can be seen of it.
    while begun.elapsed() < PATIENCE && matches!(child.try_wait(), Ok(None)) {
        if inside.inside(|| Ok(!Links::here()?.destinations().is_empty()))? {
            return Ok(child);
        }
        std::thread::sleep(LOOK);
    }
    let _ = child.kill();
    Err(said(program, &mut child))
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/usr/local/bin", "/usr/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|dir| dir.join(name)).find(|it| it.is_file())
}

fn cannot_start(program: &Path, error: &io::Error) -> Error {
    Error::new("cannot give the container a network")
        .io(format_args!("execute {}", program.display()), error)
}

fn said(program: &Path, child: &mut Child) -> Error {
    let mut text = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut text);
    }
    let _ = child.wait();
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
    Error::new("cannot give the container a network")
        .why(format!("{} said: {last}", program.display()))
        .fix("do without: --network none or --network host")
}
