//! `/proc/self/fd/N`: the path by which a call that only takes paths reaches an open file.

use std::{
    ffi::CStr,
    os::fd::{AsFd, AsRawFd, RawFd},
};

/// The path by which mount(2) reaches an open file, written without allocating.
#[derive(Debug, Clone, Copy)]
pub struct FdPath([u8; 32]);

impl FdPath {
    /// `/proc/self/fd/N`. Good for as long as the descriptor is open, and where `/proc` is mounted.
    pub fn of(fd: &impl AsFd) -> Self {
        const PREFIX: &[u8] = b"/proc/self/fd/";
        let mut path = [0; 32];
        let (prefix, digits) = path.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX);
        write_decimal(fd.as_fd().as_raw_fd(), digits);
        Self(path)
    }

    /// As mount(2) takes it.
    pub fn as_c_str(&self) -> &CStr {
        // There is always a NUL: the prefix and ten digits leave room.
        CStr::from_bytes_until_nul(&self.0).unwrap_or(c"")
    }
}

fn write_decimal(number: RawFd, digits: &mut [u8]) {
    let length = number.checked_ilog10().unwrap_or(0) as usize + 1;
    let mut rest = number;
    for digit in digits.iter_mut().take(length).rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_has_a_path() {
        for number in [0, 7, 10, 19_999, i32::MAX] {
            let mut digits = [0; 18];
            write_decimal(number, &mut digits);
            let text = CStr::from_bytes_until_nul(&digits).unwrap();
            assert_eq!(text.to_str().unwrap(), number.to_string());
        }
    }
}
