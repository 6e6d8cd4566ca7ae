//! Mounts, by what the kernel says of them inside.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    process::Command,
};

use serde_json::{Value, json};
use testbed::needs;

use super::{Stage, refuses, says, stage};
use crate::covers;

/// What mountinfo says of every mount below /m: its place, its options, how it spreads.
const TABLE: &str = "awk '$5 ~ \"^/m/\" { split($7, tie, \":\"); \
                     print substr($5, 4), $6, tie[1], $NF }' /proc/self/mountinfo | sort";

/// Mounts a tmpfs a word at /m/WORD, with that word as its option.
fn with_words(config: &mut Value, words: &[&str]) {
    for word in words {
        push(
            config,
            json!({"destination": format!("/m/{word}"), "type": "tmpfs",
            "source": "tmpfs", "options": [word]}),
        );
    }
}

pub fn push(config: &mut Value, mount: Value) {
    config["mounts"].as_array_mut().unwrap().push(mount);
}

#[track_caller]
fn options_are(expected: &[(&str, &str)]) {
    let words: Vec<_> = expected.iter().map(|(word, _)| *word).collect();
    let told = stage(&["sh", "-c", TABLE], |config| with_words(config, &words)).run().ok();
    for (word, options) in expected {
        let line = told.lines().find(|line| line.split(' ').next() == Some(*word)).unwrap();
        let mount = line.split(' ').nth(1).unwrap();
        // What all mounts of the file system share stands behind the dash.
        let shared: Vec<_> = line.rsplit(' ').next().unwrap().split(',').collect();
        for option in options.split(',') {
            let there = mount.split(',').any(|it| it == option) || shared.contains(&option);
            assert!(there, "{word}: {option} is not in {line}");
        }
        if !options.contains("time") {
            continue;
        }
        let times = mount.split(',').filter(|it| it.contains("time"));
        assert_eq!(times.collect::<Vec<_>>().join(","), *options, "{word}: {line}");
    }
}

#[test]
fn every_word_about_access_times_is_heeded() {
    needs!(Root, Program("busybox"));
    covers!(
        "mounts[].options=atime",
        "mounts[].options=noatime",
        "mounts[].options=diratime",
        "mounts[].options=nodiratime",
        "mounts[].options=relatime",
        "mounts[].options=norelatime",
        "mounts[].options=nostrictatime",
        "mounts[].options=ratime",
        "mounts[].options=rnoatime",
        "mounts[].options=rdiratime",
        "mounts[].options=rnodiratime",
        "mounts[].options=rrelatime",
        "mounts[].options=rnorelatime",
        "mounts[].options=rnostrictatime",
    );
    options_are(&[
        ("atime", "relatime"),
        ("noatime", "noatime"),
        ("diratime", "relatime"),
        ("nodiratime", "nodiratime,relatime"),
        ("relatime", "relatime"),
        ("norelatime", "relatime"),
        ("nostrictatime", "relatime"),
        ("ratime", "relatime"),
        ("rnoatime", "noatime"),
        ("rdiratime", "relatime"),
        ("rnodiratime", "nodiratime,relatime"),
        ("rrelatime", "relatime"),
        ("rnorelatime", "relatime"),
        ("rnostrictatime", "relatime"),
    ]);
}

#[test]
fn strict_access_times_are_what_no_word_stands_for() {
    needs!(Root, Program("busybox"));
    covers!("mounts[].options=strictatime", "mounts[].options=rstrictatime");
    let told = stage(&["sh", "-c", TABLE], |config| {
        with_words(config, &["strictatime", "rstrictatime"]);
    });
    let told = told.run().ok();
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.lines().all(|line| line.split(' ').nth(1) == Some("rw")), "{told}");
}

#[test]
fn every_word_about_a_mount_or_its_file_system_is_heeded() {
    needs!(Root, Program("busybox"));
    covers!(
        "mounts[].options=ro",
        "mounts[].options=rw",
        "mounts[].options=rro",
        "mounts[].options=rrw",
        "mounts[].options=rnosuid",
        "mounts[].options=rsuid",
        "mounts[].options=rdev",
        "mounts[].options=rnoexec",
        "mounts[].options=rexec",
        "mounts[].options=nosymfollow",
        "mounts[].options=symfollow",
        "mounts[].options=rnosymfollow",
        "mounts[].options=rsymfollow",
        "mounts[].options=suid",
        "mounts[].options=dev",
        "mounts[].options=exec",
        "mounts[].options=sync",
        "mounts[].options=async",
        "mounts[].options=dirsync",
        "mounts[].options=lazytime",
        "mounts[].options=nolazytime",
        "mounts[].options=mand",
        "mounts[].options=nomand",
        "mounts[].options=iversion",
        "mounts[].options=noiversion",
        "mounts[].options=silent",
        "mounts[].options=loud",
        "mounts[].options=defaults",
    );
    options_are(&[
        ("ro", "ro"),
        ("rw", "rw"),
        ("rro", "ro"),
        ("rrw", "rw"),
        ("nosuid", "nosuid"),
        ("rnosuid", "nosuid"),
        ("nodev", "nodev"),
        ("rnodev", "nodev"),
        ("noexec", "noexec"),
        ("rnoexec", "noexec"),
        ("nosymfollow", "nosymfollow"),
        ("rnosymfollow", "nosymfollow"),
        ("sync", "sync"),
        ("dirsync", "dirsync"),
        ("mand", "mand"),
    ]);
    let others = [
        "suid",
        "rsuid",
        "dev",
        "rdev",
        "exec",
        "rexec",
        "symfollow",
        "rsymfollow",
        "async",
        "nolazytime",
        "nomand",
        "iversion",
        "noiversion",
        "silent",
        "loud",
        "defaults",
    ];
    let told = stage(&["sh", "-c", TABLE], |config| with_words(config, &others)).run().ok();
    assert_eq!(told.lines().count(), others.len(), "{told}");
    let plain = |line: &str| line.split(' ').nth(1) == Some("rw,relatime");
    assert!(told.lines().all(plain), "{told}");
    says(
        &["sh", "-c", "grep ' /m/lazytime ' /proc/mounts | grep -o lazytime | wc -l"],
        |config| with_words(config, &["lazytime"]),
        "2",
    );
}

#[test]
fn recursive_words_reach_what_is_mounted_below() {
    needs!(Root, Program("busybox"));
    covers!("mounts[].options=bind", "mounts[].options=rbind", "mounts[].options=rro");
    let table =
        "grep -E ' /m(/[a-z]+)?(/shm)? ' /proc/mounts | cut -d' ' -f2,4 | cut -d, -f1 | sort -u";
    says(
        &["sh", "-c", table],
        |config| {
            for (at, options) in [
                ("/m/rro", ["rbind", "rro"]),
                ("/m/ro", ["rbind", "ro"]),
                ("/m/one", ["bind", "ro"]),
            ] {
                push(config, json!({"destination": at, "source": "/dev", "options": options}));
            }
        },
        "/m/one ro\n/m/ro ro\n/m/ro/shm rw\n/m/rro ro\n/m/rro/shm ro",
    );
}

#[test]
fn a_mount_spreads_as_its_word_says() {
    needs!(Root, Program("busybox"));
    covers!(
        "mounts[].options=private",
        "mounts[].options=rprivate",
        "mounts[].options=shared",
        "mounts[].options=rshared",
        "mounts[].options=slave",
        "mounts[].options=rslave",
        "mounts[].options=unbindable",
        "mounts[].options=runbindable",
    );
    let words = ["private", "rprivate", "shared", "rshared", "unbindable", "runbindable"];
    let table = format!("{TABLE} | cut -d' ' -f1,3");
    let binds = |config: &mut Value, words: &[&str]| {
        for word in words {
            push(
                config,
                json!({"destination": format!("/m/{word}"), "source": "/usr",
                "options": ["bind", word]}),
            );
        }
    };
    says(
        &["sh", "-c", &table],
        |config| binds(config, &words),
        "private -\nrprivate -\nrshared shared\nrunbindable unbindable\nshared shared\nunbindable unbindable",
    );
    // A slave needs a master: the machine shares its mounts, as systemd has it.
    let table = "grep -E ' /m/r?slave ' /proc/self/mountinfo | grep -o master | wc -l";
    let stage = stage(&["sh", "-c", table], |config| binds(config, &["slave", "rslave"]));
    assert_eq!(on_a_machine_that_shares(&stage), "2");
}

/// What the container says where all mounts of the machine are shared.
#[track_caller]
fn on_a_machine_that_shares(stage: &Stage) -> String {
    let ours = stage.command(&["run", "-b", stage.bundle().to_str().unwrap(), &stage.id]);
    let mut shared = Command::new("unshare");
    shared.args(["-m", "--propagation", "shared"]).arg(ours.get_program()).args(ours.get_args());
    let output = shared.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_root_spreads_as_it_is_told() {
    needs!(Root, Program("busybox"));
    covers!("linux.rootfsPropagation=*");
    let table = "awk '$5 == \"/\" {print $7}' /proc/self/mountinfo | cut -d: -f1";
    for (word, expected) in [
        ("private", "-"),
        ("rprivate", "-"),
        ("shared", "shared"),
        ("rshared", "shared"),
        ("slave", "master"),
        ("rslave", "master"),
        ("unbindable", "unbindable"),
    ] {
        let stage = stage(&["sh", "-c", table], |config| {
            config["linux"]["rootfsPropagation"] = json!(word);
        });
        assert_eq!(on_a_machine_that_shares(&stage), expected, "{word}");
    }
    refuses(
        |config| config["linux"]["rootfsPropagation"] = json!("open"),
        "propagation of the root",
    );
}

#[test]
fn ids_are_shown_as_the_mount_maps_them() {
    needs!(Root, Program("busybox"));
    covers!(
        "mounts[].uidMappings*",
        "mounts[].gidMappings*",
        "mounts[].options=idmap",
        "mounts[].options=ridmap",
    );
    let files = tempfile::tempdir().unwrap();
    for (name, id) in [("root", 0), ("one", 1)] {
        fs::write(files.path().join(name), "").unwrap();
        chown(files.path().join(name), Some(id), Some(id)).unwrap();
    }
    let uids = json!([{"containerID": 0, "hostID": 1000, "size": 10}]);
    let gids = json!([{"containerID": 0, "hostID": 2000, "size": 10}]);
    let mount = |options: &[&str]| {
        json!({"destination": "/m", "source": files.path(), "options": options,
            "uidMappings": uids, "gidMappings": gids})
    };
    for words in [&["bind", "idmap"][..], &["rbind", "ridmap"], &["bind"]] {
        says(
            &["stat", "-c", "%u %g", "/m/root", "/m/one"],
            |config| push(config, mount(words)),
            "1000 2000\n1001 2001",
        );
    }
    // Without ids of its own, those of the container's user namespace: what root outside owns is
    // root's inside.
    let stage = stage(&["stat", "-c", "%u %g", "/m/root", "/m/one"], |config| {
        in_user_namespace(config);
        push(
            config,
            json!({"destination": "/m", "source": files.path(), "options": ["bind", "idmap"]}),
        );
    });
    reachable(&stage);
    fs::create_dir(stage.bundle().join("rootfs/m")).unwrap();
    assert_eq!(stage.run().ok().trim(), "0 0\n1 1");
    let without = json!({"destination": "/m", "source": "/usr", "options": ["bind", "idmap"]});
    refuses(|config| push(config, without), "both uid and gid mappings");
    let tmpfs = json!({"destination": "/m", "type": "tmpfs", "options": ["idmap"]});
    refuses(|config| push(config, tmpfs), "only supported for bind-mounts");
}

fn in_user_namespace(config: &mut Value) {
    let map = json!([{"containerID": 0, "hostID": 100000, "size": 65536}]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
    config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
    config["mounts"].as_array_mut().unwrap().retain(|it| it["type"] != "cgroup");
}

/// Lets the root of a user namespace reach the root file system.
fn reachable(stage: &Stage) {
    fs::set_permissions(stage.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_source_that_only_the_caller_may_reach_is_taken_along() {
    needs!(Root, Program("busybox"));
    let closed = tempfile::tempdir().unwrap();
    fs::create_dir(closed.path().join("open")).unwrap();
    fs::write(closed.path().join("open/file"), "reached\n").unwrap();
    let stage = stage(&["cat", "/m/file"], |config| {
        in_user_namespace(config);
        push(
            config,
            json!({"destination": "/m", "source": closed.path().join("open"),
            "options": ["rbind", "ro"]}),
        );
    });
    reachable(&stage);
    fs::create_dir(stage.bundle().join("rootfs/m")).unwrap();
    assert_eq!(stage.run().ok(), "reached\n");
}

#[test]
fn a_tmpfs_begins_with_what_it_covers_if_it_is_told_to() {
    needs!(Root, Program("busybox"));
    covers!("mounts[].options=tmpcopyup");
    let script = "cd /data; ls; cat deep/er/file; readlink link; stat -c '%a %u:%g %Y' deep script; stat -c %a . ../set; \
                  touch /data/deep/x; grep -c ' /data tmpfs ' /proc/mounts";
    let stage = stage(&["sh", "-c", script], |config| {
        for (at, options) in [("/data", &["tmpcopyup"][..]), ("/set", &["tmpcopyup", "mode=1777"])]
        {
            push(config, json!({"destination": at, "type": "tmpfs", "options": options}));
        }
    });
    let data = stage.bundle().join("rootfs/data");
    fs::create_dir_all(data.join("deep/er")).unwrap();
    fs::write(data.join("deep/er/file"), "content\n").unwrap();
    fs::write(data.join("script"), "#!/bin/sh\n").unwrap();
    symlink("/etc/shadow", data.join("link")).unwrap();
    for (name, mode, time) in [("script", 0o4711, 1), ("deep", 0o777, 2), ("", 0o1755, 3)] {
        let path = data.join(name);
        chown(&path, Some(7), Some(8)).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let when = std::time::UNIX_EPOCH + std::time::Duration::from_secs(time);
        fs::File::open(&path).unwrap().set_modified(when).unwrap();
    }
    let expected = "deep\nlink\nscript\ncontent\n/etc/shadow\n777 7:8 2\n4711 7:8 1\n1755\n1777\n1";
    assert_eq!(stage.run().ok().trim(), expected);
    assert!(!data.join("deep/x").exists(), "the image is not written");
}

#[test]
fn a_tmpfs_has_the_mode_of_what_it_covers() {
    needs!(Root, Program("busybox"));
    covers!("mounts[].type");
    let script = "stat -c %a /secret /secret/asked /fresh";
    let stage = stage(&["sh", "-c", script], |config| {
        push(config, json!({"destination": "/secret", "type": "tmpfs"}));
        push(
            config,
            json!({"destination": "/secret/asked", "type": "tmpfs", "options": ["mode=0123"]}),
        );
        push(config, json!({"destination": "/fresh", "type": "tmpfs"}));
    });
    let secret = stage.bundle().join("rootfs/secret");
    fs::create_dir(&secret).unwrap();
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(stage.run().ok().trim(), "700\n123\n755");
}

#[test]
fn a_read_only_tmpfs_still_gets_its_mount_points() {
    needs!(Root, Program("busybox"));
    let script = "touch /m/x 2>&1 | grep -o Read-only; touch /dev/x 2>&1 | grep -o Read-only; \
                  test -c /dev/null && touch /m/below/y && ls /m";
    says(
        &["sh", "-c", script],
        |config| {
            config["mounts"][1]["options"] = json!(["nosuid", "ro", "mode=755"]);
            push(config, json!({"destination": "/m", "type": "tmpfs", "options": ["ro"]}));
            push(config, json!({"destination": "/m/below", "type": "tmpfs"}));
        },
        "Read-only\nRead-only\nbelow",
    );
}

#[test]
fn what_is_mounted_can_be_changed_by_a_later_entry() {
    needs!(Root, Program("busybox"));
    covers!("mounts[].options=remount");
    says(
        &["sh", "-c", "grep ' /m ' /proc/mounts | cut -d' ' -f4 | cut -d, -f1-2"],
        |config| {
            push(config, json!({"destination": "/m", "type": "tmpfs"}));
            push(
                config,
                json!({"destination": "/m", "options": ["remount", "bind", "ro", "noexec"]}),
            );
        },
        "ro,noexec",
    );
    let nothing = json!({"destination": "/tmp", "options": ["remount", "ro"]});
    refuses(|config| push(config, nothing), "mount_setattr");
}

#[test]
fn a_target_is_made_as_its_source_is() {
    needs!(Root, Program("busybox"));
    covers!("mounts[].destination", "mounts[].source");
    let stage = stage(
        &["sh", "-c", "cat /made/for/it; cat /etc/target; ls -d /relative/place"],
        |config| {
            push(
                config,
                json!({"destination": "/made/for/it", "source": "file", "options": ["bind"]}),
            );
            push(
                config,
                json!({"destination": "/etc/link", "source": "file", "options": ["bind", "ro"]}),
            );
            push(config, json!({"destination": "relative/place", "type": "tmpfs"}));
        },
    );
    // A relative source is meant from the bundle; a link to nowhere gets what it points at.
    fs::write(stage.bundle().join("file"), "shown\n").unwrap();
    symlink("target", stage.bundle().join("rootfs/etc/link")).unwrap();
    assert_eq!(stage.run().ok(), "shown\nshown\n/relative/place\n");
}
