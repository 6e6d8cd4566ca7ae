//! Mount options: the words of mount(8), sorted by who reads them.
//!
//! Some are attributes of the mount, some of the whole tree below it, some of the file system
//! (which all its mounts share), some say how mounts spread, and what nobody here knows is for the
//! file system to read.
//!
//! Source: runtime specification, config.md, "Linux mount options"; mount(8), mount_setattr(2).

use rootfs::{Change, MsFlags, Reach};

/// The options of one mount.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// `bind`, `rbind`.
    pub(super) bind: Option<Reach>,
    /// `remount`: what is there is changed, nothing is mounted.
    pub(super) remount: bool,
    /// Attributes of this mount.
    pub(super) top: Change,
    /// Attributes of it and all below it.
    pub(super) whole: Attributes,
    /// Flags of the file system.
    pub(super) superblock: Vec<&'static str>,
    /// How mounts made later spread, one after the other.
    pub(super) propagation: Vec<Change>,
    /// `idmap`, `ridmap`.
    pub(super) id_map: Option<Reach>,
    /// `tmpcopyup`.
    pub(super) copy_up: bool,
    /// What the file system reads.
    pub(super) data: Vec<String>,
}

/// Attributes to set and to clear.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attributes {
    set: u64,
    clear: u64,
}

impl Attributes {
    pub(super) fn change(self) -> Change {
        Change { set: self.set, clear: self.clear, reach: Reach::All, ..Change::default() }
    }
}

/// What a word means.
#[derive(Clone, Copy)]
enum Meaning {
    Set(u64),
    Clear(u64),
    /// One of the settings of access times, which exclude each other. The kernel's default where a
    /// word only takes another one away.
    Atime(u64),
    Superblock(&'static str, bool),
    Propagation(MsFlags, Reach),
    Bind(Reach),
    IdMap(Reach),
    Remount,
    CopyUp,
    /// Understood, and there is nothing to do for it.
    Nothing,
}

use Meaning::{Atime, Bind, Clear, CopyUp, IdMap, Nothing, Propagation, Remount, Set, Superblock};

/// Words about one mount, or about what all mounts of a file system share.
const WORDS: [(&str, Meaning); 44] = [
    ("async", Superblock("sync", false)),
    ("atime", Atime(libc::MOUNT_ATTR_RELATIME)),
    ("bind", Bind(Reach::One)),
    ("defaults", Nothing),
    ("dev", Clear(libc::MOUNT_ATTR_NODEV)),
    ("diratime", Clear(libc::MOUNT_ATTR_NODIRATIME)),
    ("dirsync", Superblock("dirsync", true)),
    ("exec", Clear(libc::MOUNT_ATTR_NOEXEC)),
    ("idmap", IdMap(Reach::One)),
    // File systems that count versions do so unasked, and fsconfig(2) has no word for it.
    ("iversion", Nothing),
    ("lazytime", Superblock("lazytime", true)),
    ("loud", Nothing),
    ("mand", Superblock("mand", true)),
    ("noatime", Atime(libc::MOUNT_ATTR_NOATIME)),
    ("nodev", Set(libc::MOUNT_ATTR_NODEV)),
    ("nodiratime", Set(libc::MOUNT_ATTR_NODIRATIME)),
    ("noexec", Set(libc::MOUNT_ATTR_NOEXEC)),
    ("noiversion", Nothing),
    ("nolazytime", Superblock("lazytime", false)),
    ("nomand", Superblock("mand", false)),
    ("norelatime", Atime(libc::MOUNT_ATTR_RELATIME)),
    ("nostrictatime", Atime(libc::MOUNT_ATTR_RELATIME)),
    ("nosuid", Set(libc::MOUNT_ATTR_NOSUID)),
    ("nosymfollow", Set(libc::MOUNT_ATTR_NOSYMFOLLOW)),
    ("private", Propagation(MsFlags::MS_PRIVATE, Reach::One)),
    ("rbind", Bind(Reach::All)),
    ("relatime", Atime(libc::MOUNT_ATTR_RELATIME)),
    ("remount", Remount),
    ("ridmap", IdMap(Reach::All)),
    ("ro", Set(libc::MOUNT_ATTR_RDONLY)),
    ("rprivate", Propagation(MsFlags::MS_PRIVATE, Reach::All)),
    ("rshared", Propagation(MsFlags::MS_SHARED, Reach::All)),
    ("rslave", Propagation(MsFlags::MS_SLAVE, Reach::All)),
    ("runbindable", Propagation(MsFlags::MS_UNBINDABLE, Reach::All)),
    ("rw", Clear(libc::MOUNT_ATTR_RDONLY)),
    ("shared", Propagation(MsFlags::MS_SHARED, Reach::One)),
    // The kernel's own log is not this runtime's to keep quiet.
    ("silent", Nothing),
    ("slave", Propagation(MsFlags::MS_SLAVE, Reach::One)),
    ("strictatime", Atime(libc::MOUNT_ATTR_STRICTATIME)),
    ("suid", Clear(libc::MOUNT_ATTR_NOSUID)),
    ("symfollow", Clear(libc::MOUNT_ATTR_NOSYMFOLLOW)),
    ("sync", Superblock("sync", true)),
    ("tmpcopyup", CopyUp),
    ("unbindable", Propagation(MsFlags::MS_UNBINDABLE, Reach::One)),
];

/// The same for a whole tree: an `r` in front.
const RECURSIVE: [(&str, Meaning); 18] = [
    ("ratime", Atime(libc::MOUNT_ATTR_RELATIME)),
    ("rdev", Clear(libc::MOUNT_ATTR_NODEV)),
    ("rdiratime", Clear(libc::MOUNT_ATTR_NODIRATIME)),
    ("rexec", Clear(libc::MOUNT_ATTR_NOEXEC)),
    ("rnoatime", Atime(libc::MOUNT_ATTR_NOATIME)),
    ("rnodev", Set(libc::MOUNT_ATTR_NODEV)),
    ("rnodiratime", Set(libc::MOUNT_ATTR_NODIRATIME)),
    ("rnoexec", Set(libc::MOUNT_ATTR_NOEXEC)),
    ("rnorelatime", Atime(libc::MOUNT_ATTR_RELATIME)),
    ("rnostrictatime", Atime(libc::MOUNT_ATTR_RELATIME)),
    ("rnosuid", Set(libc::MOUNT_ATTR_NOSUID)),
    ("rnosymfollow", Set(libc::MOUNT_ATTR_NOSYMFOLLOW)),
    ("rrelatime", Atime(libc::MOUNT_ATTR_RELATIME)),
    ("rro", Set(libc::MOUNT_ATTR_RDONLY)),
    ("rrw", Clear(libc::MOUNT_ATTR_RDONLY)),
    ("rstrictatime", Atime(libc::MOUNT_ATTR_STRICTATIME)),
    ("rsuid", Clear(libc::MOUNT_ATTR_NOSUID)),
    ("rsymfollow", Clear(libc::MOUNT_ATTR_NOSYMFOLLOW)),
];

/// All words that are understood, sorted, for `features`.
pub(crate) fn names() -> Vec<&'static str> {
    let words = WORDS.iter().chain(&RECURSIVE).map(|(name, _)| *name);
    let mut names: Vec<_> = words.collect();
    names.sort_unstable();
    names
}

impl Options {
    /// Sorts the words; of two that contradict each other the last counts.
    pub(super) fn parse<S: AsRef<str>>(words: &[S]) -> Self {
        let mut options = Self::default();
        for word in words.iter().map(AsRef::as_ref) {
            let is = |(name, _): &&(&str, Meaning)| *name == word;
            if let Some((_, meaning)) = WORDS.iter().find(is) {
                options.add(*meaning);
            } else if let Some((_, meaning)) = RECURSIVE.iter().find(is) {
                options.whole.add(*meaning);
            } else if !word.is_empty() {
                options.data.push(word.to_owned());
            }
        }
        options
    }

    fn add(&mut self, meaning: Meaning) {
        match meaning {
            Set(_) | Clear(_) | Atime(_) => {
                let mut top = Attributes { set: self.top.set, clear: self.top.clear };
                top.add(meaning);
                self.top = Change { reach: Reach::One, ..top.change() };
            }
            Superblock(flag, set) => {
                self.superblock.retain(|it| *it != flag);
                self.superblock.extend(set.then_some(flag));
            }
            Propagation(kind, reach) => self.propagation.push(Change::propagation(kind, reach)),
            Bind(reach) => self.bind = Some(reach),
            IdMap(reach) => self.id_map = Some(reach),
            Remount => self.remount = true,
            CopyUp => self.copy_up = true,
            Nothing => {}
        }
    }

    /// Whether it becomes read-only.
    pub(super) fn read_only(&self) -> bool {
        self.top.set & libc::MOUNT_ATTR_RDONLY != 0
    }
}

impl Attributes {
    fn add(&mut self, meaning: Meaning) {
        match meaning {
            Set(bit) => {
                self.set |= bit;
                self.clear &= !bit;
            }
            Clear(bit) => {
                self.clear |= bit;
                self.set &= !bit;
            }
            // The kernel wants all of the setting cleared to set one of its values.
            Atime(value) => {
                self.clear |= libc::MOUNT_ATTR__ATIME;
                self.set = self.set & !libc::MOUNT_ATTR__ATIME | value;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &[&str], set: u64, clear: u64, data: &[&str]) {
        let options = Options::parse(words);
        assert_eq!((options.top.set, options.top.clear), (set, clear));
        assert_eq!(options.data, data);
    }

    #[test]
    fn words_are_attributes_or_for_the_file_system() {
        check(
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
            libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_STRICTATIME,
            libc::MOUNT_ATTR__ATIME,
            &["mode=755", "size=65536k"],
        );
        check(&["ro", "rw"], 0, libc::MOUNT_ATTR_RDONLY, &[]);
        check(&["noatime", "relatime"], 0, libc::MOUNT_ATTR__ATIME, &[]);
        check(&["defaults", "silent", "rbind", ""], 0, 0, &[]);
    }

    #[test]
    fn words_about_a_whole_tree_are_kept_apart() {
        let options = Options::parse(&["rslave", "rro", "rnoatime"]);
        assert_eq!(options.propagation, [Change::propagation(MsFlags::MS_SLAVE, Reach::All)]);
        let whole = options.whole.change();
        assert_eq!(whole.set, libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOATIME);
        assert!(options.top.is_empty());
    }

    #[test]
    fn what_all_mounts_of_a_file_system_share_is_a_flag_of_it() {
        assert_eq!(Options::parse(&["sync", "dirsync", "async"]).superblock, ["dirsync"]);
    }

    #[test]
    fn every_word_of_the_specification_is_known() {
        let known = names();
        for word in
            "async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand \
                     noatime nodev nodiratime noexec noiversion nolazytime nomand norelatime \
                     nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime \
                     remount rexec rnoatime rnodiratime rnoexec rnorelatime rnostrictatime rnosuid \
                     rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid \
                     rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync \
                     tmpcopyup unbindable idmap ridmap"
                .split_whitespace()
        {
            assert!(known.contains(&word), "{word}");
        }
    }
}
