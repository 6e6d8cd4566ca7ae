//! Archives in other hands: what we save is read by skopeo, umoci, podman and docker, and what
//! they save is loaded by us. All of it in namespaces of its own; no peer sees a network.

use testbed::{Place, needs};

use crate::world;

/// `apart SCRIPT` runs a peer's commands where `/run` and what it keeps elsewhere are its own.
const APART: &str = r#"
    cat > furnish <<'END'
    set -e
    for dir in /run /dev/shm /var/tmp /var/lib/containers /var/lib/docker /var/lib/containerd; do
        [ ! -d $dir ] || mount -t tmpfs tmpfs $dir
    done
    export HOME=$home
END
    export home BIN
    apart() {
        unshare --mount --propagation private --net --pid --fork --kill-child --mount-proc \
            sh -ec '. ./furnish; eval "$1"' - "$1"
    }
    md pull -q $I > /dev/null
    md tag $I box:1; md rmi $I > /dev/null
    md save -o box.tar box:1
    id=$(md images -q --no-trunc box:1)
    # Loads an archive where nothing is, and looks into the image; its name may be another.
    comes_back() {
        md rmi -f $(md images -q | sort -u) > /dev/null
        md load -i $1 > loaded
        name=$(sed 's/^Loaded image[ID ]*: //' loaded)
        md run --rm $name cat /srv/first
    }
"#;

#[track_caller]
fn says(script: &str, expected: &str) {
    world::says(Place::Root, &format!("{APART}\n{script}"), expected);
}

#[test]
fn skopeo_and_umoci_read_our_archive_and_we_read_theirs() {
    needs!(In(Place::Root), Program("skopeo"), Program("umoci"));
    says(
        r#"
        copy() { skopeo --insecure-policy copy -q "$@"; }
        # The config's digest is the image's ID: it must survive each way.
        for format in docker-archive oci-archive; do
            skopeo --insecure-policy inspect --raw --config $format:box.tar | sha256sum | grep -c ${id#sha256:}
            copy $format:box.tar oci:$format:it
            umoci unpack --image $format:it bundle-$format 2> /dev/null
            cat bundle-$format/rootfs/srv/first
        done
        copy oci:oci-archive:it docker-archive:theirs-docker.tar:box:2
        copy oci:oci-archive:it oci-archive:theirs-oci.tar:box:3
        for archive in theirs-docker theirs-oci; do comes_back $archive.tar; done
        [ "$(md images -q --no-trunc)" = $id ] && echo the same ID
        "#,
        "
        1
        from the image
        1
        from the image
        from the image
        from the image
        the same ID
        ",
    );
}

#[test]
fn podman_reads_our_archives_and_we_read_its() {
    needs!(In(Place::Root), Program("podman"));
    says(
        r#"
        box=$(md create box:1); md export -o files.tar $box; md rm $box > /dev/null
        apart '
            podman() {
                command podman --root $home/podman --runroot /run/podman --storage-driver vfs \
                    --cgroup-manager cgroupfs --events-backend none "$@"
            }
            podman load -q -i box.tar > /dev/null
            podman image inspect --format "sha256:{{.Id}}" box:1
            podman save -q --format docker-archive -o theirs-docker.tar box:1
            podman save -q --format oci-archive -o theirs-oci.tar box:1
            podman import -q -c "CMD cat /srv/first" files.tar files:1 > /dev/null
            podman image inspect --format "{{.Config.Cmd}}" files:1
            podman save -q -o theirs-imported.tar files:1
        ' | sed "s/$id/the same ID/"
        for archive in theirs-docker theirs-oci theirs-imported; do comes_back $archive.tar; done
        "#,
        "
        the same ID
        [/bin/sh -c cat /srv/first]
        from the image
        from the image
        from the image
        ",
    );
}

#[test]
fn docker_reads_our_archives_and_we_read_its() {
    needs!(In(Place::Root), Program("dockerd"), Program("docker"));
    says(
        r#"
        box=$(md create box:1); md export -o files.tar $box; md rm $box > /dev/null
        apart '
            echo "{}" > daemon.json
            dockerd --config-file daemon.json --data-root $home/docker --exec-root /run/docker \
                --pidfile /run/docker.pid -H unix:///run/docker.sock --storage-driver vfs \
                --bridge none --iptables=false --ip6tables=false > log 2>&1 &
            daemon=$!
            docker() { command docker -H unix:///run/docker.sock "$@"; }
            until docker version > /dev/null 2>&1; do
                kill -0 $daemon || { cat log; exit 1; }
                sleep 0.1
            done
            docker load -q -i box.tar
            docker image inspect --format "{{.Id}}" box:1
            docker save -o theirs.tar box:1
            docker import -c "CMD cat /srv/first" files.tar files:1 > /dev/null
            docker save -o theirs-imported.tar files:1
            kill $daemon; wait $daemon || true
        ' | sed "s/$id/the same ID/"
        for archive in theirs theirs-imported; do comes_back $archive.tar; done
        "#,
        "
        Loaded image: box:1
        the same ID
        from the image
        from the image
        ",
    );
}
