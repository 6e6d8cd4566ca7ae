//! rmi: a name goes; with the last name the image, and with the image what only it used.

use std::collections::HashSet;

use ground::Error as Report;
use oci::{Digest, Reference};

use super::{Engine, Error, Result, size::bytes_below};
use crate::{container::Record, snapshot, store::Image};

/// What a removal did, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// This name is gone.
    Untagged(Reference),
    /// This image is gone.
    Deleted(Digest),
}

impl Engine {
    /// Removes what `name` means: a tag, or with an ID the image with all its names. Blobs and
    /// layers that nobody uses any more go as well.
    ///
    /// # Errors
    /// [`super::Kind::Conflict`] when a container uses the image, or an ID has several names;
    /// `force` overrides both, and a container keeps its layers. Of an image whose container runs only
    /// the name goes, and by its ID it cannot be removed.
    pub fn rmi(&self, name: &str, force: bool) -> Result<Vec<Removed>> {
        let image = self.store.resolve(name)?;
        let named = name.parse::<Reference>().ok().map(Reference::or_latest);
        let named = named.filter(|named| image.references.contains(named));
        let removed = match named {
            Some(reference) if !is_last(&reference, &image) => self.untag(reference, &image)?,
            Some(reference) => {
                let users = self.users(&image)?;
                check_unused(name, &image, &users, force)?;
                match users.iter().any(is_up) {
                    true => self.untag(reference, &image)?,
                    false => self.remove(&image)?,
                }
            }
            None => {
                check_deletable(&image, &self.users(&image)?, force)?;
                self.remove(&image)?
            }
        };
        self.collect()?;
        Ok(removed)
    }

    fn untag(&self, reference: Reference, image: &Image) -> Result<Vec<Removed>> {
        let mut removed = Vec::new();
        for gone in with_digests(reference, image) {
            self.store.untag(&gone)?;
            removed.push(Removed::Untagged(gone));
        }
        removed.iter().for_each(|it| self.removal_event(image, it));
        Ok(removed)
    }

    fn remove(&self, image: &Image) -> Result<Vec<Removed>> {
        self.store.remove_image(&image.manifest.digest)?;
        Ok(self.told_removed(image))
    }

    /// The containers that were made from an image.
    fn users(&self, image: &Image) -> Result<Vec<Record>> {
        let records = Record::all(&self.layout)?.into_iter();
        let users = records.filter(|record| record.image.id == image.id);
        Ok(users.map(|record| self.truth(record)).collect())
    }

    /// What the removal of an image did, written down.
    pub(super) fn told_removed(&self, image: &Image) -> Vec<Removed> {
        let mut names = image.references.clone();
        names.sort_by_key(|name| name.tag().is_none());
        let mut removed: Vec<_> = names.into_iter().map(Removed::Untagged).collect();
        removed.push(Removed::Deleted(image.id.clone()));
        for one in &removed {
            self.removal_event(image, one);
        }
        removed
    }

    fn removal_event(&self, image: &Image, removed: &Removed) {
        let action = if let Removed::Untagged(_) = removed { "untag" } else { "delete" };
        let id = image.id.to_string();
        self.image_event(action, &id, &id);
    }

    /// Removes blobs and layers that no image and no container uses, and returns their bytes. Left
    /// for later while somebody adds content.
    pub(super) fn collect(&self) -> Result<u64> {
        // The lock that `create` and `pull` share while they begin to use blobs and layers. First the
        // lock, then the look at who uses what: who began to use something in between had no lock.
        let _alone = match self.store.alone() {
            Err(error) if error.kind == crate::store::Kind::Busy => return Ok(0),
            alone => alone?,
        };
        let records = Record::all(&self.layout)?;
        let in_use: Vec<_> = records.iter().map(|record| record.image.manifest.clone()).collect();
        let mut bytes = self.store.sweep_unreachable(&in_use)?.bytes;
        let mut used: HashSet<Digest> =
            records.into_iter().flat_map(|record| record.image.layers).collect();
        for image in self.store.images()? {
            // One that is not whole is told of by `system check`, and keeps nothing.
            let config = self.store.image_config(&image);
            used.extend(config.map(|config| snapshot::chain_ids(&config)).unwrap_or_default());
        }
        for chain_id in snapshot::layers_here(&self.layout)? {
            if !used.contains(&chain_id) {
                bytes += bytes_below(&self.layout.layer_diff(&chain_id));
                snapshot::remove_layer(&self.layout, &chain_id)?;
            }
        }
        Ok(bytes)
    }
}

fn is_up(record: &Record) -> bool {
    record.state.status.is_up()
}

/// Whether the last name of an image may go.
fn check_unused(name: &str, image: &Image, users: &[Record], force: bool) -> Result<()> {
    let Some(user) = users.first().filter(|_| !force) else { return Ok(()) };
    let what = format!(
        "conflict: unable to remove repository reference \"{name}\" (must force) - container {} is \
         using its referenced image {}",
        user.short_id(),
        image.id.short()
    );
    Err(in_use(what, removable(user)))
}

/// Whether an image may go, which somebody called by its ID.
fn check_deletable(image: &Image, users: &[Record], force: bool) -> Result<()> {
    let unable = format!("conflict: unable to delete {}", image.id.short());
    if let Some(user) = users.iter().find(|user| is_up(user)) {
        let id = user.short_id();
        let what =
            format!("{unable} (cannot be forced) - image is being used by running container {id}");
        let fix = format!("remove the container first: mini-docker rm -f {}", user.name);
        return Err(in_use(what, fix));
    }
    if tags(image).count() > 1 && !force {
        let what =
            format!("{unable} (must be forced) - image is referenced in multiple repositories");
        return Err(Error::conflict(Report::new(what).fix("remove it by its names, or with -f")));
    }
    let Some(user) = users.first().filter(|_| !force) else { return Ok(()) };
    let id = user.short_id();
    let what = format!("{unable} (must be forced) - image is being used by stopped container {id}");
    Err(in_use(what, removable(user)))
}

fn in_use(what: String, fix: String) -> Error {
    Error::conflict(
        Report::new(what).why("its layers are the lower half of that container").fix(fix),
    )
}

fn removable(user: &Record) -> String {
    let force = if is_up(user) { "-f " } else { "" };
    format!("remove the container first (mini-docker rm {force}{}), or rmi -f", user.name)
}

/// The names that people gave it; `name@digest` is what a registry called it.
fn tags(image: &Image) -> impl Iterator<Item = &Reference> {
    image.references.iter().filter(|reference| reference.tag().is_some())
}

/// Whether the image has no other tag: then it goes with this name.
fn is_last(reference: &Reference, image: &Image) -> bool {
    tags(image).all(|tag| tag == reference)
}

/// A tag, and with the last of its repository what that registry called the image.
fn with_digests(tag: Reference, image: &Image) -> Vec<Reference> {
    let is_there = |it: &&Reference| it.name() == tag.name() && **it != tag;
    let mut others = image.references.iter().filter(is_there).cloned().collect::<Vec<_>>();
    if others.iter().any(|it| it.tag().is_some()) {
        others.clear();
    }
    others.insert(0, tag);
    others
}

#[cfg(test)]
mod tests {
    use oci::{Descriptor, MediaType};

    use super::*;

    #[track_caller]
    fn check(names: &[&str], expected: &[&str]) {
        let parse = |name: &&str| name.parse::<Reference>().unwrap();
        let id: Digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
        let manifest = Descriptor::new(MediaType::OciManifest, id.clone(), 0);
        let image = Image { id, manifest, references: names.iter().map(parse).collect() };
        let gone = with_digests("here/a:1".parse().unwrap(), &image);
        assert_eq!(gone, expected.iter().map(parse).collect::<Vec<_>>());
    }

    #[test]
    fn a_digest_goes_with_the_last_tag_of_its_repository() {
        let digest = format!("here/a@sha256:{}", "0".repeat(64));
        check(&["here/a:1", &digest, "b:1"], &["here/a:1", &digest]);
        check(&["here/a:1", &digest, "here/a:2"], &["here/a:1"]);
        check(&["here/a:1", "b:1"], &["here/a:1"]);
    }
}
