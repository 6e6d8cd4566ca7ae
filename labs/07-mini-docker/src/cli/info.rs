//! info and version.

use std::process::ExitCode;

use ground::{Error, Result};
use mini_docker::engine::{Engine, Info as System, VERSION};
use serde::Serialize;
use template::{Template, Value, json_line, to_value};

use super::{
    args::{Info, Version},
    format::with_fields,
    output::{binary_size, line},
};

/// `info`
pub fn info(engine: &Engine, args: &Info) -> Result<ExitCode> {
    let info = engine.info().map_err(|error| Error::from(error).exit_code(1))?;
    match &args.format {
        Some(format) => print(format, "", &to_value(&info))?,
        None => line(in_words(&info))?,
    }
    info.warnings.iter().for_each(|warning| crate::warn(warning));
    Ok(ExitCode::SUCCESS)
}

fn in_words(info: &System) -> String {
    let runtimes: Vec<&str> = info.runtimes.keys().copied().collect();
    let mut lines = vec![
        "Client:".to_owned(),
        format!(" Version:    {VERSION}"),
        " Debug Mode: false".into(),
        String::new(),
        "Server:".into(),
        format!(" Containers: {}", info.containers),
        format!("  Running: {}", info.containers_running),
        format!("  Paused: {}", info.containers_paused),
        format!("  Stopped: {}", info.containers_stopped),
        format!(" Images: {}", info.images),
        format!(" Server Version: {}", info.server_version),
        format!(" Storage Driver: {}", info.driver),
    ];
    lines.extend(info.driver_status.iter().map(|[name, value]| format!("  {name}: {value}")));
    lines.extend([
        format!(" Logging Driver: {}", info.logging_driver),
        format!(" Cgroup Driver: {}", info.cgroup_driver),
        format!(" Cgroup Version: {}", info.cgroup_version),
        format!(" Runtimes: {}", runtimes.join(" ")),
        format!(" Default Runtime: {}", info.default_runtime),
        " Security Options:".into(),
    ]);
    for option in &info.security_options {
        let mut parts = option.split(',').filter_map(|part| part.split_once('='));
        lines.extend(parts.next().map(|(_, name)| format!("  {name}")));
        lines.extend(parts.map(|(_, profile)| format!("   Profile: {profile}")));
    }
    lines.extend([
        format!(" Kernel Version: {}", info.kernel_version),
        format!(" Operating System: {}", info.operating_system),
        format!(" OSType: {}", info.os_type),
        format!(" Architecture: {}", info.architecture),
        format!(" CPUs: {}", info.ncpu),
        format!(" Total Memory: {}", binary_size(info.mem_total)),
        format!(" Name: {}", info.name),
        format!(" Docker Root Dir: {}", info.docker_root_dir.display()),
    ]);
    lines.join("\n")
}

/// What `version` knows. Client and engine are one program: there is no daemon.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Versions {
    client: Part,
    server: Part,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Part {
    version: &'static str,
    os: &'static str,
    arch: &'static str,
    kernel_version: String,
    components: Vec<Component>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Component {
    name: &'static str,
    version: &'static str,
}

/// `version`
pub fn version(args: &Version) -> Result<ExitCode> {
    let uname = nix::sys::utsname::uname().ok();
    let kernel = uname.map(|it| it.release().to_string_lossy().into_owned()).unwrap_or_default();
    let arch = oci::Platform::host().architecture;
    let part = |components| Part {
        version: VERSION,
        os: "linux",
        arch: if arch == "amd64" { "amd64" } else { std::env::consts::ARCH },
        kernel_version: kernel.clone(),
        components,
    };
    let component = |name| Component { name, version: VERSION };
    let versions = Versions {
        client: part(Vec::new()),
        server: part(vec![component("Engine"), component("mini-runc")]),
    };
    match &args.format {
        Some(format) => print(format, "version", &to_value(&versions))?,
        None => line(versions_in_words(&versions))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn versions_in_words(versions: &Versions) -> String {
    let Part { version, os, arch, kernel_version, components } = &versions.server;
    let mut lines = vec![
        "Client:".to_owned(),
        format!(" Version:           {version}"),
        format!(" OS/Arch:           {os}/{arch}"),
        String::new(),
        // Here is no daemon: the engine is the same program.
        "Server:".into(),
    ];
    for component in components {
        lines.push(format!(" {}:", component.name));
        lines.push(format!("  Version:          {}", component.version));
        if component.name == "Engine" {
            lines.push(format!("  OS/Arch:          {os}/{arch}"));
            lines.push(format!("  Kernel Version:   {kernel_version}"));
        }
    }
    lines.join("\n")
}

/// Prints one document as JSON or through a template.
fn print(format: &str, name: &str, value: &Value) -> Result<()> {
    if format == "json" {
        return line(json_line(value));
    }
    let wrong = |error: &template::Error, code| {
        let what = format!("template parsing error: {error}");
        with_fields(Error::new(what).exit_code(code), error)
    };
    let template = Template::parse(name, format).map_err(|error| wrong(&error, 64))?;
    line(template.render(value).map_err(|error| wrong(&error, 1))?)
}
