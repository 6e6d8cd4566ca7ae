//! A crowd: many processes doing random things to one store, and killed at random. Afterwards
//! everything is whole, and nothing is left.
//!
//! `UNBOXED_CROWD=64x180` lets 64 processes work for 180 seconds; otherwise it is a short one. CI's is in
//! `.ci/run`.
//! `UNBOXED_SEED` repeats the choices, if not the moments.

use std::time::Duration;

use testbed::{Host, Place, needs};

use crate::world::{on_own_host_for, turn, with_image_for};

/// One process of the crowd: `$1` is its number, `$2` the time at which it stops.
const MEMBER: &str = r#"
    seed=$(( ($SEED + $1 * 7919) % 2147483648 ))
    # Not in a subshell, which would forget the seed.
    random() { seed=$(( (seed * 1103515245 + 12345) % 2147483648 )); r=$(( (seed / 65536) % $1 )); }
    # Runs a verb; now and then it is killed on the way.
    verb() {
        random 4
        if [ $r = 0 ]; then
            "$BIN" --root "$home/data" "$@" > /dev/null 2>&1 < /dev/null &
            random 30; sleep 0.$(printf %02d $r); kill -9 $! 2> /dev/null; wait $! 2> /dev/null
        else
            timeout -k 5 60 "$BIN" --root "$home/data" "$@" > /dev/null 2>&1 < /dev/null
            [ $? != 124 ] || echo "hangs: $*" >> "$home/hangs"
        fi
        echo . >> "$home/done"
    }
    while [ $(date +%s) -lt $2 ]; do
        random 6; box=box$r; random 3; image=${I%/*}/made$r:1
        random 2; volume=vol$r; network=net$r; random 38
        case $r in
            0|1) verb pull -q $I ;;
            2|3) verb create --network none --name $box -v $volume:/data $I sleep 1000 ;;
            4|5|6) verb run --network none -d --name $box $I sleep 1000 ;;
            7) verb run --network none --rm $I true ;;
            8) verb start $box ;;
            9|10) verb stop -t 0 $box ;;
            11|12|13) verb rm -f $box ;;
            14) verb commit $box $image ;;
            15) verb cp "$home/address" $box:/srv ;;
            16) verb cp $box:/srv "$home/out$1" ;;
            17) verb save -o "$home/out$1.tar" $image ;;
            18) verb load -i "$home/image.tar" ;;
            19) verb rmi -f $image ;;
            20) verb image prune -f ;;
            21) verb import "$home/files.tar" $image ;;
            22) verb exec $box true ;;
            23) verb export -o "$home/out$1.tar" $box ;;
            24) verb tag $I $image ;;
            25) random 6; verb rename $box box$r ;;
            26) verb restart -t 0 $box ;;
            27) verb pause $box ;;
            28) verb unpause $box ;;
            29) verb update --restart no $box ;;
            30) verb logs $box ;;
            31) verb push -q $image ;;
            32|33) verb network create $network ;;
            34) verb run --network $network -d --name $box $I sleep 1000 ;;
            35) verb network connect $network $box ;;
            36) verb network disconnect $network $box ;;
            37) verb network rm $network ;;
        esac
    done
"#;

/// The crowd, and then the truth.
const CROWD: &str = r#"
    md pull -q $I > /dev/null; md save -o image.tar $I
    id=$(md create $I); md export $id > files.tar; md rm $id > /dev/null
    until=$(( $(date +%s) + SECONDS_LONG ))
    export BIN SEED home I
    members=
    for n in $(seq $MEMBERS); do sh -uc "$MEMBER" member $n $until & members="$members $!"; done
    for member in $members; do wait $member || true; done
    [ ! -e hangs ] || { cat hangs; exit 1; }
    echo "$(wc -l < done) verbs by $MEMBERS processes, seed $SEED" >&2
    # What the killed ones left is cleaned up by whoever looks, and then all is well.
    md ps -a > /dev/null; md system check --repair > first || true
    if ! md system check > last; then echo "it was:"; cat first; echo "and is:"; cat last; exit 1; fi
    # Losing nothing: only what a killed process had begun may have been mended.
    if grep -v ^checked first | grep -E 'other bytes|not whole|is lost|cannot be|layer'; then exit 1; fi
    echo "mended: $(grep -c 'repaired:' first)" >&2
    for image in $(md images -q | sort -u); do md run --rm $image true; done
    # A network may be removed while all of its containers are stopped.
    for network in net0 net1; do md network create $network > /dev/null 2>&1 || true; done
    for id in $(md ps -aq); do
        # Of a `run` that was killed between making and starting: its program ends at once.
        if [ $(md inspect -f '{{.Path}}' $id) = true ]; then md start -a $id; md rm -f $id 2> /dev/null; continue; fi
        [ $(md inspect -f '{{.State.Status}}' $id) != paused ] || md unpause $id > /dev/null
        md stop -t 0 $id > /dev/null; md start $id > /dev/null; md exec $id true; md rm -f $id > /dev/null
    done
    md rmi -f $(md images -q | sort -u) > /dev/null; md system prune -f -a --volumes > /dev/null
    md network prune -f > /dev/null; md network ls -q --filter type=custom
    for volume in $(md volume ls -q); do md volume rm $volume > /dev/null; done
    md system check > last || { cat last; exit 1; }
    ls data/blobs/sha256 data/layers/sha256 data/layers/unfinished data/containers data/volumes |
        grep -v : | grep . || true
    ls data/ingest | grep -v part || true
"#;

#[track_caller]
#[allow(clippy::print_stdout, reason = "the seed repeats the choices")]
fn survives_a_crowd(place: Place) {
    let asked = std::env::var("UNBOXED_CROWD").ok();
    let (members, seconds) =
        asked.as_deref().and_then(|it| it.split_once('x')).unwrap_or(("16", "8"));
    let seed = std::env::var("UNBOXED_SEED").unwrap_or_else(|_| std::process::id().to_string());
    let script = format!(
        "MEMBERS={members} SECONDS_LONG={seconds} SEED={seed}\nMEMBER='{}'\n{CROWD}",
        MEMBER.replace('\'', "'\\''")
    );
    let _turn = turn(place);
    let before = Host::now();
    let limit =
        Duration::from_secs(300) + Duration::from_secs(2 * seconds.parse::<u64>().unwrap_or(0));
    let output = match place {
        Place::Root => on_own_host_for(&script, limit),
        _ => with_image_for(place, &script, limit),
    };
    println!("{}", output.stderr);
    assert_eq!(output.success(), "", "{output}");
    before.assert_unchanged();
}

#[test]
fn everything_is_whole_after_a_crowd_as_root() {
    needs!(In(Place::Root));
    survives_a_crowd(Place::Root);
}

#[test]
fn everything_is_whole_after_a_crowd_as_user() {
    needs!(In(Place::User));
    survives_a_crowd(Place::User);
}
