//! Census: every group that this process can see, in whatever trees it is.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    Group, Hierarchies, Mode,
    group::{Part, children},
};

impl Hierarchies {
    /// The paths of all groups below the mount points, sorted; the root is the empty path. The
    /// same path in several v1 trees is one group.
    pub fn groups(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        for tree in self.mounted.iter().filter(|it| self.counts(it)) {
            walk(&tree.mount_point, &tree.mount_point, &mut found);
        }
        found
    }

    /// The group at `path` below the mount points; `None` where no tree has it.
    pub fn group(&self, path: &Path) -> Option<Group> {
        let inside = path.strip_prefix("/").unwrap_or(path);
        let trees = self.mounted.iter().filter(|it| self.counts(it));
        let parts: Vec<Part> = trees
            .map(|tree| Part {
                version: tree.version,
                controllers: tree.controllers.clone(),
                dir: tree.mount_point.join(inside),
                base: tree.mount_point.clone(),
            })
            .filter(|it| it.dir.join("cgroup.procs").exists())
            .collect();
        (!parts.is_empty()).then(|| Group { name: inside.to_owned(), parts })
    }

    /// A tree without controllers only names processes, as systemd's on v1 and hybrid machines.
    fn counts(&self, tree: &crate::Hierarchy) -> bool {
        !tree.controllers.is_empty() || self.mode() == Mode::V2
    }
}

fn walk(top: &Path, dir: &Path, found: &mut BTreeSet<PathBuf>) {
    found.extend(dir.strip_prefix(top).map(Path::to_owned));
    children(dir).iter().for_each(|it| walk(top, it, found));
}
