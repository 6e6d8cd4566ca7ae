//! Numbers: what a system call's name means on each architecture that the kernel runs.
//!
//! An x86_64 kernel takes calls of three kinds: its own; x32, its own with bit 30 set; and those of
//! 32-bit programs, with numbers of their own. A filter that forgets one leaves a door open.

use std::str::FromStr;

use ground::{Error, Result};

/// AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64 (linux/audit.h).
const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const AARCH64: u32 = 0xc000_00b7;

/// The bit of an x32 call.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// An architecture whose calls reach this kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Architecture {
    X86_64,
    X32,
    X86,
    Aarch64,
}

impl Architecture {
    /// The one this program was made for.
    #[cfg(target_arch = "x86_64")]
    pub(super) const NATIVE: Self = Self::X86_64;
    #[cfg(target_arch = "aarch64")]
    pub(super) const NATIVE: Self = Self::Aarch64;

    /// The specification's word; `None` for one whose calls this kernel never gets.
    ///
    /// # Errors
    /// A word that is none.
    pub(super) fn parse(word: &str) -> Result<Option<Self>> {
        let found = match word {
            "SCMP_ARCH_X86_64" => Self::X86_64,
            "SCMP_ARCH_X32" => Self::X32,
            "SCMP_ARCH_X86" => Self::X86,
            "SCMP_ARCH_AARCH64" => Self::Aarch64,
            _ if word.starts_with("SCMP_ARCH_") => return Ok(None),
            _ => {
                return Err(Error::new("cannot compile the seccomp profile")
                    .why(format!("linux.seccomp.architectures has {word:?}"))
                    .fix(
                        "SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 and their kin are accepted",
                    ));
            }
        };
        let native = Self::NATIVE == Self::Aarch64;
        Ok(((found == Self::Aarch64) == native).then_some(found))
    }

    /// How seccomp_data names it.
    pub(super) fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => X86_64,
            Self::X86 => I386,
            Self::Aarch64 => AARCH64,
        }
    }

    /// The number of a call by its name; `None` where it has none.
    pub(super) fn number(self, name: &str) -> Option<u32> {
        let number = match self {
            Self::X86_64 => syscalls::x86_64::Sysno::from_str(name).ok()?.id() as u32,
            Self::X32 => syscalls::x86_64::Sysno::from_str(name).ok()?.id() as u32 | X32_BIT,
            Self::X86 => syscalls::x86::Sysno::from_str(name).ok()?.id() as u32,
            Self::Aarch64 => syscalls::aarch64::Sysno::from_str(name).ok()?.id() as u32,
        };
        Some(number)
    }
}
