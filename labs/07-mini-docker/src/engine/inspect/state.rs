//! `.State`: where a container is in its life.

use serde::Serialize;

use crate::container::{Health, Record, Status};

/// What Docker writes for a time that never was.
const NEVER: &str = "0001-01-01T00:00:00Z";

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StateDocument {
    status: &'static str,
    running: bool,
    paused: bool,
    restarting: bool,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    dead: bool,
    pid: i32,
    exit_code: i32,
    error: String,
    started_at: String,
    finished_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Health>,
    /// Ours: the process that watches over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    monitor_pid: Option<i32>,
}

pub(super) fn document(record: &Record) -> StateDocument {
    let state = &record.state;
    let time = |time: &Option<String>| time.clone().unwrap_or_else(|| NEVER.to_owned());
    StateDocument {
        status: state.status.as_str(),
        running: state.status.is_up(),
        paused: state.status == Status::Paused,
        restarting: state.status == Status::Restarting,
        oom_killed: state.oom_killed,
        dead: false,
        pid: state.pid.unwrap_or(0),
        exit_code: state.exit_code,
        error: state.error.clone().unwrap_or_default(),
        started_at: time(&state.started),
        finished_at: time(&state.finished),
        health: state.health.clone(),
        monitor_pid: state.monitor.as_ref().map(|monitor| monitor.pid),
    }
}
