//! probe: one check whether a container's program is well.
//!
//! It is run by the monitor under the hidden name `probe`, inside the monitor's namespaces, executes
//! the image's HEALTHCHECK as `exec` would, and writes the result into the record.

use std::{
    fs::{self, File},
    io::Read,
    os::fd::AsFd,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant, SystemTime},
};

use ground::{Error as Report, Result};
use namespaces::pidfd;
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::Signal,
    unistd::Pid,
};

use super::{exec::Exec, pause::is_frozen};
use crate::{
    bundle::ExecOptions,
    container::{
        self, HealthPlan, Probe, Record, Status, Verdict,
        monitor::{handover::STARTING, pipe},
    },
    layout::Layout,
};

/// What is remembered of the output, in bytes.
const OUTPUT: usize = 4096;

/// Checks a container once. Returns the status with which the process shall end.
///
/// # Errors
/// When the record cannot be written.
pub fn probe(root: &Path, id: &str) -> Result<u8> {
    let layout = Layout::new(root);
    let container = layout.container(id);
    let gone = || Report::new("the container is gone");
    let record = Record::read(&container)?.ok_or_else(gone)?;
    let Some(plan) = record.health_plan() else { return Ok(0) };
    if record.state.status != Status::Running || is_frozen(&record) {
        return Ok(0);
    }
    let found = check(&layout, &record, &plan);
    let run = record.state.started.clone();
    let mut age = Duration::ZERO;
    let (record, news) = Record::update(&container, |record| {
        age = age_of(record);
        // It may have ended meanwhile, and another run is no business of this check.
        let same = record.state.status == Status::Running && record.state.started == run;
        let health = record.state.health.as_mut().filter(|_| same);
        let news = health.and_then(|health| health.learn(found, &plan, age));
        Ok((record.clone(), news))
    })?;
    if let Some(verdict) = news {
        record.event(&format!("health_status: {}", verdict.as_str())).record(&layout.events());
    }
    let verdict = record.state.health.map_or(Verdict::Healthy, |health| health.status);
    Ok(if plan.next(verdict, age) == plan.interval { 0 } else { STARTING })
}

fn age_of(record: &Record) -> Duration {
    let started = record.state.started.as_deref();
    let started = started.and_then(|started| humantime::parse_rfc3339(started).ok());
    let age = started.and_then(|started| SystemTime::now().duration_since(started).ok());
    age.unwrap_or_default()
}

fn check(layout: &Layout, record: &Record, plan: &HealthPlan) -> Probe {
    let start = container::now();
    let (exit_code, output) = execute(layout, record, plan)
        .unwrap_or_else(|error| (error.exit_code.into(), error.to_string()));
    Probe { start, end: container::now(), exit_code, output }
}

fn execute(layout: &Layout, record: &Record, plan: &HealthPlan) -> Result<(i32, String)> {
    let options = ExecOptions { args: plan.command.clone(), ..ExecOptions::default() };
    let exec = Exec::prepare(layout, record, &options).map_err(Report::from)?;
    let bundle = layout.container(&record.id).bundle();
    let pid_file = bundle.join(format!("exec-{}.pid", std::process::id()));
    let (read, write) = pipe()?;
    let cannot = |error: std::io::Error| Report::new("cannot check").io("execve", &error);
    let mut command = exec.command(&["--pid-file".into(), (&pid_file).into()]);
    let copy = write.try_clone().map_err(cannot)?;
    command.stdin(Stdio::null()).stdout(copy).stderr(write);
    let mut child = command.spawn().map_err(cannot)?;
    // Its copies of the writing end would keep end-of-file from arriving.
    drop(command);
    let heard = listen(&mut child, read.into(), plan.timeout)?;
    if heard.is_none() {
        kill(&pid_file, &mut child);
    }
    let _ = fs::remove_file(&pid_file);
    let code = child.wait().ok().and_then(|status| status.code()).unwrap_or(-1);
    let Some(output) = heard else {
        exec.ended(Signal::SIGKILL as i32 + 128);
        let seconds = plan.timeout.as_secs_f64();
        return Ok((-1, format!("Health check exceeded timeout ({seconds}s)")));
    };
    exec.ended(code);
    match exec.failure().filter(|_| code != 0) {
        Some(error) => Err(error),
        None => Ok((code, output)),
    }
}

/// What it writes until it has ended; `None` when that takes too long.
fn listen(child: &mut Child, mut from: File, at_most: Duration) -> Result<Option<String>> {
    let until = Instant::now() + at_most;
    let process = pidfd::open(Pid::from_raw(child.id().cast_signed()))?;
    let mut said = Vec::new();
    let mut open = true;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let mut fds = vec![PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        if open {
            fds.push(PollFd::new(from.as_fd(), PollFlags::POLLIN));
        }
        let _ = poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        if ready.get(1) == Some(&true) {
            let mut bytes = [0; OUTPUT];
            let count = from.read(&mut bytes).unwrap_or(0);
            open = count > 0;
            said.extend_from_slice(&bytes[..count.min(OUTPUT - said.len().min(OUTPUT))]);
        } else if ready[0] {
            return Ok(Some(String::from_utf8_lossy(&said).into_owned()));
        }
    }
}

/// Kills the program in the container, and with it the runtime that waits for it.
fn kill(pid_file: &Path, child: &mut Child) {
    let pid = fs::read_to_string(pid_file).ok().and_then(|text| text.trim().parse().ok());
    match pid {
        Some(pid) => drop(nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL)),
        None => drop(child.kill()),
    }
}
