//! What is damaged is found, told in words, and mended where it can be.

use testbed::{Host, Place, needs, snapshot};

use crate::world::{turn, with_image};

#[test]
fn damage_is_found_told_and_mended() {
    needs!(In(Place::Root));
    let _turn = turn(Place::Root);
    let before = Host::now();
    let output = with_image(
        Place::Root,
        r#"
        exec 2>&1
        md pull -q $I > /dev/null
        md create --name box -v data:/data $I true > /dev/null
        try system check
        echo "- a file of a layer is changed, and the volume is gone"
        layer=$(ls -d data/layers/sha256/*); echo evil > $layer/diff/srv/first; rm -r data/volumes/data
        try system check
        try system check --repair
        try system check
        [ "$(md run --rm $I cat /srv/first)" = "from the image" ]
        echo "- a file too much, a directory that is no container, one that is gone"
        touch $layer/diff/etc/extra; mkdir data/containers/left; rm -r data/containers/*/work
        echo "- and what two killed copies have left, and who copies just now"
        srv=$(ls -d data/containers/*/upper)/srv; mkdir -p $srv
        for dir in $srv data/volumes/data/_data; do
            touch $dir/.mini-docker-0123456789abcdef $dir/.mini-docker-not-ours
        done
        touch $dir/.mini-docker-fedcba9876543210; exec 9< $dir/.mini-docker-fedcba9876543210; flock 9
        try system check --repair
        try system check
        echo "- a blob is another"
        blob=$(ls -S data/blobs/sha256/* | head -1); printf x | dd of=$blob conv=notrunc 2> /dev/null
        touch data/blobs/sha256/stray
        try system check
        try system check --repair
        try system check
        md pull -q $I > /dev/null
        try system check
        echo "- the list of images is no JSON"
        echo x > data/images.json
        try system check --repair
        try system check
        md rm box > /dev/null; md volume rm data > /dev/null
        "#,
    );
    snapshot!(
        "check",
        output.success(),
        [
            (r"127\.0\.0\.1:\d+", "REGISTRY"),
            (r"sha256:[0-9a-f]{64}", "sha256:[DIGEST]"),
            (r"/[^ ]*/data/", "DATA/"),
            (r"containers/[0-9a-f]{64}", "containers/[ID]"),
        ]
    );
    before.assert_unchanged();
}

#[test]
fn what_nobody_needs_goes() {
    needs!(In(Place::User));
    let _turn = turn(Place::User);
    let before = Host::now();
    let output = with_image(
        Place::User,
        r#"
        md pull -q $I > /dev/null
        md create --name box -v /anonymous -v data:/data $I true > /dev/null
        md commit box two > /dev/null; md commit box two > /dev/null
        md system df | grep -E 'Images|Containers|Volumes' | cut -c1-28
        md system df -v | grep -E '^two|box$|^data' | sed -E 's/ {2,}/ /g' | cut -d' ' -f1-2
        md image prune -f | sed -E 's/sha256:.*/ID/; s/: [0-9.]+[kM]?B/: N/'
        md image prune -f
        md image prune -f -a --filter until=1h
        md image prune -f -a --filter label=no
        echo n | md image prune -a || echo "= $?"
        md rm box > /dev/null
        md create --name old $I true > /dev/null
        echo y | md system prune --volumes -a | sed -E 's/[0-9a-f]{64}/ID/; s/: [0-9.]+[kM]?B/: N/; s/127.*test/I/'
        md volume ls -q; md volume rm data > /dev/null
        md system prune -f
        ls data/blobs/sha256 data/layers/sha256
        "#,
    );
    snapshot!("prune", output.success(), [(r"\d+\.\d+\.\d+\.\d+:\d+", "REGISTRY")]);
    before.assert_unchanged();
}
