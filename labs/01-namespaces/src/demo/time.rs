//! Time namespaces: two of the three clocks can be moved.

use ground::{Error, Evidence, Outcome, Result, Scene, Table};
use namespaces::{
    Id, Kind, Kinds, Spawn,
    time::{Clocks, Offsets},
};

use super::{Stage, check, with, witness::look};

const DAY_S: i64 = 86_400;
const NS_PER_S: i64 = 1_000_000_000;

/// Claim N05.
pub fn scene() -> Result<Scene<Stage>> {
    let what = "A child gets clocks that are a day and two days ahead, but for one.";
    Ok(Scene::new(what, ahead().explain(), act))
}

fn ahead() -> Spawn<'static> {
    let offsets = Offsets { monotonic_s: DAY_S, boottime_s: 2 * DAY_S, ..Offsets::default() };
    Spawn::new(Kinds::of([Kind::Time])).time_offsets(offsets)
}

fn act(_: &mut Stage) -> Result<Outcome> {
    if let Err(error) = Id::own(Kind::Time) {
        let cause = error.why.unwrap_or_default();
        return Ok(Outcome::NotHere(
            Error::new("this kernel has no time namespaces")
                .why(cause)
                .see("7 time_namespaces")
                .fix("use a kernel from 5.6 on that is built with CONFIG_TIME_NS"),
        ));
    }
    let before = Clocks::now()?;
    with(look(ahead()), |witness| {
        let after = Clocks::now()?;
        let mut table = Table::new(["clock", "inside minus outside, s"])
            .title("clock_gettime(2), inside between two readings outside");
        let clocks = [
            ("CLOCK_MONOTONIC", "monotonic", before.monotonic_ns, after.monotonic_ns, DAY_S),
            ("CLOCK_BOOTTIME", "boottime", before.boottime_ns, after.boottime_ns, 2 * DAY_S),
            ("CLOCK_REALTIME", "realtime", before.realtime_ns, after.realtime_ns, 0),
        ];
        for (clock, name, before, after, expected) in clocks {
            let inside = nanoseconds(witness.fact(name))?;
            // The two readings leave a little room; within it, only the offset fits.
            let fits = (before..=after).contains(&(inside - expected * NS_PER_S));
            check(fits, &format!("{clock} inside is {expected} s from ours"))?;
            let outside = before.midpoint(after);
            let shift_s = (inside - outside + NS_PER_S / 2).div_euclid(NS_PER_S);
            table.push([clock, &shift_s.to_string()]);
        }
        let follows = "Time can be namespaced, but for the wall clock: there is one for all, and setting it \
                       needs CAP_SYS_TIME in the machine's own user namespace.";
        Ok(Evidence::new(follows).table(table).into())
    })
}

fn nanoseconds(fact: &str) -> Result<i64> {
    let odd = |_| Error::new("cannot read the clock inside").why(format!("{fact:?} is no number"));
    fact.parse().map_err(odd)
}
