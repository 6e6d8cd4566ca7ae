//! Applying: an instruction changes a config.

use std::path::{Component, Path, PathBuf};

use ground::Result;
use nix::sys::signal::Signal;
use oci::{Config, Empty};

use super::{Command, Instruction, expand, invalid};

/// What runs the shell form where the image names nothing else.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

impl Instruction {
    /// Changes a config. `has_cmd` remembers whether a CMD was among the instructions: without one
    /// a new ENTRYPOINT forgets the old CMD, which was meant for the old one.
    ///
    /// # Errors
    /// A port, a signal or a variable that cannot be.
    pub fn apply(&self, config: &mut Config, has_cmd: &mut bool) -> Result<()> {
        match self {
            Self::Cmd(command) => {
                config.cmd = Some(words(config, command));
                *has_cmd = true;
            }
            Self::Entrypoint(command) => {
                config.entrypoint = Some(words(config, command));
                if !*has_cmd {
                    config.cmd = None;
                }
            }
            Self::Env(pairs) => env(config, pairs)?,
            Self::Label(pairs) => {
                for (name, value) in pairs {
                    let (name, value) = (expanded(config, name)?, expanded(config, value)?);
                    config.labels.get_or_insert_default().insert(name, value);
                }
            }
            Self::Expose(ports) => {
                for port in ports {
                    let ports = expand_ports(&expanded(config, port)?)?;
                    let exposed = config.exposed_ports.get_or_insert_default();
                    exposed.extend(ports.into_iter().map(|port| (port, Empty {})));
                }
            }
            Self::OnBuild(line) => config.on_build.get_or_insert_default().push(line.clone()),
            Self::User(user) => config.user = Some(expanded(config, user)?),
            Self::Volume(paths) => {
                for path in paths {
                    let path = expanded(config, path)?;
                    if path.is_empty() {
                        return Err(invalid("VOLUME specified can not be an empty string", "\"\""));
                    }
                    config.volumes.get_or_insert_default().insert(path, Empty {});
                }
            }
            Self::WorkDir(dir) => {
                let dir = expanded(config, dir)?;
                config.working_dir = Some(joined(config.working_dir.as_deref(), &dir));
            }
            Self::StopSignal(signal) => {
                let signal = expanded(config, signal)?;
                check_signal(&signal)?;
                config.stop_signal = Some(signal);
            }
            Self::HealthCheck(check) => config.healthcheck = Some(check.clone()),
        }
        Ok(())
    }
}

fn words(config: &Config, command: &Command) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(line) => {
            let shell = config.shell.clone().filter(|shell| !shell.is_empty());
            let shell = shell.unwrap_or_else(|| SHELL.map(str::to_owned).to_vec());
            shell.into_iter().chain([line.clone()]).collect()
        }
    }
}

fn expanded(config: &Config, word: &str) -> Result<String> {
    let variable = |name: &str| {
        let mut entries = config.env.iter().flatten().filter_map(|entry| entry.split_once('='));
        entries.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    };
    expand(word, &variable)
}

/// Every value of a line sees the variables as they were before the line.
fn env(config: &mut Config, pairs: &[(String, String)]) -> Result<()> {
    let pair =
        |(name, value): &(String, String)| Ok((expanded(config, name)?, expanded(config, value)?));
    let pairs: Vec<(String, String)> = pairs.iter().map(pair).collect::<Result<_>>()?;
    let env = config.env.get_or_insert_default();
    for (name, value) in pairs {
        let entry = format!("{name}={value}");
        let is_same = |old: &&mut String| old.split('=').next() == Some(name.as_str());
        match env.iter_mut().find(is_same) {
            Some(old) => *old = entry,
            None => env.push(entry),
        }
    }
    Ok(())
}

/// `80`, `80/udp` or `8000-8010/tcp` as single ports with their protocol.
fn expand_ports(text: &str) -> Result<Vec<String>> {
    let wrong = |why: &str| invalid(format!("Invalid containerPort: {text}"), why);
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(wrong("the protocol is tcp, udp or sctp"));
    }
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    match (port(first), port(last)) {
        (Some(first), Some(last)) if first <= last => {
            Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
        }
        _ => Err(wrong("a port is a number from 1 to 65535, a range is written 8000-8010")),
    }
}

/// A directory, seen from the one before it.
fn joined(before: Option<&str>, dir: &str) -> String {
    let path = Path::new("/").join(before.unwrap_or("/")).join(dir);
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            _ => {}
        }
    }
    clean.to_string_lossy().into_owned()
}

fn check_signal(signal: &str) -> Result<()> {
    let name = signal.to_ascii_uppercase();
    let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
    let number = signal.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number));
    let is_real_time = name.starts_with("SIGRTMIN") || name.starts_with("SIGRTMAX");
    match number || is_real_time || name.parse::<Signal>().is_ok() {
        true => Ok(()),
        false => Err(invalid(format!("Invalid signal: {signal}"), "kill -l shows all of them")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The config as JSON after these lines, or what was wrong with one of them.
    #[track_caller]
    fn check(lines: &[&str], expected: &str) {
        let mut config = Config {
            env: Some(vec!["PATH=/bin".into()]),
            cmd: Some(vec!["old".into()]),
            working_dir: Some("/srv".into()),
            ..Config::default()
        };
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        let told = match super::super::apply(&mut config, &lines) {
            Ok(()) => serde_json::to_string(&config).unwrap(),
            Err(error) => error.what,
        };
        assert!(told.contains(expected), "{told}\nis without\n{expected}");
    }

    #[test]
    fn each_instruction_changes_its_part() {
        check(&["CMD [\"a\", \"b c\"]"], r#""Cmd":["a","b c"]"#);
        check(&["cmd a b"], r#""Cmd":["/bin/sh","-c","a b"]"#);
        check(&["ENTRYPOINT [\"e\"]"], r#""Entrypoint":["e"],"WorkingDir""#);
        check(&["CMD [\"c\"]", "ENTRYPOINT [\"e\"]"], r#""Entrypoint":["e"],"Cmd":["c"]"#);
        check(&["ENV PATH=$PATH:/x A='b c'"], r#""Env":["PATH=/bin:/x","A=b c"]"#);
        check(&["ENV A one two"], r#""A=one two""#);
        check(&["EXPOSE 80 53/udp 8000-8001"], r#"{"53/udp":{},"80/tcp":{},"8000/tcp":{},"8001"#);
        check(&["LABEL a=b \"c d\"=\"e f\""], r#""Labels":{"a":"b","c d":"e f"}"#);
        check(&["ONBUILD RUN make"], r#""OnBuild":["RUN make"]"#);
        check(&["USER ada:users"], r#""User":"ada:users""#);
        check(&["VOLUME /a /b", "VOLUME [\"/c d\"]"], r#""Volumes":{"/a":{},"/b":{},"/c d":{}}"#);
        check(&["WORKDIR sub", "WORKDIR ../x"], r#""WorkingDir":"/srv/x""#);
        check(&["STOPSIGNAL SIGQUIT"], r#""StopSignal":"SIGQUIT""#);
        check(
            &["HEALTHCHECK --interval=1m30s --retries=2 CMD curl -f localhost"],
            r#"{"Test":["CMD-SHELL","curl -f localhost"],"Interval":90000000000,"Retries":2}"#,
        );
        check(&["HEALTHCHECK CMD [\"true\"]"], r#"{"Test":["CMD","true"]}"#);
        check(&["HEALTHCHECK NONE"], r#"{"Test":["NONE"]}"#);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        check(&["RUN make"], "run is not a valid change command");
        check(&["FOO x"], "unknown instruction: FOO");
        check(&["CMD"], "CMD requires at least one argument");
        check(&["ENV A"], "ENV must have two arguments");
        check(&["ENV A=1 B"], "can't find = in \"B\"");
        check(&["EXPOSE eighty"], "Invalid containerPort: eighty");
        check(&["EXPOSE 80/ip"], "Invalid containerPort: 80/ip");
        check(&["STOPSIGNAL SIGNOTHING"], "Invalid signal: SIGNOTHING");
        check(&["USER a b"], "USER requires exactly one argument");
        check(&["ONBUILD ONBUILD RUN x"], "Chaining ONBUILD");
        check(&["HEALTHCHECK --retries=0 CMD x"], "--retries must be at least 1");
        check(&["HEALTHCHECK x"], "Unknown type \"X\"");
    }
}
