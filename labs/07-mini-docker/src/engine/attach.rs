//! attach: to the streams of a container that runs, beside whoever is there already.

use std::io::Write;

use ground::Error as Report;

use super::{Engine, Error, Result, Session, is_watched};
use crate::container::{Frame, Record, Status, socket};

impl Engine {
    /// Connects to the monitor of a container. From now on the session carries its output, and
    /// input for it; dropping it changes nothing for the container.
    ///
    /// # Errors
    /// [`super::Kind::Conflict`] when its program does not run just now.
    pub fn attach(&self, record: &Record) -> Result<Session> {
        let record = self.truth(record.clone());
        let refuse = |what: &str, fix: &str| {
            let fix = fix.replace("NAME", &record.name);
            Err(Error::conflict(Report::new(what).fix(fix)))
        };
        match record.state.status {
            Status::Running => {}
            Status::Paused => {
                return refuse(
                    "You cannot attach to a paused container, unpause it first",
                    "mini-docker unpause NAME",
                );
            }
            Status::Restarting => {
                return refuse(
                    "You cannot attach to a restarting container, wait until it is running",
                    "mini-docker logs -f NAME shows what it writes",
                );
            }
            _ => {
                return refuse(
                    "You cannot attach to a stopped container, start it first",
                    "mini-docker start -a NAME",
                );
            }
        }
        let session = self.connect(&record)?;
        record.event("attach").record(&self.layout.events());
        Ok(session)
    }

    /// Writes down that somebody has let go of a container with the detach keys.
    pub fn detached(&self, record: &Record) {
        record.event("detach").record(&self.layout.events());
    }

    fn connect(&self, record: &Record) -> Result<Session> {
        let dir = self.container_layout(record);
        let connected = socket::connect(dir.dir()).map_err(|error| {
            Report::new(format!("cannot attach to container {}", record.name))
                .io("connect", &error)
                .fix("its monitor has just gone: mini-docker ps -a shows what became of it")
        });
        Ok(Session::of_stranger(connected?).listening(dir.dir().to_owned()))
    }

    /// Connects only to hear how it ends; `None` when nobody is there any more.
    pub(super) fn listen(&self, record: &Record) -> Option<Session> {
        if !is_watched(record) {
            return None;
        }
        let mut session = self.connect(record).ok()?;
        session.socket.write_all(&Frame::Quiet.encode()).ok()?;
        Some(session)
    }

    /// Tells a monitor that waits for the next start to look at the record.
    pub(super) fn wake(&self, record: &Record) {
        if let Ok(mut session) = self.connect(record) {
            let _ = session.socket.write_all(&Frame::Wake.encode());
        }
    }
}
