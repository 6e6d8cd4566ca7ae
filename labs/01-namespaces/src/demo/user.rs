//! User namespaces: without a map you are nobody, with one you are root of something.

use std::{ffi::OsStr, fs};

use ground::{Errno, Evidence, Explanation, Outcome, Result, Scene, Step, Table};
use namespaces::{
    IdMaps, Kind, Kinds, Range, Spawn,
    witness::{Facts, Witness},
};
use nix::unistd::{Gid, Uid, geteuid, sethostname, setresgid, setresuid};

use super::{
    Stage, check, with,
    witness::{start, status},
};
use crate::args::Role;

/// Whom root makes root of the child's namespace: somebody who is nothing special outside.
const SOMEBODY: u32 = 1000;

/// Claim N08.
pub fn scene() -> Result<Scene<Stage>> {
    let calls = [nobody().explain(), root().explain()].concat();
    let what = "Two children get user ids of their own; the first goes without a map.";
    Ok(Scene::new(what, calls, act))
}

fn nobody() -> Spawn<'static> {
    Spawn::new(Kinds::of([Kind::User]))
}

fn root() -> Spawn<'static> {
    nobody().id_maps(maps()).step(BecomeRoot)
}

/// Root inside is an ordinary user outside: the caller, or somebody else where the caller is root.
fn maps() -> IdMaps {
    if !geteuid().is_root() {
        return IdMaps::only_root();
    }
    let somebody = || vec![Range { inside: 0, outside: SOMEBODY, count: 1 }];
    IdMaps { uids: somebody(), gids: somebody() }
}

/// Takes the ids that the map has; whoever made the namespace may not have one of them.
#[derive(Debug)]
struct BecomeRoot;

impl Step for BecomeRoot {
    fn run(&self) -> std::result::Result<(), Errno> {
        let (group, user) = (Gid::from_raw(0), Uid::from_raw(0));
        setresgid(group, group, group)?;
        setresuid(user, user, user)
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "setresgid(0, 0, 0); setresuid(0, 0, 0)",
            "0 is now the name of somebody: it can be taken",
            "2 setresuid",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EINVAL => Some("0 has no map in this user namespace: cat /proc/self/uid_map"),
            _ => None,
        }
    }
}

/// The witness's side: tries to do what root may do, to the host name, which belongs to the user
/// namespace around. It writes the name that is there.
pub fn try_host_name(facts: &mut Facts) {
    let answer = match sethostname(OsStr::new(&facts["nodename"])) {
        Ok(()) => "done".to_owned(),
        Err(errno) => format!("{errno:?}"),
    };
    facts.insert("sethostname".to_owned(), answer);
}

fn act(_: &mut Stage) -> Result<Outcome> {
    with(start(Role::Rename, nobody()), |nobody| {
        with(start(Role::Rename, root()), |root| compare(nobody, root))
    })
}

fn compare(nobody: &Witness, root: &Witness) -> Result<Outcome> {
    let overflow = fs::read_to_string("/proc/sys/kernel/overflowuid").unwrap_or_default();
    check(nobody.fact("uid") == overflow.trim(), "without a map everybody is the overflow user")?;
    check(root.fact("uid") == "0", "the map makes us 0")?;
    check(outside(root)? != "0", "and nobody special outside")?;
    check(capabilities(root)? == "all", "root inside has every capability")?;
    check(capabilities(nobody)? == "none", "without a map they are lost at exec")?;
    check(root.fact("sethostname") == "EPERM", "they count inside only")?;
    let columns = ["uid_map", "getuid() inside", "uid outside", "capabilities", "sethostname()"];
    let mut table = Table::new(columns).title("/proc/PID/{uid_map,status}, and asked inside");
    for witness in [nobody, root] {
        let map =
            fs::read_to_string(format!("/proc/{}/uid_map", witness.pid())).unwrap_or_default();
        let map = map.split_whitespace().collect::<Vec<_>>().join(" ");
        table.push([
            if map.is_empty() { "none".to_owned() } else { map },
            witness.fact("uid").to_owned(),
            outside(witness)?,
            capabilities(witness)?,
            witness.fact("sethostname").to_owned(),
        ]);
    }
    let follows = "An id inside is a name, and the map says whose. Without one there is no name, and everybody is \
                   the user of /proc/sys/kernel/overflowuid. Root inside has every capability, over what its user \
                   namespace owns: the host name is not among it.";
    Ok(Evidence::new(follows).table(table).into())
}

fn outside(witness: &Witness) -> Result<String> {
    let uids = status(witness.pid(), "Uid")?;
    Ok(uids.split_whitespace().next().unwrap_or_default().to_owned())
}

fn capabilities(witness: &Witness) -> Result<String> {
    let (effective, all) = (status(witness.pid(), "CapEff")?, status(witness.pid(), "CapBnd")?);
    let none = effective.chars().all(|digit| digit == '0');
    Ok(if effective == all {
        "all".to_owned()
    } else if none {
        "none".to_owned()
    } else {
        effective
    })
}
