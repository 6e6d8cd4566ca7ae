//! The program itself beside a registry that fails: what two commands do for each other, and that
//! unpacking while bytes arrive survives bytes that were wrong.

use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Condvar, Mutex},
};

use testbed::needs;

use crate::fault_server::{Asked, FaultServer, http, start, with_length};

pub fn mini_docker(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mini-docker"));
    command.arg("--root").arg(root).args(words);
    command.env_clear().env("HOME", root).env("PATH", "/usr/bin:/bin");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn pull(root: &Path, server: &FaultServer) -> Child {
    mini_docker(root, &["pull", "-q", &server.name.to_string()]).spawn().unwrap()
}

#[track_caller]
pub fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The image is there, and everything of it is what its digest says.
#[track_caller]
pub fn is_whole(root: &Path) {
    let checked = mini_docker(root, &["system", "check"]).output().unwrap();
    succeeded(&checked);
    let images = mini_docker(root, &["images", "-q"]).output().unwrap();
    assert_eq!(images.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
    let unpacked = std::fs::read_dir(root.join("layers/sha256")).unwrap().count();
    assert_eq!(unpacked, 1);
}

/// Requests for the layer, by their first lines.
fn layers_asked(server: &FaultServer, layer: &str) -> usize {
    let log = server.log.lock().unwrap();
    log.iter().filter(|line| line.starts_with("GET ") && line.contains(layer)).count()
}

/// Something that threads wait for.
#[derive(Clone, Default)]
struct Moment(Arc<(Mutex<u32>, Condvar)>);

impl Moment {
    fn came(&self) {
        *self.0.0.lock().unwrap() += 1;
        self.0.1.notify_all();
    }

    fn wait(&self, times: u32) {
        let reached = self.0.1.wait_while(self.0.0.lock().unwrap(), |count| *count < times);
        drop(reached.unwrap());
    }
}

/// Only the layer, not the config.
fn layer(asked: &Asked) -> Option<&Vec<u8>> {
    let (_, body) = asked.honest.as_ref().filter(|(kind, _)| kind.contains("layer"))?;
    Some(body)
}

/// The path of the layer, from the first request for it.
fn path_of(asked: &Asked, layer: &Mutex<String>) {
    *layer.lock().unwrap() = asked.line.split(' ').nth(1).unwrap().to_owned();
}

#[test]
fn two_processes_that_pull_one_image_move_it_once() {
    needs!(Root);
    let (both, path) = (Moment::default(), Arc::new(Mutex::new(String::new())));
    let (asked_by, its_path) = (both.clone(), Arc::clone(&path));
    let server = start(move |asked| {
        if asked.is_manifest() {
            asked_by.came();
        } else if layer(asked).is_some() {
            path_of(asked, &its_path);
            // Not before both of them want the image.
            asked_by.wait(2);
        }
        None
    });
    let root = tempfile::tempdir().unwrap();
    let children = [pull(root.path(), &server), pull(root.path(), &server)];
    for child in children {
        succeeded(&child.wait_with_output().unwrap());
    }
    is_whole(root.path());
    assert_eq!(layers_asked(&server, &path.lock().unwrap()), 1);
}

#[test]
fn a_pull_that_is_killed_is_taken_up_by_the_one_that_waits() {
    needs!(Root);
    let (both, killed, broke) = (Moment::default(), Moment::default(), Moment::default());
    let (asked_by, is_killed, it_broke) = (both.clone(), killed.clone(), broke.clone());
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ranges);
    let server = start(move |asked| {
        if asked.is_manifest() {
            asked_by.came();
            return None;
        }
        let body = layer(asked)?;
        seen.lock().unwrap().push(asked.header("range").map(str::to_owned));
        match asked.before {
            0 => return Some(with_length("200 OK", "", &body[..200_000], body.len())),
            1 => {
                it_broke.came();
                is_killed.wait(1);
            }
            _ => {}
        }
        None
    });
    let root = tempfile::tempdir().unwrap();
    let mut first = pull(root.path(), &server);
    broke.wait(1);
    let second = pull(root.path(), &server);
    both.wait(2);
    first.kill().unwrap();
    first.wait().unwrap();
    killed.came();
    succeeded(&second.wait_with_output().unwrap());
    is_whole(root.path());
    let ranges = ranges.lock().unwrap();
    let resumed = Some("bytes=200000-".to_owned());
    assert_eq!(*ranges, [None, resumed.clone(), resumed], "no byte came twice");
}

/// A pull from it ends with the words that its bytes are wrong.
#[track_caller]
fn is_refused(server: &FaultServer) {
    let root = tempfile::tempdir().unwrap();
    let output = pull(root.path(), server).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the content's digest is"), "{said}");
}

#[test]
fn a_download_in_pieces_that_do_not_fit_begins_anew_once() {
    needs!(Root);
    // The first piece has a wrong byte, and only the digest of the whole can tell.
    let spoilt = |body: &[u8]| {
        let mut piece = body[..200_000].to_vec();
        piece[150_000] ^= 1;
        with_length("200 OK", "", &piece, body.len())
    };
    let server = start(move |asked| match (layer(asked)?, asked.before) {
        (body, 0) => Some(spoilt(body)),
        _ => None,
    });
    let root = tempfile::tempdir().unwrap();
    succeeded(&pull(root.path(), &server).wait_with_output().unwrap());
    is_whole(root.path());

    // A registry that is wrong each time is not asked for ever.
    let server = start(move |asked| {
        let body = layer(asked)?;
        match asked.header("range") {
            None => Some(spoilt(body)),
            Some(_) => None,
        }
    });
    is_refused(&server);
}

#[test]
fn whose_bytes_are_wrong_is_told_and_not_what_they_did_to_the_unpacking() {
    needs!(Root);
    let server = start(|asked| {
        let mut body = layer(asked)?.clone();
        // In the header of the archive, where inflating stumbles at once, long before the end.
        body[20] ^= 0xff;
        Some(http("200 OK", "", &body))
    });
    is_refused(&server);
}

#[test]
fn a_file_of_the_web_becomes_an_image() {
    needs!(Root);
    let server = start(|asked| match asked.line.split(' ').nth(1)? {
        "/moved.tar" => Some(http("302 Found", "Location: /files.tar\r\n", b"")),
        "/files.tar" => Some(http("200 OK", "Content-Type: application/x-tar\r\n", &files())),
        "/cut.tar" => Some(with_length("200 OK", "", &files()[..700], 5000)),
        _ => None,
    });
    let root = tempfile::tempdir().unwrap();
    let url = |path: &str| format!("http://{}/{path}", server.name.domain());
    let import =
        |path: &str| mini_docker(root.path(), &["import", &url(path), "made:1"]).output().unwrap();
    let mut told = String::new();
    for path in ["nowhere.tar", "cut.tar"] {
        let output = import(path);
        assert_eq!(output.status.code(), Some(1));
        told += &String::from_utf8_lossy(&output.stderr).replace(server.name.domain(), "SERVER");
        let images = mini_docker(root.path(), &["images", "-q"]).output().unwrap();
        assert_eq!(images.stdout, b"", "nothing half-made is visible");
    }
    insta::assert_snapshot!("import_from_the_web", told);
    succeeded(&import("moved.tar"));
    is_whole(root.path());
    let history = mini_docker(root.path(), &["history", "made:1", "--no-trunc"]).output().unwrap();
    let history = String::from_utf8_lossy(&history.stdout).into_owned();
    assert!(history.contains(&format!("Imported from {}", url("moved.tar"))), "{history}");
}

/// A tar with one file.
fn files() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(6);
    header.set_mode(0o644);
    archive.append_data(&mut header, "hello", &b"world\n"[..]).unwrap();
    archive.into_inner().unwrap()
}
