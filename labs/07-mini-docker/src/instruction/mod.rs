//! Instructions: the lines of a Dockerfile that change only how an image wants to be run.
//!
//! `commit -c` and `import -c` take them one by one, a build takes them from a file. Text becomes an
//! [`Instruction`] once; what a line means may depend on the lines before (`$PATH` in an ENV, a
//! relative WORKDIR), so words are expanded when it is applied.
//!
//! | file | what it knows |
//! |---|---|
//! | `parse` | a line -> an instruction |
//! | `apply` | an instruction changes a config |
//! | `words` | quotes, escapes and variables |
//! | `health` | HEALTHCHECK with its flags |
//!
//! Source: Docker's "Dockerfile reference".

mod apply;
mod health;
mod parse;
mod words;

use ground::{Error, Result};
use oci::{Config, Healthcheck};

pub use words::{expand, split};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// `CMD`: the default command, or the arguments of the entrypoint.
    Cmd(Command),
    /// `ENTRYPOINT`: what is always run.
    Entrypoint(Command),
    /// `ENV`: variables, in order.
    Env(Vec<(String, String)>),
    /// `EXPOSE`: the ports that it listens on.
    Expose(Vec<String>),
    /// `LABEL`: notes, in order.
    Label(Vec<(String, String)>),
    /// `ONBUILD`: a line for whoever builds on this image.
    OnBuild(String),
    /// `USER`: who it runs as.
    User(String),
    /// `VOLUME`: directories that get a volume of their own.
    Volume(Vec<String>),
    /// `WORKDIR`: where it starts.
    WorkDir(String),
    /// `STOPSIGNAL`: what `stop` sends.
    StopSignal(String),
    /// `HEALTHCHECK`: how to see that it is well.
    HealthCheck(Healthcheck),
}

/// A program as CMD and ENTRYPOINT spell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `["program", "argument"]`: run as it is.
    Exec(Vec<String>),
    /// `program argument`: run by the shell.
    Shell(String),
}

impl Command {
    /// JSON is run as it is, everything else by the shell: also what was meant to be JSON and is not.
    fn read(text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(words) => Self::Exec(words),
            Err(_) => Self::Shell(text.to_owned()),
        }
    }
}

/// Applies lines to a config, in their order.
///
/// # Errors
/// The first line that makes no sense, or does not belong here.
pub fn apply(config: &mut Config, lines: &[String]) -> Result<()> {
    let mut has_cmd = false;
    for line in lines {
        let instruction: Instruction = line.parse()?;
        instruction.apply(config, &mut has_cmd)?;
    }
    Ok(())
}

/// The report for a line that makes no sense.
fn invalid(what: impl Into<String>, why: impl Into<String>) -> Error {
    Error::new(what).why(why).fix("write it as in a Dockerfile: -c 'CMD [\"sh\"]', -c 'ENV A=1'")
}
