//! top: the machine's ps(1), with only the lines of a container.

use std::process::Command;

use ground::Error as Report;

use super::{Engine, Error, Result};
use crate::container::Record;

/// What ps(1) printed of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Top {
    /// The headings.
    pub titles: Vec<String>,
    /// A row for each process, as many cells as headings.
    pub processes: Vec<Vec<String>>,
}

impl Engine {
    /// The container's processes, as ps(1) with these options shows them; `-ef` if there are none.
    ///
    /// # Errors
    /// [`super::Kind::Conflict`] when it does not run, [`super::Kind::Invalid`] for options that
    /// ps(1) refuses or that leave out the PID, by which the lines are chosen.
    pub fn top(&self, record: &Record, options: &[String]) -> Result<Top> {
        let pids = self.processes(record)?;
        let options = if options.is_empty() { vec!["-ef".to_owned()] } else { options.to_vec() };
        let output = Command::new("ps").args(&options).output().map_err(|error| {
            Report::new("cannot list the container's processes")
                .io("exec ps", &error)
                .see("1 ps")
                .fix("install procps")
        })?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            let report = Report::new(format!("ps: {first}")).see("1 ps");
            return Err(Error::invalid(report.fix("give options of ps: top CONTAINER -o pid,cmd")));
        }
        parse(&text, &pids).ok_or_else(|| {
            Error::invalid(
                Report::new("Couldn't find PID field in ps output")
                    .why("by it the container's processes are told from the others")
                    .fix("name it too: top CONTAINER -o pid,cmd"),
            )
        })
    }
}

/// The lines with one of these PIDs; the last cell holds whatever is left of a line.
fn parse(text: &str, pids: &[i32]) -> Option<Top> {
    let mut lines = text.lines();
    let titles: Vec<String> = lines.next()?.split_whitespace().map(str::to_owned).collect();
    let column = titles.iter().position(|title| title == "PID")?;
    let row = |line: &str| {
        let mut cells: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        if cells.len() > titles.len() {
            let rest = cells.split_off(titles.len() - 1).join(" ");
            cells.push(rest);
        }
        cells
    };
    let is_ours = |cells: &Vec<String>| {
        cells.get(column).and_then(|cell| cell.parse().ok()).is_some_and(|pid| pids.contains(&pid))
    };
    let processes = lines.map(row).filter(is_ours).collect();
    Some(Top { titles, processes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lines_of_the_container_are_left() {
        let text = "UID   PID CMD\nroot    7 sleep 1000\nroot   77 sh\n";
        let top = parse(text, &[7]).unwrap();
        assert_eq!(top.titles, ["UID", "PID", "CMD"]);
        assert_eq!(top.processes, [["root", "7", "sleep 1000"]]);
        assert_eq!(parse("UID CMD\n", &[7]), None);
    }
}
