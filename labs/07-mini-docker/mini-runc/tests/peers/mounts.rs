//! What runtimes agree on about mounts, devices and a user namespace that is joined.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use serde_json::{Value, json};
use testbed::needs;

use super::{each, says};
use crate::{bundle::Stage, covers};

fn push(config: &mut Value, mount: Value) {
    config["mounts"].as_array_mut().unwrap().push(mount);
}

#[test]
fn flags_are_those_of_mount_8() {
    needs!(Root, Program("busybox"));
    covers!(
        "mounts[].type",
        "mounts[].options=nosuid",
        "mounts[].options=nodev",
        "mounts[].options=noexec",
        "mounts[].options=noatime",
        "mounts[].options=nodiratime",
        "mounts[].options=strictatime",
        "mounts[].options=sync",
        "mounts[].options=ro",
    );
    let words = [
        "nosuid",
        "nodev",
        "noexec",
        "noatime",
        "nodiratime",
        "relatime",
        "strictatime",
        "ro",
        "rw",
        "sync",
        "dirsync",
        "suid",
        "dev",
        "exec",
        "async",
    ];
    says(
        "awk '$2 ~ \"^/m/\" { gsub(\",(size|inode|nr)[^,]*\", \"\", $4); print substr($2, 4), $4 }' \
         /proc/mounts | sort",
        |config| {
            for word in words {
                push(
                    config,
                    json!({"destination": format!("/m/{word}"), "type": "tmpfs",
                    "source": "tmpfs", "options": [word, "mode=755"]}),
                );
            }
        },
        "async rw,relatime,mode=755\ndev rw,relatime,mode=755\n\
         dirsync rw,dirsync,relatime,mode=755\nexec rw,relatime,mode=755\n\
         noatime rw,noatime,mode=755\nnodev rw,nodev,relatime,mode=755\n\
         nodiratime rw,nodiratime,relatime,mode=755\nnoexec rw,noexec,relatime,mode=755\n\
         nosuid rw,nosuid,relatime,mode=755\nrelatime rw,relatime,mode=755\nro ro,relatime,mode=755\n\
         rw rw,relatime,mode=755\nstrictatime rw,mode=755\n\
         suid rw,relatime,mode=755\nsync rw,sync,relatime,mode=755",
    );
}

#[test]
fn a_missing_target_is_made_where_its_path_leads_inside() {
    needs!(Root, Program("busybox"));
    covers!("mounts[].destination", "mounts[].source", "mounts[].options=bind");
    each(|runtime| {
        let stage = Stage::with_script(runtime, "");
        let file = stage.bundle().join("file");
        fs::write(&file, "shown\n").unwrap();
        symlink("/tmp", stage.bundle().join("rootfs/to")).unwrap();
        stage.configure(|config| {
            let script = "cat /made/for/it /tmp/file; grep -c ' /tmp/dir/below ' /proc/mounts";
            config["process"]["args"] = json!(["sh", "-c", script]);
            for at in ["/made/for/it", "/to/file"] {
                push(
                    config,
                    json!({"destination": at, "type": "bind", "source": file, "options": ["bind"]}),
                );
            }
            // In the order of the file: the second lies in the first.
            push(config, json!({"destination": "/to/dir", "type": "tmpfs", "source": "tmpfs"}));
            push(
                config,
                json!({"destination": "/tmp/dir/below", "type": "tmpfs", "source": "tmpfs"}),
            );
        });
        assert_eq!(stage.run().ok(), "shown\nshown\n1\n", "{runtime:?}");
        assert!(stage.bundle().join("rootfs/made/for/it").is_file());
    });
}

#[test]
fn a_bind_keeps_or_changes_what_its_words_say() {
    needs!(Root, Program("busybox"));
    covers!("mounts[].options=rbind", "mounts[].options=rro", "mounts[].options=rprivate");
    says(
        "grep -E ' /m/[a-z]+(/shm)? ' /proc/mounts | cut -d' ' -f2,4 | cut -d, -f1 | sort -u",
        |config| {
            for (at, words) in [
                ("/m/rro", ["rbind", "rro"]),
                ("/m/ro", ["rbind", "ro"]),
                ("/m/rw", ["rbind", "rprivate"]),
            ] {
                push(
                    config,
                    json!({"destination": at, "type": "bind", "source": "/dev", "options": words}),
                );
            }
        },
        "/m/ro ro\n/m/ro/shm rw\n/m/rro ro\n/m/rro/shm ro\n/m/rw rw\n/m/rw/shm rw",
    );
}

#[test]
fn a_tmpfs_takes_up_what_it_covers() {
    needs!(Root, Program("busybox"));
    covers!("mounts[].options=tmpcopyup");
    each(|runtime| {
        let stage = Stage::with_script(runtime, "");
        let data = stage.bundle().join("rootfs/data");
        fs::create_dir_all(data.join("deep")).unwrap();
        fs::write(data.join("deep/file"), "content\n").unwrap();
        symlink("/etc/shadow", data.join("link")).unwrap();
        stage.configure(|config| {
            let script = "cat /data/deep/file; readlink /data/link; echo x > /data/deep/file";
            config["process"]["args"] = json!(["sh", "-c", script]);
            push(
                config,
                json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs",
                "options": ["tmpcopyup", "mode=755"]}),
            );
        });
        assert_eq!(stage.run().ok(), "content\n/etc/shadow\n", "{runtime:?}");
        assert_eq!(fs::read_to_string(data.join("deep/file")).unwrap(), "content\n");
    });
}

#[test]
fn devices_are_of_every_type_and_anywhere() {
    needs!(Root, Program("busybox"));
    covers!("linux.devices*");
    says(
        "stat -c '%n %F %t,%T %a' /dev/b /opt/deep/u /dev/p",
        |config| {
            config["linux"]["devices"] = json!([
                {"path": "/dev/b", "type": "b", "major": 7, "minor": 200, "fileMode": 0o600},
                {"path": "/opt/deep/u", "type": "u", "major": 1, "minor": 5, "fileMode": 0o604},
                {"path": "/dev/p", "type": "p", "fileMode": 0o620},
            ]);
        },
        "/dev/b block special file 7,c8 600\n/opt/deep/u character special file 1,5 604\n\
         /dev/p fifo 0,0 620",
    );
}

#[test]
fn a_user_namespace_can_be_joined() {
    needs!(Root, Program("busybox"));
    covers!("linux.namespaces[].path", "linux.namespaces[].type=user");
    each(|runtime| {
        let with_user = |stage: &Stage, entry: Value| {
            let open = PermissionsExt::from_mode(0o755);
            fs::set_permissions(stage.dir.path(), open).unwrap();
            stage.configure(|config| {
                let map = json!([{"containerID": 0, "hostID": 100000, "size": 65536}]);
                config["linux"]["uidMappings"] = map.clone();
                config["linux"]["gidMappings"] = map;
                config["linux"]["namespaces"].as_array_mut().unwrap().push(entry);
                config["mounts"].as_array_mut().unwrap().retain(|it| it["type"] != "cgroup");
            });
        };
        let first = Stage::new(runtime);
        with_user(&first, json!({"type": "user"}));
        first.create().ok();
        let second = Stage::new(runtime);
        let path = format!("/proc/{}/ns/user", first.pid());
        with_user(&second, json!({"type": "user", "path": path}));
        second.create().ok();
        second.on("start", &[]).ok();
        let theirs = fs::read_link(&path).unwrap();
        let ours = second.pid();
        assert_eq!(fs::read_link(format!("/proc/{ours}/ns/user")).unwrap(), theirs, "{runtime:?}");
        let exec = second.on("exec", &["id", "-u"]).ok();
        assert_eq!(exec.trim(), "0");
    });
}

#[test]
fn a_group_is_seen_from_its_namespace_or_bound() {
    needs!(Root, CgroupV1("pids"), Program("busybox"));
    // Whoever made the namespace sees itself at the top; without one the container's own group is
    // bound there, and both ways there is nobody else in it: the shell counts without a child.
    let script = "cd /sys/fs/cgroup/pids; while read pid; do n=$((n+1)); done < cgroup.procs; \
                  echo $n; ls -d pids.max; \
                  touch x 2>&1 | grep -o Read-only";
    says(script, |_| {}, "1\npids.max\nRead-only");
    says(
        script,
        |config| {
            let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
            namespaces.retain(|it| it["type"] != "cgroup");
        },
        "1\npids.max\nRead-only",
    );
}
