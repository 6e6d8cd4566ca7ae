//! Files into containers and out of them, and nothing past their walls.

use testbed::{Place, needs, snapshot};

use crate::world::{said, says};

/// The same for a container that runs and for one that does not: `$C` is its name.
const BOTH_WAYS: &str = r#"
    md pull -q $I > /dev/null
    md run -d --name on -v data:/data $I sleep 1000 > /dev/null 2>&1
    md create --name off -v data:/data $I sleep 1000 > /dev/null
    echo one > file; mkdir -p dir/sub; echo two > dir/sub/two; ln -s sub/two dir/link
    for C in on off; do
        md cp -q file $C:/srv; md cp -q file $C:/srv/named; md cp -q dir $C:/srv/copied
        md cp -q dir/. $C:/srv; md cp -q file $C:/data/in-volume
        md cp $C:/srv out-$C 2> said; grep -c 'Successfully copied .* to out-' said
        (cd out-$C; find . | sort | tr '\n' ' '; echo; cat named; readlink link)
        md cp -q $C:/srv/link out-$C/copy; readlink out-$C/copy
        md cp -qL $C:/srv/link out-$C/followed; cat out-$C/followed
        md cp -q $C:/data/in-volume out-$C/volume; cat out-$C/volume
        md cp $C:/srv/copied - | tar t | tr '\n' ' '; echo
        tar c file dir | md cp - $C:/etc
        md cp -q $C:/etc/dir/sub/two - | tar xO
        # A link that a path leads through or ends at is followed inside.
        ln -sfn /srv here; md cp -q here $C:/there; md cp -q file $C:/there/through-a-link
        md cp -q $C:/srv/through-a-link - | tar xO
        md diff $C | grep -c /srv/named
    done
    [ "$(md exec on cat /data/in-volume)" = one ]
    md start off > /dev/null; md exec off cat /srv/named /srv/copied/sub/two
    md rm -f on off > /dev/null; md volume rm data > /dev/null
"#;

const SAME: &str = "
    1
    . ./copied ./copied/link ./copied/sub ./copied/sub/two ./file ./first ./link ./named ./sub ./sub/two
    one
    sub/two
    sub/two
    two
    one
    copied/ copied/link copied/sub/ copied/sub/two
    two
    one
    1
";

#[track_caller]
fn copies_both_ways(place: Place) {
    says(place, BOTH_WAYS, &format!("{SAME}{SAME}data\none\ntwo\n").replace("data\n", ""));
}

#[test]
fn files_go_both_ways_as_root() {
    needs!(In(Place::Root));
    copies_both_ways(Place::Root);
}

#[test]
fn files_go_both_ways_as_user() {
    needs!(In(Place::User));
    copies_both_ways(Place::User);
}

#[test]
fn files_go_both_ways_as_user_with_subids() {
    needs!(In(Place::UserWithSubids));
    copies_both_ways(Place::UserWithSubids);
}

#[test]
fn owners_are_dockers() {
    needs!(In(Place::Root));
    says(
        Place::Root,
        r#"
        md pull -q $I > /dev/null
        md create --name box -u ada $I true > /dev/null
        echo x > file; chown 1234:5678 file; chmod 4755 file
        md cp -q file box:/srv/kept; md cp -qa file box:/srv/adas
        md export box | tar tv --numeric-owner | grep -E 'kept|adas' | sed 's/ .*srv/ srv/; s/^/&/' | cut -c1-30
        md export box | tar tv --numeric-owner | grep -oE '(1234/5678|1000/1000)'
        md cp -q box:/srv/kept ours; stat -c '%u:%g %a' ours
        md cp -qa box:/srv/kept theirs; stat -c '%u:%g %a' theirs
        md rm box > /dev/null
        "#,
        "
        -rwsr-xr-x srv/adas
        -rwsr-xr-x srv/kept
        1000/1000
        1234/5678
        0:0 4755
        1234:5678 4755
        ",
    );
}

/// With a single id other owners cannot be set; they stand beside the files and come back.
#[test]
fn owners_come_back_that_could_not_be_set() {
    needs!(In(Place::User));
    says(
        Place::User,
        r#"
        md pull -q $I > /dev/null
        md create --name box $I true > /dev/null
        echo x > file
        tar --owner=ada:1000 --group=audio:29 -c file | md cp - box:/srv
        md cp box:/srv - | tar tv --numeric-owner | grep -o '1000/29'
        md export box | tar tv --numeric-owner | grep -o '1000/29'
        md commit box two > /dev/null; md create --name again two > /dev/null
        md export again | tar tv --numeric-owner | grep -o '1000/29'
        md rm box again > /dev/null
        "#,
        "1000/29\n1000/29\n1000/29",
    );
}

/// Everything that could lead out leads inside: links of every kind, `..`, and links that are
/// exchanged while we copy.
const ATTACKS: &str = r#"
    md pull -q $I > /dev/null
    echo of-the-host-alone > outside; chmod 644 outside
    top=$(printf '../%.0s' $(seq 30))
    md create --name box $I sh -c "
        mkdir /evil /srv/real; b=/bin/busybox; \$b ln -s $top$home /evil/up; \$b ln -s $home /evil/straight
        \$b ln -s $home/outside /evil/file; \$b ln -s /proc/1/root /evil/magic; \$b ln -s loop /evil/loop
        touch /evil/ready
        while :; do
            \$b mv /srv/real /srv/away; \$b ln -s $home /srv/real; rm /srv/real; \$b mv /srv/away /srv/real
        done" > /dev/null
    md cp -q $(command -v busybox) box:/bin/; md start box > /dev/null
    until md exec box ls /evil/ready > /dev/null 2>&1; do sleep 0.02; done
    [ "$(md exec box readlink /evil/file)" = $home/outside ]
    echo x > file
    for link in up straight up/../.. magic; do
        md cp -q file box:/evil/$link/outside 2> /dev/null || true
        md cp -qL box:/evil/$link/outside got 2> /dev/null && grep -a of-the-host-alone got || true
        md cp box:/evil/$link/ - 2> /dev/null | tar xO 2> /dev/null | grep -a of-the-host-alone || true
        rm -rf got
    done
    md cp -q file box:/evil/file 2> /dev/null || true
    md cp -qL box:/evil/file got 2> /dev/null && grep -a of-the-host-alone got || true
    fails md cp -q file box:/evil/loop/x 2>&1 | tail -1
    fails md cp -q file box:/../../../srv/climbed; md cp -q box:/srv/climbed - | tar xO
    # While somebody exchanges a directory for a link to the host, again and again.
    mkdir dir; for n in 1 2 3 4 5 6 7 8 9; do echo $n > dir/$n; done
    for n in $(seq 15); do
        md cp -q dir/. box:/srv/real 2> /dev/null || true
        md cp box:/srv - 2> /dev/null | tar xO 2> /dev/null | grep -a of-the-host-alone || true
        md export box 2> /dev/null | tar xO 2> /dev/null | grep -a of-the-host-alone || true
    done
    # An archive that climbs, and one that goes through a link of its own.
    ln -s "$home" through; tar -cPf evil.tar through file; rm through
    mkdir through; echo x > through/outside; tar -rPf evil.tar through/outside
    md cp - box:/etc < evil.tar 2> /dev/null || true
    tar -cPf climb.tar --transform='s,^,../../../../../..'"$home"'/,' file
    fails md cp - box:/srv < climb.tar 2>&1 | tail -1
    md commit box two > /dev/null
    cat outside; ls
    md rm -f box > /dev/null
"#;

#[track_caller]
fn nothing_leads_out(place: Place) {
    says(
        place,
        ATTACKS,
        "
        = 1
        = 0
        x
        = 1
        of-the-host-alone
        address
        climb.tar
        data
        dir
        evil.tar
        file
        outside
        reg
        through
        ",
    );
}

#[test]
fn nothing_leads_out_as_root() {
    needs!(In(Place::Root), Program("busybox"));
    nothing_leads_out(Place::Root);
}

#[test]
fn nothing_leads_out_as_user() {
    needs!(In(Place::User), Program("busybox"));
    nothing_leads_out(Place::User);
}

#[test]
fn what_is_no_plain_file_is_copied_as_what_it_is() {
    needs!(In(Place::Root));
    says(
        Place::Root,
        r#"
        md pull -q $I > /dev/null
        md create --name box $I true > /dev/null
        mkdir dir; mkfifo dir/pipe; mknod dir/null c 1 3; echo x > dir/a; ln dir/a dir/b; ln -s a dir/l; : > dir/.wh.a
        chmod 1777 dir; touch -d @1000000000 dir/a dir
        md cp -q dir box:/srv; md cp -q box:/srv/dir back
        (cd back; stat -c '%n %F %a %t:%T %h %Y' a b l null pipe .wh.a . | sed -E 's/ [0-9]+$//')
        stat -c %Y back/a back
        md rm box > /dev/null
        "#,
        "
        a regular file 644 0:0 2
        b regular file 644 0:0 2
        l symbolic link 777 0:0 1
        null character special file 644 1:3 1
        pipe fifo 644 0:0 1
        .wh.a regular empty file 644 0:0 1
        . directory 1777 0:0 2
        1000000000
        1000000000
        ",
    );
}

#[test]
fn mistakes_of_a_copy_are_told_with_their_fix() {
    needs!(In(Place::Root));
    let text = said(
        r#"
        md create --name box -v data:/ro:ro $I true > /dev/null
        echo x > file; mkdir dir
        try cp file box:/nowhere/file
        try cp file box:/nowhere/
        try cp dir box:/srv/first
        try cp file box:/srv/first/
        try cp nofile box:/
        try cp box:/nofile .
        try cp box:/srv/first/ .
        try cp box:/a box:/b
        try cp file other
        try cp file nobody:/etc
        try cp file box:/ro/x
        try cp - box:/srv/first < file
        try cp - box:/srv < file
        try cp file box:/srv/dir-to-be
        mkdir -p clash/dir-to-be; try cp clash/. box:/srv
        try export nobody
        try commit -c 'RUN x' box
        try import nowhere.tar
        try load -i nowhere.tar
        try image prune < /dev/null
        try image prune -f --filter colour=red
        md rm box > /dev/null; md volume rm data > /dev/null
        "#,
    );
    snapshot!("copy_mistakes", text);
}

/// Kills copies of one large and of many small files after a random time, where files are replaced and
/// where they are new. What is there is the old or the new, whole, and the next copy leaves nothing else.
const KILLED: &str = r#"
    md pull -q $I > /dev/null
    md run -d --name on $I sleep 1000 > /dev/null; md create --name off $I true > /dev/null
    mkdir one two; for n in $(seq 60); do echo one > one/$n; echo two > two/$n; done
    head -c 20000000 /dev/zero > one/large; head -c 20000000 /dev/zero | tr '\0' x > two/large
    whole() {
        sums=$(cat one/large | cksum; cat two/large | cksum)
        for name in $(ls -A "$1"); do
            case $name in
                large) sum=$(cksum < "$1/large"); case $sums in *"$sum"*) ;; *) echo "half of $name"; exit 1 ;; esac ;;
                [1-9]*) case $(cat "$1/$name") in one|two) ;; *) echo "half of $name"; exit 1 ;; esac ;;
                *) echo "$name is left"; exit 1 ;;
            esac
        done
    }
    killed() {
        seed=$(( (seed * 1103515245 + 12345) % 2147483648 ))
        "$BIN" --root "$home/data" cp -q "$@" 2> /dev/null & victim=$!
        sleep 0.0$(( seed % 90 + 10 ))
        kill -9 $victim 2> /dev/null || true; wait $victim 2> /dev/null || true
    }
    seed=${UNBOXED_SEED:-$$}; mkdir out
    for trial in $(seq 12); do
        for from in one two; do
            for box in on off; do killed $from/. $box:/srv/there; done
            killed off:/srv/there/. out
            case $(( trial % 4 )) in 0) md cp -q $from/1 off:/srv/there/ 2> /dev/null || md cp -q $from off:/srv/there ;; esac
        done
    done
    for box in on off; do
        md cp -q two/. $box:/srv/there; rm -rf seen; md cp -q $box:/srv/there seen; whole seen
        [ "$(cat seen/large | cksum)" = "$(cat two/large | cksum)" ]
    done
    md cp -q on:/srv/there/. out; whole out
    md system check > /dev/null
    md rm -f on off > /dev/null
    echo whole
"#;

#[test]
fn a_copy_may_be_killed_as_root() {
    needs!(In(Place::Root));
    says(Place::Root, KILLED, "whole");
}

#[test]
fn a_copy_may_be_killed_as_user() {
    needs!(In(Place::User));
    says(Place::User, KILLED, "whole");
}
