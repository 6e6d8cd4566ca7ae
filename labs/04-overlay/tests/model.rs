//! The diff against a slow model: random operations on a mounted overlay, then both trees compared.
//!
//! The model knows nothing of layers. It walks the merged tree before and after, and says what was
//! added, changed and deleted; the library says the same from the upper directory alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fs::{self, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::Instant,
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use overlay::{Change, ChangeKind, Marks, Options, Overlay, Upper, diff};
use testbed::{Host, Place, needs};

/// Set for the process that may mount.
const INSIDE: &str = "UNBOXED_INSIDE";
const ROUNDS: u64 = 60;
const OPERATIONS: usize = 60;

#[test]
fn the_diff_agrees_with_comparing_trees() {
    run_inside("inside_random_operations", &[Place::Root, Place::User]);
}

#[test]
fn twenty_thousand_files_are_compared_in_a_moment() {
    run_inside("inside_many_files", &[Place::Root]);
}

/// Runs one of the tests below in a mount namespace, which this process with its threads cannot
/// make for itself.
#[track_caller]
fn run_inside(test: &str, places: &[Place]) {
    let program = env::current_exe().unwrap();
    for place in places.iter().copied() {
        needs!(In(place));
        let user = if place == Place::Root { "" } else { "--map-root-user" };
        let before = Host::now();
        let seed = env::var("UNBOXED_SEED").unwrap_or_default();
        let output = place.shell(
            &program,
            &format!(
                "export {INSIDE}=1 UNBOXED_SEED={seed}
                 exec unshare --mount {user} $BIN --exact --ignored --nocapture {test}"
            ),
        );
        assert_eq!(output.code, 0, "{place:?}: {output}");
        before.assert_unchanged();
    }
}

#[test]
#[ignore = "started by the_diff_agrees_with_comparing_trees"]
fn inside_random_operations() {
    if !in_tmpfs() {
        return;
    }
    let seed = env::var("UNBOXED_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) << 16 | 1);
    println!("UNBOXED_SEED={seed}");
    for round in 0..ROUNDS {
        let mut random =
            Random(seed.wrapping_add(round.wrapping_mul(0x9E37_79B9_7F4A_7C15)).max(1));
        let home = PathBuf::from(format!("/tmp/{round}"));
        fs::create_dir(&home).unwrap();
        env::set_current_dir(&home).unwrap();
        round_of(&mut random, round % 2 == 1);
        env::set_current_dir("/tmp").unwrap();
        fs::remove_dir_all(&home).unwrap();
    }
}

/// B is made by hand; A by random operations above B, so that it has whiteouts and opaque
/// directories; C above both.
fn round_of(random: &mut Random, redirects: bool) {
    let marks = Marks::here();
    let mut options = Options::with_marks(marks);
    if redirects && marks == Marks::Trusted {
        options.redirect_dir = Some(true);
        options.metacopy = Some(random.below(2) == 0);
    }
    for directory in ["A", "B", "C", "WA", "WC", "M"] {
        fs::create_dir(directory).unwrap();
    }
    let mut ignored = BTreeSet::new();
    operations(random, Path::new("B"), &mut ignored);
    above(&["B"], "A", "WA", options, |merged| operations(random, merged, &mut ignored));
    let mut touched = BTreeSet::new();
    let mut trees = (Trees::default(), Trees::default());
    above(&["A", "B"], "C", "WC", options, |merged| {
        trees.0 = Trees::of(merged);
        operations(random, merged, &mut touched);
        trees.1 = Trees::of(merged);
    });
    let expected = model(&trees.0, &trees.1);
    let found = diff(Path::new("C"), &["A".into(), "B".into()], marks).unwrap();
    let bytes = |change: &Change| change.path.as_os_str().as_encoded_bytes().to_owned();
    assert!(found.is_sorted_by(|one, next| bytes(one) < bytes(next)), "{found:?}");
    let found: BTreeMap<PathBuf, ChangeKind> =
        found.into_iter().map(|change| (change.path, change.kind)).collect();
    check(&expected, &found, &trees.1, &touched);
}

fn above(lower: &[&str], upper: &str, work: &str, options: Options, act: impl FnOnce(&Path)) {
    let overlay = Overlay {
        lower: lower.iter().map(PathBuf::from).collect(),
        upper: Some(Upper { dir: upper.into(), work: work.into() }),
        options,
    };
    overlay.mount(Path::new("M")).unwrap();
    act(Path::new("M"));
    nix::mount::umount("M").unwrap();
}

/// What is at a path; link counts and times of files aside.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    mode: u32,
    /// Of a directory.
    mtime: Option<(i64, i64)>,
    content: Vec<u8>,
}

#[derive(Debug, Default)]
struct Trees(BTreeMap<PathBuf, Seen>);

impl Trees {
    fn of(root: impl AsRef<Path>) -> Self {
        let mut tree = Self::default();
        tree.add(root.as_ref(), Path::new("/"));
        tree
    }

    fn add(&mut self, directory: &Path, path: &Path) {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let (file, path) = (entry.path(), path.join(entry.file_name()));
            let metadata = entry.metadata().unwrap();
            let kind = metadata.file_type();
            let content = match () {
                () if kind.is_file() => fs::read(&file).unwrap(),
                () if kind.is_symlink() => {
                    fs::read_link(&file).unwrap().into_os_string().into_encoded_bytes()
                }
                () => Vec::new(),
            };
            let mtime = kind.is_dir().then(|| (metadata.mtime(), metadata.mtime_nsec()));
            self.0.insert(path.clone(), Seen { mode: metadata.mode(), mtime, content });
            if kind.is_dir() {
                self.add(&file, &path);
            }
        }
    }

    fn is_dir(&self, path: &Path) -> bool {
        path == Path::new("/") || self.0.get(path).is_some_and(|seen| seen.mtime.is_some())
    }
}

fn model(before: &Trees, after: &Trees) -> BTreeMap<PathBuf, ChangeKind> {
    let mut changes = BTreeMap::new();
    let mut parents = BTreeSet::new();
    for path in before.0.keys().chain(after.0.keys()) {
        let parent = path.parent().unwrap();
        let both = before.is_dir(parent) && after.is_dir(parent);
        let kind = match (before.0.get(path), after.0.get(path)) {
            (None, Some(_)) => Some(ChangeKind::Added),
            (Some(_), None) => both.then_some(ChangeKind::Deleted),
            (was, is) => (was != is).then_some(ChangeKind::Changed),
        };
        if let Some(kind) = kind {
            changes.insert(path.clone(), kind);
            if kind != ChangeKind::Changed && both {
                parents.insert(parent.to_owned());
            }
        }
    }
    for parent in parents.into_iter().filter(|parent| parent != Path::new("/")) {
        changes.entry(parent).or_insert(ChangeKind::Changed);
    }
    changes
}

/// A file that was opened or made again is changed for the diff, even if it looks as before.
#[track_caller]
fn check(
    expected: &BTreeMap<PathBuf, ChangeKind>,
    found: &BTreeMap<PathBuf, ChangeKind>,
    after: &Trees,
    touched: &BTreeSet<PathBuf>,
) {
    for (path, kind) in expected {
        assert_eq!(
            found.get(path),
            Some(kind),
            "{path:?}\nexpected {expected:#?}\nfound {found:#?}"
        );
    }
    for (path, kind) in found.iter().filter(|(path, _)| !expected.contains_key(*path)) {
        let was_touched = path.ancestors().any(|path| touched.contains(path));
        let fine = *kind == ChangeKind::Changed && !after.is_dir(path) && was_touched;
        assert!(fine, "{kind} {path:?} is too much\nexpected {expected:#?}\nfound {found:#?}");
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// A path of one to three names out of three.
    fn path(&mut self) -> PathBuf {
        let depth = 1 + self.below(3);
        (0..depth).map(|_| ["a", "b", "c-"][self.below(3) as usize]).collect()
    }
}

/// Random operations below `root`; those that fail, fail. `touched` collects what was named.
fn operations(random: &mut Random, root: &Path, touched: &mut BTreeSet<PathBuf>) {
    for _ in 0..OPERATIONS {
        let (inside, other) = (random.path(), random.path());
        let (path, to) = (root.join(&inside), root.join(&other));
        touched.insert(Path::new("/").join(&inside));
        let _ = match random.below(14) {
            0 | 1 => fs::create_dir(&path),
            2 | 3 => write(&path, random.below(1000).to_string().as_bytes()),
            4 => append(&path, random.below(10).to_string().as_bytes()),
            5 => append(&path, b""),
            6 => fs::set_permissions(
                &path,
                Permissions::from_mode([0o700, 0o755, 0o644][random.below(3) as usize]),
            ),
            7 => fs::remove_file(&path),
            8 => fs::remove_dir(&path),
            9 => fs::remove_dir_all(&path),
            10 | 11 => {
                touched.insert(Path::new("/").join(&other));
                fs::rename(&path, &to)
            }
            12 => {
                touched.insert(Path::new("/").join(&other));
                fs::hard_link(&path, &to)
            }
            _ if random.below(2) == 0 => symlink("anywhere", &path),
            _ => mkfifo(&path, Mode::from_bits_truncate(0o600)).map_err(Into::into),
        };
    }
}

/// Anew, or over a file that is there.
fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(file) if !file.is_file() => Ok(()),
        _ => fs::write(path, text),
    }
}

/// Not through a symbolic link or into a fifo, which would wait for a reader.
fn append(path: &Path, text: &[u8]) -> std::io::Result<()> {
    if fs::symlink_metadata(path)?.is_file() {
        OpenOptions::new().append(true).open(path)?.write_all(text)?;
    }
    Ok(())
}

#[test]
#[ignore = "started by twenty_thousand_files_are_compared_in_a_moment"]
fn inside_many_files() {
    if !in_tmpfs() {
        return;
    }
    for layer in ["/tmp/upper", "/tmp/lower"] {
        for directory in 0..200 {
            let directory = format!("{layer}/{directory}");
            fs::create_dir_all(&directory).unwrap();
            (0..100).for_each(|file| fs::write(format!("{directory}/{file}"), "").unwrap());
        }
    }
    let started = Instant::now();
    let changes = diff(Path::new("/tmp/upper"), &["/tmp/lower".into()], Marks::here()).unwrap();
    let took = started.elapsed();
    println!("20000 files: {took:?}");
    assert!(changes.len() >= 20_000);
    assert!(took.as_secs() < 5, "{took:?}");
}

/// Makes /tmp a tmpfs, in the mount namespace that [`run_inside`] made; elsewhere nothing is done.
fn in_tmpfs() -> bool {
    let inside = env::var_os(INSIDE).is_some();
    if inside {
        let none = None::<&str>;
        nix::mount::mount(Some("tmpfs"), "/tmp", Some("tmpfs"), nix::mount::MsFlags::empty(), none)
            .unwrap();
    }
    inside
}
