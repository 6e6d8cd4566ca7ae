//! Forwarding: the switch that all stores of one machine share (ip_forward, proc_sys_net(5)).
//!
//! A machine that forwards nothing is switched on by the first bridge of any store, and nothing but
//! what comes from bridges of ours or goes there is forwarded then. It goes back with the last one,
//! which may be another store's. So what the switch was before us stands where every store can read
//! it, and goes with the bridges: in the kernel, as a note on each of them (ifalias). And while one
//! store looks and switches, the others wait for their turn.

use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    thread,
    time::{Duration, Instant},
};

use ground::{Error, Result};

use super::{
    ledger::Open,
    link::{Link, Links},
    netns::{set_sysctl, sysctl},
};

/// A switch of one family.
struct Switch {
    setting: &'static str,
    /// What is noted on bridges where it was off.
    word: &'static str,
}

/// For IPv4 and for IPv6.
const SWITCHES: [Switch; 2] = [
    Switch { setting: IPV4, word: "ipv4-was-off" },
    Switch { setting: "ipv6/conf/all/forwarding", word: "ipv6-was-off" },
];

/// The switch for IPv4, as a setting.
pub(super) const IPV4: &str = "ipv4/ip_forward";

/// How long another store may have its turn.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether it still has.
const LOOK: Duration = Duration::from_millis(2);

/// Waits until no other store is at work in this network namespace, and keeps others out as long as
/// the file is open. The lock is on the namespace itself (man 2 flock; man 7 namespaces,
/// /proc/PID/ns): there is no file that would be left behind, and it ends with its process.
///
/// # Errors
/// When somebody has had it for a minute.
pub(super) fn turn() -> Result<File> {
    let path = "/proc/thread-self/ns/net";
    let cannot = || Error::new("cannot look after the machine's networks");
    let namespace = File::open(path).map_err(|error| cannot().io(path, &error))?;
    let begun = Instant::now();
    loop {
        match namespace.try_lock() {
            Ok(()) => return Ok(namespace),
            Err(TryLockError::Error(error)) => return Err(cannot().io(path, &error)),
            Err(TryLockError::WouldBlock) if begun.elapsed() > PATIENCE => {
                return Err(cannot()
                    .why("another process has had the lock of this network namespace for a minute")
                    .fix("see who it is (lsof -w | grep net:), and end it"));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(LOOK),
        }
    }
}

/// What stands on a bridge of a store that has changed these settings.
pub(super) fn note(tag: &str, changed: &BTreeMap<String, String>) -> String {
    let words = SWITCHES.iter().filter(|it| changed.contains_key(it.setting)).map(|it| it.word);
    ["mini-docker", tag].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

/// Whether a bridge is of the store with this tag.
pub(super) fn is_of(link: &Link, tag: &str) -> bool {
    store_of(link) == Some(tag)
}

/// The tag of the store that a bridge is of.
fn store_of(link: &Link) -> Option<&str> {
    let mut words = link.alias.as_deref()?.split(' ');
    words.next().filter(|word| *word == "mini-docker").and_then(|_| words.next())
}

/// Whether a bridge of another store says that the switch was off.
fn others_say(links: &[Link], tag: &str, switch: &Switch) -> bool {
    let is_others = |link: &&Link| store_of(link).is_some_and(|store| store != tag);
    let says =
        |link: &Link| link.alias.iter().any(|note| note.split(' ').any(|it| it == switch.word));
    links.iter().filter(is_others).any(says)
}

/// Switches on what is `needed`, for IPv4 and for IPv6, where it is off; and where another store has
/// done so, remembers that as well. First it is written down, then noted on our bridges, then done:
/// whoever is killed on the way is understood by our next command and by the other stores.
///
/// # Errors
/// What the kernel said.
pub(super) fn switch_on(
    open: &mut Open<'_>,
    links: &Links,
    (tag, needed): (&str, [bool; 2]),
) -> Result<()> {
    let there = links.all()?;
    let mut off = Vec::new();
    for (switch, _) in SWITCHES.iter().zip(needed).filter(|(_, needed)| *needed) {
        let is_off = sysctl(switch.setting)? == "0";
        off.extend(is_off.then_some(switch.setting));
        let is_known = open.ledger.host.settings.contains_key(switch.setting);
        if !is_known && (is_off || others_say(&there, tag, switch)) {
            open.ledger.host.settings.insert(switch.setting.to_owned(), "0".to_owned());
            open.write()?;
        }
    }
    let note = note(tag, &open.ledger.host.settings);
    for link in there.iter().filter(|link| is_of(link, tag)) {
        if link.alias.as_ref() != Some(&note) {
            links.note(link, &note)?;
        }
    }
    off.into_iter().try_for_each(|setting| set_sysctl(setting, "1"))
}

/// Puts back what we have changed, when our bridges are gone. A switch that another store's bridge
/// has a note about goes back with that one.
///
/// # Errors
/// What the kernel said.
pub(super) fn switch_back(open: &mut Open<'_>, tag: &str) -> Result<()> {
    if open.ledger.host.settings.is_empty() {
        return Ok(());
    }
    let there = Links::here()?.all()?;
    for (name, value) in std::mem::take(&mut open.ledger.host.settings) {
        let switch = SWITCHES.iter().find(|it| it.setting == name);
        if !switch.is_some_and(|switch| others_say(&there, tag, switch)) {
            set_sysctl(&name, &value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_tells_stores_apart_and_what_was_off() {
        let link = |alias: &str| Link { index: 1, name: "br".into(), alias: Some(alias.into()) };
        let changed = BTreeMap::from([(IPV4.to_owned(), "0".to_owned())]);
        assert_eq!(note("aa", &BTreeMap::new()), "mini-docker aa");
        let noted = link(&note("aa", &changed));
        assert_eq!(noted.alias.as_deref(), Some("mini-docker aa ipv4-was-off"));
        assert!(is_of(&noted, "aa") && !is_of(&noted, "a") && !is_of(&link("docker aa"), "aa"));
        let says = |tag, switch: &Switch| others_say(std::slice::from_ref(&noted), tag, switch);
        let [ipv4, ipv6] = &SWITCHES;
        assert!(says("bb", ipv4) && !says("bb", ipv6) && !says("aa", ipv4));
        assert!(!others_say(&[link("somebody's ipv4-was-off")], "bb", ipv4));
    }
}
