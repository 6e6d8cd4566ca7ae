//! The rest: what a process has besides namespaces, and what of it setns(2) brings along. Nothing.

use std::fs;

use cgroups::Group;
use ground::{Evidence, Explanation, Outcome, Result, Scene, Step, Table};
use namespaces::{Child, Exec, Kinds, Spawn, witness::Witness};
use nix::unistd::Pid;
use setns::{Enter, Surroundings, Target, Way, enter};

use super::{
    check, of_some_process,
    roles::GIVEN_UP,
    stage::{self, Stage, VARIABLE},
    status_of,
    witness::argv,
};
use crate::args::Role;

/// Claim S02, its second half.
pub fn scene(target: &Target) -> Result<Scene<Stage>> {
    let mut calls = of_some_process([
        Spawn::new(Kinds::NONE).clone_explained(),
        Surroundings::of(target)?.explain(),
    ]);
    calls.insert(
        1,
        Explanation::new(
            "write(\"GROUP/cgroup.procs\", \"0\")",
            "limits count those who are in the group; 0 means whoever writes it",
            "7 cgroups",
        ),
    );
    calls.push(Explanation::new(
        "execve(PROGRAM, ARGUMENTS, read(\"/proc/PID/environ\"))",
        "the environment is given, not joined",
        "5 proc_pid_environ",
    ));
    let what = "Two visitors join all namespaces; the second takes over the rest, too.";
    Ok(Scene::new(what, calls, act))
}

fn act(stage: &mut Stage) -> Result<Outcome> {
    let target = &stage.target;
    let alone = with_setns_alone(target)?;
    let entered = with_the_rest(stage)?;
    let [theirs, first, second] = [target.pid(), alone.pid(), entered.pid()].map(Has::of);
    check(theirs.root != first.root && theirs.root == second.root, "the root is taken over apart")?;
    check(theirs.directory != first.directory, "so is the working directory")?;
    check(theirs.directory == second.directory, "and it is taken over")?;
    check(theirs.variable && !first.variable && second.variable, "the environment is given")?;
    check(!theirs.capable && first.capable && second.capable, "capabilities are our own")?;
    let mut table = Table::new(["what", "the target", "setns alone", "lab-05 enter -c -e"])
        .title("/proc/PID/{root,cwd,cgroup,environ,status}")
        .row(["root", &theirs.root, &first.root, &second.root])
        .row(["working directory", &theirs.directory, &first.directory, &second.directory]);
    let mut follows = "docker exec is more than setns: whoever forgets the control group escapes the limits. Both \
                       visitors have a capability that the container gave up; the runtime of lab 7 drops it."
        .to_owned();
    match &stage.group {
        Ok(_) => {
            let groups = [target.pid(), alone.pid(), entered.pid()].map(group_of);
            check(groups[1] != groups[0] && groups[2] == groups[0], "the group is joined apart")?;
            let own = |group: &Option<_>| if *group == groups[0] { "its own" } else { "ours" };
            table.push(["control group", own(&groups[0]), own(&groups[1]), own(&groups[2])]);
        }
        Err(error) => {
            let why = error.why.as_deref().unwrap_or(&error.what);
            follows += &format!(" (The target has no control group of its own: {why}.)");
        }
    }
    let yes = |yes| if yes { "yes" } else { "no" };
    table.push([VARIABLE, yes(theirs.variable), yes(first.variable), yes(second.variable)]);
    let capability = GIVEN_UP.to_string();
    table.push([capability.as_str(), yes(theirs.capable), yes(first.capable), yes(second.capable)]);
    Ok(Evidence::new(follows).table(table).into())
}

fn with_setns_alone(target: &Target) -> Result<Child> {
    let mut spawn = Spawn::new(Kinds::NONE);
    spawn.steps = Way::best().steps(target, stage::kinds())?;
    spawn.fork().stay().start()
}

fn with_the_rest(stage: &Stage) -> Result<Witness> {
    let group = stage.group.as_ref().ok().map(|_| Group::of_process(stage.target.pid()));
    let what = Enter { cgroup: group.transpose()?, ..Enter::kinds(stage::kinds()) };
    let exec = Exec::new(&argv(Role::Look), &stage.target.environment()?)?;
    Witness::start(enter(&stage.target, &what)?, exec)
}

/// What a process has, read from outside.
struct Has {
    root: String,
    directory: String,
    variable: bool,
    capable: bool,
}

impl Has {
    fn of(pid: Pid) -> Self {
        let link = |name| {
            let path = fs::read_link(format!("/proc/{pid}/{name}")).unwrap_or_default();
            path.display().to_string()
        };
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        Self {
            root: link("root"),
            directory: link("cwd"),
            variable: environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == VARIABLE.as_bytes()),
            capable: effective(pid) & GIVEN_UP.bitmask() != 0,
        }
    }
}

/// The effective capabilities, a bit each (man 5 proc_pid_status).
fn effective(pid: Pid) -> u64 {
    let bits = status_of(pid, "CapEff").unwrap_or_default();
    u64::from_str_radix(&bits, 16).unwrap_or_default()
}

fn group_of(pid: Pid) -> Option<Vec<std::path::PathBuf>> {
    let group = Group::of_process(pid).ok()?;
    Some(group.directories().map(|(directory, ..)| directory.to_owned()).collect())
}
