//! Our client and our server: what is pushed is what is pulled, and nothing moves twice.

use crate::world::{Journal, client, image, layer, pull, push, reference, serve, shelf, weight};
use mini_docker::{event::Event, registry::client::Kind, transfer};
use oci::{Descriptor, MediaType};

#[test]
fn what_was_pushed_is_pulled_back_and_moves_only_once() {
    let (ours, theirs, other) = (shelf(), shelf(), shelf());
    let domain = serve(&theirs.store, |_| {});
    let name = reference(&domain, "team/app:1");
    let image = image(&ours.store, &name, &[3_000_000, 5_000, 5_000]);
    let client = client(|_| {});

    let (pushed, _) = push(&client, &ours, (&image, &name)).unwrap();
    assert_eq!(pushed.moved, weight(&ours.store, &image.manifest));
    let (again, _) = push(&client, &ours, (&image, &name)).unwrap();
    assert_eq!(again.moved, 0, "a second push moves no layer bytes");

    let (pulled, _) = pull(&client, &other, &name).unwrap();
    assert_eq!(pulled.manifest.digest, image.manifest.digest);
    assert_eq!(pulled.moved, pushed.moved);
    assert!(!pulled.was_up_to_date);
    let (again, journal) = pull(&client, &other, &name).unwrap();
    assert_eq!(again.moved, 0, "a second pull moves no layer bytes");
    assert!(again.was_up_to_date);
    assert_eq!(journal.count(|event| matches!(event, Event::BlobPresent { .. })), 4);
    assert_eq!(other.store.resolve(&name.to_string()).unwrap().id, image.id);
    let leftovers = other.files().into_iter().filter(|file| file.starts_with("ingest"));
    assert_eq!(leftovers.count(), 0);
}

#[test]
fn a_large_blob_goes_in_chunks_of_any_size() {
    for chunk in [None, Some(1_000_000), Some(300_001), Some(10_000_000)] {
        let (ours, theirs) = (shelf(), shelf());
        let domain = serve(&theirs.store, |_| {});
        let name = reference(&domain, "app");
        let image = image(&ours.store, &name, &[2_500_000]);
        push(&client(|options| options.chunk_size = chunk), &ours, (&image, &name)).unwrap();
        let layer = &ours.store.image_manifest(&image.manifest).unwrap().layers[0];
        assert_eq!(theirs.store.size(&layer.digest).unwrap(), layer.size);
    }
}

#[test]
fn a_layer_known_under_another_name_is_mounted() {
    let (ours, theirs) = (shelf(), shelf());
    let domain = serve(&theirs.store, |_| {});
    let (one, two) = (reference(&domain, "one:1"), reference(&domain, "a/two:2"));
    let image = image(&ours.store, &one, &[100_000, 200_000]);
    let client = client(|_| {});
    push(&client, &ours, (&image, &one)).unwrap();
    let (pushed, journal) = push(&client, &ours, (&image, &two)).unwrap();
    assert_eq!(pushed.moved, 0);
    assert_eq!(journal.count(|event| matches!(event, Event::BlobMounted { .. })), 3);
    assert_eq!(client.manifest(&two).unwrap().descriptor, image.manifest);
}

#[test]
fn two_pulls_of_one_image_at_once_move_it_once() {
    let (ours, theirs, shared) = (shelf(), shelf(), shelf());
    let domain = serve(&theirs.store, |_| {});
    let name = reference(&domain, "app");
    let image = image(&ours.store, &name, &[1_000_000, 2_000_000, 3_000_000]);
    push(&client(|_| {}), &ours, (&image, &name)).unwrap();
    let moved: u64 = std::thread::scope(|scope| {
        let pulls: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| pull(&client(|_| {}), &shared, &name).unwrap().0.moved))
            .collect();
        pulls.into_iter().map(|pull| pull.join().unwrap()).sum()
    });
    assert_eq!(moved, weight(&ours.store, &image.manifest));
}

#[test]
fn an_index_gives_the_image_for_the_platform_asked_for() {
    let (ours, theirs, other) = (shelf(), shelf(), shelf());
    let domain = serve(&theirs.store, |_| {});
    let client = client(|_| {});
    let mut entries = Vec::new();
    for (number, platform) in ["linux/amd64", "linux/arm64", "linux/arm/v7"].iter().enumerate() {
        let name = reference(&domain, &format!("multi:{number}"));
        let image = image(&ours.store, &name, &[1000 + number]);
        push(&client, &ours, (&image, &name)).unwrap();
        let platform = Some(platform.parse().unwrap());
        entries.push(Descriptor { platform, ..image.manifest });
    }
    let name = reference(&domain, "multi:all");
    let index = serde_json::to_vec(&oci::Index::new(entries.clone())).unwrap();
    client.push_manifest(&name, &MediaType::OciIndex, &index).unwrap();
    for entry in &entries {
        let platform = entry.platform.as_ref().unwrap();
        let wanted = (&name, platform);
        let pulled = transfer::pull_manifest_tree(&client, &other.store, wanted, &|_| {}).unwrap();
        assert_eq!(pulled.manifest.digest, entry.digest, "{platform}");
        assert_ne!(pulled.target.digest, entry.digest);
    }
    let windows = "windows/amd64".parse().unwrap();
    let wanted = (&name, &windows);
    let error = transfer::pull_manifest_tree(&client, &other.store, wanted, &|_| {}).unwrap_err();
    insta::assert_snapshot!("no_matching_platform", error);
}

#[test]
fn a_stream_taken_up_in_the_middle_is_the_same_blob() {
    let (ours, theirs) = (shelf(), shelf());
    let domain = serve(&theirs.store, |_| {});
    let name = reference(&domain, "app");
    let image = image(&ours.store, &name, &[400_000]);
    let client = client(|_| {});
    push(&client, &ours, (&image, &name)).unwrap();
    let blob = ours.store.image_manifest(&image.manifest).unwrap().layers[0].clone();

    let other = shelf();
    let mut part = other.store.ingest(&blob).unwrap().unwrap();
    let half = std::io::Read::take(ours.store.blob(&blob.digest).unwrap(), 200_000);
    std::io::copy(&mut { half }, &mut part).unwrap();
    drop(part);
    let journal = Journal::default();
    let moved = transfer::fetch_blob(&client, &other.store, (&name, &blob), &|e| journal.note(e));
    assert_eq!(moved.unwrap(), blob.size - 200_000);
    let resumed = |event: &Event| matches!(event, Event::BlobStarted { offset: 200_000, .. });
    assert_eq!(journal.count(resumed), 1);
    assert!(other.store.has(&blob.digest));
}

#[test]
fn a_digest_pulls_what_a_tag_no_longer_leads_to() {
    let (ours, theirs, other) = (shelf(), shelf(), shelf());
    let domain = serve(&theirs.store, |_| {});
    let name = reference(&domain, "app:1");
    let client = client(|_| {});
    let old = image(&ours.store, &name, &[1000]);
    push(&client, &ours, (&old, &name)).unwrap();
    let new = image(&ours.store, &name, &[2000]);
    push(&client, &ours, (&new, &name)).unwrap();
    let digest = &old.manifest.digest;
    let both = reference(&domain, &format!("app:1@{digest}"));
    for (name, moved_before) in [(&name.at(digest.clone()), false), (&both, true)] {
        let pulled = pull(&client, &other, name).unwrap().0;
        assert_eq!((pulled.manifest.digest, pulled.was_up_to_date), (digest.clone(), moved_before));
        assert!(
            other.store.resolve(&name.to_string()).unwrap().is_dangling(),
            "no tag was asked for"
        );
    }
    assert_eq!(pull(&client, &other, &name).unwrap().0.manifest.digest, new.manifest.digest);
}

#[test]
fn a_login_is_asked_for_and_given() {
    use mini_docker::registry::client::{Credentials, Login};
    let (ours, theirs) = (shelf(), shelf());
    let secret = Some(("gopher".to_owned(), "s3cret".to_owned()));
    let domain = serve(&theirs.store, |options| options.login = secret);
    let name = reference(&domain, "private/app");
    let image = image(&ours.store, &name, &[1000]);

    let error = push(&client(|_| {}), &ours, (&image, &name)).map(drop).unwrap_err();
    let transfer::Error::Registry(failure) = &error else { panic!("{error:?}") };
    assert_eq!(failure.kind, Kind::Unauthorized);
    insta::with_settings!({filters => vec![(r"127\.0\.0\.1:\d+", "REGISTRY")]}, {
        insta::assert_snapshot!("push_without_login", error);
        insta::assert_snapshot!("pull_without_login", pull(&client(|_| {}), &ours, &name).map(drop).unwrap_err());
    });

    let login =
        |password: &str| Login::Password { username: "gopher".into(), password: password.into() };
    let with = |password: &str| {
        client(|o| o.credentials = Credentials::default().with(&domain, login(password)))
    };
    assert_eq!(with("wrong").ping(&domain).unwrap_err().kind, Kind::Unauthorized);
    with("s3cret").ping(&domain).unwrap();
    push(&with("s3cret"), &ours, (&image, &name)).unwrap();
}

#[test]
fn the_same_bytes_twice_in_an_image_are_one_blob() {
    let (ours, theirs, other) = (shelf(), shelf(), shelf());
    let domain = serve(&theirs.store, |_| {});
    let name = reference(&domain, "app");
    let (bytes, diff_id) = layer(7, 5000);
    let mut config = oci::ImageConfig::new(&oci::Platform::host());
    config.rootfs.diff_ids = vec![diff_id.clone(), diff_id];
    let config =
        ours.store.put_bytes(MediaType::OciConfig, &serde_json::to_vec(&config).unwrap()).unwrap();
    let layer = ours.store.put_bytes(MediaType::OciLayerGzip, &bytes).unwrap();
    let manifest =
        serde_json::to_vec(&oci::Manifest::new(config, vec![layer.clone(), layer])).unwrap();
    let manifest = ours.store.put_bytes(MediaType::OciManifest, &manifest).unwrap();
    ours.store.tag(&name, &manifest).unwrap();
    let image = ours.store.find(&name).unwrap().unwrap();
    let client = client(|_| {});
    push(&client, &ours, (&image, &name)).unwrap();
    pull(&client, &other, &name).unwrap();
    assert_eq!(other.blobs(), 3);
}

#[test]
fn a_blob_is_at_no_time_in_memory_as_a_whole() {
    crate::world::alone("round_trip::the_memory_of_a_large_blob", None);
}

#[test]
#[ignore = "only as another test's child, whose memory it measures"]
fn the_memory_of_a_large_blob() {
    use std::io::Write;
    let (ours, theirs, other) = (shelf(), shelf(), shelf());
    let domain = serve(&theirs.store, |_| {});
    let name = reference(&domain, "big");
    let mut writer = ours.store.writer().unwrap();
    let megabyte = crate::world::noise(1, 1 << 20);
    for _ in 0..160 {
        writer.write_all(&megabyte).unwrap();
    }
    let blob = writer.commit(MediaType::OciLayer).unwrap();
    let client = client(|_| {});
    transfer::send_blob(&client, &ours.store, (&name, &blob), &|_| {}).unwrap();
    transfer::fetch_blob(&client, &other.store, (&name, &blob), &|_| {}).unwrap();
    assert!(other.store.has(&blob.digest));
    // Client and server together (proc_pid_status(5)).
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kib < 64 << 10, "{peak_kib} KiB");
}
