//! Debian's `docker-registry` on a port of the loopback interface, and the requests it got.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A registry that is there as long as the value.
#[derive(Debug)]
pub struct DockerRegistry {
    directory: TempDir,
    process: Child,
    port: u16,
}

impl DockerRegistry {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not answer within 20 s.
    pub fn start() -> Self {
        let directory = TempDir::with_prefix("unboxed-registry.").expect("a temporary directory");
        let port = free_port();
        let config = format!(
            "version: 0.1\nlog: {{level: info, formatter: json}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '127.0.0.1:{port}'}}\n",
            directory.path().join("data").display(),
        );
        let config_file = directory.path().join("config.yml");
        fs::write(&config_file, config).expect("a configuration");
        let log = File::create(directory.path().join("log")).expect("a log");
        let process = Command::new("docker-registry")
            .args(["serve".as_ref(), config_file.as_os_str()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second descriptor"))
            .stderr(log)
            .spawn()
            .expect("docker-registry starts");
        let registry = Self { directory, process, port };
        registry.wait();
        registry
    }

    /// `127.0.0.1:PORT/name`.
    pub fn reference(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// How many requests of this method it got whose path has `part` in it.
    ///
    /// # Panics
    /// When its log cannot be read.
    pub fn requests(&self, method: &str, part: &str) -> usize {
        let log = fs::read_to_string(self.directory.path().join("log")).expect("a log");
        let events =
            log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        events
            .filter(|event| {
                event["msg"] == "response completed"
                    && event["http.request.method"] == method
                    && event["http.request.uri"].as_str().is_some_and(|uri| uri.contains(part))
            })
            .count()
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "docker-registry does not answer");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nobody listens on at this moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}
