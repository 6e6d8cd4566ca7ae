//! The escape arcade as tables: which way out led out behind which wall, and what the kernel said.
//!
//! The sources are the snapshots of the tests that have tried them all: `tests/book/tests/escapes.rs`.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::{html::escape, scenes};

/// The snapshot of a machine, by its word in a page; root's on cgroup v1 has none.
fn snapshot(machine: &str) -> Result<&'static str> {
    Ok(match machine {
        "" => "tests/book/tests/snapshots/escapes@root-v1.snap",
        "user" => "tests/book/tests/snapshots/escapes_user@root-v1.snap",
        "v2" => "tests/book/tests/snapshots/escapes@root-v2.snap",
        _ => bail!("no machine {machine}"),
    })
}

/// What the test has seen.
#[derive(Debug)]
struct Arcade {
    /// Each wall and what it is, in the order in which the labs build them.
    walls: Vec<(String, String)>,
    tries: Vec<Try>,
}

#[derive(Debug)]
struct Try {
    wall: String,
    way: String,
    out: bool,
    answer: String,
}

fn arcade(root: &Path, machine: &str) -> Result<Arcade> {
    let text = scenes::read(&root.join(snapshot(machine)?))?;
    let (walls, tries) = text.split_once("\n\n").context("walls, an empty line, tries")?;
    let wall = |line: &str| {
        let (wall, what) = line.split_once(" | ").with_context(|| format!("a wall: {line}"))?;
        Ok((wall.to_owned(), what.to_owned()))
    };
    let walls = walls.lines().map(wall).collect::<Result<_>>()?;
    Ok(Arcade { walls, tries: tries.lines().map(attempt).collect::<Result<_>>()? })
}

/// `lab-01 | kill | held | kill(PID, SIGKILL) = ESRCH`
fn attempt(line: &str) -> Result<Try> {
    let fields: Vec<_> = line.splitn(4, " | ").map(str::to_owned).collect();
    let [wall, way, verdict, answer] = <[String; 4]>::try_from(fields)
        .map_err(|fields| anyhow::anyhow!("a try has four fields: {fields:?}"))?;
    Ok(Try { wall, way, out: verdict == "out", answer })
}

/// `{{#escapes MACHINE}}`: a row for each way out, a column for each wall.
pub fn matrix(root: &Path, machine: &str) -> Result<String> {
    let arcade = arcade(root, machine)?;
    let mut table = String::from("| way out |");
    for (wall, _) in &arcade.walls {
        table += &format!(" {} |", wall.replace("lab-", ""));
    }
    table += &format!("\n|---|{}\n", "---|".repeat(arcade.walls.len()));
    let first = &arcade.walls.first().context("no wall")?.0;
    for way in arcade.tries.iter().filter(|it| it.wall == *first).map(|it| &it.way) {
        table += &format!("| [{way}](#{way}) |");
        for (wall, _) in &arcade.walls {
            let found = arcade.tries.iter().find(|it| it.wall == *wall && it.way == *way);
            let found = found.with_context(|| format!("{way} was not tried behind {wall}"))?;
            table += &format!(" {} |", verdict(found.out));
        }
        table += "\n";
    }
    let out = arcade.tries.iter().filter(|it| it.out).count();
    let all = arcade.tries.len();
    Ok(format!("{table}\nOf {all} attempts {out} came out, {} were held.", all - out))
}

fn verdict(out: bool) -> &'static str {
    if out { "<span class=\"out\">out</span>" } else { "<span class=\"held\">held</span>" }
}

/// `{{#walls MACHINE}}`: the columns of the matrix.
pub fn walls(root: &Path, machine: &str) -> Result<String> {
    let rows = arcade(root, machine)?.walls.into_iter().map(|(wall, what)| {
        // Two dashes would become one long one.
        let (wall, what) = (wall.replace("lab-", ""), escape(&what).replace("--", "&#45;&#45;"));
        format!("| {wall} | {what} |\n")
    });
    Ok(format!("| column | the wall |\n|---|---|\n{}", rows.collect::<String>()))
}

/// `{{#escape WAY MACHINE}}`: what the kernel said, and behind which walls.
pub fn answers(root: &Path, way: &str, machine: &str) -> Result<String> {
    let arcade = arcade(root, machine)?;
    let mut said: Vec<(&str, bool, Vec<String>)> = Vec::new();
    for it in arcade.tries.iter().filter(|it| it.way == way) {
        let wall = it.wall.replace("lab-", "");
        match said.iter_mut().find(|(answer, out, _)| (*answer, *out) == (&it.answer, it.out)) {
            Some((_, _, walls)) => walls.push(wall),
            None => said.push((&it.answer, it.out, vec![wall])),
        }
    }
    ensure!(!said.is_empty(), "nobody tried {way}");
    let rows = said.into_iter().map(|(answer, out, walls)| {
        format!("| {} | `{answer}` | {} |\n", walls.join(", "), verdict(out))
    });
    Ok(format!("| behind | the kernel said | it |\n|---|---|---|\n{}", rows.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_has_a_verdict_behind_every_wall() {
        for (machine, ways, walls) in [("", 17, 10), ("user", 9, 4), ("v2", 5, 9)] {
            let matrix = matrix(crate::root(), machine).unwrap();
            let rows: Vec<_> = matrix.lines().filter(|line| line.starts_with("| [")).collect();
            let columns = rows[0].matches('|').count();
            assert!(rows.len() >= ways && columns >= walls + 2, "{matrix}");
            assert!(rows.iter().all(|row| row.matches('|').count() == columns), "{matrix}");
            // The last wall is always mini-docker's.
            assert!(rows.iter().all(|row| row.ends_with("\"held\">held</span> |")), "{matrix}");
        }
    }

    #[test]
    fn an_answer_stands_once() {
        let table = answers(crate::root(), "kill", "").unwrap();
        assert_eq!(table.matches("ESRCH").count(), 1, "{table}");
        assert!(answers(crate::root(), "wish", "").is_err());
    }
}
