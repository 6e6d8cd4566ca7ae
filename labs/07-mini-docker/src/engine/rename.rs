//! rename: another name for a container, also while it runs.

use ground::Error as Report;

use super::{Engine, Error, Result, create::check_name, create::not_added};
use crate::container::{self, Record};

impl Engine {
    /// Gives a container another name.
    ///
    /// # Errors
    /// [`super::Kind::Conflict`] for a name in use, [`super::Kind::Invalid`] for one that is none.
    pub fn rename(&self, record: &Record, name: &str) -> Result<()> {
        let name = name.strip_prefix('/').unwrap_or(name);
        if name.is_empty() {
            return Err(Error::invalid(
                Report::new("New name cannot be empty").fix("mini-docker rename OLD NEW"),
            ));
        }
        if name == record.name {
            return Err(Error::invalid(
                Report::new("Renaming a container with the same name as its current name")
                    .fix("choose another name"),
            ));
        }
        check_name(name)?;
        container::rename(&self.layout, record, name).map_err(not_added(name))?;
        self.with_networks(|networks| networks.rename(&record.id, name))?;
        let event = Record { name: name.to_owned(), ..record.clone() }.event("rename");
        event.with("oldName", format!("/{}", record.name)).record(&self.layout.events());
        Ok(())
    }
}
