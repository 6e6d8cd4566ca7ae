//! The store: what is visible is whole, whoever dies, and names lead where they should.

#![allow(missing_docs, reason = "a test's name is its sentence")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it was skipped"
)]

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use mini_docker::{
    layout::Layout,
    store::{Freed, Kind, Store, sha256},
};
use oci::{Descriptor, Digest, ImageConfig, Manifest, MediaType, Platform, Reference};
use tempfile::TempDir;

fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(Layout::new(dir.path())).unwrap();
    (dir, store)
}

/// A set-user-ID program in a volume or an image would be root's for whoever reached it (CVE-2021-41091).
#[test]
fn other_users_are_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let mode = || fs::metadata(&root).unwrap().permissions().mode() & 0o777;
    Store::open(Layout::new(&root)).unwrap();
    assert_eq!(mode() & 0o067, 0, "{:o}", mode());
    // A root that an older version has made is closed, one that is closed further stays so.
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    Store::open(Layout::new(&root)).unwrap();
    assert_eq!(mode(), 0o710);
    fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
    Store::open(Layout::new(&root)).unwrap();
    assert_eq!(mode(), 0o700);
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

fn promised(content: &[u8]) -> Descriptor {
    Descriptor::new(MediaType::OciLayer, sha256(content), content.len() as u64)
}

/// An image with one layer of these bytes; `author` makes it another image.
fn image(store: &Store, author: &str, layer: &[u8]) -> Descriptor {
    let mut config = ImageConfig::new(&Platform::host());
    config.author = Some(author.into());
    config.rootfs.diff_ids = vec![sha256(layer)];
    let config = serde_json::to_vec(&config).unwrap();
    let config = store.put_bytes(MediaType::OciConfig, &config).unwrap();
    let layer = store.put_bytes(MediaType::OciLayer, layer).unwrap();
    let manifest = serde_json::to_vec(&Manifest::new(config, vec![layer])).unwrap();
    store.put_bytes(MediaType::OciManifest, &manifest).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Every visible blob is what its name says.
#[track_caller]
fn check_blobs(store: &Store) -> usize {
    let dir = store.layout().blobs().join("sha256");
    for name in names(&dir) {
        assert_eq!(sha256(&fs::read(dir.join(&name)).unwrap()).hex(), name);
    }
    names(&dir).len()
}

#[test]
fn content_is_visible_only_if_it_is_what_was_promised() {
    let (_dir, store) = store();
    let blob = promised(b"hello");
    for (content, words) in
        [("hell", "ended after 4"), ("hello!", "went on"), ("hullo", "digest is")]
    {
        let error = store.put(&blob, content.as_bytes()).unwrap_err();
        assert_eq!(error.kind, Kind::Invalid);
        assert!(error.to_string().contains(words), "{error}");
        assert!(!store.has(&blob.digest));
    }
    assert_eq!(names(&store.layout().ingest()), [""; 0], "nothing is left of them");
    store.put(&blob, &b"hello"[..]).unwrap();
    store.put(&blob, &b"not read, since it is here"[..]).unwrap();
    assert_eq!(store.document(&blob.digest).unwrap(), b"hello");
}

#[test]
fn a_download_goes_on_where_the_last_one_ended() {
    let (_dir, store) = store();
    let blob = promised(b"hello world");
    let mut part = store.ingest(&blob).unwrap().unwrap();
    part.write_all(b"hello ").unwrap();
    drop(part);
    assert!(!store.has(&blob.digest));
    let mut part = store.ingest(&blob).unwrap().unwrap();
    assert_eq!(part.offset(), 6);
    part.write_all(b"world").unwrap();
    part.commit().unwrap();
    assert!(store.ingest(&blob).unwrap().is_none());
    assert_eq!(names(&store.layout().ingest()), [""; 0]);
}

#[test]
fn bytes_that_cannot_become_right_are_thrown_away_and_the_next_try_works() {
    let (_dir, store) = store();
    let blob = promised(b"hello");
    let mut part = store.ingest(&blob).unwrap().unwrap();
    part.write_all(b"hullo").unwrap();
    assert_eq!(part.commit().unwrap_err().kind, Kind::Invalid);
    let mut part = store.ingest(&blob).unwrap().unwrap();
    assert_eq!(part.offset(), 0);
    part.write_all(b"he").unwrap();
    part.restart().unwrap();
    assert_eq!(part.offset(), 0);
    part.write_all(b"hello").unwrap();
    assert!(part.write_all(b"!").is_err(), "no byte more than was promised");
    part.commit().unwrap();
}

#[test]
fn two_downloads_of_one_blob_take_turns() {
    let (_dir, store) = store();
    let blob = promised(&[7; 100_000]);
    let fetched: usize = std::thread::scope(|scope| {
        let work = || {
            let Some(mut part) = store.ingest(&blob).unwrap() else { return 0 };
            part.write_all(&[7; 100_000]).unwrap();
            part.commit().unwrap();
            1
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(fetched, 1);
}

#[test]
fn a_tag_moves_and_leaves_the_old_image_dangling() {
    let (_dir, store) = store();
    let (old, new) = (image(&store, "old", b"1"), image(&store, "new", b"2"));
    let name = reference("app");
    assert_eq!(store.tag(&name, &old).unwrap(), None);
    assert_eq!(store.tag(&name, &old).unwrap(), None, "again is no change");
    let before = store.tag(&name, &new).unwrap().unwrap();
    assert_eq!(before.manifest, old);
    assert!(before.is_dangling());
    let images = store.images().unwrap();
    assert_eq!(images.len(), 2);
    assert_eq!(images[0].references, [reference("app:latest")]);
    assert!(images[1].is_dangling());
    assert!(store.untag(&name).unwrap().is_dangling());
    assert_eq!(store.untag(&name).unwrap_err().kind, Kind::NotFound);
    store.remove_image(&old.digest).unwrap();
    store.remove_image(&new.digest).unwrap();
    assert_eq!(store.images().unwrap(), []);
}

#[test]
fn an_image_is_found_by_name_id_digest_and_first_digits() {
    let (_dir, store) = store();
    let manifest = image(&store, "a", b"1");
    store.tag(&reference("localhost:5000/team/app:1"), &manifest).unwrap();
    let found = store.resolve("localhost:5000/team/app:1").unwrap();
    let id = found.id.clone();
    let at = format!("sha256:{}", &id.hex()[..9]);
    for text in
        [&id.to_string(), id.short(), &id.hex()[..3], id.hex(), &at, &manifest.digest.to_string()]
    {
        assert_eq!(store.resolve(text).unwrap(), found, "{text}");
    }
    // Names win over digits: a tag may look like them.
    let other = image(&store, "b", b"2");
    store.tag(&reference(&id.hex()[..4]), &other).unwrap();
    assert_eq!(store.resolve(&id.hex()[..4]).unwrap().manifest, other);
    for text in ["app", "localhost:5000/team/app", "zzz", "", "Bad Name"] {
        assert_eq!(store.resolve(text).unwrap_err().kind, Kind::NotFound, "{text}");
    }
    insta::assert_snapshot!("no_such_image", store.resolve("nginx:9").unwrap_err());
}

#[test]
fn digits_that_fit_two_images_are_refused() {
    let (_dir, store) = store();
    // Sixteen first digits: the seventeenth image must share one.
    for number in 0..17 {
        store.add_image(&image(&store, &number.to_string(), b"1")).unwrap();
    }
    let digits = "0123456789abcdef".chars().map(|digit| digit.to_string());
    let ambiguous = digits.filter_map(|digit| store.resolve(&digit).err());
    assert!(ambiguous.into_iter().any(|error| error.kind == Kind::Ambiguous));
}

#[test]
fn only_what_no_image_reaches_is_collected() {
    let (_dir, store) = store();
    let (kept, gone) = (image(&store, "kept", b"shared"), image(&store, "gone", b"shared"));
    let extra = store.put_bytes(MediaType::OciLayer, b"kept by the caller").unwrap();
    store.put_bytes(MediaType::OciLayer, b"garbage").unwrap();
    store.tag(&reference("kept"), &kept).unwrap();
    store.tag(&reference("gone"), &gone).unwrap();
    store.record_layer(&sha256(b"shared"), &promised(b"shared")).unwrap();
    store.record_layer(&sha256(b"unpacked garbage"), &promised(b"garbage")).unwrap();
    store.remove_image(&gone.digest).unwrap();
    let freed = store.gc(std::slice::from_ref(&extra)).unwrap();
    assert_eq!(freed.blobs, 3, "garbage, a config and a manifest: {freed:?}");
    assert_eq!(store.gc(&[extra]).unwrap(), Freed::default());
    assert_eq!(store.resolve("kept").unwrap().manifest, kept);
    assert_eq!(check_blobs(&store), 4);
    assert_eq!(store.blob_of_diff_id(&sha256(b"shared")), Some(promised(b"shared")));
    assert_eq!(store.diff_id_of_blob(&sha256(b"shared")), Some(sha256(b"shared")));
    assert_eq!(store.blob_of_diff_id(&sha256(b"unpacked garbage")), None);
    assert_eq!(store.diff_id_of_blob(&sha256(b"garbage")), None, "its note went with it");
}

#[test]
fn nothing_is_collected_while_somebody_adds() {
    let (_dir, store) = store();
    let lease = store.lease().unwrap();
    let _second = store.lease().unwrap();
    insta::assert_snapshot!("gc_while_adding", store.gc(&[]).unwrap_err());
    drop(lease);
    assert_eq!(store.gc(&[]).unwrap_err().kind, Kind::Busy);
    drop(_second);
    store.gc(&[]).unwrap();
}

#[test]
fn the_living_keep_their_temporary_files_and_the_dead_do_not() {
    let (_dir, store) = store();
    let ingest = store.layout().ingest();
    let mut writer = store.writer().unwrap();
    writer.write_all(b"alive").unwrap();
    fs::write(ingest.join("dead.tmp"), b"dead").unwrap();
    let part = ingest.join(format!("sha256-{}.part", "0".repeat(64)));
    fs::write(&part, b"fresh").unwrap();
    store.gc(&[]).unwrap();
    assert_eq!(names(&ingest).len(), 2, "the writer's and the fresh download");
    let yesterday = SystemTime::now() - Duration::from_secs(25 * 3600);
    fs::File::options().append(true).open(&part).unwrap().set_modified(yesterday).unwrap();
    store.gc(&[]).unwrap();
    assert!(!part.exists());
    let blob = writer.commit(MediaType::OciLayer).unwrap();
    assert_eq!(store.document(&blob.digest).unwrap(), b"alive");
}

#[test]
fn an_index_or_a_missing_manifest_cannot_be_tagged() {
    let (_dir, store) = store();
    let json = serde_json::to_vec(&oci::Index::new(Vec::new())).unwrap();
    let index = store.put_bytes(MediaType::OciIndex, &json).unwrap();
    assert_eq!(store.tag(&reference("a"), &index).unwrap_err().kind, Kind::Invalid);
    let nowhere = Descriptor::new(MediaType::OciManifest, sha256(b"?"), 1);
    assert_eq!(store.tag(&reference("a"), &nowhere).unwrap_err().kind, Kind::NotFound);
    let broken = store.put_bytes(MediaType::OciManifest, b"{").unwrap();
    assert_eq!(store.tag(&reference("a"), &broken).unwrap_err().kind, Kind::Invalid);
    assert_eq!(store.images().unwrap(), []);
}

#[test]
fn many_hands_tag_at_once_and_no_name_is_lost() {
    let (_dir, store) = store();
    let manifest = image(&store, "a", b"1");
    std::thread::scope(|scope| {
        for hand in 0..8 {
            let (store, manifest) = (&store, &manifest);
            scope.spawn(move || {
                for number in 0..10 {
                    store.tag(&reference(&format!("app{hand}:{number}")), manifest).unwrap();
                }
            });
        }
    });
    assert_eq!(store.images().unwrap()[0].references.len(), 80);
}

/// What a test's helper process does: this very program, told by the environment.
const CHILD: &str = "STORE_TEST_CHILD";

fn child(task: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "the_work_of_a_child", "--ignored", "--nocapture"]);
    command.env(CHILD, task).env("STORE_TEST_DIR", dir).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
#[ignore = "only as another test's child"]
fn the_work_of_a_child() {
    let store = Store::open(Layout::new(std::env::var("STORE_TEST_DIR").unwrap())).unwrap();
    match std::env::var(CHILD).as_deref() {
        Ok("write") => loop {
            let seed =
                std::process::id().wrapping_add(std::time::Instant::now().elapsed().subsec_nanos());
            for number in 0_u32.. {
                let content = [seed.to_le_bytes(), number.to_le_bytes()].concat().repeat(20_000);
                let layer = store.put_bytes(MediaType::OciLayer, &content).unwrap();
                let mut part = match store.ingest(&promised(&content[8..])).unwrap() {
                    Some(part) => part,
                    None => continue,
                };
                for piece in content[8..].chunks(10_000) {
                    part.write_all(piece).unwrap();
                }
                part.commit().unwrap();
                let manifest = image(&store, &format!("{seed} {number}"), &content);
                store.tag(&reference(&format!("app{}:{number}", seed % 10)), &manifest).unwrap();
                store.record_layer(&layer.digest, &layer).unwrap();
            }
        },
        Ok("fill") => {
            let blob = promised(&[1; 4 << 20]);
            let error = store.put(&blob, &[1; 4 << 20][..]).unwrap_err();
            let mut part = store.ingest(&blob).unwrap().unwrap();
            let half = [1; 1 << 16];
            let full = (0..64).find_map(|_| part.write_all(&half).err());
            assert_eq!(full.unwrap().raw_os_error(), Some(28), "ENOSPC");
            fs::write(std::env::var("STORE_TEST_SAYS").unwrap(), error.to_string()).unwrap();
            assert!(!store.has(&blob.digest));
        }
        task => panic!("{task:?}"),
    }
}

#[test]
fn a_writer_killed_at_any_moment_leaves_only_whole_things() {
    let (dir, store) = store();
    for round in 0_u64..60 {
        let mut writers: Vec<_> =
            (0..2).map(|_| child("write", dir.path()).spawn().unwrap()).collect();
        std::thread::sleep(Duration::from_millis(15 + round * 7 % 40));
        for writer in &mut writers {
            writer.kill().unwrap();
            writer.wait().unwrap();
        }
    }
    assert!(check_blobs(&store) > 10, "the writers did write");
    let images = store.images().unwrap();
    assert!(!images.is_empty());
    for image in &images {
        let manifest = store.image_manifest(&image.manifest).unwrap();
        assert!(manifest.blobs().all(|blob| store.has(&blob.digest)));
    }
    store.gc(&[]).unwrap();
    let left = names(&store.layout().ingest());
    assert!(left.iter().all(|name| name.ends_with(".part")), "{left:?}");
    for image in images {
        store.remove_image(&image.manifest.digest).unwrap();
    }
    store.gc(&[]).unwrap();
    assert_eq!(check_blobs(&store), 0);
}

#[test]
fn a_full_disk_is_said_to_be_full_and_nothing_half_written_is_visible() {
    let dir = tempfile::tempdir().unwrap();
    let says = dir.path().join("says");
    let small = dir.path().join("small");
    fs::create_dir(&small).unwrap();
    let command = child("fill", &small);
    // A small file system of its own, in a mount namespace that ends with the child.
    let script = "mount -t tmpfs -o size=2m,mode=755 small \"$STORE_TEST_DIR\" && exec \"$@\"";
    let mut alone = Command::new("unshare");
    alone.args([
        "--user",
        "--map-root-user",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        script,
        "sh",
    ]);
    alone.arg(command.get_program()).args(command.get_args());
    alone.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = alone.env("STORE_TEST_SAYS", &says).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    if words.contains("unshare failed") {
        assert!(std::env::var_os("LABS_MUST_RUN").is_none(), "{words}");
        println!("skipped: {words}");
        return;
    }
    assert!(output.status.success(), "{words}{}", String::from_utf8_lossy(&output.stdout));
    insta::assert_snapshot!("full_disk", fs::read_to_string(&says).unwrap());
}

#[test]
fn digests_of_documents_are_kept_as_they_are() {
    let (_dir, store) = store();
    let bytes = b"{ \"schemaVersion\": 2,\n\t\"manifests\": [] }";
    let index = store.put_bytes(MediaType::OciIndex, bytes).unwrap();
    assert_eq!(store.document(&index.digest).unwrap(), bytes);
    let absent: Digest = sha256(b"absent");
    insta::with_settings!({filters => vec![(r"[0-9a-f]{64}", "HEX")]}, {
        insta::assert_snapshot!("blob_not_here", store.document(&absent).unwrap_err());
    });
}
