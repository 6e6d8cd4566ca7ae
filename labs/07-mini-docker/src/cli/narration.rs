//! run --explain: the plan of a run, from above the wall and from below.

use std::{
    fs, io,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use ground::{Error, Look, Narrator, Result};
use mini_docker::{
    engine::{Create, Engine},
    runtime::{OURSELVES, OWN_NAME},
};

/// Prints what `run` would do. The runtime's part is told by the runtime itself, from the very
/// config.json that it would be given.
pub fn explain(engine: &Engine, wanted: &Create, json: bool) -> Result<ExitCode> {
    let plan = engine.explain(wanted)?;
    let failed = |error: io::Error| Error::new("cannot print the plan").io("write", &error);
    let mut stdout = io::stdout();
    let mut narrator = Narrator::new(&mut stdout, Look { json, explain: true, ..Look::default() });
    narrator.plan(&plan.calls).map_err(failed)?;
    let bundle = tempfile::tempdir().map_err(failed)?;
    let spec = serde_json::to_vec_pretty(&plan.spec).map_err(io::Error::from).map_err(failed)?;
    fs::write(bundle.path().join("config.json"), spec).map_err(failed)?;
    if !json {
        super::output::line("\nand then mini-runc, told of config.json and nothing else:\n")?;
    }
    let mut runtime = Command::new(OURSELVES);
    runtime.arg0(OWN_NAME).args(["create", "--explain"]).args(json.then_some("--json"));
    runtime.arg("--bundle").arg(bundle.path()).arg("container");
    let status = runtime.status().map_err(failed)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
