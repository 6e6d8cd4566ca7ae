//! What is measured: steps of a shell in which `docker` is one engine or another.

/// How much of everything.
#[derive(Debug)]
pub struct Sizes {
    /// Containers that do nothing.
    idle: usize,
    /// Containers that are started at once.
    at_once: usize,
    /// Containers that have ended.
    stopped: usize,
    /// Output, in MB.
    output_mb: usize,
}

impl Sizes {
    /// Those of the book's table.
    pub const USUAL: Self = Self { idle: 20, at_once: 50, stopped: 200, output_mb: 200 };
    /// Those that only say that it works.
    pub const SMALL: Self = Self { idle: 2, at_once: 5, stopped: 20, output_mb: 2 };
}

/// What a step gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The time that it takes.
    Time,
    /// A number of KiB that it says.
    Memory,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// What is done, in words.
    pub name: String,
    /// What is to be seen of it.
    pub kind: Kind,
    /// One round in so many.
    pub rarely: usize,
    /// What is done before each round; not measured.
    pub ready: Vec<String>,
    /// What is measured.
    pub step: String,
    /// What is done after each round; not measured.
    pub tidy: Vec<String>,
}

/// Rows that need the same things around them.
#[derive(Debug)]
pub struct Scene {
    /// Makes these things.
    pub before: Vec<String>,
    /// What is measured.
    pub rows: Vec<Row>,
    /// Removes them.
    pub after: Vec<String>,
}

/// All of them.
pub fn all(sizes: &Sizes) -> Vec<Scene> {
    vec![
        short(),
        running(),
        idle(sizes.idle),
        at_once(sizes.at_once),
        stopped(sizes.stopped),
        output(sizes.output_mb),
    ]
}

fn row(name: impl Into<String>, step: impl Into<String>) -> Row {
    let (ready, tidy) = (Vec::new(), Vec::new());
    Row { name: name.into(), kind: Kind::Time, rarely: 1, ready, step: step.into(), tidy }
}

/// Containers that end at once.
fn short() -> Scene {
    let rows = vec![
        row("start of the program: --version", "docker --version"),
        row("run --rm --network none", "docker run --rm --network none box true"),
        row("run --rm, with the bridge", "docker run --rm box true"),
    ];
    Scene { before: Vec::new(), rows, after: Vec::new() }
}

/// Beside one that runs.
fn running() -> Scene {
    Scene {
        before: vec!["docker run -d --name one box sleep 100000".into()],
        rows: vec![row("exec", "docker exec one true")],
        after: vec![remove(&["one".to_owned()])],
    }
}

/// Many that do nothing: how long their start takes, and what they cost then.
fn idle(count: usize) -> Scene {
    let names = names("idle", count);
    let start = format!(
        "for name in {}; do docker run -d --network none --name $name box sleep 100000; done",
        names.join(" ")
    );
    let tidy = vec![remove(&names)];
    let memory = |name: String, pattern: &str| Row {
        kind: Kind::Memory,
        rarely: 7,
        ready: vec![start.clone(), SETTLED.into()],
        tidy: tidy.clone(),
        ..row(name, format!("pss '{pattern}'"))
    };
    Scene {
        before: Vec::new(),
        rows: vec![
            Row {
                rarely: 7,
                tidy: tidy.clone(),
                ..row(format!("run -d, {count} one after the other"), start.clone())
            },
            memory(format!("memory: what watches over {count} idle containers"), WATCHERS),
            memory(format!("memory: the same and daemons, with {count} idle containers"), "*"),
        ],
        after: Vec::new(),
    }
}

/// One process a container: conmon, containerd-shim, mini-docker-monitor.
const WATCHERS: &str = "@(conmon|containerd-shim*|mini-docker*)";

/// What a start needed has been given back: two looks, half a second apart, see the same but for a
/// fiftieth. Pages that are shared with all the machine's processes come and go with those.
const SETTLED: &str = "now=0; until old=$now; now=$(pss '*'); d=$((now - old)); \
     [ $((50 * ${d#-})) -lt $now ]; do sleep 0.5; done";

/// Many that are started side by side.
fn at_once(count: usize) -> Scene {
    let names = names("crowd", count);
    let step = format!(
        "pids=; for name in {}; do docker run -d --network none --name $name box sleep 100000 & \
         pids+=\" $!\"; done; wait_for_all $pids",
        names.join(" ")
    );
    let all = Row {
        rarely: 7,
        tidy: vec![remove(&names)],
        ..row(format!("run -d, {count} at once"), step)
    };
    // wait(1) of several has the status of the last one only.
    let wait = "wait_for_all() { local pid; for pid; do wait $pid || return; done; }";
    Scene { before: vec![wait.into()], rows: vec![all], after: Vec::new() }
}

/// Beside many that have ended.
fn stopped(count: usize) -> Scene {
    let names = names("done", count);
    let some = || names.chunks(10);
    let make = |names: &[String]| {
        let names = names.join(" ");
        format!("for name in {names}; do docker run --network none --name $name box true; done")
    };
    Scene {
        before: some().map(make).collect(),
        rows: vec![
            row(format!("ps -a, {count} stopped containers"), "docker ps -a"),
            row(
                format!("inspect, one of {count} containers"),
                format!("docker inspect {}", names[count / 2]),
            ),
        ],
        after: some().map(|names| format!("docker rm {}", names.join(" "))).collect(),
    }
}

/// One that writes a lot.
fn output(megabytes: usize) -> Scene {
    // Lines of 80 bytes. From a file: what is measured is not how fast busybox makes them.
    let line = "x".repeat(79);
    let text = format!("yes {line} | head -c {megabytes}000000 > /run/text");
    let write = "docker run -d --network none -v /run/text:/text:ro --name talk box cat /text && docker wait talk";
    Scene {
        before: vec![text],
        rows: vec![
            Row {
                rarely: 7,
                tidy: vec!["docker rm talk".into()],
                ..row(format!("{megabytes} MB of output into the log"), write)
            },
            Row {
                rarely: 7,
                ready: vec![write.into()],
                tidy: vec!["docker rm talk".into()],
                ..row(format!("logs, {megabytes} MB"), "docker logs talk > /dev/null")
            },
        ],
        after: vec!["rm /run/text".into()],
    }
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{prefix}{number}")).collect()
}

/// Removes containers whose first process does not care for a polite signal.
fn remove(names: &[String]) -> String {
    let names = names.join(" ");
    format!("docker kill {names} > /dev/null && docker rm -f {names}")
}
