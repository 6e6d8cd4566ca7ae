//! Credential helpers: programs named `docker-credential-NAME`, found by PATH.
//!
//! PATH belongs to the process, so the questions are asked by a child: this very program.

use std::os::unix::fs::PermissionsExt;

use mini_docker::registry::client::{Credentials, Kind, Login};

const HELPER: &str = r#"#!/bin/sh
[ "$1" = get ] || exit 9
case "$(cat)" in
    reg.example) echo '{"ServerURL":"reg.example","Username":"u","Secret":"p"}' ;;
    https://index.docker.io/v1/) echo '{"Username":"<token>","Secret":"t"}' ;;
    locked.example) echo 'the key ring is locked'; exit 1 ;;
    *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
"#;

#[test]
fn a_helper_program_is_asked_by_its_protocol() {
    let dir = tempfile::tempdir().unwrap();
    let helper = dir.path().join("docker-credential-lab");
    std::fs::write(&helper, HELPER).unwrap();
    std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    crate::world::alone("helpers::the_questions", Some(&path));
}

#[test]
#[ignore = "only as another test's child"]
fn the_questions() {
    let json = br#"{"credsStore": "lab", "auths": {"file.example": {"auth": "YTpi"}},
        "credHelpers": {"gone.example": "does-not-exist", "odd.example": "../lab"}}"#;
    let credentials = Credentials::parse(json).unwrap();
    let password = |username: &str, password: &str| {
        Some(Login::Password { username: username.into(), password: password.into() })
    };
    assert_eq!(credentials.login("reg.example").unwrap(), password("u", "p"));
    assert_eq!(credentials.login("docker.io").unwrap(), Some(Login::IdentityToken("t".into())));
    assert_eq!(credentials.login("file.example").unwrap(), password("a", "b"));
    assert_eq!(credentials.login("other.example").unwrap(), None);
    let error = credentials.login("locked.example").unwrap_err();
    assert!(error.to_string().contains("the key ring is locked"), "{error}");
    for domain in ["gone.example", "odd.example"] {
        assert_eq!(credentials.login(domain).unwrap_err().kind, Kind::Unauthorized);
    }
}
