//! A group written down: where its directories are, so that whoever ends it need not look for the
//! machine's trees again, which takes longer than to end it.
//!
//! A line a tree: version, controllers, and the directory that the group was made below, last
//! because a path may hold anything. As `1:cpu,cpuacct:/sys/fs/cgroup/cpu,cpuacct`.

use std::path::{Path, PathBuf};

use crate::{
    Controller, Group, Version,
    group::{Part, relative},
};

impl Group {
    /// Its trees, for [`Group::reopen`]. The paths are those of our mount namespace.
    pub fn written(&self) -> Vec<String> {
        self.parts.iter().map(Part::written).collect()
    }

    /// The group `name`, when it is still there in each of the trees that were written down. `None`
    /// says nothing: whoever sees other mounts than its maker, or comes after half of it was
    /// removed, finds it with [`Group::open`].
    pub fn reopen(name: impl AsRef<Path>, trees: &[String]) -> Option<Self> {
        let name = relative(name.as_ref()).ok()?;
        let parts = trees.iter().map(|tree| Part::read(tree, &name));
        let parts = parts.collect::<Option<Vec<_>>>().filter(|it| !it.is_empty())?;
        parts.iter().all(|it| it.dir.is_dir()).then_some(Self { name, parts })
    }
}

impl Part {
    fn written(&self) -> String {
        let version = match self.version {
            Version::V1 => 1,
            Version::V2 => 2,
        };
        let names: Vec<_> = self.controllers.iter().map(|it| it.name(self.version)).collect();
        format!("{version}:{}:{}", names.join(","), self.base.display())
    }

    fn read(written: &str, name: &Path) -> Option<Self> {
        let mut fields = written.splitn(3, ':');
        let version = match fields.next()? {
            "1" => Version::V1,
            "2" => Version::V2,
            _ => return None,
        };
        let names = fields.next()?.split(',').filter(|it| !it.is_empty());
        let controllers = names.map(Controller::from_name).collect::<Option<_>>()?;
        let base = PathBuf::from(fields.next()?);
        Some(Self { version, controllers, dir: base.join(name), base })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(written: &str) {
        let part = Part::read(written, Path::new("box")).unwrap();
        assert_eq!(part.written(), written);
        assert_eq!(part.dir, part.base.join("box"));
    }

    #[test]
    fn what_was_written_is_read() {
        same("1:cpu,cpuacct:/sys/fs/cgroup/cpu,cpuacct");
        same("2::/sys/fs/cgroup/a:b");
        same("2:memory,pids:/sys/fs/cgroup/user.slice");
        for wrong in ["", "3:cpu:/a", "1:cpu", "1:speed:/a"] {
            assert_eq!(Part::read(wrong, Path::new("box")), None, "{wrong}");
        }
    }

    #[test]
    fn a_group_that_is_gone_in_one_tree_is_to_be_looked_for() {
        let here = std::env::temp_dir().display().to_string();
        let name = here.rsplit('/').next().unwrap().to_owned();
        let above = Path::new(&here).parent().unwrap().display();
        let there = format!("1:cpu:{above}");
        assert!(Group::reopen(&name, std::slice::from_ref(&there)).is_some());
        assert_eq!(Group::reopen(&name, &[there, "1:memory:/nowhere".to_owned()]), None);
        assert_eq!(Group::reopen(&name, &[]), None);
    }
}
