//! Block devices: bytes and operations, by device and direction.

use std::collections::BTreeMap;

use crate::{Controller, Group, Version};

/// What went through one device in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoCount {
    /// The device's major and minor number.
    pub device: (u64, u64),
    /// `Read`, `Write`, `Discard`; on v1 also their sums `Sync`, `Async` and `Total`.
    pub operation: String,
    /// Bytes.
    pub bytes: Option<u64>,
    /// How often.
    pub times: Option<u64>,
}

impl Group {
    pub(super) fn io_counts(&self) -> Vec<IoCount> {
        let file = |name: &str| self.read(Controller::Io, name).filter(|it| !it.is_empty());
        match self.part_of(Controller::Io).map(|it| it.version) {
            // A scheduler of its own counts better than the throttle, which sees only what passes.
            Some(Version::V1) => {
                let either =
                    |bfq, throttle| file(bfq).or_else(|| file(throttle)).unwrap_or_default();
                v1(
                    &either(
                        "blkio.bfq.io_service_bytes_recursive",
                        "blkio.throttle.io_service_bytes_recursive",
                    ),
                    &either(
                        "blkio.bfq.io_serviced_recursive",
                        "blkio.throttle.io_serviced_recursive",
                    ),
                )
            }
            Some(Version::V2) => v2(&file("io.stat").unwrap_or_default()),
            None => Vec::new(),
        }
    }
}

/// Two files of lines "8:0 Read 1282048", and a last one "Total 3477504".
fn v1(bytes: &str, times: &str) -> Vec<IoCount> {
    let lines = |text: &str| -> BTreeMap<((u64, u64), String), u64> {
        let line = |line: &str| match line.split(' ').collect::<Vec<_>>().as_slice() {
            [device, operation, count] => {
                Some(((numbers(device)?, (*operation).to_owned()), count.parse().ok()?))
            }
            _ => None,
        };
        text.lines().filter_map(line).collect()
    };
    let (bytes, times) = (lines(bytes), lines(times));
    let mut names: Vec<_> = bytes.keys().chain(times.keys()).cloned().collect();
    names.sort();
    names.dedup();
    let count = |name: ((u64, u64), String)| IoCount {
        bytes: bytes.get(&name).copied(),
        times: times.get(&name).copied(),
        device: name.0,
        operation: name.1,
    };
    names.into_iter().map(count).collect()
}

/// Lines of "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6".
fn v2(text: &str) -> Vec<IoCount> {
    let device = |line: &str| {
        let (device, counts) = line.split_once(' ')?;
        let device = numbers(device)?;
        let counts: BTreeMap<&str, u64> = counts
            .split(' ')
            .filter_map(|it| it.split_once('='))
            .filter_map(|(name, count)| Some((name, count.parse().ok()?)))
            .collect();
        let ways = [
            ("Read", "rbytes", "rios"),
            ("Write", "wbytes", "wios"),
            ("Discard", "dbytes", "dios"),
        ];
        Some(ways.map(|(operation, bytes, times)| IoCount {
            device,
            operation: operation.to_owned(),
            bytes: counts.get(bytes).copied(),
            times: counts.get(times).copied(),
        }))
    };
    text.lines().filter_map(device).flatten().collect()
}

fn numbers(device: &str) -> Option<(u64, u64)> {
    let (major, minor) = device.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_count_a_devices_reads() {
        let bytes = "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\nTotal 30\n";
        let v1 = v1(bytes, "8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3\n");
        let v2 = v2("8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n253:0 \n");
        let read = IoCount {
            device: (8, 0),
            operation: "Read".to_owned(),
            bytes: Some(10),
            times: Some(1),
        };
        assert_eq!(v1.first(), Some(&read));
        assert_eq!(v2.first(), Some(&read));
        assert_eq!(v1.len(), 3);
    }
}
