//! Lines that break while we send: the registry is asked what it has, and the rest goes after it.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    peers::{DockerRegistry, have},
    world::{client, image, pull, push, reference, serve, shelf, weight},
};

/// A line to `upstream` that breaks after `length` bytes towards it, `times` times.
fn breaking_line(upstream: &str, length: usize, times: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let domain = listener.local_addr().unwrap().to_string();
    let (upstream, left) = (upstream.to_owned(), Arc::new(AtomicUsize::new(times)));
    thread::spawn(move || {
        for near in listener.incoming() {
            let (near, far) = (near.unwrap(), TcpStream::connect(&upstream).unwrap());
            let left = Arc::clone(&left);
            let (back_from, back_to) = (far.try_clone().unwrap(), near.try_clone().unwrap());
            thread::spawn(move || carry(back_from, back_to, usize::MAX, &AtomicUsize::new(0)));
            thread::spawn(move || carry(near, far, length, &left));
        }
    });
    domain
}

/// Carries bytes until the end, or until `length` of them have passed and `left` allows a break.
fn carry(mut from: TcpStream, mut to: TcpStream, length: usize, left: &AtomicUsize) {
    let mut buffer = [0; 16 << 10];
    let mut passed = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
        passed += count;
        let breaks = |left: usize| left.checked_sub(1);
        if passed > length && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, breaks).is_ok()
        {
            // What is on the way arrives before the end does.
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Pushes over a line that breaks twice; `sent_again` is how much the registry may have forgotten.
#[track_caller]
fn check(upstream: &str, chunk: Option<u64>, sent_again: u64) {
    let (ours, other) = (shelf(), shelf());
    let domain = breaking_line(upstream, 2_000_000, 2);
    let name = reference(&domain, "cut/app:1");
    let seed = chunk.unwrap_or_default() as usize % 1000;
    let image = image(&ours.store, &name, &[6_000_000 + seed]);
    let client = client(|options| options.chunk_size = chunk);
    let (pushed, _) = push(&client, &ours, (&image, &name)).unwrap();
    let whole = weight(&ours.store, &image.manifest);
    assert!(pushed.moved > whole, "the line did break: {} of {whole}", pushed.moved);
    assert!(pushed.moved <= whole + sent_again, "{} of {whole}", pushed.moved);
    let (pulled, _) = pull(&client, &other, &reference(upstream, "cut/app:1")).unwrap();
    assert_eq!(pulled.manifest.digest, image.manifest.digest);
}

/// What may be on the way when a line breaks: socket buffers of three sockets.
const ON_THE_WAY: u64 = 2 * 8_000_000;

#[test]
fn an_upload_to_us_goes_on_where_the_line_broke() {
    let theirs = shelf();
    let domain = serve(&theirs.store, |_| {});
    check(&domain, None, ON_THE_WAY);
    check(&domain, Some(2_500_001), 2 * 2_500_001);
    assert!(theirs.files().iter().all(|file| !file.starts_with("ingest")), "nothing is left of it");
}

#[test]
fn an_upload_to_docker_registry_survives_a_line_that_breaks() {
    if !have("docker-registry") {
        return;
    }
    let registry = DockerRegistry::start();
    check(&registry.domain, None, ON_THE_WAY);
    check(&registry.domain, Some(2_500_001), ON_THE_WAY);
}
