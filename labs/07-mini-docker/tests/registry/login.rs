//! login, logout and search, as they are typed.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use crate::fault_server::{Asked, http, start};

/// The program with a home of its own; what it said, and how it ended.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn config(&self) -> std::path::PathBuf {
        self.0.path().join(".docker/config.json")
    }

    fn run(&self, words: &str, typed: &str, filter: &str) -> String {
        let path = format!("{}:/usr/bin:/bin", self.0.path().display());
        let mut child = Command::new(env!("CARGO_BIN_EXE_mini-docker"))
            .arg("--root")
            .arg(self.0.path().join("data"))
            .args(words.split(' '))
            .env_clear()
            .envs([("HOME", self.0.path().to_str().unwrap()), ("PATH", &path)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that does not read is no failure of the test.
        let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
        let output = child.wait_with_output().unwrap();
        let all = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(all).unwrap().replace(filter, "REGISTRY");
        let said = said.replace(self.0.path().to_str().unwrap(), "HOME");
        format!(
            "$ {}\n{said}= {}\n",
            words.replace(filter, "REGISTRY"),
            output.status.code().unwrap()
        )
    }
}

/// A registry that wants u:p.
fn guarded(asked: &Asked) -> Option<Vec<u8>> {
    match asked.header("authorization") {
        Some("basic dtpw") => None,
        _ => Some(http(
            "401 Unauthorized",
            "WWW-Authenticate: Basic realm=\"lab\"\r\n",
            br#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#,
        )),
    }
}

#[test]
fn a_login_is_tried_kept_used_and_forgotten() {
    let server = start(guarded);
    let domain = server.name.domain();
    let home = Home::new();
    let log: String = [
        (format!("pull -q {domain}/app:1"), ""),
        (format!("login -u u --password-stdin {domain}"), "wrong\n"),
        (format!("login -u u {domain}"), "p\n"),
        (format!("login {domain}"), "p\n"),
        (format!("login --password-stdin {domain}"), "p\n"),
        (format!("login -u u --password-stdin http://{domain}/v2/"), "p\n"),
        (format!("login {domain}"), ""),
        (format!("pull -q {domain}/app:1"), ""),
        (format!("login -u u --password p {domain}"), ""),
        (format!("logout {domain}"), ""),
        (format!("logout {domain}"), ""),
        ("logout".into(), ""),
    ]
    .iter()
    .map(|(words, typed)| {
        let said = home.run(words, typed, domain);
        if words.starts_with("login -u u --password-stdin http") {
            let mode = fs::metadata(home.config()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert!(fs::read_to_string(home.config()).unwrap().contains("dTpw"));
        }
        said
    })
    .collect();
    assert!(!fs::read_to_string(home.config()).unwrap().contains("dTpw"));
    insta::assert_snapshot!("login", log);
}

fn program(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_helper_program_keeps_the_login_if_one_is_named() {
    let server = start(guarded);
    let domain = server.name.domain();
    let home = Home::new();
    let kept = home.0.path().join("kept");
    program(
        &home.0.path().join("docker-credential-lab"),
        &format!(
            "#!/bin/sh\ncase $1 in\nstore) cat > {0} ;;\nerase) rm {0} ;;\n\
             get) cat {0} 2> /dev/null || {{ echo 'credentials not found in native keychain'; exit 1; }} ;;\nesac\n",
            kept.display()
        ),
    );
    fs::create_dir(home.0.path().join(".docker")).unwrap();
    fs::write(home.config(), r#"{"credsStore": "lab", "detachKeys": "ctrl-x"}"#).unwrap();
    let said = home.run(&format!("login -u u --password-stdin {domain}"), "p", domain);
    assert_eq!(said, "$ login -u u --password-stdin REGISTRY\nLogin Succeeded\n= 0\n");
    let config = fs::read_to_string(home.config()).unwrap();
    assert!(config.contains("ctrl-x") && config.contains(domain), "{config}");
    assert!(!config.contains("dTpw"), "the secret is not in the file");
    let secret: serde_json::Value = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    assert_eq!(secret, serde_json::json!({"ServerURL": domain, "Username": "u", "Secret": "p"}));
    assert!(home.run(&format!("login {domain}"), "", domain).contains("Login Succeeded"));
    home.run(&format!("logout {domain}"), "", domain);
    assert!(!kept.exists());
}

#[test]
fn search_prints_dockers_columns() {
    let server = start(|asked| {
        let answer = br#"{"results":[
            {"name":"alpine","description":"A minimal Docker image based on Alpine Linux with a complete package index","star_count":11000,"is_official":true},
            {"name":"someone/alpine","description":"two\nlines","star_count":2,"is_official":false}]}"#;
        asked.line.contains("/v1/search?").then(|| http("200 OK", "", answer))
    });
    let home = Home::new();
    let config = home.0.path().join(".config/mini-docker");
    fs::create_dir_all(&config).unwrap();
    let mirror = format!(r#"{{"registry-mirrors": ["http://{}"]}}"#, server.name.domain());
    fs::write(config.join("daemon.json"), mirror).unwrap();
    let log: String = [
        "search alpine",
        "search --no-trunc --filter is-official=true alpine",
        "search --filter stars=5 --format json alpine",
        "search --limit 0 alpine",
        "search --filter colour=red alpine",
    ]
    .iter()
    .map(|words| home.run(words, "", server.name.domain()))
    .collect();
    insta::assert_snapshot!("search", log);
}
