//! /proc, /sys and /dev: what stands there must be what its name says.

use std::{fs, os::unix::fs::symlink, process::Command};

use serde_json::json;
use testbed::needs;

use super::{Runtime, mounts::push, refuses, says, stage};

#[test]
fn nothing_but_a_procfs_is_mounted_on_proc_or_in_it() {
    needs!(Root, Program("busybox"));
    let tmpfs = |at: &str| json!({"destination": at, "type": "tmpfs", "source": "tmpfs"});
    for at in ["/proc", "/proc/sys", "/x/../proc/self", "//proc/./attr"] {
        refuses(|config| push(config, tmpfs(at)), "cannot be mounted because it is");
    }
    refuses(|config| push(config, tmpfs("/")), "cannot mount over the root");
    let bind = json!({"destination": "/proc", "source": "/usr", "options": ["rbind"]});
    refuses(|config| push(config, bind), "EXDEV");
    // A link in the image that leads there.
    let stage = stage(&["true"], |config| push(config, tmpfs("/data/sys")));
    symlink("proc", stage.bundle().join("rootfs/data")).unwrap();
    stage.run().refused("EXDEV");
    // What lxcfs does.
    says(
        &["cat", "/proc/uptime"],
        |config| {
            push(
                config,
                json!({"destination": "/proc/uptime", "source": "/etc/hostname", "options": ["bind"]}),
            );
        },
        fs::read_to_string("/etc/hostname").unwrap().trim(),
    );
}

#[test]
fn proc_and_sys_are_mounted_on_no_link() {
    needs!(Root, Program("busybox"));
    for name in ["proc", "sys"] {
        let stage = stage(&["true"], |_| {});
        let rootfs = stage.bundle().join("rootfs");
        fs::remove_dir(rootfs.join(name)).unwrap();
        symlink("tmp", rootfs.join(name)).unwrap();
        stage.run().refused("on no link");
    }
}

#[test]
fn a_kernel_without_mount_setattr_gets_the_same_mounts() {
    needs!(Root, Program("busybox"), Program("strace"));
    let script = "touch /x /m/x /sys/x 2>&1 | grep -c Read-only; (echo 1 > /proc/sys/kernel/panic) 2>&1 | grep -c Read-only";
    let stage = stage(&["sh", "-c", script], |config| {
        config["root"]["readonly"] = json!(true);
        push(
            config,
            json!({"destination": "/m", "source": "/usr", "options": ["bind", "ro", "rprivate"]}),
        );
    });
    fs::create_dir(stage.bundle().join("rootfs/m")).unwrap();
    let ours = stage.command(&["run", "-b", stage.bundle().to_str().unwrap(), &stage.id]);
    let mut old = Command::new("strace");
    old.args(["-f", "-qq", "-o", "/dev/null", "-e", "inject=mount_setattr:error=ENOSYS"]);
    let output = old.arg(ours.get_program()).args(ours.get_args()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "3\n1\n", "{output:?}");
    assert_eq!(Runtime::MiniRunc, stage.runtime);
}

#[test]
fn what_is_written_to_proc_goes_to_proc() {
    needs!(Root, Program("busybox"));
    let stage = stage(&["cat", "/proc/sys/net/ipv4/ip_forward"], |config| {
        config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"});
    });
    let decoy = stage.dir.path().join("decoy");
    fs::write(&decoy, "untouched").unwrap();
    // Somebody has covered the file; whoever follows the path writes to the decoy.
    let ours = stage.command(&["run", "-b", stage.bundle().to_str().unwrap(), &stage.id]);
    let cover = "mount --bind \"$0\" /proc/sys/net/ipv4/ip_forward && exec \"$@\"";
    let mut covered = Command::new("unshare");
    covered.args(["-m", "sh", "-c", cover]).arg(&decoy).arg(ours.get_program());
    let output = covered.args(ours.get_args()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n", "{output:?}");
    assert_eq!(fs::read_to_string(&decoy).unwrap(), "untouched");
}

#[test]
fn a_terminal_comes_from_a_devpts_and_not_from_the_image() {
    needs!(Root, Program("busybox"));
    let stage = stage(&["true"], |config| {
        config["process"]["terminal"] = json!(true);
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.retain(|it| !it["destination"].as_str().unwrap().starts_with("/dev"));
    });
    let pts = stage.bundle().join("rootfs/dev/pts");
    fs::create_dir_all(&pts).unwrap();
    fs::write(pts.join("ptmx"), "").unwrap();
    let socket = stage.dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let (bundle, socket) = (stage.bundle(), socket.to_str().unwrap());
    let create = ["create", "--console-socket", socket, "-b", bundle.to_str().unwrap(), &stage.id];
    stage.call(&create).refused("mount one on /dev/pts");
}
