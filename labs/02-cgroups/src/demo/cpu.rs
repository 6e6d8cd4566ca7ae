//! CPU time: a busy loop without a limit, with a fifth of a CPU, in two threads; and a weight.

use std::{fs, thread, time::Duration};

use cgroups::{Bound, Controller, Cpu, Cpus, Group, Limits, Site};
use ground::{Evidence, Result, Scene, Table};

use super::stage::{self, Measured, Stage, Worker, contradiction};
use crate::commands::top;

const QUOTA_US: u64 = 20_000;

fn quota() -> Limits {
    let (quota_us, period_us) = (Some(Bound::At(QUOTA_US)), Some(Cpus::PERIOD_US));
    Limits { cpu: Cpu { quota_us, period_us, ..Cpu::default() }, ..Limits::default() }
}

/// A busy loop takes what it can get, until there is a quota; which is a total.
pub fn a_fifth(site: &Site) -> Result<Scene<Stage>> {
    let calls = stage::set(site, "busy", &quota())?;
    Ok(Scene::new("A busy loop, before and after 20000 us in every 100000 us", calls, |stage| {
        stage.in_group("busy", &[Controller::Cpu], |group| {
            let columns = ["threads", "quota", "wall", "CPU time", "share", "throttled"];
            let mut table = Table::new(columns);
            let free = unlimited(group, &mut table)?;
            group.apply(&quota())?;
            let one = limited(group, 1, &mut table)?;
            let two = limited(group, 2, &mut table)?;
            Ok(Evidence::new(format!(
                "Without a limit {free:.1} %: all of a CPU that others left to it, never \
                 throttled.\nThen {one:.1} %: it runs at full speed until its 20 ms are used, and \
                 stands still until the next period begins. Two threads get {two:.1} % together: \
                 the quota is the group's, over all CPUs, in units of one (150000 would be one \
                 and a half)."
            ))
            .table(table))
        })
    }))
}

fn unlimited(group: &Group, table: &mut Table) -> Result<f64> {
    let (share, throttled) = measure(group, 1, 1000, table)?;
    // No lower bound: others may want the CPU too.
    if share > 110.0 || throttled > 0 {
        let seen = format!("{share:.1} % and {throttled} throttled periods");
        return Err(contradiction("at most 100 % of a CPU, never throttled", seen));
    }
    Ok(share)
}

fn limited(group: &Group, threads: usize, table: &mut Table) -> Result<f64> {
    let mut seen = (0.0, 0);
    // On a machine that is busy enough, others leave it less than its quota: nothing to see then.
    for _ in 0..3 {
        let mut tried = table.clone();
        seen = measure(group, threads, 1500, &mut tried)?;
        let (share, throttled) = seen;
        if share < 26.0 && throttled > 0 {
            *table = tried;
            return Ok(share);
        }
    }
    let seen = format!("{:.1} % and {} throttled periods", seen.0, seen.1);
    Err(contradiction("about 20 % and throttled periods", seen))
}

/// The share of a CPU, and how many periods were throttled.
fn measure(group: &Group, threads: usize, ms: u64, table: &mut Table) -> Result<(f64, u64)> {
    let (threads, time) = (threads.to_string(), ms.to_string());
    let run = Measured::run(group, &["busy", &threads, &time])?;
    let (before, after) = (&run.before.cpu, &run.after.cpu);
    let share = top::share(before.usage_us, after.usage_us, run.wall)
        .ok_or_else(|| contradiction("an account of CPU time", "none"))?;
    let used = after.usage_us.unwrap_or_default() - before.usage_us.unwrap_or_default();
    let since = |before: Option<u64>, after: Option<u64>| Some(after? - before.unwrap_or_default());
    let throttled = since(before.throttled_periods, after.throttled_periods).unwrap_or_default();
    let periods = since(before.periods, after.periods).unwrap_or_default();
    table.push([
        threads,
        after.quota_us.map_or("-".to_owned(), |it| it.to_string()),
        format!("{:.2} s", run.wall.as_secs_f64()),
        format!("{:.2} s", Duration::from_micros(used).as_secs_f64()),
        format!("{share:.1} %"),
        format!("{throttled} of {periods} periods"),
    ]);
    Ok((share, throttled))
}

/// Three to one, in the words of both versions.
fn weight(times: u64) -> Limits {
    let (shares, weight) = (Some(1024 * times), Some(100 * times));
    Limits { cpu: Cpu { shares, weight, ..Cpu::default() }, ..Limits::default() }
}

/// A weight is a share of what two groups want at once.
pub fn weights(site: &Site) -> Result<Scene<Stage>> {
    let mut calls = stage::set(site, "light", &weight(1))?;
    calls.extend(stage::set(site, "heavy", &weight(3))?);
    Ok(Scene::new(
        "Two groups want the same CPU, one with three times the weight",
        calls,
        |stage| {
            stage.in_groups(&["light", "heavy"], &[Controller::Cpu], |groups| match groups {
                [light, heavy] => shared(light, heavy),
                _ => Err(contradiction("two groups", groups.len())),
            })
        },
    ))
}

fn shared(light: &Group, heavy: &Group) -> Result<Evidence> {
    light.apply(&weight(1))?;
    heavy.apply(&weight(3))?;
    let _workers = [
        Worker::start(Some(light), &["busy-on-one-cpu", "15000"])?,
        Worker::start(Some(heavy), &["busy-on-one-cpu", "15000"])?,
    ];
    let mut seen = [0, 0];
    for _ in 0..4 {
        let used = || [light, heavy].map(|it| it.stat().cpu.usage_us.unwrap_or_default());
        let before = used();
        thread::sleep(Duration::from_millis(1000));
        let after = used();
        seen = [after[0] - before[0], after[1] - before[1]];
        let ratio = seen[1] as f64 / seen[0].max(1) as f64;
        if (2.0..4.5).contains(&ratio) {
            let row = |name: &str, group, used| {
                let used = Duration::from_micros(used).as_secs_f64();
                [name.to_owned(), weight_of(group), format!("{used:.2} s")]
            };
            let table = Table::new(["group", "its weight", "CPU time in about a second"])
                .row(row("light", light, seen[0]))
                .row(row("heavy", heavy, seen[1]));
            return Ok(Evidence::new(format!(
                "The heavy one got {ratio:.1} times as much. A weight is no ceiling: it only \
                 counts while somebody else wants the CPU too."
            ))
            .table(table));
        }
    }
    Err(contradiction("three times the CPU time", format!("{} and {} us", seen[1], seen[0])))
}

/// What the kernel says it is.
fn weight_of(group: &Group) -> String {
    let read = |name: &str| fs::read_to_string(stage::file(group, Controller::Cpu, name)).ok();
    let shown = |name: &str| Some(format!("{name} {}", read(name)?.trim()));
    shown("cpu.weight").or_else(|| shown("cpu.shares")).unwrap_or_else(|| "-".to_owned())
}
