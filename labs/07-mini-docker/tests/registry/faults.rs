//! Everything that can go wrong on the way: a clear error, nothing half-written, and the next try
//! works.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use mini_docker::{
    event::Event,
    registry::client::{Client, Credentials, Login},
};

use crate::{
    fault_server::{Asked, http, start, start_silent, with_length},
    world::{client, pull, reference, shelf},
};

/// The fault shows in these words, leaves no blob that is not right, and once it is gone the same
/// pull works.
#[track_caller]
fn check(name: &str, fault: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static) {
    check_silent(name, Duration::ZERO, fault);
}

/// The same for one that says nothing for so long after it.
#[track_caller]
fn check_silent(
    name: &str,
    silence: Duration,
    fault: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static,
) {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let server = start_silent(silence, move |asked| match is_broken.load(Ordering::Relaxed) {
        true => fault(asked),
        false => None,
    });
    let ours = shelf();
    let client = match silence.is_zero() {
        true => client(|_| {}),
        false => impatient(),
    };
    let error = pull(&client, &ours, &server.name).map(drop).unwrap_err();
    insta::with_settings!({filters => vec![(r"127\.0\.0\.1:\d+", "REGISTRY")]}, {
        insta::assert_snapshot!(name, error);
    });
    assert_eq!(ours.store.images().unwrap(), [], "no half image is visible");
    for file in ours.files().iter().filter_map(|file| file.strip_prefix("blobs/sha256/")) {
        let bytes = std::fs::read(ours.dir.path().join("blobs/sha256").join(file)).unwrap();
        assert_eq!(mini_docker::store::sha256(&bytes).hex(), file, "a visible blob is whole");
    }
    broken.store(false, Ordering::Relaxed);
    pull(&client, &ours, &server.name).expect("the next try works");
}

/// A client that takes whoever says nothing for half a second for gone.
fn impatient() -> Client {
    client(|options| options.silence_max = Duration::from_millis(500))
}

/// Only the layer, not the config.
fn layer(asked: &Asked) -> Option<&(String, Vec<u8>)> {
    asked.honest.as_ref().filter(|(kind, _)| asked.is_blob() && kind.contains("layer"))
}

#[test]
fn a_cut_connection_is_resumed_where_it_broke() {
    let server = start(|asked| {
        let (_, body) = layer(asked)?;
        let sent = asked
            .header("range")
            .map_or(0, |range| range[6..].trim_end_matches('-').parse().unwrap());
        // A hundred thousand bytes each time, then the line goes dead.
        let end = (sent + 100_000).min(body.len());
        let range = format!("Content-Range: bytes {sent}-{}/{}\r\n", body.len() - 1, body.len());
        let status = if sent == 0 { "200 OK" } else { "206 Partial Content" };
        Some(with_length(status, &range, &body[sent..end], body.len() - sent))
    });
    let ours = shelf();
    let (pulled, journal) = pull(&client(|_| {}), &ours, &server.name).unwrap();
    let weight = crate::world::weight(&ours.store, &pulled.manifest);
    assert_eq!(pulled.moved, weight, "no byte came twice");
    assert!(journal.count(|event| matches!(event, Event::BlobRetry { .. })) >= 4);
}

#[test]
fn a_download_that_was_given_up_is_taken_up_by_the_next_pull() {
    let broken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&broken);
    let server = start(move |asked| {
        let (_, body) = layer(asked)?;
        match counter.fetch_add(1, Ordering::Relaxed) {
            0 => Some(with_length("200 OK", "", &body[..200_000], body.len())),
            1..=3 => Some(Vec::new()),
            _ => None,
        }
    });
    let ours = shelf();
    pull(&client(|_| {}), &ours, &server.name).map(drop).unwrap_err();
    let (pulled, _) = pull(&client(|_| {}), &ours, &server.name).unwrap();
    let weight = crate::world::weight(&ours.store, &pulled.manifest);
    assert!(pulled.moved <= weight - 200_000, "{} of {weight}", pulled.moved);
}

#[test]
fn a_server_that_cannot_start_in_the_middle_starts_over() {
    let server = start(|asked| {
        let (kind, body) = layer(asked)?;
        match asked.before {
            0 => Some(with_length("200 OK", "", &body[..200_000], body.len())),
            _ => Some(http("200 OK", &format!("Content-Type: {kind}\r\n"), body)),
        }
    });
    let ours = shelf();
    let (pulled, _) = pull(&client(|_| {}), &ours, &server.name).unwrap();
    assert!(ours.store.find(&server.name).unwrap().is_some());
    let weight = crate::world::weight(&ours.store, &pulled.manifest);
    assert_eq!(pulled.moved, weight + 200_000, "what came twice is counted twice");
}

#[test]
fn a_line_that_never_holds_is_given_up() {
    check("cut_for_good", |asked| {
        let (_, body) = layer(asked)?;
        Some(match asked.before {
            0 => with_length("200 OK", "", &body[..1000], body.len()),
            _ => Vec::new(),
        })
    });
}

/// Much longer than anybody waits here.
const FOR_EVER: Duration = Duration::from_secs(60);

#[test]
fn who_falls_silent_is_left() {
    let begin = Instant::now();
    check_silent("silent_at_once", FOR_EVER, |asked| asked.is_manifest().then(Vec::new));
    check_silent("silent_in_a_header", FOR_EVER, |asked| {
        asked.is_manifest().then(|| b"HTTP/1.1 200 OK\r\nContent-".to_vec())
    });
    check_silent("silent_in_a_layer", FOR_EVER, |asked| {
        let (_, body) = layer(asked)?;
        Some(match asked.before {
            0 => with_length("200 OK", "", &body[..1000], body.len()),
            _ => Vec::new(),
        })
    });
    assert!(begin.elapsed() < FOR_EVER, "nobody waited for the end of a silence");
}

#[test]
fn who_falls_silent_once_is_asked_for_the_rest() {
    let server = start_silent(FOR_EVER, |asked| {
        let (_, body) = layer(asked)?;
        let first = asked.before == 0;
        first.then(|| with_length("200 OK", "", &body[..200_000], body.len()))
    });
    let ours = shelf();
    let (pulled, _) = pull(&impatient(), &ours, &server.name).unwrap();
    let weight = crate::world::weight(&ours.store, &pulled.manifest);
    assert_eq!(pulled.moved, weight, "no byte came twice");
}

#[test]
fn a_blob_with_another_digest_is_refused() {
    check("wrong_digest", |asked| {
        let (_, body) = layer(asked)?;
        let mut body = body.clone();
        body[1234] ^= 1;
        Some(http("200 OK", "", &body))
    });
}

#[test]
fn a_blob_of_another_announced_size_is_refused() {
    check("lying_content_length", |asked| {
        let (_, body) = layer(asked)?;
        Some(with_length("200 OK", "", body, body.len() + 7))
    });
}

#[test]
fn a_blob_that_does_not_end_is_stopped() {
    check("endless_blob", |asked| {
        let (_, body) = layer(asked)?;
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
        Some([head.as_bytes(), body, &[0; 4096]].concat())
    });
}

#[test]
fn a_range_that_was_not_asked_for_is_refused() {
    check("wrong_range", |asked| {
        let (_, body) = layer(asked)?;
        Some(match asked.before {
            0 => with_length("200 OK", "", &body[..1000], body.len()),
            _ => {
                let range = format!("Content-Range: bytes 7-{}/{}\r\n", body.len() - 1, body.len());
                http("206 Partial Content", &range, &body[7..])
            }
        })
    });
}

#[test]
fn a_manifest_with_another_digest_is_refused() {
    check("wrong_manifest_digest", |asked| {
        let (kind, body) = asked.honest.as_ref().filter(|_| asked.is_manifest())?;
        let digest = mini_docker::store::sha256(b"another");
        let headers = format!("Content-Type: {kind}\r\nDocker-Content-Digest: {digest}\r\n");
        Some(http("200 OK", &headers, body))
    });
}

#[test]
fn broken_json_is_refused() {
    check("broken_json", |asked| {
        let (kind, body) = asked.honest.as_ref().filter(|_| asked.is_manifest())?;
        Some(http("200 OK", &format!("Content-Type: {kind}\r\n"), &body[..100]))
    });
}

#[test]
fn an_unknown_media_type_is_refused() {
    check("unknown_media_type", |asked| {
        let (_, body) = asked.honest.as_ref().filter(|_| asked.is_manifest())?;
        Some(http("200 OK", "Content-Type: application/vnd.cncf.helm.v1\r\n", body))
    });
}

#[test]
fn an_unknown_layer_type_is_refused_before_the_download() {
    check("unknown_layer_type", |asked| {
        let (kind, body) = asked.honest.as_ref().filter(|_| asked.is_manifest())?;
        let body = String::from_utf8(body.clone())
            .unwrap()
            .replace("v1.tar+gzip", "v1.tar+gzip+encrypted");
        Some(http("200 OK", &format!("Content-Type: {kind}\r\n"), body.as_bytes()))
    });
}

#[test]
fn schema_1_is_recognised_and_refused() {
    check("schema_1", |asked| {
        let kind = "Content-Type: application/vnd.docker.distribution.manifest.v1+prettyjws\r\n";
        asked.is_manifest().then(|| http("200 OK", kind, br#"{"schemaVersion":1,"fsLayers":[]}"#))
    });
}

#[test]
fn a_huge_manifest_is_not_read_to_its_end() {
    check("huge_manifest", |asked| {
        let kind = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n";
        asked.is_manifest().then(|| http("200 OK", kind, &vec![b' '; 5 << 20]))
    });
}

#[test]
fn an_absent_image_is_said_to_be_absent() {
    check("absent_tag", |asked| {
        let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"1"}}]}"#;
        asked.is_manifest().then(|| http("404 Not Found", "", body))
    });
    check("absent_repository", |asked| {
        let body = br#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}"#;
        asked.is_manifest().then(|| http("404 Not Found", "", body))
    });
    check("absent_blob", |asked| {
        let body = br#"{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}"#;
        layer(asked).map(|_| http("404 Not Found", "", body))
    });
}

#[test]
fn too_many_requests_and_an_unwell_server_are_tried_again() {
    for status in ["429 Too Many Requests", "503 Service Unavailable", "500 Internal Server Error"]
    {
        let server = start(move |asked| {
            let first = asked.before == 0 && !asked.line.contains(" /v2/ ");
            first.then(|| http(status, "Retry-After: 0\r\n", b"busy"))
        });
        pull(&client(|_| {}), &shelf(), &server.name).unwrap();
        assert!(server.log.lock().unwrap().len() >= 6, "each of three was asked for twice");
    }
    check("too_many_requests", |asked| {
        let body = br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit"}]}"#;
        asked.is_manifest().then(|| http("429 Too Many Requests", "Retry-After: 0\r\n", body))
    });
    check("unwell", |asked| asked.is_manifest().then(|| http("502 Bad Gateway", "", b"<html>")));
}

#[test]
fn a_server_that_speaks_no_http_is_said_to() {
    check("no_http", |asked| asked.is_manifest().then(|| b"220 mail.example ESMTP\r\n".to_vec()));
}

#[test]
fn a_server_that_leads_in_circles_is_left() {
    check("redirect_circle", |asked| {
        let location = format!("Location: {}\r\n", asked.line.split(' ').nth(1).unwrap());
        asked.is_manifest().then(|| http("307 Temporary Redirect", &location, b""))
    });
}

/// A registry that wants a token, which its own `/token` hands out to those who know the password.
fn guarded(asked: &Asked) -> Option<Vec<u8>> {
    let host = asked.header("host").unwrap();
    if asked.line.starts_with("GET /token?") {
        let wanted = "service=the%20registry&scope=repository:app:pull";
        assert!(asked.line.contains(wanted), "{}", asked.line);
        // u:p
        return Some(match asked.header("authorization") {
            Some("basic dtpw") => http("200 OK", "", br#"{"token":"t0ken","expires_in":60}"#),
            _ => http("401 Unauthorized", "", br#"{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}"#),
        });
    }
    if asked.header("authorization") == Some("bearer t0ken") {
        return None;
    }
    let challenge = format!(
        "WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"the registry\",scope=\"repository:app:pull\"\r\n"
    );
    Some(http(
        "401 Unauthorized",
        &challenge,
        br#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#,
    ))
}

#[test]
fn a_token_is_fetched_once_and_used_for_all() {
    let server = start(guarded);
    let login = Login::Password { username: "u".into(), password: "p".into() };
    let credentials = Credentials::default().with(server.name.domain(), login);
    let client = client(|options| options.credentials = credentials);
    pull(&client, &shelf(), &server.name).unwrap();
    let log = server.log.lock().unwrap();
    assert_eq!(log.iter().filter(|line| line.contains("/token")).count(), 1, "{log:#?}");
    drop(log);
    check("token_refused", guarded);
}

#[test]
fn storage_elsewhere_does_not_see_our_authorisation() {
    let seen = Arc::new(AtomicBool::new(false));
    let leaked = Arc::clone(&seen);
    let spy = start(move |asked| {
        leaked.fetch_or(asked.header("authorization").is_some(), Ordering::Relaxed);
        None
    });
    let elsewhere = spy.name.domain().to_owned();
    let server = start(move |asked| {
        if let Some(refusal) = guarded(asked) {
            return Some(refusal);
        }
        let path = asked.line.split(' ').nth(1).unwrap();
        let location = format!("Location: http://{elsewhere}{path}\r\n");
        asked.is_blob().then(|| http("307 Temporary Redirect", &location, b""))
    });
    let login = Login::Password { username: "u".into(), password: "p".into() };
    let credentials = Credentials::default().with(server.name.domain(), login);
    let client = client(|options| options.credentials = credentials);
    pull(&client, &shelf(), &server.name).unwrap();
    assert!(spy.log.lock().unwrap().iter().any(|line| line.contains("/blobs/")));
    assert!(!seen.load(Ordering::Relaxed), "the token went to another host");
}

#[test]
fn nobody_at_the_door_is_said_to_be_nobody() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let domain = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = pull(&client(|_| {}), &shelf(), &reference(&domain, "app")).map(drop).unwrap_err();
    insta::with_settings!({filters => vec![(r"127\.0\.0\.1:\d+", "REGISTRY")]}, {
        insta::assert_snapshot!("nobody_there", error);
    });
}
