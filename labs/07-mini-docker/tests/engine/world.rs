//! A registry's directory with one small image in it, and the script that every test begins with.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use mini_docker::{
    layout::Layout,
    registry::client::{Client, Options},
    snapshot,
    store::Store,
    transfer::push_image,
};
use oci::{Config, History, ImageConfig, Manifest, MediaType, Platform};
use rootfs::{DEFAULT_PATH, Program};
use testbed::{Host, Output, Place, Run};

use crate::BIN;

const PROGRAMS: [&str; 17] = [
    "sh", "ls", "cat", "sleep", "id", "true", "env", "touch", "mkdir", "rm", "echo", "readlink",
    "hostname", "grep", "tail", "stat", "busybox",
];

/// The directory of a registry that serves `test:1`. Made once; lies beside the binary, which is
/// what a guest sees of the build directory.
pub fn registry_dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = Path::new(BIN).with_file_name("engine-registry");
        let _ = std::fs::remove_dir_all(&dir);
        publish(&dir, "test:1", image);
        // A store keeps other users out, and ordinary users copy this one.
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        dir
    })
}

/// Puts an image into a registry's directory.
pub fn publish(dir: &Path, name: &str, image: impl FnOnce(&Store, &Path) -> oci::Descriptor) {
    let mut registry = Command::new(BIN)
        .arg("--root")
        .arg(dir)
        .args(["registry", "serve", "--listen", "127.0.0.1:0", "--dies-with-parent"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(registry.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let store = Store::open(Layout::new(scratch.path().join("store"))).unwrap();
    let manifest = image(&store, scratch.path());
    let reference = format!("{address}/{name}").parse().unwrap();
    store.tag(&reference, &manifest).unwrap();
    let image = store.find(&reference).unwrap().unwrap();
    let client = Client::new(Options::anonymous());
    push_image(&client, &store, (&image, &reference), &|_| {}).unwrap();
    registry.kill().unwrap();
    registry.wait().unwrap();
}

/// A few of the host's programs, two users, and a volume.
fn image(store: &Store, scratch: &Path) -> oci::Descriptor {
    let dir = scratch.join("rootfs");
    let programs: Vec<Program> = PROGRAMS.into_iter().map(Program::from).collect();
    rootfs::build(&dir, &programs, DEFAULT_PATH.as_ref()).unwrap();
    std::fs::create_dir_all(dir.join("etc")).unwrap();
    std::fs::write(
        dir.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000:Ada:/home/ada:/bin/sh\n",
    )
    .unwrap();
    std::fs::write(dir.join("etc/group"), "root:x:0:\nada:x:1000:\naudio:x:29:ada\n").unwrap();
    std::fs::create_dir_all(dir.join("srv")).unwrap();
    std::fs::write(dir.join("srv/first"), "from the image\n").unwrap();
    let layer = snapshot::pack(store, &dir, &|_| None).unwrap();
    let mut config = ImageConfig::new(&Platform::host());
    config.config = Some(Config {
        cmd: Some(vec!["sh".into(), "-c".into(), "echo the default".into()]),
        env: Some(vec![format!("PATH={DEFAULT_PATH}"), "FROM=image".into()]),
        ..Config::default()
    });
    config.created = Some("2026-01-01T00:00:00Z".into());
    config.history.push(History {
        created: config.created.clone(),
        created_by: Some("programs of this machine".into()),
        ..History::default()
    });
    config.rootfs.diff_ids.push(layer.diff_id);
    let json = serde_json::to_vec(&config).unwrap();
    let config = store.put_bytes(MediaType::OciConfig, &json).unwrap();
    let manifest = Manifest::new(config, vec![layer.blob]);
    store.put_bytes(MediaType::OciManifest, &serde_json::to_vec(&manifest).unwrap()).unwrap()
}

/// Containers of one test are no leak of another: on this machine one test after the other, and one
/// in a guest beside it.
pub fn turn(place: Place) -> MutexGuard<'static, ()> {
    static TURNS: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];
    TURNS[usize::from(place.is_guest())].lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a script in which `md` is mini-docker on a directory of its own and `$I` is the image at a
/// registry that runs beside it. At its end no container, process, mount or group may be left.
#[track_caller]
pub fn with_image(place: Place, script: &str) -> Output {
    with_image_for(place, script, Duration::from_secs(120))
}

/// Runs a script as [`with_image`], as root and alone: what it says, errors included, in the order
/// in which it is said. The image is there.
#[track_caller]
pub fn said(script: &str) -> String {
    let _turn = turn(Place::Root);
    let script = format!("exec 2>&1\nmd pull -q $I > /dev/null\n{script}");
    with_image(Place::Root, &script).success().to_owned()
}

/// Runs a script as [`with_image`] and compares what it says.
#[track_caller]
pub fn says(place: Place, script: &str, expected: &str) {
    agree(place, || with_image(place, script), expected);
}

/// Compares what `run` says line by line, whatever the indentation; nothing may be left of it.
#[track_caller]
pub fn agree(place: Place, run: impl FnOnce() -> Output, expected: &str) {
    let _turn = turn(place);
    let before = Host::now();
    let output = run();
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    };
    assert_eq!(lines(output.success()), lines(expected), "{output}");
    before.assert_unchanged();
}

/// As [`with_image`], with another limit.
#[track_caller]
pub fn with_image_for(place: Place, script: &str, limit: Duration) -> Output {
    let script = script_with_image(script);
    Run { script: Some(&script), limit, ..Run::of(Path::new(BIN)) }.run_in(place)
}

fn script_with_image(script: &str) -> String {
    let registry = registry_dir().display();
    format!(
        r#"
        set -e
        home=$(mktemp -d "${{TMPDIR:-/tmp}}/mini-docker-test-$$-XXXXXX")
        cd "$home"
        # Only what is about networks takes part in one.
        md() {{
            case "$1 $*" in
                run*--net*|create*--net*) ;;
                run\ *|create\ *) verb=$1; shift; set -- $verb --network none "$@" ;;
            esac
            "$BIN" --root "$home/data" "$@"
        }}
        cp -r {registry} reg
        "$BIN" --root "$home/reg" registry serve --listen 127.0.0.1:0 > address &
        registry=$!
        until grep -q listening address 2> /dev/null; do sleep 0.02; done
        I=$(sed 's/.* //' address)/test:1
        # A line as it is typed, what it says, and its status where that is not 0.
        try() {{ echo "\$ mini-docker $*"; md "$@" || echo "= $?"; echo; }}
        fails() {{ code=0; "$@" || code=$?; echo "= $code"; }}
        (
        {script}
        )
        for id in $(md ps -aq); do md rm -fv $id > /dev/null; done
        md ps -aq; ls data/containers 2>/dev/null || true
        kill $registry; wait $registry 2>/dev/null || true
        cd /
        # What belongs to subordinate ids can only be removed where those are ours.
        images=$("$BIN" --root "$home/data" images -q); [ -z "$images" ] || "$BIN" --root "$home/data" rmi -f $images > /dev/null
        rm -rf "$home"
        "#
    )
}

/// As [`with_image`], as root, in a network namespace that stands for the host: what happens in it
/// reaches nobody.
#[track_caller]
pub fn on_own_host(script: &str) -> Output {
    on_own_host_for(script, Duration::from_secs(120))
}

/// As [`on_own_host`], with another limit.
#[track_caller]
pub fn on_own_host_for(script: &str, limit: Duration) -> Output {
    // At the end the host must be as it was.
    let script = format!(
        r#"
        links() {{ ls /proc/sys/net/ipv4/conf | sort; cat /proc/sys/net/ipv4/ip_forward; nft list ruleset; }}
        links > before
        {script}
        for id in $(md ps -aq); do md rm -fv $id > /dev/null; done
        links > after
        diff before after
        "#
    );
    let inside = script_with_image(&script);
    let outer = format!(
        "script=$(mktemp)\ncat > $script <<'END_OF_SCRIPT'\nip link set lo up\n{inside}\nEND_OF_SCRIPT\n\
         code=0; unshare -n -m sh $script || code=$?; rm $script; exit $code\n"
    );
    Run { script: Some(&outer), limit, ..Run::of(Path::new(BIN)) }.run_in(Place::Root)
}
