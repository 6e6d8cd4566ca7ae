//! mini-docker-monitor: what a monitor is while its container runs. Small and linked statically, for
//! there is one for each container; `mini-docker` executes it, and nobody else.

use std::process::ExitCode;

use mini_docker::container::monitor::{Watch, watch};

fn main() -> ExitCode {
    let Some(told) = Watch::told() else { return ExitCode::from(125) };
    // Nobody listens: what kept it from going on is seen by the next command, as a monitor that died.
    let _ = watch(told);
    ExitCode::FAILURE
}
