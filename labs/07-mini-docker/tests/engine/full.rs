//! A full disk, met at every stage of a container's way: the error names it, nothing
//! half-made is visible, and with room again the same command works.

use testbed::{Host, Place, needs, snapshot};

use crate::world::{turn, with_image};

/// Everything lies on a tmpfs of the test's own, in a mount namespace of its own.
const STAGE: &str = r#"
    cat > inside <<'END'
    md() {
        case $1 in run|create) verb=$1; shift; set -- $verb --network none "$@" ;; esac
        "$BIN" --root "$home/data" "$@"
    }
    # All but so many pages go to a file, so that what is written then meets a full disk.
    fill() {
        all=$(( $(stat -fc %f "$home/data") - $1 ))
        dd if=/dev/zero of="$home/data/filling" bs=4k count=$all 2> /dev/null
    }
    # 64 KiB more each time, until the command succeeds: the disk is full in another place of it.
    # It must fail for this reason, and show no new image.
    stages() {
        least=$1; shift
        pages=4; tried=0; shown=$(md images)
        until fill $pages; "$@" > /dev/null 2> said; do
            grep -Eq "ENOSPC \(No space left on device\)|the file system has .* left" said ||
                { cat said; exit 1; }
            [ "$(md images)" = "$shown" ] || { echo "an image is visible"; exit 1; }
            rm -f "$home/data/filling"
            [ "$(ls "$home/data/layers/unfinished" 2> /dev/null | wc -l)" = 0 ]
            pages=$((pages + 16)); tried=$((tried + 1))
        done
        [ $tried -gt $least ] || { echo "only $tried stages"; exit 1; }
        echo "$tried stages met a full disk: $*" >&2
        rm -f "$home/data/filling"
    }
    # The command must fail, for this reason, and then succeed.
    recovers() {
        if "$@" > /dev/null 2> said; then echo "succeeded on a full disk: $*"; exit 1; fi
        grep -q 'ENOSPC (No space left on device)' said || { cat said; exit 1; }
        head -1 said
    }
    mkdir -p "$home/data"; mount -t tmpfs -o size=64m none "$home/data"
END
    export home BIN I
    inside() { unshare -m --propagation private sh -euc '. ./inside; eval "$1"' - "$1"; }
"#;

#[track_caller]
fn on_a_small_disk(script: &str) -> String {
    let _turn = turn(Place::Root);
    let before = Host::now();
    let output = with_image(Place::Root, &format!("{STAGE}\n inside '{script}'"));
    let told = output.success().to_owned();
    before.assert_unchanged();
    told
}

#[test]
fn a_pull_fails_at_every_stage_and_leaves_no_image() {
    needs!(In(Place::Root));
    let told = on_a_small_disk(
        r#"
        stages 10 md pull -q $I
        md run --rm $I echo "and then it works""#,
    );
    assert_eq!(told, "and then it works\n");
}

#[test]
fn what_comes_in_as_a_file_fails_at_every_stage_and_leaves_no_image() {
    needs!(In(Place::Root));
    let told = on_a_small_disk(
        r#"
        md pull -q $I > /dev/null; md tag $I box:1
        md save -o image.tar box:1
        id=$(md create box:1); md export -o files.tar $id; md rm $id > /dev/null
        forget() { md rmi -f $(md images -q | sort -u) > /dev/null; md system prune -f > /dev/null; }
        forget
        stages 10 md load -i image.tar
        md run --rm box:1 cat /srv/first
        forget
        stages 10 md import files.tar made:1
        md run --rm made:1 cat /srv/first
        md system check > /dev/null"#,
    );
    assert_eq!(told, "from the image\nfrom the image\n");
}

#[test]
fn a_commit_fails_at_every_stage_and_loses_nothing_of_its_container() {
    needs!(In(Place::Root));
    let told = on_a_small_disk(
        r#"
        md pull -q $I > /dev/null
        md run -d --name box $I sleep 1000 > /dev/null
        md exec box sh -c "cat /bin/busybox > /srv/new; rm /srv/first"
        stages 5 md commit box changed:1
        md system check > /dev/null
        md run --rm changed:1 sh -c "ls /srv"; md exec box ls /srv
        md rm -f box > /dev/null"#,
    );
    assert_eq!(told, "new\nnew\n");
}

#[test]
fn a_full_disk_is_named_by_every_verb_that_writes() {
    needs!(In(Place::Root));
    let told = on_a_small_disk(
        r#"
        md pull -q $I > /dev/null
        fill 0
        recovers md create --name box $I sleep 1000
        recovers md run -d --name box $I sleep 1000
        [ -z "$(md ps -aq)" ] || { echo "half a container is visible"; exit 1; }
        rm "$home/data/filling"
        md run -d --name box $I sleep 1000 > /dev/null
        md exec box sh -c "cat /bin/sh /bin/ls > /srv/new"
        mkdir "$home/data/older"; echo old > "$home/data/older/busybox"
        fill 1
        recovers md commit box changed
        md images -q | wc -l
        head -c 2000000 /dev/urandom > program
        recovers md cp program box:/srv/program
        recovers md cp box:/bin/busybox "$home/data/copy"
        recovers md cp box:/bin/busybox "$home/data/older"
        cat "$home/data/older/busybox"; ls -A "$home/data/older"
        # To the last page: which file is the first without room is not to depend on the machine.
        rm "$home/data/filling"; fill 0
        recovers md save -o "$home/data/saved" $I
        recovers md export -o "$home/data/exported" box
        ls "$home/data" | grep -E "copy|saved|exported" || true
        rm "$home/data/filling"
        md commit box changed > /dev/null
        md run --rm changed stat -c %n /srv/new
        md cp program box:/srv/program
        md exec box stat -c %n /srv/program
        fill 0
        md rm -f box > /dev/null
        md rmi -f changed > /dev/null
        [ -z "$(md ps -aq)" ] && echo "removing needs no room""#,
    );
    snapshot!("full_disk", told);
}
