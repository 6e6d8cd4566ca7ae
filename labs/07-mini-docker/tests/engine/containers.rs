//! What people do with containers every day.

use testbed::{Place, needs};

use crate::{places::in_every_place, world::says};

in_every_place! {
    a_program_runs_with_its_streams_and_its_status(place) {
        says(place, r#"
            md pull -q $I > /dev/null
            md run --rm $I
            md run --rm $I echo hello
            echo in | md run --rm -i $I cat
            md run --rm $I sh -c 'echo out; echo err >&2' 2> err; cat err
            fails md run --rm $I sh -c 'exit 7'
            # PID 1 cannot even kill itself.
            fails md run --rm $I sh -c 'kill -9 $$'
            fails md run --rm $I sh -c 'sh -c "kill -9 \$\$"; exit $?' 2> /dev/null
            fails md run --rm $I nowhere 2> /dev/null
            fails md run --rm $I /etc/passwd 2> /dev/null
            fails md run --rm --memory 1 $I true 2> /dev/null
        "#, "
            the default
            hello
            in
            out
            err
            = 7
            = 0
            = 137
            = 127
            = 126
            = 125
        ");
    }

    a_container_has_a_life(place) {
        says(place, r#"
            md create --name box $I sh -c 'trap "exit 42" TERM; echo begun; while :; do sleep 0.1; done' > /dev/null
            md ps -a --format json | grep -o '"State":"[a-z]*"'
            md start box
            until md logs box | grep -q begun; do sleep 0.05; done
            md ps --format json | grep -o '"State":"[a-z]*"'
            fails md rm box 2> /dev/null
            fails md start box
            md stop -t 10 box
            md ps -a --format json | grep -o '"Status":"Exited ([0-9]*)'
            md wait box
            fails md exec box true 2> /dev/null
            md start box; md kill -s KILL box; md wait box
            md logs box
            md rm box
            md ps -aq
        "#, r#"
            "State":"created"
            box
            "State":"running"
            = 1
            box
            = 0
            box
            "Status":"Exited (42)
            42
            = 1
            box
            box
            137
            begun
            begun
            box
        "#);
    }

    a_second_program_joins_and_changes_are_kept(place) {
        says(place, r#"
            md run -d --name box $I sleep 1000 > /dev/null 2>&1
            md exec box sh -c 'echo kept > /note; echo $FROM; hostname' | head -1
            fails md exec box sh -c 'exit 3'
            fails md exec box nowhere 2> /dev/null
            echo in | md exec -i box cat
            md exec -e A=1 -w /srv box sh -c 'echo $A; pwd'
            md exec box rm /srv/first
            md diff box
            md commit box two > /dev/null
            md run --rm two sh -c 'cat /note; ls /srv'
            md rm -f box > /dev/null
            fails md rmi two | tail -1
        "#, "
            image
            = 3
            = 127
            in
            1
            /srv
            A /note
            C /srv
            D /srv/first
            kept
            = 0
        ");
    }

    names_and_ids_are_found_and_taken_only_once(place) {
        says(place, r#"
            md pull -q $I > /dev/null
            id=$(md create --name box $I)
            fails md create --name box $I 2>&1 | grep -o 'is already in use'
            md inspect box | grep -c "\"Id\": \"$id\""
            md inspect $(echo $id | cut -c1-12) | grep -o '"Name": "/box"'
            fails md inspect nobody 2> /dev/null
            fails md run --rm --name -x $I true 2> /dev/null
            fails md rm nobody 2> /dev/null
            md rm box
        "#, r#"
            is already in use
            1
            "Name": "/box"
            []
            = 1
            = 125
            = 1
            box
        "#);
    }

    volumes_outlive_containers(place) {
        says(place, r#"
            mkdir shared; echo host > shared/file
            md run --rm -v data:/srv $I cat /srv/first 2> /dev/null
            md run --rm -v data:/srv $I sh -c 'echo more > /srv/second'
            md run --rm -v data:/srv $I ls /srv
            md run --rm -v $PWD/shared:/mnt:ro $I sh -c 'cat /mnt/file; echo x > /mnt/file' 2> /dev/null || echo refused
            md run --rm -v $PWD/shared:/mnt $I sh -c 'echo inside > /mnt/file'; cat shared/file
            md run --rm -v /srv --tmpfs /scratch:size=1m $I sh -c 'grep -c " /scratch tmpfs" /proc/mounts'
            md volume ls -q
            md volume rm data
            md volume ls -q
        "#, "
            from the image
            first
            second
            host
            refused
            inside
            1
            data
            data
        ");
    }

    the_defaults_are_dockers(place) {
        says(place, r#"
            md run --rm $I sh -c 'grep CapEff /proc/self/status; grep Seccomp: /proc/self/status' 2> /dev/null
            md run --rm --cap-drop ALL $I grep CapEff /proc/self/status
            md run --rm --security-opt no-new-privileges $I grep NoNewPrivs /proc/self/status
            md run --rm $I sh -c 'echo x > /proc/sys/kernel/domainname' 2> /dev/null || echo read-only
            md run --rm --read-only $I touch /x 2> /dev/null || echo read-only
            md run --rm --hostname castle $I sh -c 'hostname; cat /etc/hostname'
            md run --rm -e A=1 -e FROM=user $I sh -c 'echo $A $FROM $HOME'
            md run --rm -w /new/dir $I sh -c 'pwd'
            md run --rm --entrypoint echo $I a b
            md run --rm $I readlink /proc/1/exe | grep -c sleep || true
        "#, "
            CapEff:\t00000000a80425fb
            Seccomp:\t2
            CapEff:\t0000000000000000
            NoNewPrivs:\t1
            read-only
            read-only
            castle
            castle
            1 user /root
            /new/dir
            a b
            0
        ");
    }
}

#[test]
fn a_user_of_the_image_is_found_in_its_files() {
    needs!(In(Place::UserWithSubids));
    says(
        Place::UserWithSubids,
        r#"
            md run --rm -u ada $I id 2> /dev/null
            md run --rm -u 1234:5678 $I id
            fails md run --rm -u nobody $I id 2>&1 | grep -o 'unable to find user nobody'
        "#,
        "
            uid=1000(ada) gid=1000(ada) groups=1000(ada),29(audio)
            uid=1234 gid=5678 groups=5678
            unable to find user nobody
        ",
    );
}

#[test]
fn a_user_without_subordinate_ids_is_told_how_to_get_them() {
    needs!(In(Place::User));
    says(
        Place::User,
        "fails md run --rm -u ada $I id 2>&1 | grep -o 'cannot run as user.*'",
        "cannot run as user 1000:1000",
    );
}

/// Limits that can be read back from where the container is.
fn limits_are_kept(place: Place) {
    says(
        place,
        r#"
            md run -d --name box -m 64m --cpus 0.5 --pids-limit 32 $I sleep 1000 > /dev/null 2>&1
            md inspect box | grep -o '"Memory": [0-9]*'
            cat > limits <<'EOF'
            cd /sys/fs/cgroup
            cat memory.max pids.max cpu.max 2>/dev/null ||
                cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us
EOF
            md exec -i box sh < limits | head -2
            md rm -f box > /dev/null
            fails md run --name oom -m 16m $I tail /dev/zero
            md inspect oom | grep -o '"OOMKilled": [a-z]*'
        "#,
        r#"
            "Memory": 67108864
            67108864
            32
            = 137
            "OOMKilled": true
        "#,
    );
}

#[test]
fn limits_are_kept_by_v1() {
    needs!(In(Place::Root), CgroupV1("memory"));
    limits_are_kept(Place::Root);
}

#[test]
fn limits_are_kept_by_v2() {
    needs!(In(Place::GuestRoot));
    limits_are_kept(Place::GuestRoot);
}

#[test]
fn limits_are_kept_for_a_user_with_a_delegated_group() {
    needs!(In(Place::GuestUser));
    limits_are_kept(Place::GuestUser);
}

#[test]
fn a_program_gets_a_terminal() {
    needs!(In(Place::Root), Program("script"));
    says(
        Place::Root,
        r#"
            md pull -q $I > /dev/null
            script -qec "$BIN --root $home/data run --network none --rm -it $I sh -c 'test -t 0 && test -t 1 && echo yes'" /dev/null < /dev/null | tr -d '\r' | sed 's/^^@//' | grep .
        "#,
        "yes",
    );
}

#[test]
fn another_runtime_takes_the_same_bundle() {
    needs!(In(Place::Root), Program("runc"));
    says(
        Place::Root,
        r#"
            md pull -q $I > /dev/null
            md run --rm --runtime runc $I echo from runc
            fails md run --rm --runtime runc $I nowhere 2> /dev/null
            fails md run --rm --runtime nowhere $I true 2>&1 | grep -o 'unknown or invalid runtime name'
        "#,
        "
            from runc
            = 127
            unknown or invalid runtime name
        ",
    );
}

#[test]
fn a_container_is_found_by_its_id_its_name_or_its_first_digits() {
    needs!(In(Place::Root));
    says(
        Place::Root,
        r#"
            md pull -q $I > /dev/null
            one=$(md create --name one $I); two=$(md create --name two $I)
            id() { md inspect -f '{{.Id}}' "$1" | sed "s/$one/the first/; s/$two/the second/"; }
            first=$(echo $one | cut -c1-12)
            id $one; id one; id /two; id $first
            md rename two $first
            id $first
            id $(echo $one | cut -c1-13)
            fails md create --name one $I 2> /dev/null
            # A record that cannot be read is in nobody's way but its own container's.
            echo broken > data/containers/$two/config.json
            id one
            fails md inspect $two 2> /dev/null
            rm -r data/containers/$two
        "#,
        "
            the first
            the first
            the second
            the first
            the second
            the first
            = 1
            the first
            []
            = 1
        ",
    );
}

#[test]
fn a_runtime_protects_its_program_without_a_copy() {
    needs!(In(Place::Root));
    // A copy in memory is as good, and takes as long as all the rest of a start. The runtime is
    // seen while it waits for what it runs in the container.
    says(
        Place::Root,
        r#"
            md pull -q $I > /dev/null
            md run -d --name box $I sleep 1000 > /dev/null
            "$BIN" --root "$home/data" exec box sleep 1000 &
            child() { grep -l "^PPid:[[:space:]]$1\$" /proc/[0-9]*/status 2> /dev/null | cut -d/ -f3; }
            until runtime=$(child $!) && [ -n "$runtime" ] && [ -n "$(child $runtime)" ]; do sleep 0.02; done
            readlink /proc/$runtime/exe | grep -c memfd || true
            md rm -f box > /dev/null
            wait $! || true
        "#,
        "0",
    );
}

#[test]
fn the_runtime_is_the_small_program_beside_us_or_ourselves() {
    needs!(In(Place::Root));
    says(
        Place::Root,
        r#"
        md pull -q $I > /dev/null
        for place in alone beside; do mkdir $place; cp "$BIN" $place/mini-docker; done
        small=beside/mini-docker-runtime
        printf '#!/bin/sh\necho "$*" >> %s\nexec %s "$@"\n' "$home/told" "${BIN%/*}/mini-docker-runtime" > $small
        chmod +x $small
        for place in alone beside; do
            $place/mini-docker --root data run --rm --network none $I echo $place
            grep -oE ' (create|start|delete) ' told 2> /dev/null || echo nobody was told
        done
        "#,
        "
        alone
        nobody was told
        beside
        create
        start
        delete
        ",
    );
}

/// As Docker's daemon decides it (`daemon/images/image_delete.go`): a stopped container's image goes by
/// force, a running one's keeps all but its name.
#[test]
fn an_image_in_use_goes_as_far_as_dockers() {
    needs!(In(Place::Root));
    says(
        Place::Root,
        r#"
            try() { fails md rmi "$@" 2>&1 | sed 's/[0-9a-f]\{12,\}/ID/g; s,127.*/,,' | grep -E '^(error|Untagged|Deleted|=)'; }
            md pull -q $I > /dev/null; md tag $I one; md tag $I two; md rmi $I > /dev/null
            id=$(md images -q one); md create --name box one sleep 1000 > /dev/null
            try $id; try two; try $id; try one
            md start box > /dev/null; try $id; try -f $id; try -f one
            md images --format '{{.Repository}}'; md exec box echo runs
            try -f $id; md rm -f box > /dev/null; try $id; md images -q
        "#,
        r#"
            error: conflict: unable to delete ID (must be forced) - image is referenced in multiple repositories
            = 1
            Untagged: two:latest
            = 0
            error: conflict: unable to delete ID (must be forced) - image is being used by stopped container ID
            = 1
            error: conflict: unable to remove repository reference "one" (must force) - container ID is using its referenced image ID
            = 1
            error: conflict: unable to delete ID (cannot be forced) - image is being used by running container ID
            = 1
            error: conflict: unable to delete ID (cannot be forced) - image is being used by running container ID
            = 1
            Untagged: one:latest
            = 0
            <none>
            runs
            error: conflict: unable to delete ID (cannot be forced) - image is being used by running container ID
            = 1
            Deleted: sha256:ID
            = 0
        "#,
    );
}
