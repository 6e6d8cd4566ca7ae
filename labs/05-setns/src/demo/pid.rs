//! A PID namespace is joined by children only.

use ground::{Evidence, Outcome, Result, Scene, Table};
use namespaces::{Id, Kind, Kinds, Spawn};
use setns::{JoinProcess, Target};

use super::{check, of_some_process, stage::Stage, witness::start};
use crate::args::Role;

/// Claim S02, its first half.
pub fn scene(target: &Target) -> Scene<Stage> {
    let joining = Spawn::new(Kinds::NONE).step(JoinProcess::new(target, Kinds::of([Kind::Pid])));
    let calls = of_some_process(joining.fork().stay().explain());
    Scene::new("A visitor joins the PID namespace of the target, then makes a child.", calls, act)
}

fn act(stage: &mut Stage) -> Result<Outcome> {
    let target = Id::of(stage.target.pid(), Kind::Pid)?.to_string();
    let visitor =
        start(Role::JoinPid { pid: stage.target.pid().as_raw() }, Spawn::new(Kinds::NONE))?;
    let at = |moment: usize, fact: &str| visitor.fact(&format!("{moment}.{fact}")).to_owned();
    check(at(1, "pid") == at(0, "pid") && at(1, "getpid") == at(0, "getpid"), "the caller stays")?;
    check(at(1, "for_children") == target, "its children will be in the target's namespace")?;
    check(visitor.fact("child.pid") == target, "its next child is")?;
    let mut table = Table::new(["who", "own PID", "pid", "pid_for_children"])
        .title("/proc/self/ns, /proc/PID/ns");
    for (moment, who) in ["visitor, before setns", "visitor, after setns"].into_iter().enumerate() {
        table.push([
            who.to_owned(),
            at(moment, "getpid"),
            at(moment, "pid"),
            at(moment, "for_children"),
        ]);
    }
    table.push(["its child", visitor.fact("child.inside"), visitor.fact("child.pid"), "-"]);
    table.push(["the target", "1", &target, "-"]);
    let follows = "No process ever changes its PID, so it cannot change the namespace that numbers it. That is why \
                   nsenter(1) and docker exec fork.";
    Ok(Evidence::new(follows).table(table).into())
}
