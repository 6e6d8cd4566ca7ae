//! A lab's commands before a class: typed and run at a key press.
//!
//! The commands are those of the lab's card, its README: what a test runs is what is shown. One
//! bash(1) runs all of them, in a directory of their own, so that what one has set or started is
//! there for the next; it is gone with everything in it when the show ends.

use std::{fs, os::unix::process::CommandExt, path::Path, process::Command};

use ground::{Error, Result};

/// How a command is shown and run. Without a terminal nobody presses a key, and none is awaited.
const STAGE: &str = r#"
scratch=$(mktemp -d) && cd "$scratch" || exit
# What is started in the background is a group of processes, and ends as one.
set -m
leave() {
  local job
  for job in $(jobs -p); do kill -KILL -- "-$job"; done
  # Until they are gone; that they were killed is no news.
  wait 2> /dev/null
  cd / && rm -rf --one-file-system "$scratch"
}
trap leave EXIT
# Ctrl-C ends the command, and not the show.
trap : INT
cargo() { command cargo "$1" --quiet --manifest-path "$ROOT/Cargo.toml" "${@:2}"; }
key() { [ ! -t 0 ] || { IFS= read -rsn1 pressed || exit; [ "$pressed" != q ] || exit 0; }; }
typed() {
  local at
  if [ ! -t 1 ]; then printf '%s' "$1"; return; fi
  for ((at = 0; at < ${#1}; at++)); do printf '%s' "${1:at:1}"; sleep 0.02; done
}
show() { printf '$ '; key; typed "$1"; key; printf '\n'; eval "$1"; printf '\n'; }
"#;

/// The commands of a card: what stands after `$ ` in its console blocks, without those that need
/// what a room may not have (`console,norun`).
pub fn commands(card: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut is_shown = false;
    for line in card.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            is_shown = kind.starts_with("console") && !kind.contains("norun");
        } else if is_shown && let Some(command) = line.strip_prefix("$ ") {
            commands.push(command.to_owned());
        } else if is_shown && let Some(more) = line.strip_prefix("> ") {
            commands.last_mut().into_iter().for_each(|it| *it += &format!("\n{more}"));
        }
    }
    commands
}

/// The script of a show.
fn script(commands: &[String]) -> String {
    let quoted = |command: &String| format!("show '{}'\n", command.replace('\'', r"'\''"));
    STAGE.to_owned() + &commands.iter().map(quoted).collect::<String>()
}

/// Shows the commands of a lab, in this process's place.
///
/// # Errors
/// No such lab, one that does not compile, or no bash.
pub fn lab(root: &Path, number: u8) -> Result<()> {
    let name = format!("lab-{number:02}");
    let card = card(root, number)?;
    build(root, &name)?;
    let error = Command::new("bash")
        .args(["-c", &script(&commands(&card)), &name])
        .env("ROOT", root)
        .exec();
    Err(Error::new("cannot begin the show")
        .io("execve(bash)", &error)
        .fix("install bash; its read knows single keys"))
}

fn card(root: &Path, number: u8) -> Result<String> {
    let prefix = format!("{number:02}-");
    let labs = fs::read_dir(root.join("labs")).into_iter().flatten().flatten();
    let mut cards = labs
        .filter(|it| it.file_name().to_string_lossy().starts_with(&prefix))
        .filter_map(|it| fs::read_to_string(it.path().join("README.md")).ok());
    cards.next().ok_or_else(|| {
        Error::new(format!("there is no lab {number:02}")).fix("choose one from 00 to 07")
    })
}

/// A class does not wait for a compiler in the middle of a sentence.
fn build(root: &Path, lab: &str) -> Result<()> {
    let cannot =
        || Error::new(format!("{lab} does not compile")).fix(format!("cargo build -p {lab}"));
    let built =
        Command::new("cargo").args(["build", "--quiet", "-p", lab]).current_dir(root).status();
    match built {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(cannot()),
        Err(error) => Err(cannot().io("execve(cargo)", &error)),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        process::{Output, Stdio},
    };

    use super::*;

    fn ended(mut command: Command, typed: &str) -> Output {
        command.env("ROOT", "/nowhere").env("TERM", "dumb");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn lines(output: &Output) -> Vec<String> {
        let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
        text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn the_commands_of_a_card_are_found() {
        let card = "```console,list\n$ one\n> more\nsaid\n```\n```console,norun\n$ two\n```\n\
                    ```text\n$ three\n```\n```console\n$ four\n```\n";
        assert_eq!(commands(card), ["one\nmore", "four"]);
    }

    #[test]
    fn each_lab_has_something_to_show() {
        for number in 1..=7 {
            let card = card(&crate::root(), number).unwrap();
            assert!(commands(&card).len() > 1, "{number}");
        }
        assert!(card(&crate::root(), 99).is_err());
    }

    #[test]
    fn one_shell_runs_all_and_leaves_nothing() {
        let steps = ["X='a b'; pwd", "echo $X > made; cat made", "sleep 1000 & echo $!", "false"];
        let mut bash = Command::new("bash");
        bash.args(["-c", &script(&steps.map(str::to_owned))]);
        let said = lines(&ended(bash, ""));
        let [first, place, second, made, third, job, last] = &*said else { panic!("{said:?}") };
        assert_eq!(
            [first, second, third, last],
            ["$ X='a b'; pwd", "$ echo $X > made; cat made", "$ sleep 1000 & echo $!", "$ false"]
        );
        assert_eq!(made, "a b");
        assert!(!Path::new(place).exists() && !Path::new("/proc").join(job).exists(), "{said:?}");
    }

    #[test]
    fn a_key_types_a_key_runs_and_q_ends() {
        let script = script(&["echo shown", "echo never"].map(str::to_owned));
        let mut terminal = Command::new("script");
        terminal.args(["-qefc", "exec bash -c \"$SHOW\"", "/dev/null"]).env("SHOW", script);
        let said = lines(&ended(terminal, "  q"));
        assert!(said.contains(&"shown".to_owned()), "{said:?}");
        assert!(!said.iter().any(|line| line.contains("never")), "{said:?}");
    }
}
