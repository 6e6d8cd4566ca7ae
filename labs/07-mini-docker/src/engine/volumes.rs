//! volume: the directories that outlive containers.

use std::collections::BTreeMap;

use ground::Error as Report;

use super::{Engine, Error, Filters, Prune, Result};
use crate::{
    container::{Record, fresh_id},
    events::{Event, Type},
    volume::{self, Volume},
};

/// What `prune` removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunedVolumes {
    /// Their names.
    pub names: Vec<String>,
    /// The bytes of their files.
    pub bytes: u64,
}

impl Engine {
    /// Makes a volume, or returns the one that is there. Without a name it gets one.
    ///
    /// # Errors
    /// [`super::Kind::Invalid`] for a name or options that make no sense, [`super::Kind::Conflict`]
    /// for one that is there with other options; as mkdir(2).
    pub fn volume_create(&self, mut wanted: Volume) -> Result<String> {
        if wanted.name.is_empty() {
            (wanted.name, wanted.anonymous) = (fresh_id()?, true);
        }
        volume::check_name(&wanted.name).map_err(Error::invalid)?;
        volume::check_options(&wanted).map_err(Error::invalid)?;
        let _alone = volume::lock_alone(&self.layout)?;
        if self.layout.volume(&wanted.name).exists() {
            let known = volume::read(&self.layout, &wanted.name)?;
            return match wanted.options.is_empty() || wanted.options == known.options {
                true => Ok(wanted.name),
                false => Err(Error::conflict(
                    Report::new(format!(
                        "volume {} exists but doesn't match with specified options",
                        wanted.name
                    ))
                    .why("what is mounted on a volume is decided when it is made")
                    .fix(format!("choose another name, or mini-docker volume rm {}", wanted.name)),
                )),
            };
        }
        volume::create(&self.layout, &wanted)?;
        Event::now(Type::Volume, "create", &wanted.name)
            .with("driver", "local")
            .record(&self.layout.events());
        Ok(wanted.name)
    }

    /// All volumes, by name.
    ///
    /// # Errors
    /// When the directory or a record cannot be read.
    pub fn volumes(&self) -> Result<Vec<Volume>> {
        let names = volume::names(&self.layout)?.into_iter();
        Ok(names.map(|name| volume::read(&self.layout, &name)).collect::<Result<_, _>>()?)
    }

    /// One volume.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`].
    pub fn volume(&self, name: &str) -> Result<Volume> {
        // A path is no name, and must not become one.
        if name.is_empty() || name.contains('/') || !self.layout.volume(name).is_dir() {
            return Err(Error::not_found(
                Report::new(format!("get {name}: no such volume"))
                    .fix("mini-docker volume ls shows all of them"),
            ));
        }
        Ok(volume::read(&self.layout, name)?)
    }

    /// The containers that use each volume, by its name.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn volume_users(&self) -> Result<BTreeMap<String, Vec<Record>>> {
        let mut users: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for record in Record::all(&self.layout)? {
            for name in record.options.mounts.iter().filter_map(|mount| mount.volume()) {
                users.entry(name.to_owned()).or_default().push(record.clone());
            }
        }
        Ok(users)
    }

    /// The volumes that somebody wants to see, by name.
    ///
    /// # Errors
    /// As [`Engine::volumes`]; [`super::Kind::Invalid`] for a filter that does not exist.
    pub fn volume_list(&self, filters: &Filters) -> Result<Vec<Volume>> {
        filters.check(&["dangling", "driver", "label", "name"])?;
        let dangling = filters.truth("dangling")?;
        let users = match dangling {
            Some(_) => self.volume_users()?,
            None => BTreeMap::new(),
        };
        let mut shown = Vec::new();
        for volume in self.volumes()? {
            let label = |name: &str| volume.labels.get(name).map(String::as_str);
            if filters.finds("name", &[&volume.name])?
                && filters.any("driver", |driver| driver == "local")
                && filters.labels(label)
                && dangling.is_none_or(|wanted| wanted != users.contains_key(&volume.name))
            {
                shown.push(volume);
            }
        }
        Ok(shown)
    }

    /// Removes a volume that no container uses.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`], [`super::Kind::Conflict`].
    pub fn volume_rm(&self, name: &str) -> Result<()> {
        let _alone = volume::lock_alone(&self.layout)?;
        self.volume(name)?;
        if let Some([user, ..]) = self.volume_users()?.get(name).map(Vec::as_slice) {
            return Err(Error::conflict(
                Report::new(format!("remove {name}: volume is in use - [{}]", user.id))
                    .why("the container may be started again")
                    .fix(format!("remove the container first: mini-docker rm {}", user.name)),
            ));
        }
        self.remove_volume(name)
    }

    /// Removes the volumes that no container uses and that nobody gave a name; with `all` those with
    /// a name, too.
    ///
    /// # Errors
    /// As [`Engine::volume_rm`].
    pub fn volume_prune(&self, which: &Prune) -> Result<PrunedVolumes> {
        let _alone = volume::lock_alone(&self.layout)?;
        let users = self.volume_users()?;
        let mut pruned = PrunedVolumes::default();
        for it in self.volumes()? {
            let means = which.means(Some(&it.created), |name| it.labels.get(name));
            if users.contains_key(&it.name) || !(which.all || it.anonymous) || !means {
                continue;
            }
            pruned.bytes += volume::size(&self.layout, &it.name);
            self.remove_volume(&it.name)?;
            pruned.names.push(it.name);
        }
        Ok(pruned)
    }

    fn remove_volume(&self, name: &str) -> Result<()> {
        volume::remove(&self.layout, name)?;
        Event::now(Type::Volume, "destroy", name)
            .with("driver", "local")
            .record(&self.layout.events());
        Ok(())
    }
}
