//! login, logout.

use std::{
    io::{self, BufRead, IsTerminal, Read, Write},
    process::ExitCode,
};

use clap::Args;
use ground::{Error, Result};
use mini_docker::{
    engine::{DOCKER_HUB, Engine, registry_domain},
    registry::client::{Kept, Login as Credentials},
};

use super::{output::line, secret};

/// `login`
#[derive(Debug, Args)]
pub struct Login {
    /// Username
    #[arg(short, long)]
    pub username: Option<String>,
    /// Password
    #[arg(short, long, conflicts_with = "password_stdin")]
    pub password: Option<String>,
    /// Take the password from stdin
    #[arg(long)]
    pub password_stdin: bool,
    /// The registry; docker.io where none is named
    #[arg(value_name = "SERVER")]
    pub server: Option<String>,
}

/// `logout`
#[derive(Debug, Args)]
pub struct Logout {
    /// The registry; docker.io where none is named
    #[arg(value_name = "SERVER")]
    pub server: Option<String>,
}

/// `login`
pub fn login(engine: &Engine, args: &Login) -> Result<ExitCode> {
    let domain = registry_domain(args.server.as_deref().unwrap_or(DOCKER_HUB))?;
    if args.password_stdin && args.username.is_none() {
        return Err(Error::new("Must provide --username with --password-stdin")
            .why("standard input is the password, so nobody can be asked for the name")
            .fix("mini-docker login -u NAME --password-stdin SERVER < FILE"));
    }
    if args.username.is_none() && args.password.is_none() && again(engine, &domain)? {
        return line("Login Succeeded").map(|()| ExitCode::SUCCESS);
    }
    if args.password.is_some() {
        say("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    }
    let username = match &args.username {
        Some(username) => username.clone(),
        None => ask_username()?,
    };
    let password = match (&args.password, args.password_stdin) {
        (Some(password), _) => password.clone(),
        (None, true) => read_password()?,
        (None, false) => secret::ask("Password: ")?,
    };
    if username.is_empty() || password.is_empty() {
        return Err(Error::new("username and password are required")
            .fix("mini-docker login -u NAME --password-stdin SERVER < FILE"));
    }
    match engine.login(&domain, Credentials::Password { username, password })? {
        Kept::ByHelper => {}
        Kept::InFile(path) => say(&format!(
            "WARNING! Your credentials are stored unencrypted in '{}'.\n\
             Configure a credential helper to remove this warning. See\n\
             https://docs.docker.com/go/credential-store/\n",
            path.display()
        )),
    }
    line("Login Succeeded").map(|()| ExitCode::SUCCESS)
}

/// Tries the login that is kept, if one is. A refusal asks for another one.
fn again(engine: &Engine, domain: &str) -> Result<bool> {
    match engine.login_as_before(domain) {
        Ok(was_kept) => {
            if was_kept {
                line("Authenticating with existing credentials...")?;
            }
            Ok(was_kept)
        }
        Err(error) if io::stdin().is_terminal() => {
            line("Authenticating with existing credentials...")?;
            say(&format!("Login did not succeed, error: {}", error.report.what));
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// `logout`
pub fn logout(engine: &Engine, args: &Logout) -> Result<ExitCode> {
    let domain = registry_domain(args.server.as_deref().unwrap_or(DOCKER_HUB))?;
    let name = if domain == DOCKER_HUB { "https://index.docker.io/v1/" } else { &domain };
    match engine.logout(&domain)? {
        true => line(format!("Removing login credentials for {name}"))?,
        false => line(format!("Not logged in to {name}"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn ask_username() -> Result<String> {
    if !io::stdin().is_terminal() {
        return Err(Error::new("cannot perform an interactive login from a non TTY device")
            .why("nobody can be asked for name and password")
            .fix("mini-docker login -u NAME --password-stdin SERVER < FILE"));
    }
    let mut stdout = io::stdout();
    // A person who does not see the question may still answer it.
    let _ = write!(stdout, "Username: ").and_then(|()| stdout.flush());
    let mut name = String::new();
    io::stdin().lock().read_line(&mut name).map_err(unreadable)?;
    Ok(name.trim().to_owned())
}

/// All of standard input, without the line's end that `echo` puts there.
fn read_password() -> Result<String> {
    let mut password = String::new();
    io::stdin().lock().read_to_string(&mut password).map_err(unreadable)?;
    let password = password.strip_suffix('\n').unwrap_or(&password);
    Ok(password.strip_suffix('\r').unwrap_or(password).to_owned())
}

fn unreadable(error: io::Error) -> Error {
    Error::new("cannot log in").io("read standard input", &error)
}

/// For the person, not for who reads the output.
fn say(text: &str) {
    // Who does not look any more need not be told.
    let _ = writeln!(io::stderr(), "{text}");
}
