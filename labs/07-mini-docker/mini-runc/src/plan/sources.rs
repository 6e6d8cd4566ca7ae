//! Sources: bind mounts that the parent takes along, because its child may not.
//!
//! To show other ids than a file has takes power over the *file system*, and a directory of root's
//! is closed to whoever root is in a user namespace. So both are done before the clone: a copy of
//! the mount that is attached nowhere, which the child then attaches.
//!
//! Source: runtime specification, config.md, `uidMappings` and `idmap`; mount_setattr(2),
//! MOUNT_ATTR_IDMAP.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
    rc::Rc,
};

use ground::{Errno, Error, Result};
use namespaces::{IdMaps, Range};
use oci::runtime::{self, IdMapping, NamespaceKind};
use rootfs::{Change, MsFlags, Reach, Tree, c_path};
use volumes::{Taken, What};

use super::{Context, join, mount_options::Options};

/// The user namespaces that were made to be mapped by, each once.
#[derive(Debug, Default)]
pub(super) struct Sources {
    made: Vec<(IdMaps, Rc<OwnedFd>)>,
}

impl Sources {
    /// What is mounted for a bind of `source`.
    ///
    /// # Errors
    /// A mapping that is not complete; a source that cannot be taken along.
    pub(super) fn what(
        &mut self,
        context: &Context<'_>,
        mount: &runtime::Mount,
        options: &Options,
        (source, reach): (&Path, Reach),
    ) -> Result<What> {
        let mapped = wants_mapping(mount, options);
        if !mapped && !context.takes_sources() {
            return Ok(What::Bind(c_path(source)?, reach));
        }
        let recursive = if reach == Reach::All { "|AT_RECURSIVE" } else { "" };
        let mut calls = format!("open_tree({source:?}, OPEN_TREE_CLONE{recursive})");
        if mapped {
            calls += "; mount_setattr(attr_set=MOUNT_ATTR_IDMAP)";
        }
        if context.told {
            return Ok(What::Taken(Taken { calls, tree: None }));
        }
        let tree = taken(context, source, reach)?;
        if mapped {
            let maps = self.namespace(context, mount)?;
            map_ids(&tree, maps.as_fd(), options.id_map.unwrap_or(Reach::One), source)?;
        }
        Ok(What::Taken(Taken { calls, tree: Some(tree) }))
    }

    /// A mapping for what is no bind mount.
    ///
    /// # Errors
    /// When there is one.
    pub(super) fn refuse_for_file_systems(
        &self,
        mount: &runtime::Mount,
        options: &Options,
    ) -> Result<()> {
        if !wants_mapping(mount, options) {
            return Ok(());
        }
        Err(Error::new("id-mapped mounts are only supported for bind-mounts")
            .why("a new file system has no ids yet that could be shown as others")
            .see("2 mount_setattr")
            .fix("bind a directory, or leave idmap, uidMappings and gidMappings out"))
    }

    /// The user namespace with the ids of this mount: its own, or those of the container.
    fn namespace(&mut self, context: &Context<'_>, mount: &runtime::Mount) -> Result<Rc<OwnedFd>> {
        let own = !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty();
        let (uids, gids) = match own {
            true => (&mount.uid_mappings, &mount.gid_mappings),
            false => (&context.linux.uid_mappings, &context.linux.gid_mappings),
        };
        if let (false, Some(path)) = (own, join::joined(context, NamespaceKind::User)) {
            return opened(path).map(Rc::new);
        }
        if uids.is_empty() || gids.is_empty() {
            return Err(Error::new("id-mapped mounts must have both uid and gid mappings specified")
                .why("the mount has no uidMappings and gidMappings, and the container no user namespace whose ids could be meant")
                .see("2 mount_setattr")
                .fix("add [{\"containerID\": 0, \"hostID\": 100000, \"size\": 65536}] to both"));
        }
        let maps = IdMaps { uids: ranges(uids), gids: ranges(gids) };
        if let Some((_, made)) = self.made.iter().find(|(made, _)| *made == maps) {
            return Ok(Rc::clone(made));
        }
        let made = Rc::new(maps.namespace()?);
        self.made.push((maps, Rc::clone(&made)));
        Ok(made)
    }
}

fn opened(path: &str) -> Result<OwnedFd> {
    std::fs::File::open(path).map(OwnedFd::from).map_err(|error| {
        Error::new("cannot open the namespace").io(format_args!("open {path}"), &error)
    })
}

fn wants_mapping(mount: &runtime::Mount, options: &Options) -> bool {
    options.id_map.is_some() || !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty()
}

fn ranges(mappings: &[IdMapping]) -> Vec<Range> {
    mappings.iter().map(join::range).collect()
}

/// The copy, which spreads as one that the child made itself would.
fn taken(context: &Context<'_>, source: &Path, reach: Reach) -> Result<Tree> {
    let cannot = |errno| {
        let call = format!("open_tree({source:?}, OPEN_TREE_CLONE)");
        let error = Error::new("cannot take the bind source along").call(&call, errno);
        let error = error.see("2 open_tree");
        match errno {
            Errno::EPERM => error.fix("do it as root: mapped ids take power over the file system"),
            _ => error,
        }
    };
    let tree = Tree::copy(&c_path(source)?, reach).map_err(cannot)?;
    if !context.shares_mounts() {
        let slave = Change::propagation(MsFlags::MS_SLAVE, Reach::All);
        tree.change(&slave).map_err(cannot)?;
    }
    Ok(tree)
}

fn map_ids(
    tree: &Tree,
    user_namespace: std::os::fd::BorrowedFd<'_>,
    reach: Reach,
    source: &Path,
) -> Result<()> {
    tree.map_ids(user_namespace, reach).map_err(|errno| {
        let call = format!("mount_setattr({source:?}, MOUNT_ATTR_IDMAP)");
        let error = Error::new("cannot map the ids of the mount").call(&call, errno);
        let error = error.see("2 mount_setattr");
        match errno {
            Errno::EINVAL => error.fix(
                "its file system cannot be mapped (overlay and proc cannot), or is mapped already",
            ),
            Errno::EPERM => error
                .fix("it takes CAP_SYS_ADMIN over the file system: do it as root of the machine"),
            Errno::ENOSYS => {
                error.fix("mapped mounts came with Linux 5.12; uname -r shows this one")
            }
            _ => error,
        }
    })
}
