//! The server's API by itself, as the distribution specification has it.

use crate::world::{client, image, layer, push, reference, serve, shelf};
use mini_docker::{
    registry::{client::Kind, server},
    store::sha256,
};
use oci::{Descriptor, MediaType};

/// One request by hand: status, headers and body as text.
fn request(
    domain: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (u16, String, String) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(domain).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {domain}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

fn header(head: &str, name: &str) -> String {
    let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_default().to_owned()
}

#[test]
fn chunks_must_follow_each_other_and_the_digest_must_hold() {
    let theirs = shelf();
    let domain = serve(&theirs.store, |_| {});
    let (status, head, _) = request(&domain, "POST", "/v2/a/blobs/uploads/", "", "");
    assert_eq!(status, 202);
    let upload = header(&head, "location");
    let (status, head, _) = request(&domain, "PATCH", &upload, "Content-Range: 0-4\r\n", "hello");
    assert_eq!((status, header(&head, "range")), (202, "0-4".into()));
    let (status, head, body) = request(&domain, "PATCH", &upload, "Content-Range: 9-9\r\n", "!");
    assert_eq!((status, header(&head, "range")), (416, "0-4".into()));
    assert!(body.contains("BLOB_UPLOAD_INVALID"), "{body}");
    let (status, head, _) = request(&domain, "GET", &upload, "", "");
    assert_eq!((status, header(&head, "range")), (204, "0-4".into()));

    let wrong = format!("{upload}?digest={}", sha256(b"other"));
    let (status, _, body) = request(&domain, "PUT", &wrong, "", "");
    assert_eq!(status, 400);
    assert!(body.contains("DIGEST_INVALID"), "{body}");
    assert_eq!(theirs.files(), [""; 0], "nothing of it is left");
    assert_eq!(request(&domain, "GET", &upload, "", "").0, 404);
}

#[test]
fn a_blob_may_come_in_one_request_or_end_with_the_last() {
    let theirs = shelf();
    let domain = serve(&theirs.store, |_| {});
    let whole = format!("/v2/a/blobs/uploads/?digest={}", sha256(b"whole")).replace(':', "%3A");
    assert_eq!(request(&domain, "POST", &whole, "", "whole").0, 201);
    let upload = header(&request(&domain, "POST", "/v2/a/blobs/uploads/", "", "").1, "location");
    request(&domain, "PATCH", &upload, "", "hel");
    let last = format!("{upload}?digest={}", sha256(b"hello"));
    let (status, head, _) = request(&domain, "PUT", &last, "", "lo");
    assert_eq!(status, 201);
    let at = header(&head, "location");
    assert_eq!(request(&domain, "GET", &at, "", "").2, "hello");
    let (status, head, body) = request(&domain, "GET", &at, "Range: bytes=1-3\r\n", "");
    assert_eq!((status, body.as_str()), (206, "ell"));
    assert_eq!(header(&head, "content-range"), "bytes 1-3/5");
    assert_eq!(request(&domain, "GET", &at, "Range: bytes=5-\r\n", "").0, 416);
    let (status, head, body) = request(&domain, "HEAD", &at, "", "");
    assert_eq!((status, header(&head, "content-length"), body.as_str()), (200, "5".into(), ""));
}

#[test]
fn a_sha512_digest_is_checked_as_well() {
    let theirs = shelf();
    let domain = serve(&theirs.store, |_| {});
    let hex = "9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043";
    let path = format!("/v2/a/blobs/uploads/?digest=sha512:{hex}");
    assert_eq!(request(&domain, "POST", &path, "", "hello").0, 201);
    assert_eq!(request(&domain, "POST", &path, "", "hullo").0, 400);
}

#[test]
fn a_cancelled_upload_and_one_cut_off_leave_nothing_behind() {
    use std::io::Write;
    let theirs = shelf();
    let domain = serve(&theirs.store, |_| {});
    let upload = header(&request(&domain, "POST", "/v2/a/blobs/uploads/", "", "").1, "location");
    assert_eq!(request(&domain, "DELETE", &upload, "", "").0, 204);
    assert_eq!(request(&domain, "DELETE", &upload, "", "").0, 404);
    let path = format!("/v2/a/blobs/uploads/?digest={}", sha256(b"hello"));
    let mut stream = std::net::TcpStream::connect(&domain).unwrap();
    write!(stream, "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel").unwrap();
    drop(stream);
    // The server notices in its own time.
    let empty = || theirs.files().is_empty();
    assert!((0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        empty()
    }));
    assert_eq!(
        request(&domain, "HEAD", &format!("/v2/a/blobs/{}", sha256(b"hello")), "", "").0,
        404
    );
}

#[test]
fn a_manifest_whose_blobs_are_missing_is_refused() {
    let (ours, theirs) = (shelf(), shelf());
    let domain = serve(&theirs.store, |_| {});
    let name = reference(&domain, "app:1");
    let image = image(&ours.store, &name, &[1000]);
    let bytes = ours.store.document(&image.manifest.digest).unwrap();
    let client = client(|_| {});
    let error = client.push_manifest(&name, &MediaType::OciManifest, &bytes).unwrap_err();
    insta::with_settings!({filters => vec![(r"127\.0\.0\.1:\d+", "REGISTRY")]}, {
        insta::assert_snapshot!("manifest_blob_unknown", error);
    });
    assert!(client.manifest_descriptor(&name).unwrap().is_none());
    // Another repository's blobs do not count either.
    push(&client, &ours, (&image, &reference(&domain, "other"))).unwrap();
    assert!(client.push_manifest(&name, &MediaType::OciManifest, &bytes).is_err());
}

#[test]
fn tags_and_repositories_come_in_pages() {
    let (ours, theirs) = (shelf(), shelf());
    let domain = serve(&theirs.store, |_| {});
    let client = client(|_| {});
    for name in ["b:1", "b:2", "b:3", "a/deep/er:1", "a:1"] {
        let name = reference(&domain, name);
        let image = image(&ours.store, &name, &[1000]);
        push(&client, &ours, (&image, &name)).unwrap();
    }
    assert_eq!(client.tags(&reference(&domain, "b")).unwrap(), ["1", "2", "3"]);
    assert_eq!(client.catalog(&domain).unwrap(), ["a", "a/deep/er", "b"]);
    let (_, head, body) = request(&domain, "GET", "/v2/b/tags/list?n=2", "", "");
    assert_eq!(body, r#"{"name":"b","tags":["1","2"]}"#);
    assert_eq!(header(&head, "link"), r#"</v2/b/tags/list?n=2&last=2>; rel="next""#);
    let (_, head, body) = request(&domain, "GET", "/v2/b/tags/list?n=2&last=2", "", "");
    assert_eq!(
        (body.as_str(), header(&head, "link").as_str()),
        (r#"{"name":"b","tags":["3"]}"#, "")
    );
    assert_eq!(request(&domain, "GET", "/v2/_catalog?n=1", "", "").2, r#"{"repositories":["a"]}"#);
    let error = client.tags(&reference(&domain, "nobody/here")).unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
}

#[test]
fn deleting_is_refused_until_allowed_and_frees_nothing_until_collected() {
    let (ours, theirs) = (shelf(), shelf());
    let (strict, lax) =
        (serve(&theirs.store, |_| {}), serve(&theirs.store, |o| o.allow_delete = true));
    let client = client(|_| {});
    let shared = image(&ours.store, &reference(&lax, "app:1"), &[50_000]);
    let other = image(&ours.store, &reference(&lax, "app:2"), &[50_000, 70_000]);
    for (image, name) in [(&shared, "app:1"), (&other, "app:2")] {
        push(&client, &ours, (image, &reference(&lax, name))).unwrap();
    }
    let digest = other.manifest.digest.clone();
    let refused =
        client.delete_manifest(&reference(&strict, "app").at(digest.clone())).unwrap_err();
    assert_eq!(refused.kind, Kind::Denied);
    client.delete_manifest(&reference(&lax, "app").at(digest)).unwrap();
    assert_eq!(client.tags(&reference(&lax, "app")).unwrap(), ["1"], "its tag went with it");
    assert_eq!(theirs.blobs(), 6, "deleting a manifest frees nothing");
    let freed = server::collect(&theirs.store).unwrap();
    assert_eq!(freed.blobs, 3, "the shared layer stays");
    let elsewhere = shelf();
    crate::world::pull(&client, &elsewhere, &reference(&lax, "app:1")).unwrap();
}

#[test]
fn what_refers_to_a_manifest_is_found() {
    let (ours, theirs) = (shelf(), shelf());
    let domain = serve(&theirs.store, |_| {});
    let client = client(|_| {});
    let name = reference(&domain, "app:1");
    let image = image(&ours.store, &name, &[1000]);
    push(&client, &ours, (&image, &name)).unwrap();
    let mut signature = ours.store.image_manifest(&image.manifest).unwrap();
    signature.subject = Some(Descriptor { ..image.manifest.clone() });
    signature.artifact_type = Some("application/x-signature".into());
    let json = serde_json::to_vec(&signature).unwrap();
    client.push_manifest(&reference(&domain, "app:sig"), &MediaType::OciManifest, &json).unwrap();
    let path = format!("/v2/app/referrers/{}", image.manifest.digest);
    let (status, _, body) = request(&domain, "GET", &path, "", "");
    let index: oci::Index = serde_json::from_str(&body).unwrap();
    assert_eq!((status, index.manifests.len()), (200, 1));
    assert_eq!(index.manifests[0].digest, sha256(&json));
    assert_eq!(index.manifests[0].artifact_type.as_deref(), Some("application/x-signature"));
}

#[test]
fn many_blobs_at_once_do_not_disturb_each_other() {
    let (ours, theirs) = (shelf(), shelf());
    let domain = serve(&theirs.store, |_| {});
    let name = reference(&domain, "app");
    let client = client(|_| {});
    std::thread::scope(|scope| {
        for seed in 0..12 {
            let (client, store, name) = (&client, &ours.store, &name);
            scope.spawn(move || {
                let blob =
                    store.put_bytes(MediaType::OciLayerGzip, &layer(seed, 1_500_000).0).unwrap();
                mini_docker::transfer::send_blob(client, store, (name, &blob), &|_| {}).unwrap();
            });
        }
    });
    assert_eq!(theirs.blobs(), 12);
}
