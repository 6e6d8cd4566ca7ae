//! `top`: what each group uses, from its own accounting.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use cgroups::{Bound, Bytes, Hierarchies, Stat};
use ground::{Explanation, Narrator, Result, Table};

use super::freeze;
use crate::told;

/// The flags of `top`.
#[derive(Debug, clap::Args)]
pub struct TopCommand {
    /// How many tables to show; without it, until Ctrl-C
    #[arg(short = 'n', long, value_name = "N")]
    iterations: Option<u64>,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    interval: Duration,
    /// Only groups whose path begins so
    #[arg(value_name = "GROUP")]
    group: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|it| (0.01..=3600.0).contains(it));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "between 0.01 and 3600 seconds".to_owned())
}

/// One look at every group.
struct Look {
    at: Instant,
    groups: BTreeMap<PathBuf, Stat>,
}

impl TopCommand {
    /// Shows a table for each interval.
    pub fn run(self, json: bool, narrator: &mut Narrator<'_>) -> Result<ExitCode> {
        if narrator.plans_only() {
            told(narrator.plan(&plan()))?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut before = self.look()?;
        // Once it was there, it may go.
        if let Some(group) = self.group.as_ref().filter(|_| before.groups.is_empty()) {
            return Err(freeze::no_group(&group.display().to_string()));
        }
        let mut shown = 0;
        while self.iterations.is_none_or(|wanted| shown < wanted) {
            thread::sleep(self.interval);
            let now = self.look()?;
            if !json {
                clear_screen()?;
            }
            told(narrator.table(&table(&before, &now)))?;
            before = now;
            shown += 1;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn look(&self) -> Result<Look> {
        let here = Hierarchies::of_this_process()?;
        let wanted = self.group.as_deref().map(|it| it.strip_prefix("/").unwrap_or(it));
        let paths = here.groups().into_iter();
        let paths = paths.filter(|it| wanted.is_none_or(|wanted| it.starts_with(wanted)));
        let groups: BTreeMap<PathBuf, Stat> =
            paths.filter_map(|it| Some((it.clone(), here.group(&it)?.stat()))).collect();
        Ok(Look { at: Instant::now(), groups })
    }
}

fn plan() -> [Explanation; 2] {
    let call = |file| format!("read(\"{file}\")");
    [
        Explanation::new(
            call("/proc/self/mountinfo"),
            "where the trees are mounted; every directory below is a group",
            "7 cgroups",
        ),
        Explanation::new(
            call(".../cpu.stat"),
            "and cpuacct.usage, memory.*, pids.*: twice, and the difference over the time between",
            "7 cgroups",
        ),
    ]
}

/// Only where a person looks: in a file or a pipe the tables follow each other.
fn clear_screen() -> Result<()> {
    if !io::stdout().is_terminal() {
        return Ok(());
    }
    told(io::stdout().write_all(b"\x1b[H\x1b[2J"))
}

fn table(before: &Look, now: &Look) -> Table {
    let mut table =
        Table::new(["group", "CPU %", "throttled", "memory", "limit", "tasks", "at most"]);
    let wall = now.at.duration_since(before.at);
    for (path, stat) in &now.groups {
        let earlier = before.groups.get(path);
        let share = share(earlier.and_then(|it| it.cpu.usage_us), stat.cpu.usage_us, wall);
        table.push([
            format!("/{}", path.display()),
            share.map_or("-".to_owned(), |it| format!("{it:.0} %")),
            throttled(earlier, stat),
            amount(stat.memory.current),
            stat.memory.limit.map_or("-".to_owned(), |it| match it {
                Bound::At(bytes) => Bytes(bytes).to_string(),
                Bound::Unlimited => "max".to_owned(),
            }),
            stat.pids.current.map_or("-".to_owned(), |it| it.to_string()),
            stat.pids.limit.map_or("-".to_owned(), |it| it.to_string()),
        ]);
    }
    table
}

/// CPU time over wall time, in percent of one CPU.
pub fn share(before_us: Option<u64>, now_us: Option<u64>, wall: Duration) -> Option<f64> {
    let used = now_us?.saturating_sub(before_us?);
    Some(used as f64 / wall.as_micros().max(1) as f64 * 100.0)
}

fn throttled(before: Option<&Stat>, now: &Stat) -> String {
    let time = |stat: &Stat| stat.cpu.throttled_us;
    match (before.and_then(time), time(now)) {
        (Some(before), Some(now)) => format!("{} ms", now.saturating_sub(before) / 1000),
        _ => "-".to_owned(),
    }
}

fn amount(bytes: Option<u64>) -> String {
    bytes.map_or("-".to_owned(), |it| Bytes(it).to_string())
}
