//! Images of strangers, pulled from a registry in every place: what is refused is refused in the same
//! words, bombs end where the disk does, and what is odd survives the way there and back.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use mini_docker::store::{Store, sha256};
use oci::{Descriptor, ImageConfig, Manifest, MediaType, Platform};
use tar::EntryType;
use testbed::{Host, Place, needs, snapshot};

use crate::{
    BIN,
    hostile::{Archive, NUMBERS, gzip, refused},
    places::in_places,
    world::{publish, turn, with_image},
};

/// An image of one layer.
fn image(tar: &[u8], media_type: MediaType, packed: &[u8], store: &Store) -> Descriptor {
    let layer = store.put_bytes(media_type, packed).unwrap();
    let mut config = ImageConfig::new(&Platform::host());
    config.rootfs.diff_ids.push(sha256(tar));
    let json = serde_json::to_vec(&config).unwrap();
    let config = store.put_bytes(MediaType::OciConfig, &json).unwrap();
    let json = serde_json::to_vec(&Manifest::new(config, vec![layer])).unwrap();
    store.put_bytes(MediaType::OciManifest, &json).unwrap()
}

/// Their registry's directory. Made once, beside the binary.
fn registry() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = Path::new(BIN).with_file_name("engine-strangers");
        let _ = std::fs::remove_dir_all(&dir);
        let gzipped = |name: &str, tar: &[u8], packed: &[u8]| {
            publish(&dir, name, |store, _| image(tar, MediaType::OciLayerGzip, packed, store));
        };
        for (number, (_, tar)) in refused().into_iter().enumerate() {
            gzipped(&format!("refused-{number}:1"), &tar, &gzip(&tar));
        }
        let odd = odd();
        gzipped("odd:1", &odd, &gzip(&odd));
        gzipped("gzip-zeros:1", b"", &gzip_of_zeros());
        gzipped("gzip-files:1", b"", &gzip(&many_files()));
        for (name, packed) in [
            ("zstd-zeros:1", zstd_of_zeros()),
            ("zstd-files:1", zstd::encode_all(many_files().as_slice(), 1).unwrap()),
        ] {
            publish(&dir, name, |store, _| image(b"", MediaType::OciLayerZstd, &packed, store));
        }
        // A store keeps other users out, and ordinary users copy this one.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&dir, open).unwrap();
        dir
    })
}

/// Runs a script with their registry at `$S`, beside the one of [`with_image`].
#[track_caller]
fn among_strangers(place: Place, script: &str) -> String {
    let _turn = turn(place);
    let before = Host::now();
    let begin = format!(
        r#"
        cp -r {} strangers
        "$BIN" --root "$home/strangers" registry serve --listen 127.0.0.1:0 > from & strangers=$!
        until grep -q listening from 2> /dev/null; do sleep 0.02; done
        S=$(sed 's/.* //' from)
        "#,
        registry().display()
    );
    let end = "kill $strangers; wait $strangers 2> /dev/null || true";
    let output = with_image(place, &format!("{begin}\n{script}\n{end}"));
    let told = output.success().to_owned();
    before.assert_unchanged();
    told
}

/// Nothing of it is visible, and the next pull works.
const AND_NEXT: &str = r#"
    [ -z "$(md images -q)" ] || echo "an image is visible"
    [ "$(ls data/layers/unfinished | wc -l)" = 0 ] || echo "half a layer is left"
    [ "$(ls data/layers/sha256 2> /dev/null | wc -l)" = 0 ] || echo "a layer is visible"
    md pull -q $I > /dev/null; md run --rm $I cat /srv/first; md rmi -f $I > /dev/null
"#;

in_places! {
    [as_root: Root, as_user: User, as_user_with_subids: UserWithSubids]

    what_is_refused_is_refused_in_the_same_words(place) {
        let cases = refused();
        let script = format!(r#"
            for number in $(seq 0 {}); do
                echo "image $number"; fails md pull -q $S/refused-$number:1 2>&1; echo
            done
            {AND_NEXT}"#, cases.len() - 1);
        let mut told = among_strangers(place, &script);
        for (number, (name, _)) in cases.iter().enumerate() {
            told = told.replace(&format!("image {number}\n"), &format!("{name}\n"));
        }
        snapshot!("hostile_pulled", told, [NUMBERS]);
    }

    what_is_odd_survives_the_way_there_and_back(place) {
        let told = among_strangers(place, r#"
            digest() { md images --digests --format '{{.Digest}}'; }
            md pull -q $S/odd:1 > /dev/null
            stat -c %F data/layers/sha256/*/diff/null
            first=$(digest)
            again=${I%/*}/odd:2
            md tag $S/odd:1 $again; md push -q $again > /dev/null
            md rmi -f $S/odd:1 $again > /dev/null; digest
            md pull -q $again > /dev/null
            [ "$(digest)" = "$first" ] && echo "the same digest"
            id=$(md create $again true)
            md export $id | TZ=UTC tar --numeric-owner -tv | grep 'tool\|other\|null\|pipe\|link' | tr -s ' '
            md rm $id > /dev/null; md rmi -f $again > /dev/null"#);
        // Only the host's root makes devices; what others got instead is a device again in an archive.
        let device = if place == Place::Root { "character special file" } else { "regular empty file" };
        let expected = "the same digest
            drwxr-xr-x 8/9 0 2023-11-14 22:13 tools/
            hrwsr-xr-x 8/9 0 2023-11-14 22:13 tools/tool link to other
            lrwxrwxrwx 8/9 0 2023-11-14 22:13 link -> tools/tool
            crw-rw-rw- 8/9 1,3 2023-11-14 22:13 null
            -rwsr-xr-x 8/9 4 2023-11-14 22:13 other
            prw-r----- 8/9 0 2023-11-14 22:13 pipe";
        let sorted = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(|line| line.trim().to_owned()).collect();
            lines.sort();
            lines.join("\n")
        };
        assert_eq!(sorted(&told), sorted(&format!("{device}\n{expected}")));
    }
}

/// Owners, modes, a device, a pipe, and two names of one file.
fn odd() -> Vec<u8> {
    let mut archive = Archive::new();
    for (kind, name, link, mode, content) in [
        (EntryType::Directory, "tools", "", 0o755, ""),
        (EntryType::Regular, "tools/tool", "", 0o4755, "tool"),
        (EntryType::Link, "other", "tools/tool", 0o4755, ""),
        (EntryType::Symlink, "link", "tools/tool", 0o777, ""),
        (EntryType::Char, "null", "", 0o666, ""),
        (EntryType::Fifo, "pipe", "", 0o640, ""),
    ] {
        let mut header = Archive::header(kind, content.len() as u64);
        header.set_path(name).unwrap();
        if !link.is_empty() {
            header.set_link_name(link).unwrap();
        }
        header.set_mode(mode);
        header.set_uid(8);
        header.set_gid(9);
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
        header.set_cksum();
        archive.0.append(&header, content.as_bytes()).unwrap();
    }
    archive.tar()
}

/// Files of 1 MiB each, none of which is too large by itself.
fn many_files() -> Vec<u8> {
    let content = vec![0; 1 << 20];
    (0..100).fold(Archive::new(), |tar, number| tar.file(&format!("{number}"), &content)).tar()
}

/// A small archive, and zeros behind its end: more than the disk and the headroom beside it take.
fn gzip_of_zeros() -> Vec<u8> {
    let more = gzip(&vec![0; 16 << 20]);
    [gzip(&Archive::new().file("good", b"x").tar()), more.repeat(80)].concat()
}

/// The same by zstd, whose blocks may be one byte and how often it comes (RFC 8878, 3.1.1.2.3).
fn zstd_of_zeros() -> Vec<u8> {
    let mut packed =
        zstd::encode_all(Archive::new().file("good", b"x").tar().as_slice(), 1).unwrap();
    const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
    const BLOCK: u32 = 128 << 10;
    // No size and no checksum; a window of 128 KiB.
    packed.write_all(&MAGIC).unwrap();
    packed.write_all(&[0, (17 - 10) << 3]).unwrap();
    let blocks = (1280 << 20) / BLOCK;
    for number in 1..=blocks {
        let header = BLOCK << 3 | 1 << 1 | u32::from(number == blocks);
        packed.write_all(&header.to_le_bytes()[..3]).unwrap();
        packed.push(0);
    }
    packed
}

/// The registry's bytes are few, what they become is more than the disk has. The memory does not grow
/// with it.
#[test]
fn a_bomb_ends_where_the_disk_does() {
    needs!(In(Place::Root), Program("python3"));
    let script = format!(
        r#"
        cat > inside <<'END'
        measured() {{ python3 -c 'import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10, file=open("peak", "w"))' "$@"; }}
        md() {{
            case $1 in run) shift; set -- run --network none "$@" ;; esac
            "$BIN" --root "$home/data" "$@"
        }}
        mkdir -p data; mount -t tmpfs -o size=64m none data
        for bomb in gzip-zeros zstd-zeros gzip-files zstd-files; do
            echo "image $bomb"
            measured "$BIN" --root "$home/data" pull -q $S/$bomb:1 2>&1
            read code mib < peak
            echo "= $code"; [ $mib -lt 100 ] || echo "it took $mib MiB of memory"
            {AND_NEXT}
        done
END
        export home BIN I S
        unshare -m --propagation private sh -euc '. ./inside'"#
    );
    let more_than = (r"more than \d+ bytes", "more than [N] bytes");
    snapshot!("bombs", among_strangers(Place::Root, &script), [NUMBERS, more_than]);
}
