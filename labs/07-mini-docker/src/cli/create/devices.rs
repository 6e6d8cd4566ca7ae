//! Devices: `--device` and `--device-cgroup-rule`.

use ground::{Error, Result};
use mini_docker::container::{DeviceAccess, DeviceUse};

/// `HOST[:INSIDE[:rwm]]`, or `HOST:rwm`.
///
/// # Errors
/// Letters that are none of the three; a path that is not absolute.
pub fn devices(texts: &[String]) -> Result<Vec<DeviceUse>> {
    texts.iter().map(|text| device(text)).collect()
}

fn device(text: &str) -> Result<DeviceUse> {
    let invalid = |why: &str| {
        Error::new(format!("bad format for device: {text:?}")).why(why.to_owned()).fix(
            "write HOST:INSIDE:ACCESS with absolute paths and letters out of rwm: \
             --device /dev/fuse, --device /dev/sda:/dev/disk:r",
        )
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (host, inside, access) = match parts[..] {
        [host] => (host, host, "rwm"),
        [host, access] if is_access(access) => (host, host, access),
        [host, inside] => (host, inside, "rwm"),
        [host, inside, access] if is_access(access) => (host, inside, access),
        [_, _, _] => return Err(invalid("the last part has other letters than r, w and m")),
        _ => return Err(invalid("it has more than three parts")),
    };
    if !host.starts_with('/') || !inside.starts_with('/') {
        return Err(invalid("a path is not absolute"));
    }
    Ok(DeviceUse { host: host.into(), inside: inside.into(), access: access.to_owned() })
}

fn is_access(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| "rwm".contains(letter))
}

/// `c 1:3 rwm`, `a *:* rwm`.
///
/// # Errors
/// Text of another form.
pub fn rules(texts: &[String]) -> Result<Vec<DeviceAccess>> {
    let parsed = |text: &String| {
        rule(text).ok_or_else(|| {
            Error::new(format!("invalid device cgroup format '{text}'"))
                .why("it is not a kind, two numbers or *, and letters out of rwm")
                .fix("write it as ls -l /dev shows kind and numbers: --device-cgroup-rule 'c 10:229 rw'")
        })
    };
    texts.iter().map(parsed).collect()
}

fn rule(text: &str) -> Option<DeviceAccess> {
    let words: Vec<&str> = text.split(' ').collect();
    let [kind, numbers, access] = words[..] else { return None };
    let kind = match kind {
        "a" => 'a',
        "b" => 'b',
        "c" => 'c',
        _ => return None,
    };
    let number = |text: &str| match text {
        "*" => Some(None),
        text => text.parse::<u32>().ok().map(|number| Some(i64::from(number))),
    };
    let (major, minor) = numbers.split_once(':')?;
    let (major, minor) = (number(major)?, number(minor)?);
    is_access(access).then(|| DeviceAccess { kind, major, minor, access: access.to_owned() })
}
