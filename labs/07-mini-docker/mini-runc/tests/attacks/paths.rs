//! Mount targets and sources that an image, or a racing process, makes lead outside.
//!
//! CVE-2021-30465 (a volume's directory is swapped for a link while the runtime mounts below it),
//! CVE-2025-31133 and its kin (what masks a path, or becomes /dev/console, is swapped).

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use serde_json::json;
use testbed::needs;

use super::{
    Stage, stage,
    tracer::{self, Then},
};

/// Every how many-th moment is tried; 1 tries all.
const EVERY: &str = "UNBOXED_SWAP_EVERY";

/// A volume with a directory and a link to the host in it, and a container that wants something
/// mounted at the directory.
fn swapped(stage: &Stage) -> (PathBuf, PathBuf) {
    let outside = stage.dir.path().join("outside");
    let volume = stage.dir.path().join("volume");
    fs::create_dir_all(outside.join("below")).unwrap();
    fs::create_dir_all(volume.join("target")).unwrap();
    // Seen from the container's root it leads nowhere; seen from the host, to the host.
    symlink(&outside, volume.join("link")).unwrap();
    stage.configure(|config| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        let source = volume.to_str().unwrap();
        mounts.push(
            json!({"destination": "/vol", "source": source, "type": "bind", "options": ["rbind"]}),
        );
        mounts
            .push(json!({"destination": "/vol/target/below", "source": "tmpfs", "type": "tmpfs"}));
        mounts.push(json!({"destination": "/vol/target/made", "source": "tmpfs", "type": "tmpfs"}));
        config["linux"]["maskedPaths"] = json!(["/vol/target/below"]);
        config["linux"]["readonlyPaths"] = json!(["/vol/target/made"]);
    });
    (volume, outside)
}

fn exchange(volume: &Path) {
    let (one, other) = (volume.join("target"), volume.join("link"));
    renameat2(AT_FDCWD, &one, AT_FDCWD, &other, RenameFlags::RENAME_EXCHANGE).unwrap();
}

/// What a runtime does that joins strings.
fn a_naive_mount_leads_out(volume: &Path, outside: &Path) -> bool {
    exchange(volume);
    let script = "mount -t tmpfs tmpfs \"$1/target/below\" && grep -c \" $2/below \" /proc/mounts";
    let mut naive = Command::new("unshare");
    naive.args(["-m", "sh", "-c", script, "sh"]).arg(volume).arg(outside);
    let led_out = naive.output().unwrap().stdout == b"1\n";
    exchange(volume);
    led_out
}

/// Creates the container and exchanges directory and link before each call that `now` picks by the
/// number it has among the child's calls, whose count is returned with the status.
fn create_while(stage: &Stage, volume: &Path, now: impl Fn(usize) -> bool) -> (usize, i32) {
    let bundle = stage.bundle();
    let command = stage.command(&["create", "-b", bundle.to_str().unwrap(), &stage.id]);
    let mut calls = 0;
    let ended = tracer::trace(&command, None, &mut |call| {
        if call.process > 0 {
            if now(calls) {
                exchange(volume);
            }
            calls += 1;
        }
        Then::Go
    });
    let said = fs::read_to_string(stage.dir.path().join("said.err")).unwrap();
    assert!(ended.code == 0 || said.contains("\n  why: "), "{said}");
    (calls, ended.code)
}

#[test]
fn a_target_that_is_swapped_at_any_call_leads_nowhere_outside() {
    needs!(Root, Program("busybox"), Program("unshare"));
    let first = stage();
    let (volume, outside) = swapped(&first);
    assert!(a_naive_mount_leads_out(&volume, &outside), "it must be able to lead out");
    let (calls, code) = create_while(&first, &volume, |_| false);
    assert_eq!(code, 0, "{}", fs::read_to_string(first.dir.path().join("said.err")).unwrap());
    let (mut tried, mut made) = (0, 0);
    let every = std::env::var(EVERY).ok().and_then(|it| it.parse().ok()).unwrap_or(9);
    // The link is there for one call, or for five.
    for (begins, lasts) in (0..calls).flat_map(|it| [(it, 1), (it, 5)]).step_by(every) {
        let stage = stage();
        let (volume, outside) = swapped(&stage);
        let (_, code) =
            create_while(&stage, &volume, |call| call == begins || call == begins + lasts);
        tried += 1;
        made += usize::from(code == 0);
        let entries = fs::read_dir(&outside).unwrap().count();
        assert_eq!(entries, 1, "swapped at call {begins} for {lasts}");
        assert_eq!(fs::read_dir(outside.join("below")).unwrap().count(), 0);
    }
    println!("targets swapped at {tried} moments, {made} creates succeeded: nothing outside");
}

/// Links of the image at the places where the runtime mounts by itself.
#[test]
fn a_link_of_the_image_redirects_nothing_to_the_kernels_files() {
    needs!(Root, Program("busybox"));
    let kernel = "/proc/sys/kernel/core_pattern";
    let before = fs::read(kernel).unwrap();
    for (link, terminal) in [
        ("dev/console", true),
        ("dev/pts", true),
        ("dev/ptmx", false),
        ("proc", false),
        ("sys", false),
    ] {
        let stage = stage();
        let place = stage.bundle().join("rootfs").join(link);
        let _ = fs::remove_dir_all(&place);
        let to = if link.starts_with("dev/") { kernel } else { "/tmp" };
        symlink(to, &place).unwrap();
        stage.configure(|config| {
            let mounts = config["mounts"].as_array_mut().unwrap();
            mounts.retain(|it| it["destination"] != "/dev");
            let script = "grep -E ' /tmp (proc|sysfs)| core_pattern|/proc/sys/kernel/' /proc/mounts; \
                          echo x 2>/dev/null >/proc/sys/kernel/core_pattern && echo written; echo end";
            config["process"]["args"] = json!(["sh", "-c", script]);
            config["process"]["terminal"] = json!(terminal);
        });
        let told = stage.run();
        assert_eq!(fs::read(kernel).unwrap(), before, "{link}");
        let refused = told.code != 0 && told.stderr.contains("\n  why: ");
        let harmless = told.code == 0 && told.stdout.replace('\r', "") == "end\n";
        assert!(refused || harmless, "{link}: {told:?}");
        println!("{link} is a link: {}", if refused { "refused" } else { "harmless" });
    }
}

#[test]
fn magic_links_and_dots_stay_inside() {
    needs!(Root, Program("busybox"));
    let targets = [
        "/proc/self/root/outside",
        "/proc/1/root/outside",
        "/proc/self/cwd/../../outside",
        "/proc/thread-self/fd/3/outside",
        "/../../../../outside",
        "/tmp/../../../outside",
    ];
    for target in targets {
        let stage = stage();
        stage.configure(|config| {
            let mount = json!({"destination": target, "type": "tmpfs", "source": "tmpfs"});
            config["mounts"].as_array_mut().unwrap().push(mount);
            config["process"]["args"] = json!(["true"]);
        });
        let told = stage.run();
        let refused = told.code != 0 && told.stderr.contains("\n  why: ");
        assert!(refused || told.code == 0, "{target}: {told:?}");
        assert_eq!(refused, target.starts_with("/proc/"), "{target}: {told:?}");
        assert!(!Path::new("/outside").exists() && !stage.dir.path().join("outside").exists());
    }
    for cwd in ["/proc/self/fd/3", "/proc/self/cwd", "/proc/1/root/..", "/proc/self/fd/7/../../.."]
    {
        let stage = stage();
        // The host has a /bin as well.
        fs::write(stage.bundle().join("rootfs/of-the-container"), "").unwrap();
        stage.configure(|config| {
            config["process"]["args"] = json!(["ls", "-a"]);
            config["process"]["cwd"] = json!(cwd);
        });
        let told = stage.run();
        let refused = told.code != 0 && told.stderr.contains("\n  why: ");
        let inside = told.code == 0 && told.stdout.lines().any(|it| it == "of-the-container");
        assert!(refused || inside, "{cwd}: {told:?}");
    }
    println!(
        "magic links and dots: {} targets and 4 working directories stay inside",
        targets.len()
    );
}
