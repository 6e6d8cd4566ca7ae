//! xray: what the kernel says of a container, of whoever made it.

use ground::Error as Report;
use namespaces::pidfd;
use nix::unistd::Pid;

use super::{Engine, Error, Kind, Result, processes::not_running};
use crate::{
    container::Record,
    xray::{self, Machine, Ours, Xray},
};

impl Engine {
    /// Looks at a container of ours, at one that another engine has made, or at a process.
    ///
    /// A name or a whole ID counts before a number, and a number before the beginning of an ID.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Conflict`] for a container that does not run,
    /// [`Kind::Invalid`] when the digits fit several.
    pub fn xray(&self, name: &str) -> Result<Xray> {
        let records = Record::all(self.layout())?;
        let records: Vec<Record> = records.into_iter().map(|it| self.truth(it)).collect();
        let machine = Machine::look(&records.iter().map(ours).collect::<Vec<_>>())?;
        Ok(xray::take(self.xrayed(name, &machine)?, &machine)?)
    }

    fn xrayed(&self, name: &str, machine: &Machine) -> Result<Pid> {
        let number = name.parse().ok().map(Pid::from_raw).filter(|pid| pid.as_raw() > 0);
        let exact = self.container(name).ok().filter(|it| it.name == name || it.id == name);
        let exact = exact.map(|it| running(&it)).transpose()?;
        match (exact, number) {
            (Some(pid), _) => Ok(pid),
            (None, Some(pid)) if pidfd::open(pid).is_ok() => Ok(pid),
            _ => self.xrayed_container(name, machine),
        }
    }

    fn xrayed_container(&self, name: &str, machine: &Machine) -> Result<Pid> {
        match self.container(name) {
            Ok(record) => return running(&record),
            Err(error) if error.kind != Kind::NotFound => return Err(error),
            Err(_) => {}
        }
        match machine.named(name).as_slice() {
            [one] => machine.first(one).ok_or_else(|| not_found(name)),
            [] => Err(not_found(name)),
            several => {
                let names: Vec<_> = several.iter().map(ToString::to_string).collect();
                Err(Error::invalid(
                    Report::new(format!("several containers are called {name}"))
                        .why(names.join(", "))
                        .fix("give more digits of the ID, or the number of a process"),
                ))
            }
        }
    }
}

fn running(record: &Record) -> Result<Pid> {
    record.state.pid.map(Pid::from_raw).ok_or_else(|| not_running(record))
}

fn not_found(name: &str) -> Error {
    Error::not_found(
        Report::new(format!("No such container: {name}"))
            .why(
                "it is none of mini-docker's, no control group has it as an ID, and no conmon or \
                 containerd-shim keeps one of that name; no process has it as its number either",
            )
            .fix("mini-docker ps shows ours; any other is found by the number of a process: ps -e"),
    )
}

fn ours(record: &Record) -> Ours {
    Ours {
        id: record.id.clone(),
        name: record.name.clone(),
        image: record.image.name.clone(),
        layers: record.image.layers.iter().map(|layer| layer.hex().to_owned()).collect(),
        pid: record.state.pid,
    }
}
