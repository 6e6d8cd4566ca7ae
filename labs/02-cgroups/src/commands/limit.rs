//! `limit`: a command in a group of its own, which goes when the command does.

use std::{ffi::OsString, path::Path, process::ExitCode};

use cgroups::{Bound, Bytes, Controller, Controllers, Group, Hierarchies, Limits, Site, Temporary};
use ground::{Error, Explanation, Narrator, Result};
use namespaces::{Exit, Signals};

use super::{options::LimitOptions, repair, spawn};
use crate::told;

/// The flags of `limit`.
#[derive(Debug, clap::Args)]
pub struct LimitCommand {
    /// Make /proc/meminfo, cpuinfo, stat, uptime and loadavg say what the limits are
    #[arg(long)]
    repair_proc: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    #[command(flatten)]
    limits: LimitOptions,
}

impl LimitCommand {
    /// Runs the command; its exit status is ours, 128 and the number for a signal.
    pub fn run(self, narrator: &mut Narrator<'_>) -> Result<ExitCode> {
        let limits = self.limits.limits();
        let needed: Controllers =
            limits.controllers().into_iter().chain(Controller::accounting()).collect();
        if narrator.plans_only() {
            return self.explain(narrator, &limits, &needed);
        }
        let site = Site::find()?;
        site.require(&limits.controllers())?;
        cgroups::sweep(&site);
        let signals = Signals::hold()?;
        let group = Temporary::guarded(&site, "limit", &needed)?;
        group.apply(&limits)?;
        let mut child = spawn::spawn(Some(&group), &self.command()?, None)?.start()?;
        let exit = signals.wait(&mut child)?;
        report_oom(&group, exit)?;
        group.remove()?;
        Ok(ExitCode::from(exit.code()))
    }

    /// The command itself, or this program in between to repair /proc first.
    fn command(&self) -> Result<Vec<OsString>> {
        if !self.repair_proc {
            return Ok(self.command.clone());
        }
        let mut command = vec![own_program()?, "repair-proc".into(), "--".into()];
        command.extend(self.command.iter().cloned());
        Ok(command)
    }

    fn explain(
        &self,
        narrator: &mut Narrator<'_>,
        limits: &Limits,
        needed: &Controllers,
    ) -> Result<ExitCode> {
        let site = match Site::find() {
            Ok(site) => site,
            Err(_) => Site::on_paper(Hierarchies::of_this_process()?),
        };
        let group = Group::plan(&site, Temporary::name("limit"), needed)?;
        let mut calls = Temporary::explain_guardian();
        calls.extend(group.explain(needed));
        calls.extend(group.writes(limits)?.iter().map(|(dir, write)| write.explain(dir)));
        calls.push(Explanation::new(
            "clone3({flags=0, exit_signal=SIGCHLD})",
            "the child; it dies with us (PR_SET_PDEATHSIG)",
            "2 clone3",
        ));
        calls.extend(group.explain_join());
        if self.repair_proc {
            calls.extend(repair::explain());
        }
        let name = self.command.first().map(|it| it.to_string_lossy()).unwrap_or_default();
        calls.push(Explanation::new(
            format!("execve({name:?}, ..)"),
            "the process stays, the program in it is replaced",
            "2 execve",
        ));
        calls.extend(group.directories().map(|(dir, ..)| rmdir(dir)));
        told(narrator.plan(&calls))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn rmdir(dir: &Path) -> Explanation {
    let call = format!("rmdir(\"{}\")", dir.display());
    Explanation::new(call, "the group outlives its processes until somebody removes it", "2 rmdir")
}

/// This program, to be started again in another role.
pub fn own_program() -> Result<OsString> {
    let program = std::env::current_exe().map_err(|error| {
        Error::new("cannot find our own program").io("readlink /proc/self/exe", &error)
    })?;
    Ok(program.into_os_string())
}

/// SIGKILL alone does not say who sent it; the group's own count does.
#[allow(clippy::print_stderr, reason = "beside the command's own output, not in it")]
fn report_oom(group: &Group, exit: Exit) -> Result<()> {
    let memory = group.stat().memory;
    let kills = memory.oom_kills.unwrap_or_default();
    if kills > 0 {
        let limit = match memory.limit {
            Some(Bound::At(bytes)) => Bytes(bytes).to_string(),
            _ => "no limit".to_owned(),
        };
        eprintln!(
            "lab-02: the kernel killed {kills} process{} of the group for want of memory (limit \
             {limit}); the command ended with status {}",
            if kills == 1 { "" } else { "es" },
            exit.code()
        );
    }
    Ok(())
}
