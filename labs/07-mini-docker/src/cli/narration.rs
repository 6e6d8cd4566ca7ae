//! run --explain: the plan of a run, from above the wall and from below.

use std::{
    fs, io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode},
};

use ground::{Error, Look, Narrator, Result};
use mini_docker::{
    engine::{Create, Engine},
    runtime::{OURSELVES, OWN_NAME},
};
use oci::runtime::Spec;

use super::output::line;

/// Prints what `run` would do. The runtime's part is told by the runtime itself, from the very
/// config.json that it would be given.
pub fn explain(engine: &Engine, wanted: &Create, json: bool) -> Result<ExitCode> {
    let plan = engine.explain(wanted)?;
    let mut stdout = io::stdout();
    let mut narrator = Narrator::new(&mut stdout, Look { json, explain: true, ..Look::default() });
    narrator.plan(&plan.calls).map_err(failed)?;
    if !json {
        line("\nand then mini-runc, told of config.json and nothing else:\n")?;
    }
    let bundle = tempfile::tempdir().map_err(failed)?;
    let (spec, stand_ins) = with_stand_ins(plan.spec, bundle.path()).map_err(failed)?;
    let text = serde_json::to_vec_pretty(&spec).map_err(io::Error::from).map_err(failed)?;
    fs::write(bundle.path().join("config.json"), text).map_err(failed)?;
    let mut runtime = Command::new(OURSELVES);
    runtime.arg0(OWN_NAME).args(["create", "--explain"]).args(json.then_some("--json"));
    runtime.arg("--bundle").arg(bundle.path()).arg("container");
    let said = runtime.output().map_err(failed)?;
    if !said.status.success() {
        let why = String::from_utf8_lossy(&said.stderr).trim().to_owned();
        return Err(Error::new("the runtime has no plan for this").why(why));
    }
    let mut told = String::from_utf8_lossy(&said.stdout).into_owned();
    for (stand_in, real) in &stand_ins {
        // Within JSON it stands as JSON has it: quoted once more.
        let real = if json { quoted(real) } else { real.clone() };
        told = told.replace(stand_in, &real);
    }
    line(told.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// The inside of a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().trim_matches('"').to_owned()
}

fn failed(error: io::Error) -> Error {
    Error::new("cannot print the plan").io("write", &error)
}

/// What is not there yet, the mounted root and files of the bundle, is replaced by something empty,
/// because a runtime looks at what it is told of. Returns the pairs, to be undone in what it says.
fn with_stand_ins(mut spec: Spec, bundle: &Path) -> io::Result<(Spec, Vec<(String, String)>)> {
    let mut stand_ins = Vec::new();
    let mut stand_in = |path: &mut String, is_dir: bool| -> io::Result<()> {
        if Path::new(path).exists() {
            return Ok(());
        }
        let instead = bundle.join(format!("stand-in-{}", stand_ins.len()));
        if is_dir { fs::create_dir(&instead) } else { fs::write(&instead, "") }?;
        let real = std::mem::replace(path, instead.display().to_string());
        stand_ins.push((path.clone(), real));
        Ok(())
    };
    if let Some(root) = &mut spec.root {
        stand_in(&mut root.path, true)?;
    }
    for mount in spec.mounts.iter_mut().filter(|mount| mount.kind.as_deref() == Some("bind")) {
        let is_dir = !mount.destination.starts_with("/etc/");
        if let Some(source) = &mut mount.source {
            stand_in(source, is_dir)?;
        }
    }
    Ok((spec, stand_ins))
}
