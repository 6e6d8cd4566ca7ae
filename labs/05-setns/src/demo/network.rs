//! A network namespace joined: its devices, its sockets, and a file of the wrong kind.

use std::{
    fs::{self, File},
    net::TcpListener,
};

use ground::{Errno, Error, Evidence, Explanation, Outcome, Result, Scene, Step, Table};
use namespaces::{Id, Kind, Kinds, Spawn};
use nix::{
    sched::{CloneFlags, setns},
    unistd::Pid,
};
use setns::JoinFile;

use super::{check, of_some_process, roles::connect, stage::Stage, witness::start};
use crate::args::Role;

/// The step that joins the network namespace of a process.
fn join(pid: Pid) -> Result<JoinFile> {
    JoinFile::open(format!("/proc/{pid}/ns/net"), Kind::Net)
}

fn visitor(pid: Pid) -> Result<Spawn<'static>> {
    Ok(Spawn::new(Kinds::NONE).step(join(pid)?))
}

/// Claim S03.
pub fn interfaces() -> Result<Scene<Stage>> {
    let what = "A visitor joins the network namespace of the target, and no other.";
    Ok(Scene::new(what, of_some_process([join(Pid::this())?.explain()]), act_interfaces))
}

fn act_interfaces(stage: &mut Stage) -> Result<Outcome> {
    let pid = stage.target.pid();
    let before = start(Role::Look, Spawn::new(Kinds::NONE))?;
    let after = start(Role::Look, visitor(pid)?)?;
    check(
        Id::of(after.pid(), Kind::Net)? == Id::of(pid, Kind::Net)?,
        "the visitor is in that namespace",
    )?;
    check(after.fact("interfaces") == "lo", "only the devices of the target are left")?;
    let table = Table::new(["who asks", "net", "interfaces", "nodename"])
        .title("getifaddrs(3) and uname(2), from inside")
        .row([
            "before setns",
            &Id::of(before.pid(), Kind::Net)?.to_string(),
            before.fact("interfaces"),
            before.fact("nodename"),
        ])
        .row([
            "after setns",
            &Id::of(after.pid(), Kind::Net)?.to_string(),
            after.fact("interfaces"),
            after.fact("nodename"),
        ]);
    check(after.fact("nodename") == before.fact("nodename"), "the host name is still ours")?;
    let follows = "Nobody started a process in the container: a process of ours went over. It took one kind; the \
                   host name is still ours.";
    Ok(Evidence::new(follows).table(table).into())
}

/// Claim S04.
pub fn socket() -> Scene<Stage> {
    let calls = [
        Explanation::new(
            "open(\"/proc/self/net/tcp\"), open(\"/proc/PID/net/tcp\")",
            "a list of sockets is that of a network namespace",
            "5 proc_pid_net",
        ),
        Explanation::new(
            "connect(socket, {127.0.0.1:4242})",
            "a port belongs to the network namespace that it was bound in",
            "2 connect",
        ),
    ];
    Scene::new(
        "The target listens on a port; it is looked for from outside and from inside.",
        calls,
        act_socket,
    )
}

fn act_socket(stage: &mut Stage) -> Result<Outcome> {
    let (pid, port) = (stage.target.pid(), stage.port);
    // Ours if it is free: then the two sides can be told apart, and nobody else answers.
    let free = TcpListener::bind(("127.0.0.1", port)).map(drop);
    if let Err(error) = free {
        return Ok(Outcome::NotHere(
            Error::new(format!("port {port} is in use outside as well"))
                .io("bind", &error)
                .fix("end the program that listens there"),
        ));
    }
    let visitor = start(Role::Connect { port }, visitor(pid)?)?;
    let (outside, inside) = (listens("self", port)?, listens(&pid.to_string(), port)?);
    let refused = connect(port);
    check(!outside && inside, "the socket is in the list of its namespace only")?;
    check(visitor.fact("answer") == "connected", "from inside it answers")?;
    // Without a loopback interface that is up there is not even a network to be refused by.
    let nobody = ["ECONNREFUSED", "ENETUNREACH"].iter().any(|errno| refused.starts_with(errno));
    check(nobody, "from outside nobody does")?;
    let found = |found| if found { "a socket listens there" } else { "nobody listens there" };
    let table = Table::new(["asked", "port 4242"])
        .row(["/proc/self/net/tcp", found(outside)])
        .row(["/proc/PID/net/tcp", found(inside)])
        .row(["connect(2) from outside", &refused])
        .row(["connect(2) after setns", visitor.fact("answer")]);
    let follows = "That is why ss and netstat on the host show no socket of a container, and why two containers can \
                   have the same port.";
    Ok(Evidence::new(follows).table(table).into())
}

/// Whether a socket listens on the port, in the network of a process (man 5 proc_pid_net).
fn listens(pid: &str, port: u16) -> Result<bool> {
    const LISTEN: &str = "0A";
    let path = format!("/proc/{pid}/net/tcp");
    let text = fs::read_to_string(&path).map_err(|error| {
        Error::new("cannot list the sockets").io(format_args!("open {path}"), &error)
    })?;
    let address = format!(":{port:04X}");
    Ok(text.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        matches!(fields.as_slice(), [_, local, _, LISTEN, ..] if local.ends_with(&address))
    }))
}

fn wrong(pid: Pid) -> Result<JoinFile> {
    JoinFile::open(format!("/proc/{pid}/ns/net"), Kind::Uts)
}

/// setns(2) with 0 as its second argument: whatever the file stands for.
#[derive(Debug)]
struct JoinAnything(File);

impl JoinAnything {
    fn of(pid: Pid) -> Result<Self> {
        let path = format!("/proc/{pid}/ns/net");
        File::open(&path).map(Self).map_err(|error| {
            Error::new("cannot open the namespace").io(format_args!("open {path}"), &error)
        })
    }
}

impl Step for JoinAnything {
    fn run(&self) -> std::result::Result<(), Errno> {
        setns(&self.0, CloneFlags::empty())
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "setns(open(\"/proc/PID/ns/net\"), 0)",
            "0 asks for no kind in particular: the file decides",
            "2 setns",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EPERM => Some("join the user namespace that owns the network first"),
            _ => None,
        }
    }
}

/// What the second argument of setns(2) is for.
pub fn wrong_kind() -> Result<Scene<Stage>> {
    let what = "The file of the network is joined as if it were the host name's.";
    let ours = Pid::this();
    let calls = [wrong(ours)?.explain(), JoinAnything::of(ours)?.explain()];
    Ok(Scene::new(what, of_some_process(calls), act_wrong_kind))
}

fn act_wrong_kind(stage: &mut Stage) -> Result<Outcome> {
    let pid = stage.target.pid();
    let refused = Spawn::new(Kinds::NONE).step(wrong(pid)?).stay().start();
    let why = refused.err().and_then(|error| error.why).unwrap_or_default();
    let (_, answer) = why.rsplit_once(" = ").unwrap_or_default();
    check(answer.starts_with("EINVAL"), "a file of another kind is refused with EINVAL")?;
    let joined = Spawn::new(Kinds::NONE).step(JoinAnything::of(pid)?).stay().start()?;
    let (net, theirs) = (Id::of(joined.pid(), Kind::Net)?, Id::of(pid, Kind::Net)?);
    check(net == theirs, "without a kind the network is joined")?;
    let table = Table::new(["second argument", "what happens"])
        .title("setns(2) with the file of the network namespace")
        .row(["CLONE_NEWUTS", answer])
        .row(["0", &format!("joined {net}, as the target")]);
    let follows =
        "With 0 whatever the file stands for is joined, also what nobody meant. Name the kind.";
    Ok(Evidence::new(follows).table(table).into())
}
