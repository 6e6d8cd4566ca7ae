//! Marks made by hand: the diff reads directories, so it can be asked about any.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env, fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
};

use overlay::{Marks, diff, diff_alone, whiteout};

/// Three directories that go with the value.
struct Layers(PathBuf);

impl Layers {
    fn new(test: &str) -> Self {
        let home = env::temp_dir().join(format!("lab-04-{}-{test}", std::process::id()));
        for layer in ["A", "B", "C"] {
            fs::create_dir_all(home.join(layer)).unwrap();
        }
        Self(home)
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn file(&self, path: &str) -> PathBuf {
        let path = self.path(path);
        fs::write(&path, "").unwrap();
        path
    }

    fn directory(&self, path: &str) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[track_caller]
    fn check(&self, expected: &[&str]) {
        let lower = [self.0.join("A"), self.0.join("B")];
        let found = diff(&self.0.join("C"), &lower, Marks::User).unwrap();
        let found: Vec<String> = found
            .iter()
            .map(|change| format!("{} {}", change.kind, change.path.display()))
            .collect();
        assert_eq!(found, expected);
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mark(path: &Path, attribute: &str, value: &[u8]) {
    xattr::set(path, Marks::User.name(attribute), value).unwrap();
}

#[test]
fn an_xattr_whiteout_hides_only_in_a_directory_that_announces_them() {
    let layers = Layers::new("xwhiteouts");
    for directory in ["announced", "silent"] {
        layers.file(&format!("B/{directory}/name"));
        mark(&layers.file(&format!("A/{directory}/name")), "whiteout", b"");
        layers.file(&format!("C/{directory}/name"));
    }
    mark(&layers.0.join("A/announced"), "opaque", b"x");
    let changes = diff(&layers.0.join("C"), &[layers.0.join("A"), layers.0.join("B")], Marks::User);
    let kinds: Vec<String> = changes
        .unwrap()
        .iter()
        .filter(|change| change.path.ends_with("name"))
        .map(|change| format!("{} {}", change.kind, change.path.display()))
        .collect();
    assert_eq!(kinds, ["A /announced/name", "C /silent/name"]);
}

#[test]
fn an_opaque_directory_deletes_all_it_hides() {
    let layers = Layers::new("opaque");
    layers.file("A/dir/one");
    layers.file("B/dir/two/deep");
    mark(&layers.directory("C/dir"), "opaque", b"y");
    layers.file("C/dir/one");
    layers.check(&["C /dir", "C /dir/one", "D /dir/two"]);
}

#[test]
fn another_mounts_marks_are_not_believed() {
    let layers = Layers::new("forged");
    layers.file("A/dir/one");
    mark(&layers.directory("C/dir"), "opaque", b"y");
    let changes = diff(&layers.0.join("C"), &[layers.0.join("A")], Marks::Trusted).unwrap();
    assert!(changes.iter().all(|change| change.path == Path::new("/dir")), "{changes:?}");
}

#[test]
fn a_link_out_of_the_layer_is_not_followed() {
    let layers = Layers::new("link");
    layers.file("A/dir/one");
    symlink("/etc", layers.path("C/dir")).unwrap();
    symlink("/etc", layers.path("C/new")).unwrap();
    layers.check(&["C /dir", "A /new"]);
}

#[test]
fn a_socket_is_a_file_like_any_other() {
    let layers = Layers::new("socket");
    let _listening = UnixListener::bind(layers.path("C/socket")).unwrap();
    layers.check(&["A /socket"]);
}

#[test]
fn a_whiteout_of_nothing_changes_nothing() {
    let layers = Layers::new("nothing");
    whiteout::make_whiteout(&layers.path("C/gone")).unwrap();
    layers.check(&[]);
    layers.file("B/gone");
    layers.check(&["D /gone"]);
}

#[test]
fn a_whiteout_in_a_lower_layer_hides_what_is_below() {
    let layers = Layers::new("hidden");
    layers.file("B/name");
    whiteout::make_whiteout(&layers.path("A/name")).unwrap();
    layers.file("C/name");
    layers.check(&["A /name"]);
}

#[test]
fn a_file_that_became_a_directory_is_changed_and_its_entries_are_new() {
    let layers = Layers::new("kinds");
    layers.file("A/file");
    layers.file("C/file/entry");
    layers.file("A/dir/entry");
    layers.file("C/dir");
    layers.check(&["C /dir", "C /file", "A /file/entry"]);
}

#[test]
fn without_lower_layers_the_origin_tells_changed_from_added() {
    let layers = Layers::new("alone");
    mark(&layers.directory("C/dir"), "origin", b"");
    layers.file("C/dir/new");
    mark(&layers.file("C/changed"), "origin", b"");
    whiteout::make_whiteout(&layers.path("C/gone")).unwrap();
    let found = diff_alone(&layers.0.join("C"), Marks::User).unwrap();
    let found: Vec<String> =
        found.iter().map(|change| format!("{} {}", change.kind, change.path.display())).collect();
    assert_eq!(found, ["C /changed", "C /dir", "A /dir/new", "D /gone"]);
}

#[test]
fn a_path_that_is_too_deep_is_an_error_in_words() {
    let layers = Layers::new("deep");
    let mut directory = layers.0.join("C");
    env::set_current_dir(&directory).unwrap();
    for _ in 0..20 {
        // Longer than a path may be, made a part at a time.
        let name = "x".repeat(250);
        fs::create_dir(&name).unwrap();
        env::set_current_dir(&name).unwrap();
        directory.push(name);
    }
    env::set_current_dir("/").unwrap();
    let error = diff(&layers.0.join("C"), &[], Marks::User).unwrap_err();
    assert!(error.fix.unwrap().contains("deeper than 4096 bytes"));
}
