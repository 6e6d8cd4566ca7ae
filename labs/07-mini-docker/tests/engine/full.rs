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
    # The command must fail, for this reason, and then succeed.
    recovers() {
        if "$@" > /dev/null 2> said; then echo "succeeded on a full disk: $*"; exit 1; fi
        grep -q 'ENOSPC (No space left on device)' said || { cat said; exit 1; }
        head -1 said
    }
    tried=0
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
    // 64 KiB more each time: the disk is full in another place of the pull.
    let told = on_a_small_disk(
        r#"
        pages=4
        until fill $pages; md pull -q $I > /dev/null 2> said; do
            grep -Eq "ENOSPC \(No space left on device\)|the file system has .* left" said ||
                { cat said; exit 1; }
            [ -z "$(md images -q)" ] || { echo "an image is visible"; exit 1; }
            rm -f "$home/data/filling"
            [ "$(ls "$home/data/layers/unfinished" 2> /dev/null | wc -l)" = 0 ]
            pages=$((pages + 16)); tried=$((tried + 1))
        done
        [ $tried -gt 10 ] || { echo "only $tried stages"; exit 1; }
        echo "$tried stages of a pull met a full disk" >&2
        rm -f "$home/data/filling"
        md run --rm $I echo "and then it works""#,
    );
    assert_eq!(told, "and then it works\n");
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
        fill 1
        recovers md commit box changed
        md images -q | wc -l
        rm "$home/data/filling"
        md commit box changed > /dev/null
        md run --rm changed stat -c %n /srv/new
        fill 0
        md rm -f box > /dev/null
        md rmi -f changed > /dev/null
        [ -z "$(md ps -aq)" ] && echo "removing needs no room""#,
    );
    snapshot!("full_disk", told);
}
