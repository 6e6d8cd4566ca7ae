//! Who is measured: three engines that take the same words, each on a stage of its own.

use std::{
    env,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use peers::stage::{Machine, Scene, Stage};

/// An engine on its stage, where `docker` is its command line.
#[derive(Debug)]
pub struct Contender {
    /// As it is called in tables.
    pub name: &'static str,
    /// What it says of its version.
    pub version: String,
    stage: Stage,
}

/// What an engine is made of.
struct Engine {
    name: &'static str,
    /// Programs that have to be installed; the last one is the low-level runtime.
    needs: &'static [&'static str],
    machine: Machine,
    /// Its command line. A function of the shell: another shell in between would be measured as well.
    words: &'static str,
}

const PEERS: [Engine; 2] = [
    Engine {
        name: "podman",
        needs: &["podman", "conmon", "crun"],
        machine: Machine::HereWithoutV2,
        words: "/usr/bin/podman --runtime $RUNTIME --cgroup-manager cgroupfs",
    },
    Engine {
        name: "docker",
        needs: &["dockerd", "containerd", "runc"],
        machine: Machine::Here,
        words: "/usr/bin/docker --host unix:///run/docker.sock",
    },
];

impl Contender {
    /// mini-docker as this program, those of its peers that are installed, and in words why the others are not here.
    pub fn all(program: &Path) -> (Vec<Self>, Vec<String>) {
        let scene =
            Scene { engine: "mini-docker", runtime: program.to_owned(), machine: Machine::Here };
        // By its own path, beside which its small programs are.
        let mut contenders = vec![Self::new("mini-docker", &scene, &program.display().to_string())];
        let mut absent = Vec::new();
        for peer in PEERS {
            let Engine { name, needs, machine, words } = peer;
            match needs
                .iter()
                .map(|program| find(program).ok_or(program))
                .collect::<Result<Vec<_>, _>>()
            {
                Ok(mut found) => {
                    let scene =
                        Scene { engine: name, runtime: found.remove(needs.len() - 1), machine };
                    contenders.push(Self::new(name, &scene, words));
                }
                Err(program) => absent.push(format!("{name}: there is no {program} here")),
            }
        }
        (contenders, absent)
    }

    fn new(name: &'static str, scene: &Scene, words: &str) -> Self {
        eprint!("\r\x1b[Ka stage for {name} ");
        let mut contender = Self { name, version: String::new(), stage: Stage::new(scene) };
        contender.does(&format!("docker() {{ {words} \"$@\"; }}"));
        contender.does(FUNCTIONS);
        contender.version = contender.does("docker --version").trim().to_owned();
        contender
    }

    /// Runs a step, and returns what it said.
    ///
    /// # Panics
    /// When it fails.
    pub fn does(&mut self, step: &str) -> String {
        let (said, status) = self.stage.step(step);
        assert_eq!(status, 0, "{} failed at: {step}\n{said}\n{}", self.name, self.stage.log());
        said
    }

    /// How long a step takes.
    pub fn timed(&mut self, step: &str) -> Duration {
        let begin = Instant::now();
        self.does(step);
        begin.elapsed()
    }

    /// The number that a step says.
    pub fn says(&mut self, step: &str) -> f64 {
        let said = self.does(step);
        said.trim().parse().unwrap_or_else(|_| panic!("{} said no number: {said}", self.name))
    }
}

/// What the steps of all scenes may use.
///
/// `pss` adds up the proportional set sizes (proc_pid_smaps(5)) of all processes on the stage whose names
/// fit a pattern, in KiB; the shell itself and what runs in containers are left out.
const FUNCTIONS: &str = r#"
pss() {
  local pid name size sum=0
  for pid in /proc/[0-9]*; do
    [ "$pid" != "/proc/$$" ] && read -r name < "$pid/comm" || continue
    [[ $name != sleep && $name == $1 ]] || continue
    size=$(sed -n 's/^Pss: *\([0-9]*\).*/\1/p' "$pid/smaps_rollup")
    sum=$((sum + size))
  done
  echo $sum
}
"#;

/// A program of this name along PATH, or where it usually lies.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/bin"].map(PathBuf::from);
    env::split_paths(&path).chain(usual).map(|dir| dir.join(name)).find(|it| it.is_file())
}
