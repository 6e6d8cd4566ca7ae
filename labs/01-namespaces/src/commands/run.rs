//! run: a command in new namespaces.

use std::{ffi::OsString, process::ExitCode};

use ground::{Error, Narrator, Result};
use namespaces::{
    Exec, Id, IdMaps, Kind, Kinds, Signals, Spawn, Terminal,
    steps::{MountProc, PrivateMounts, SetHostname},
    time::Offsets,
};
use nix::unistd::geteuid;

use super::told;
use crate::args::Run;

/// Runs the command, or tells how, and ends as it ends.
pub fn run(narrator: &mut Narrator<'_>, args: &Run) -> Result<ExitCode> {
    let wanted = Wanted::of(args, geteuid().is_root())?;
    let spawn = wanted.spawn(args)?;
    if narrator.plans_only() {
        return told(narrator.plan(&spawn.explain()));
    }
    if wanted.user_was_added {
        note("added --user --map-root: only root of a namespace may make the others");
    }
    let signals = Signals::hold()?;
    let ended = signals.wait_with_terminal(&mut spawn.start()?, wanted.terminal.as_ref())?;
    Ok(ExitCode::from(ended.code()))
}

/// The flags as they are meant.
#[derive(Debug)]
struct Wanted {
    kinds: Kinds,
    id_maps: Option<IdMaps>,
    offsets: Option<Offsets>,
    user_was_added: bool,
    /// To be handed over where our process group has no number.
    terminal: Option<Terminal>,
}

impl Wanted {
    fn of(args: &Run, root: bool) -> Result<Self> {
        let named = Kinds::of(args.kinds.0.iter().copied());
        let offsets = (args.monotonic.is_some() || args.boottime.is_some()).then(|| Offsets {
            monotonic_s: args.monotonic.unwrap_or_default(),
            boottime_s: args.boottime.unwrap_or_default(),
            ..Offsets::default()
        });
        let implied = args.hostname.is_some() || offsets.is_some();
        let all = named.is_empty() && !implied && !args.map_root && !args.map_auto;
        let mut kinds = if all { all_of_this_kernel() } else { named };
        if args.hostname.is_some() {
            kinds = kinds.with(Kind::Uts);
        }
        if offsets.is_some() {
            kinds = kinds.with(Kind::Time);
        }
        let maps_wanted = args.map_root || args.map_auto;
        let user_was_added = !root && !maps_wanted && !named.contains(Kind::User);
        let id_maps = match (args.map_auto, maps_wanted || user_was_added || all) {
            (true, _) => Some(subordinate_ids()?),
            (false, true) => Some(IdMaps::only_root()),
            (false, false) => None,
        };
        if id_maps.is_some() {
            kinds = kinds.with(Kind::User);
        }
        let terminal = Terminal::ours().filter(|_| kinds.contains(Kind::Pid));
        Ok(Self { kinds, id_maps, offsets, user_was_added: user_was_added && !all, terminal })
    }

    fn spawn(&self, args: &Run) -> Result<Spawn<'static>> {
        let mut spawn = Spawn::new(self.kinds);
        spawn.id_maps = self.id_maps.clone();
        if let Some(offsets) = self.offsets {
            spawn = spawn.time_offsets(offsets);
        }
        if self.kinds.contains(Kind::Mount) {
            spawn = spawn.step(PrivateMounts);
            if self.kinds.contains(Kind::Pid) {
                spawn = spawn.step(MountProc);
            }
        }
        if let Some(name) = &args.hostname {
            spawn = spawn.step(SetHostname::new(name)?);
        }
        if let Some(step) = self.terminal.as_ref().and_then(Terminal::step) {
            spawn = spawn.step(step);
        }
        let shell = [OsString::from("sh")];
        let argv = if args.command.is_empty() { &shell[..] } else { &args.command };
        Ok(spawn.step(Exec::with_own_environment(argv)?))
    }
}

/// Every kind that the kernel has a file for.
fn all_of_this_kernel() -> Kinds {
    Kinds::of(Kind::ALL.into_iter().filter(|kind| Id::own(*kind).is_ok()))
}

fn subordinate_ids() -> Result<IdMaps> {
    IdMaps::with_subordinate_ids().ok_or_else(|| {
        Error::new("cannot map subordinate ids")
            .why("no line for this user in /etc/subuid and /etc/subgid, or no newuidmap(1)")
            .see("5 subuid")
            .fix(
                "sudo apt-get install uidmap; sudo usermod --add-subuids 100000-165535 \
                 --add-subgids 100000-165535 $USER; or use --map-root",
            )
    })
}

#[allow(clippy::print_stderr, reason = "standard output belongs to the command that runs")]
fn note(text: &str) {
    eprintln!("lab-01: {text}");
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    #[track_caller]
    fn wanted(line: &str, root: bool) -> Wanted {
        let words = ["lab-01", "run"].into_iter().chain(line.split_whitespace());
        let Some(Command::Run(run)) = Args::try_parse_from(words).unwrap().command else {
            panic!("not run");
        };
        Wanted::of(&run, root).unwrap()
    }

    #[test]
    fn an_ordinary_user_gets_a_user_namespace_and_is_told() {
        let uts = Kinds::of([Kind::Uts]);
        let wanted_by_user = wanted("--uts", false);
        assert!(wanted_by_user.user_was_added);
        assert_eq!(wanted_by_user.kinds, uts.with(Kind::User));
        assert!(wanted_by_user.id_maps.is_some());
        assert_eq!(wanted("--uts", true).kinds, uts);
    }

    #[test]
    fn a_user_namespace_that_was_asked_for_has_no_map_unless_that_was_too() {
        assert_eq!(wanted("--user --uts", false).id_maps, None);
        assert!(wanted("--map-root", false).id_maps.is_some());
        assert!(!wanted("--map-root --uts", false).user_was_added);
    }

    #[test]
    fn a_host_name_never_reaches_the_host() {
        assert!(wanted("--hostname inside --pid", true).kinds.contains(Kind::Uts));
        assert!(wanted("--boottime -5 --pid", true).kinds.contains(Kind::Time));
    }

    #[test]
    fn no_kind_means_every_kind() {
        let all = wanted("-- true", true);
        assert_eq!(all.kinds, all_of_this_kernel());
        assert!(all.id_maps.is_some());
    }

    #[test]
    fn letters_are_those_of_unshare() {
        assert_eq!(wanted("-pm", true).kinds, Kinds::of([Kind::Pid, Kind::Mount]));
        assert_eq!(wanted("-uipnUCT", true).kinds, Kinds::of(Kind::ALL).without(Kind::Mount));
    }

    #[test]
    fn a_host_name_or_a_clock_asks_for_one_kind() {
        assert_eq!(wanted("--hostname box", true).kinds, Kinds::of([Kind::Uts]));
        assert_eq!(wanted("--boottime 9", true).kinds, Kinds::of([Kind::Time]));
        assert_eq!(wanted("--hostname box", false).kinds, Kinds::of([Kind::Uts, Kind::User]));
    }
}
