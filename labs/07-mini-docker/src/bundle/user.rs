//! The user: names of the container's own /etc/passwd and /etc/group become numbers.
//!
//! By hand, because getpwnam(3) would read the host's files. They belong to the image and may be
//! links to anywhere, so they are opened as the container would see them, inside its root.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    sys::stat::Mode,
};

/// The longest file that we read: more is no list of users.
const MAX: u64 = 4 << 20;

/// Who a program runs as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// User ID.
    pub uid: u32,
    /// Group ID.
    pub gid: u32,
    /// The other groups that list this user.
    pub additional_gids: Vec<u32>,
    /// The home directory, `/` if unknown.
    pub home: String,
}

impl Account {
    /// Root, for a plan that looks at no file.
    pub fn root() -> Self {
        Self { home: "/root".into(), ..Self::default() }
    }
}

/// Looks up `wanted`: `user`, `uid`, `user:group` or any mix, in the files below `root`. Nothing
/// means root.
///
/// # Errors
/// A name that is in neither file. A number needs no entry.
pub fn look_up(wanted: &str, root: &Path) -> Result<Account> {
    let read = |path| read_inside(root, Path::new(path)).unwrap_or_default();
    resolve(wanted, &read("/etc/passwd"), &read("/etc/group"))
}

/// The numbers of groups, by the /etc/group below `root`.
///
/// # Errors
/// A name that is not in it.
pub fn look_up_groups(wanted: &[String], root: &Path) -> Result<Vec<u32>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let group = read_inside(root, Path::new("/etc/group")).unwrap_or_default();
    wanted.iter().map(|name| look_up_group(name, &group)).collect()
}

fn resolve(wanted: &str, passwd: &str, group: &str) -> Result<Account> {
    let (user, wanted_group) = match wanted.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (wanted, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let number: Option<u32> = user.parse().ok();
    let entry = entries(passwd)
        .find(|entry| entry.first() == Some(&user) || (number.is_some() && id(entry, 2) == number));
    let entry = entry.unwrap_or_default();
    let uid = id(&entry, 2).or(number).ok_or_else(|| unknown("user", user, "/etc/passwd"))?;
    let name = entry.first().copied().unwrap_or_default();
    let gid = match wanted_group {
        Some(wanted) => look_up_group(wanted, group)?,
        None => id(&entry, 3).unwrap_or(0),
    };
    let listed =
        |line: &Vec<&str>| line.get(3).is_some_and(|names| names.split(',').any(|n| n == name));
    let others = entries(group).filter(|line| !name.is_empty() && listed(line));
    let mut additional_gids: Vec<u32> = others.filter_map(|line| id(&line, 2)).collect();
    // A group that was named takes the place of all others, as in Docker.
    if wanted_group.is_some() {
        additional_gids.clear();
    }
    additional_gids.retain(|other| *other != gid);
    let home = entry.get(5).filter(|home| !home.is_empty()).map_or("/", |home| *home).to_owned();
    Ok(Account { uid, gid, additional_gids, home })
}

fn look_up_group(wanted: &str, group: &str) -> Result<u32> {
    let named = entries(group).find(|entry| entry.first() == Some(&wanted));
    let found = named.and_then(|entry| id(&entry, 2)).or_else(|| wanted.parse().ok());
    found.ok_or_else(|| unknown("group", wanted, "/etc/group"))
}

fn unknown(kind: &str, name: &str, file: &str) -> Error {
    Error::new(format!("unable to find {kind} {name}"))
        .why(format!("no matching entry in the container's {file}"))
        .see("5 passwd")
        .fix("use a number, or add the name when the image is built")
        .exit_code(126)
}

/// The lines of passwd(5) or group(5) as fields.
fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect())
}

fn id(entry: &[&str], field: usize) -> Option<u32> {
    entry.get(field)?.parse().ok()
}

/// The text of a file of the container.
fn read_inside(root: &Path, path: &Path) -> io::Result<String> {
    let file = open_inside(root, path, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?;
    let mut bytes = Vec::new();
    File::from(file).take(MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn open_inside(root: &Path, path: &Path, flags: OFlag) -> Result<std::os::fd::OwnedFd, Errno> {
    let root = open(root, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    openat2(&root, path, OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve))
}

/// Where `path`, as the container sees it, is for us: links are followed inside `root`. The last
/// component, and only that, may be missing.
///
/// # Errors
/// As openat2(2) for the directory that it is in.
pub fn inside(root: &Path, path: &Path) -> Result<PathBuf, Errno> {
    let real = |fd: std::os::fd::OwnedFd| {
        nix::fcntl::readlink(format!("/proc/self/fd/{}", fd.as_raw_fd()).as_str())
            .map(PathBuf::from)
    };
    match open_inside(root, path, OFlag::O_PATH) {
        Ok(fd) => real(fd),
        Err(Errno::ENOENT) => {
            let parent = path.parent().unwrap_or(Path::new("/"));
            let name = path.file_name().unwrap_or_default();
            match open_inside(root, parent, OFlag::O_PATH) {
                Ok(parent) => Ok(real(parent)?.join(name)),
                // Even its parent is missing: nothing there can be a link.
                Err(Errno::ENOENT) => Ok(inside(root, parent)?.join(name)),
                Err(errno) => Err(errno),
            }
        }
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:100:Ada:/home/ada:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nusers:x:100:\naudio:x:29:ada,bob\nwheel:x:10:ada\n";

    #[track_caller]
    fn check(wanted: &str, expected: Option<(u32, u32, &[u32], &str)>) {
        let found = resolve(wanted, PASSWD, GROUP).ok();
        let expected = expected.map(|(uid, gid, gids, home)| Account {
            uid,
            gid,
            additional_gids: gids.to_vec(),
            home: home.into(),
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn names_and_numbers_of_the_containers_own_files() {
        check("", Some((0, 0, &[], "/root")));
        check("root", Some((0, 0, &[], "/root")));
        check("ada", Some((1000, 100, &[29, 10], "/home/ada")));
        check("1000", Some((1000, 100, &[29, 10], "/home/ada")));
        check("ada:wheel", Some((1000, 10, &[], "/home/ada")));
        check("ada:7", Some((1000, 7, &[], "/home/ada")));
        check("12345", Some((12345, 0, &[], "/")));
        check("12345:12345", Some((12345, 12345, &[], "/")));
        check("nobody", None);
        check("ada:nobody", None);
    }
}
