//! Images as archives: there and back, and what strangers may put into one.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use mini_docker::{
    archive,
    layout::Layout,
    store::{Store, sha256},
};
use oci::Platform;
use tar::{Builder, EntryType, Header};
use testbed::{Place, needs, snapshot};

use crate::world::says;

const THERE_AND_BACK: &str = r#"
    md pull -q $I > /dev/null
    md tag $I box:1; md tag $I box:2; md rmi $I > /dev/null
    md save -o all.tar box
    md save box | cmp - all.tar
    md save -o one.tar box:1
    id=$(md images -q box:1)
    md save $id > nameless.tar
    md image rm box:1 box:2 | grep -c Deleted
    md load -i all.tar
    md load < all.tar
    md run --rm box:2 cat /srv/first
    md rmi -f $id > /dev/null
    gzip -c one.tar | md image load
    [ $(md images -q) = $id ]
    md tag box:1 box:3; md rmi box:1 box:3 > /dev/null
    md load -q -i nameless.tar | sed "s/$id[0-9a-f]*/ID/"
    md images --format json | grep -o '"Repository":"[^"]*"'
    md rmi $id > /dev/null
    [ -z "$(ls data/blobs/sha256)" ]
    fails md load -i nowhere.tar 2> /dev/null
    fails md save nobody 2> /dev/null
    fails md save -o nowhere/x.tar box 2> /dev/null
    ls
"#;

const BACK_AGAIN: &str = "
    1
    Loaded image: box:1
    Loaded image: box:2
    Loaded image: box:1
    Loaded image: box:2
    from the image
    Loaded image: box:1
    Loaded image ID: sha256:ID
    \"Repository\":\"\\u003cnone\\u003e\"
    = 1
    = 1
    = 1
    address
    all.tar
    data
    nameless.tar
    one.tar
    reg
";

#[test]
fn all_tags_of_a_name_go_to_a_registry_and_come_back() {
    needs!(In(Place::Root));
    says(
        Place::Root,
        r#"
            md pull -q $I > /dev/null; mine=${I%/*}/mine
            for tag in one two three; do md tag $I $mine:$tag; done
            md push --quiet --all-tags $mine | sed "s,$mine,MINE,"
            md rmi -f $(md images -q | sort -u) > /dev/null; md images -q | wc -l
            md pull --quiet --all-tags $mine | sed "s,$mine,MINE,"
            md images --format '{{.Tag}}' | sort | xargs
            md save -o mine.tar $mine:one; md rmi -f $(md images -q | sort -u) > /dev/null
            md load --platform linux/$(md version --format '{{.Server.Arch}}') -i mine.tar | sed "s,$mine,MINE,"
        "#,
        "
            MINE:one
            MINE:three
            MINE:two
            0
            MINE
            one three two
            Loaded image: MINE:one
        ",
    );
}

#[test]
fn an_image_goes_into_an_archive_and_comes_back_as_root() {
    needs!(In(Place::Root));
    says(Place::Root, THERE_AND_BACK, BACK_AGAIN);
}

#[test]
fn an_image_goes_into_an_archive_and_comes_back_as_user() {
    needs!(In(Place::User));
    says(Place::User, THERE_AND_BACK, BACK_AGAIN);
}

#[test]
fn files_become_an_image() {
    needs!(In(Place::UserWithSubids));
    says(
        Place::UserWithSubids,
        r#"
        md pull -q $I > /dev/null
        id=$(md create $I); md export $id > files.tar
        gzip -c files.tar | md import -m note -c 'CMD ["cat", "/srv/first"]' -c 'ENV A=1' - made > /dev/null
        md run --rm made
        md run --rm made env | grep ^A=
        md import --platform linux/riscv64 files.tar other:1 > /dev/null
        md inspect other:1 | grep -o '"Architecture": "[a-z0-9]*"'
        md save -o other.tar other:1; md rmi other:1 > /dev/null
        fails md load --platform linux/s390x -i other.tar 2>&1 | head -2; md images -q other
        md load --platform linux/riscv64 -i other.tar; md load -i other.tar
        md history made --no-trunc | grep -o note
        md history other:1 | grep -o 'Imported from files.tar'
        fails md import -c 'RUN make' files.tar 2>&1 | grep -o 'run is not a valid change command'
        # A name that a tar climbs out by is no image.
        tar -cPf bad.tar ../"$(basename $PWD)"/address 2> /dev/null
        fails md import bad.tar bad 2>&1 | grep -o 'it leads out of the layer'
        md images -q bad
        "#,
        "
        from the image
        A=1
        \"Architecture\": \"riscv64\"
        error: image other:1 doesn't provide the requested platform (linux/s390x)
        why: the archive has it for linux/riscv64
        Loaded image: other:1
        Loaded image: other:1
        note
        Imported from files.tar
        run is not a valid change command
        it leads out of the layer
        ",
    );
}

/// An archive of images in the making.
struct Archive(Builder<Vec<u8>>);

impl Archive {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn entry(mut self, kind: EntryType, name: &str, link: &str, content: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // By hand, since the crate refuses to write what we have to refuse to read.
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(EntryType::Regular, name, "", content.as_ref())
    }

    fn blob(self, content: impl AsRef<[u8]>) -> Self {
        let name = format!("blobs/sha256/{}", sha256(content.as_ref()).hex());
        self.file(&name, content)
    }

    fn index(self, media_type: &str, target: &[u8]) -> Self {
        self.file("index.json", index(media_type, target))
    }

    fn tar(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn index(media_type: &str, target: &[u8]) -> String {
    let (digest, size) = (sha256(target), target.len());
    format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{media_type}","digest":"{digest}","size":{size},"platform":{{"os":"linux","architecture":"amd64"}}}}]}}"#
    )
}

fn manifest(config: &[u8]) -> String {
    let (digest, size) = (sha256(config), config.len());
    format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{digest}","size":{size}}},"layers":[]}}"#
    )
}

fn config(diff_ids: &str) -> String {
    format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{diff_ids}]}}}}"#
    )
}

fn docker(config: &str, layers: &str) -> String {
    format!(r#"[{{"Config":"{config}","RepoTags":["box:1"],"Layers":[{layers}]}}]"#)
}

#[test]
fn what_cannot_be_trusted_is_refused_in_words() {
    let good = config("");
    let image = manifest(good.as_bytes());
    let of_another = config(&format!("\"{}\"", sha256(b"another layer")));
    let loop_of =
        |depth: usize| (0..depth).fold(image.clone(), |below, _| index(INDEX, below.as_bytes()));
    let deep = (0..6).fold(Archive::new().blob(&good).blob(&image), |archive, depth| {
        archive.blob(loop_of(depth + 1))
    });
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("no archive", b"hello, this is no archive at all".repeat(50)),
        ("nothing in it", Archive::new().tar()),
        ("a tar of files", Archive::new().file("etc.json", "{}").tar()),
        ("packed by xz", b"\xfd7zXZ\0 and more".to_vec()),
        ("cut off", Archive::new().blob(vec![7; 100_000]).tar()[..50_000].to_vec()),
        ("a blob that is another", {
            let name = format!("blobs/sha256/{}", sha256(b"promised").hex());
            Archive::new().file(&name, "something").tar()
        }),
        ("a name that climbs out", Archive::new().file("../index.json", "{}").tar()),
        (
            "a link that climbs out",
            Archive::new()
                .entry(EntryType::Symlink, "a/layer.tar", "../../../etc/passwd", b"")
                .tar(),
        ),
        ("a manifest that is not there", Archive::new().index(MANIFEST, image.as_bytes()).tar()),
        (
            "a config that is not there",
            Archive::new().blob(&image).index(MANIFEST, image.as_bytes()).tar(),
        ),
        ("indexes without end", deep.index(INDEX, loop_of(6).as_bytes()).tar()),
        (
            "a manifest that says it is an index",
            Archive::new().blob(&good).blob(&image).index(INDEX, image.as_bytes()).tar(),
        ),
        (
            "a document of five megabytes",
            Archive::new().file("manifest.json", vec![b' '; 5 << 20]).tar(),
        ),
        (
            "a config under another's name",
            Archive::new()
                .file(&format!("{}.json", sha256(b"x").hex()), &good)
                .file("manifest.json", docker(&format!("{}.json", sha256(b"x").hex()), ""))
                .tar(),
        ),
        (
            "another layer than the config's",
            Archive::new()
                .file("c.json", &of_another)
                .file("layer.tar", "a layer")
                .file("manifest.json", docker("c.json", "\"layer.tar\""))
                .tar(),
        ),
        (
            "a layer too few",
            Archive::new()
                .file("c.json", &of_another)
                .file("manifest.json", docker("c.json", ""))
                .tar(),
        ),
        ("of 2015", Archive::new().file("repositories", "{}").tar()),
        ("a header of two megabytes", {
            let mut archive = Archive::new();
            let value = vec![b'x'; 2 << 20];
            archive.0.append_pax_extensions([("comment", value.as_slice())]).unwrap();
            archive.file("a", b"").tar()
        }),
    ];
    let mut told = String::new();
    for (name, tar) in cases {
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::open(Layout::new(scratch.path())).unwrap();
        let error = archive::load(&store, tar.as_slice(), &Platform::host()).unwrap_err();
        told += &format!("{name}\n{error}\n\n");
        assert_eq!(store.images().unwrap(), []);
        let unfinished = std::fs::read_dir(store.layout().ingest()).unwrap().count();
        assert_eq!(unfinished, 0, "{name}: nothing half-written stays");
    }
    snapshot!("hostile_archives", told);
}

#[test]
fn a_layer_that_two_images_share_may_be_a_link() {
    let scratch = tempfile::tempdir().unwrap();
    let store = Store::open(Layout::new(scratch.path())).unwrap();
    let mut layer = GzEncoder::new(Vec::new(), Compression::fast());
    layer.write_all(&[0; 1024]).unwrap();
    let layer = layer.finish().unwrap();
    let image = config(&format!("\"{}\"", sha256(&[0; 1024])));
    // As Docker wrote it: the documents come first or last, and a layer that is there is linked.
    let tar = Archive::new()
        .file("manifest.json", docker("c.json", "\"b/layer.tar\""))
        .entry(EntryType::Symlink, "b/layer.tar", "../a/layer.tar", b"")
        .file("a/layer.tar", &layer)
        .file("c.json", &image)
        .tar();
    let loaded = archive::load(&store, tar.as_slice(), &Platform::host()).unwrap();
    assert_eq!(loaded[0].names[0].to_string(), "docker.io/library/box:1");
    let manifest = store.image_manifest(&loaded[0].manifest).unwrap();
    assert_eq!(manifest.config.digest, sha256(image.as_bytes()));
    // The same archive again is the same image.
    assert_eq!(archive::load(&store, tar.as_slice(), &Platform::host()).unwrap(), loaded);
}
