//! The packages of the house and which of each other they may depend on.

use std::{collections::BTreeSet, path::Path, process::Command};

/// A package, the packages of ours it may depend on, and why not on others.
#[derive(Debug, Clone, Copy)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// Its directory.
    pub dir: &'static str,
    /// Those of ours it may see.
    pub may_see: &'static [&'static str],
    /// Why only those.
    pub because: &'static str,
}

/// The rooms from the ground up.
pub const PACKAGES: [Package; 12] = [
    package("lab-00", "labs/00-ground", &[], "the ground has words only and stands on nothing"),
    package("lab-01", "labs/01-namespaces", &["lab-00"], "a namespace needs no other mechanism"),
    package(
        "lab-02",
        "labs/02-cgroups",
        &["lab-00", "lab-01"],
        "a group holds processes; lab 01 starts them",
    ),
    package(
        "lab-03",
        "labs/03-chroot-pivot",
        &["lab-00", "lab-01"],
        "a root is entered in a mount namespace",
    ),
    package(
        "lab-04",
        "labs/04-overlay",
        &["lab-00", "lab-01", "lab-03"],
        "an overlay is a mount, and lab 03 owns mounts",
    ),
    package(
        "lab-05",
        "labs/05-setns",
        &["lab-00", "lab-01", "lab-02"],
        "joining takes namespaces and a group, whatever the root is",
    ),
    package(
        "lab-06",
        "labs/06-bind-volume",
        &["lab-00", "lab-01", "lab-02", "lab-03", "lab-04", "lab-05"],
        "lab 06 puts the labs before it together",
    ),
    package("oci", "labs/07-mini-docker/oci", &[], "the OCI types know no mechanism"),
    package("template", "labs/07-mini-docker/template", &[], "a template knows only its data"),
    package(
        "mini-runc",
        "labs/07-mini-docker/mini-runc",
        &["lab-00", "lab-01", "lab-02", "lab-03", "lab-04", "lab-05", "lab-06", "oci"],
        "a runtime sees a bundle and no image: the wall between runc and containerd",
    ),
    package(
        "lab-07",
        "labs/07-mini-docker",
        &[
            "lab-00",
            "lab-01",
            "lab-02",
            "lab-03",
            "lab-04",
            "lab-05",
            "lab-06",
            "oci",
            "mini-runc",
            "template",
        ],
        "lab 07 is on top",
    ),
    package(
        "workbook",
        "workbook",
        &["lab-00", "lab-01", "lab-02", "lab-03", "lab-04", "lab-05", "lab-06"],
        "the companion stands beside the labs: they never know of it, and it runs what it cannot see",
    ),
];

const fn package(
    name: &'static str,
    dir: &'static str,
    may_see: &'static [&'static str],
    because: &'static str,
) -> Package {
    Package { name, dir, may_see, because }
}

/// External crates that a package must not use, and why.
pub const NEVER_CRATES: [(&str, &[&str], &str); 2] = [
    (
        "mini-runc",
        &["tokio", "ureq", "rustls", "axum", "hyper", "reqwest"],
        "a runtime forks, so it has one thread, and it never speaks HTTP",
    ),
    ("oci", &["nix", "libc", "tokio", "ureq", "tempfile"], "the OCI types do no I/O"),
];

/// How many external crates labs 00 to 06 may have in their tree: a first build within a minute.
pub const MOST_CRATES: usize = 44;

/// The names in `[dependencies]` and `[build-dependencies]` of a Cargo.toml.
pub fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut counts = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            // [target.'cfg(..)'.dependencies] counts too; [dependencies.name] names one itself.
            counts = section.ends_with("dependencies") && !section.ends_with("dev-dependencies");
            names.extend(section.strip_prefix("dependencies.").map(str::to_owned));
        } else if let (true, Some((name, _))) =
            (counts && !line.starts_with('#'), line.split_once(['.', '=', ' ']))
        {
            names.insert(name.trim_matches('"').to_owned());
        }
    }
    names
}

/// What is wrong with the dependencies of a package.
pub fn complaints(package: &Package, manifest: &str) -> Vec<String> {
    let found = dependencies(manifest);
    let ours = PACKAGES.iter().map(|package| package.name).filter(|name| found.contains(*name));
    let upward = ours
        .filter(|name| !package.may_see.contains(name))
        .map(|name| format!("{} depends on {name}: {}", package.name, package.because));
    let nevers = NEVER_CRATES.iter().filter(|(name, ..)| *name == package.name);
    let foreign = nevers.flat_map(|(name, crates, because)| {
        let hits = crates.iter().filter(|&&krate| found.contains(krate));
        hits.map(move |krate| format!("{name} depends on {krate}: {because}"))
    });
    upward.chain(foreign).collect()
}

/// The external crates in the tree of a package, as `cargo tree` has them.
///
/// # Errors
/// What cargo says when it fails.
pub fn external_crates(root: &Path, package: &str) -> Result<BTreeSet<String>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let args =
        ["tree", "--offline", "--locked", "-e", "normal,build", "--prefix", "none", "-p", package];
    let output = Command::new(cargo).args(args).current_dir(root).output();
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let tree = String::from_utf8_lossy(&output.stdout);
    // A package of ours has its directory in parentheses.
    let external = tree.lines().filter(|line| !line.is_empty() && !line.contains("(/"));
    Ok(external.map(|line| line.trim_end_matches(" (*)").to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dev_dependencies_may_be_anything() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nlab-00.workspace = true\nserde = \"1\"\n\
                        # nix = 1\n[dev-dependencies]\ntestbed.workspace = true\n[target.'cfg(unix)'.dependencies]\nlibc = \"0\"";
        assert_eq!(
            dependencies(manifest).into_iter().collect::<Vec<_>>(),
            ["lab-00", "libc", "serde"]
        );
    }

    #[test]
    fn an_upward_dependency_is_refused_with_its_reason() {
        let complaints =
            complaints(&PACKAGES[1], "[dependencies]\nlab-00 = {}\nlab-03.workspace = true");
        assert_eq!(complaints, ["lab-01 depends on lab-03: a namespace needs no other mechanism"]);
    }

    #[test]
    fn a_runtime_with_http_is_refused() {
        let runc = PACKAGES.iter().find(|package| package.name == "mini-runc").unwrap();
        let complaints = complaints(runc, "[dependencies]\nureq.workspace = true\nlab-07 = {}");
        assert_eq!(complaints.len(), 2, "{complaints:?}");
    }
}
