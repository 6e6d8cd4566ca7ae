//! CPU time: a busy loop without a limit, with a fifth of a CPU, and in two threads.

use std::time::Duration;

use cgroups::{Bound, Controller, Cpu, Cpus, Group, Limits, Site};
use ground::{Evidence, Result, Scene, Table};

use super::stage::{self, Measured, Stage, contradiction};
use crate::commands::top;

const QUOTA_US: u64 = 20_000;

fn limits() -> Limits {
    let (quota_us, period_us) = (Some(Bound::At(QUOTA_US)), Some(Cpus::PERIOD_US));
    Limits { cpu: Cpu { quota_us, period_us, ..Cpu::default() }, ..Limits::default() }
}

/// A busy loop takes what it can get.
pub fn unlimited(site: &Site) -> Result<Scene<Stage>> {
    let group = stage::on_paper(site, "busy", &[Controller::Cpu])?;
    let usage = if group.directories().any(|(_, it, _)| it == cgroups::Version::V2) {
        stage::file(&group, Controller::Cpu, "cpu.stat")
    } else {
        stage::file(&group, Controller::Cpuacct, "cpuacct.usage")
    };
    let calls = [stage::read(&usage, "CPU time that the group has used, before and after")];
    Ok(Scene::new("A busy loop in a group without a limit", calls, |stage| {
        stage.in_group("busy", &[Controller::Cpu], |group| {
            let (share, table) = measure(group, 1, 1000)?;
            let throttled = group.stat().cpu.throttled_periods.unwrap_or_default();
            // No lower bound: others may want the CPU too.
            if share > 110.0 || throttled > 0 {
                let seen = format!("{share:.1} % and {throttled} throttled periods");
                return Err(contradiction("at most 100 % of a CPU, never throttled", seen));
            }
            let follows = format!(
                "One thread, {share:.1} % of one CPU: all that others left to it, never throttled."
            );
            Ok(Evidence::new(follows).table(table))
        })
    }))
}

/// 20000 of 100000 us.
pub fn a_fifth(site: &Site) -> Result<Scene<Stage>> {
    let calls = stage::set(site, "fifth", &limits())?;
    Ok(Scene::new("The same loop with 20000 us in every 100000 us", calls, |stage| {
        stage.in_group("fifth", &[Controller::Cpu], |group| {
            let (share, table) = measure_limited(group, 1)?;
            Ok(Evidence::new(format!(
                "{share:.1} %: it runs at full speed until its 20 ms are used, then it stands \
                 still until the next period begins (nr_throttled)."
            ))
            .table(table))
        })
    }))
}

/// A quota is a total.
pub fn two_threads(site: &Site) -> Result<Scene<Stage>> {
    let calls = stage::set(site, "two", &limits())?;
    Ok(Scene::new("The same quota and two busy threads", calls, |stage| {
        stage.in_group("two", &[Controller::Cpu], |group| {
            let (share, table) = measure_limited(group, 2)?;
            Ok(Evidence::new(format!(
                "{share:.1} % for both together: the quota is the group's, over all CPUs, in \
                 units of one CPU (150000 would be one and a half)."
            ))
            .table(table))
        })
    }))
}

fn measure_limited(group: &Group, threads: usize) -> Result<(f64, Table)> {
    group.apply(&limits())?;
    let mut seen = (0.0, 0);
    // On a machine that is busy enough, others leave it less than its quota: nothing to see then.
    for _ in 0..3 {
        let (share, table) = measure(group, threads, 1500)?;
        let throttled = group.stat().cpu.throttled_periods.unwrap_or_default();
        seen = (share, throttled);
        if share < 26.0 && throttled > 0 {
            return Ok((share, table));
        }
    }
    let seen = format!("{:.1} % and {} throttled periods", seen.0, seen.1);
    Err(contradiction("about 20 % and throttled periods", seen))
}

fn measure(group: &Group, threads: usize, milliseconds: u64) -> Result<(f64, Table)> {
    let (threads, time) = (threads.to_string(), milliseconds.to_string());
    let run = Measured::run(group, &["busy", &threads, &time])?;
    let (before, after) = (&run.before.cpu, &run.after.cpu);
    let share = top::share(before.usage_us, after.usage_us, run.wall)
        .ok_or_else(|| contradiction("an account of CPU time", "none"))?;
    let used = after.usage_us.unwrap_or_default() - before.usage_us.unwrap_or_default();
    let (periods, throttled) = (after.periods, after.throttled_periods);
    let table = Table::new(["threads", "quota", "wall", "CPU time", "share", "throttled periods"])
        .row([
            threads,
            after.quota_us.map_or("-".to_owned(), |it| it.to_string()),
            format!("{:.2} s", run.wall.as_secs_f64()),
            format!("{:.2} s", Duration::from_micros(used).as_secs_f64()),
            format!("{share:.1} %"),
            match (throttled, periods) {
                (Some(throttled), Some(periods)) => format!("{throttled} of {periods}"),
                _ => "-".to_owned(),
            },
        ]);
    Ok((share, table))
}
