//! The options of run and create: each is read back where it takes hold, inside.

use testbed::{Place, needs};

use crate::{places::in_every_place, world::says};

in_every_place! {
    an_environment_comes_from_flags_files_and_here(place) {
        says(place, r#"
            printf '# a comment\n\nFROM_FILE=a b\nTAKEN\n' > env
            printf 'from=file\nboth=file\n' > labels
            TAKEN=here md run --rm -q --env-file env -e TAKEN -e B=2 -e NOWHERE $I sh -c 'echo $FROM_FILE, $TAKEN, $B; env | grep -c NOWHERE || true'
            md create --name box --label-file labels -l both=flag --annotation a=1 --cidfile id --domainname example.org $I > /dev/null
            md inspect box | grep -oE '"(both|from|a)": "[a-z0-9]*"' | sort -u
            test $(cat id) = $(md ps -aq --no-trunc) && echo same
            md run --rm --domainname example.org --hostname castle $I sh -c 'cat /proc/sys/kernel/domainname; hostname'
            md run --rm --group-add audio --entrypoint id $I -G 2> /dev/null | grep -c 29 || true
            "#,
            match place {
                // With a single id there is no other group to be in.
                Place::User => "a b, here, 2\n0\n\"a\": \"1\"\n\"both\": \"flag\"\n\"from\": \"file\"\nsame\nexample.org\ncastle\n0",
                _ => "a b, here, 2\n0\n\"a\": \"1\"\n\"both\": \"flag\"\n\"from\": \"file\"\nsame\nexample.org\ncastle\n1",
            });
    }

    namespaces_are_shared_where_it_is_asked_for(place) {
        says(place, r#"
            for kind in ipc pid uts cgroup; do readlink /proc/self/ns/$kind; done > ours
            look='for kind in ipc pid uts cgroup; do readlink /proc/self/ns/$kind; done'
            md run --rm -q $I sh -c "$look" > theirs; grep -cxFf ours theirs || true
            md run --rm --ipc host --pid host --uts host --cgroupns host --userns host $I sh -c "$look" > theirs; grep -cxFf ours theirs
            md run -d --name donor --ipc shareable --shm-size 1m $I sh -c 'echo shared > /dev/shm/file; exec sleep 1000' > /dev/null
            until md exec donor cat /dev/shm/file > /dev/null 2>&1; do sleep 0.05; done
            md run --rm --ipc container:donor --pid container:donor $I sh -c 'cat /dev/shm/file; echo more >> /dev/shm/file; tail -c 99 /proc/1/cmdline | grep -c sleep'
            md exec donor cat /dev/shm/file
            md create --name second --pid container:donor $I sh -c 'tail -c 99 /proc/1/cmdline | grep -c sleep' > /dev/null
            md start -a second
            md rm -f donor > /dev/null
            fails md start second 2>&1 | grep -o 'non running container'
            md run --rm --ipc none $I sh -c 'grep -c /dev/shm /proc/mounts' || true
            "#, "
            0
            4
            shared
            1
            shared
            more
            1
            non running container
            0
        ");
    }

    mounts_of_every_kind_are_as_asked_for(place) {
        says(place, r#"
            mkdir -p shared/below; echo host > shared/file
            # What is mounted is read back as the kernel has it.
            see='while read -r _ _ _ _ point options _; do case $point in /m*) echo $point ${options%%,*};; esac; done < /proc/self/mountinfo'
            md run --rm -q --mount type=bind,src=shared,dst=/m1,readonly --mount type=tmpfs,dst=/m2,tmpfs-size=1m,tmpfs-mode=750 \
                -v ./shared/file:/m3:ro,cached --tmpfs /m4:size=1m,exec --mount src=data,dst=/m5 -v data:/m6:nocopy,z $I sh -c "$see"'; stat -c %a /m2; cat /m1/file /m3'
            md run --rm -v data:/m $I sh -c 'mkdir -p /m/sub; echo deep > /m/sub/file'
            md run --rm --mount src=data,dst=/m,volume-subpath=sub $I cat /m/file
            fails md run --rm --mount src=data,dst=/m,volume-subpath=none $I true 2>&1 | grep -o 'cannot access path none'
            md create --name store -v kept:/m -v $PWD/shared:/srv $I > /dev/null
            md run --rm --volumes-from store:ro $I sh -c 'cat /srv/file; touch /m/x 2> /dev/null || echo read-only'
            fails md volume rm kept 2>&1 | grep -o 'volume is in use'
            md rm store > /dev/null
            md volume create --label a=1 -o type=tmpfs -o o=size=1m memory
            md run --rm -v memory:/m $I grep -c ' /m tmpfs' /proc/mounts
            md volume create -o type=none -o o=bind -o device=$PWD/shared bound
            md run --rm -v bound:/m $I cat /m/file
            md volume ls -q -f label=a
            md volume inspect memory | grep -o '"size=1m"'
            md volume prune --all --force | grep -v 'Total\|Deleted' | sort | xargs
            md volume ls -q; cat shared/file
            "#, "
            /m3 ro
            /m6 rw
            /m1 ro
            /m2 rw
            /m5 rw
            /m4 rw
            750
            host
            host
            deep
            cannot access path none
            host
            read-only
            volume is in use
            memory
            1
            bound
            host
            memory
            \"size=1m\"
            bound data kept memory
            host
        ");
    }

    power_is_given_and_taken(place) {
        says(place, r#"
            printf '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' > profile
            md run --rm -q --security-opt seccomp=profile $I mkdir /new 2>&1 | grep -o 'not permitted'
            md run --rm --security-opt seccomp=unconfined --security-opt label=disable --security-opt apparmor=unconfined $I grep Seccomp: /proc/self/status
            md run --rm --security-opt systempaths=unconfined $I sh -c 'echo 1 > /proc/sys/kernel/shm_rmid_forced && echo written'
            md run --rm --sysctl kernel.shmmni=1000 $I cat /proc/sys/kernel/shmmni
            md run --rm --ulimit nofile=100:200 --ulimit core=0 --oom-score-adj 900 $I sh -c 'ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj'
            md run --rm --cap-drop ALL --cap-add SYS_TIME,CAP_CHOWN $I grep CapEff /proc/self/status
            md run --rm --privileged $I sh -c 'grep Seccomp: /proc/self/status; test -w /proc/sys/kernel/shmmni && echo writable'
            md run --rm --device /dev/full:/dev/other $I sh -c 'test -c /dev/other && echo there'
            fails md run --rm --device /dev/nowhere $I true 2>&1 | grep -o 'error gathering device information'
            fails md run --rm --device $PWD/profile $I true 2>&1 | grep -o 'not a device node'
            "#, "
            not permitted
            Seccomp:\t0
            written
            1000
            100
            200
            900
            CapEff:\t0000000002000001
            Seccomp:\t0
            writable
            there
            error gathering device information
            not a device node
        ");
    }
}

#[test]
fn a_wrong_value_is_named_before_anything_is_made() {
    needs!(In(Place::Root));
    says(
        Place::Root,
        r#"
            try() { fails md create "$@" $I 2>&1 > /dev/null | head -1 | sed 's,image: .*,image,'; }
            try --storage-opt size=1g
            try --isolation hyperv
            try --userns keep-id
            try --uts container:x
            try --ipc nonsense
            try --pid nonsense
            try --kernel-memory 1m
            try --cpus 1 --cpu-period 1000
            try --memory-swappiness 101
            try --blkio-weight 7
            try --device-read-bps sda:1mb
            try --device-cgroup-rule 'x 1:1 r'
            try --device relative
            try --ulimit nothing=1
            try --volume-driver nfs
            try --annotation a=b --sysctl novalue
            try --cgroupns shared
            try --platform linux/arm64 --pull never
            md volume ls -q; md ps -aq
        "#,
        r#"
            error: invalid --storage-opt "size=1g"
            error: Invalid isolation: "hyperv"
            error: --userns: invalid USER mode: keep-id
            error: --uts: invalid UTS mode: container:x
            error: --ipc: invalid IPC mode: nonsense
            error: --pid: invalid PID mode: nonsense
            error: invalid --kernel-memory
            error: Conflicting options: Nano CPUs and CPU Period cannot both be set
            error: Invalid value: 101, valid memory swappiness range is 0-100
            error: Range of blkio weight is from 10 to 1000
            error: bad format: sda:1mb
            error: invalid device cgroup format 'x 1:1 r'
            error: bad format for device: "relative"
            error: invalid ulimit argument: nothing=1
            error: error looking up volume plugin nfs: plugin "nfs" not found
            error: sysctl 'novalue' is not allowed
            error: --cgroupns: invalid CGROUP mode: shared
            error: No such image
        "#,
    );
}

/// What a container may not be made with it cannot be changed to either.
#[test]
fn update_refuses_the_limits_that_create_refuses() {
    needs!(In(Place::Root));
    says(
        Place::Root,
        r#"
            md pull -q $I > /dev/null; md create --name box $I true > /dev/null
            try() { fails md update "$@" box 2>&1 | grep -E '^(error|=)'; }
            try -m 1k
            try -m 64m --memory-reservation 65m
            try -m 64m --memory-swap 32m
            try --cpus 1 --cpu-period 50000
            try --cpuset-cpus nonsense | tail -1
            md inspect -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}' box
        "#,
        "
            error: Minimum memory limit allowed is 6MB
            = 1
            error: Minimum memory limit can not be less than memory reservation limit
            = 1
            error: invalid --memory-swap 32m
            = 1
            error: Conflicting options: Nano CPUs and CPU Period cannot both be set
            = 1
            = 1
            0 0
        ",
    );
}

/// Settings that cannot be read matter to who needs them, and to nobody else.
#[test]
fn a_broken_settings_file_stops_only_who_needs_it() {
    needs!(In(Place::Root));
    says(
        Place::Root,
        r#"
            md pull -q $I > /dev/null; md create --name box $I true > /dev/null
            mkdir -p settings/mini-docker; export XDG_CONFIG_HOME=$PWD/settings
            tells() { fails md "$@" 2>&1 | grep -E '^(error|=)'; }
            for json in '{"dns": ["a name"]}' '{"dns": '; do
                echo "$json" > settings/mini-docker/daemon.json; echo "$json"
                md ps -a --format '{{.Names}}'; md images -q | wc -l; md logs box; md info --format '{{.Containers}}'
                "$BIN" version --format '{{.Client.Os}}'
                { tells create --name other $I; tells pull $I; tells search x; tells login -u a -p b $I; } |
                    sort | uniq -c | sed 's/^ *//'
            done
            # Without a flag it says where everything is, if only it were JSON.
            fails "$BIN" ps -aq 2>&1 | grep -E '^(error|=)'
            echo '{"data-root": "'$PWD/data'", "dns": 7}' > settings/mini-docker/daemon.json
            "$BIN" ps -a --format '{{.Names}}'
            unset XDG_CONFIG_HOME
            # The same for what keeps our logins.
            mkdir docker; echo '{"auths": ' > docker/config.json; export DOCKER_CONFIG=$PWD/docker
            md ps -a --format '{{.Names}}'; tells pull $I; md rm box
        "#,
        r#"
            {"dns": ["a name"]}
            box
            1
            1
            linux
            4 = 1
            4 error: cannot read the settings
            {"dns":
            box
            1
            1
            linux
            4 = 1
            4 error: cannot read the settings
            error: cannot read the settings
            = 1
            box
            box
            error: cannot read the credentials in config.json
            = 1
            box
        "#,
    );
}

/// v2 has no file for them: Docker makes the container without, and says so.
#[test]
fn what_v2_has_no_file_for_is_left_out_and_said_in_v2_guest() {
    needs!(In(Place::GuestRoot));
    says(
        Place::GuestRoot,
        r#"
            md pull -q $I > /dev/null
            md create --name box --memory-swappiness 10 --oom-kill-disable $I 2>&1 > /dev/null
            md inspect -f '{{.HostConfig.MemorySwappiness}} {{.HostConfig.OomKillDisable}}' box
        "#,
        "
            WARNING: Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.
            WARNING: Your kernel does not support OomKillDisable. OomKillDisable discarded.
            <nil> false
        ",
    );
}
