//! Verified: a stream that must end in the digest and the size that were promised.
//!
//! The size is checked on the way: a sender that goes on and on is stopped at the first byte too
//! many, not when the disk is full. The digest is known at the end, so nothing that passed through
//! may be used before [`Verified::finish`], or the reader's end of file, said that it is right.

use std::{
    fmt,
    io::{self, Read, Write},
};

use oci::{Descriptor, Digest};

use super::Digester;

// ANCHOR: mismatch
/// How content differs from its descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// The bytes have another digest.
    Digest {
        /// The one that was promised.
        expected: Digest,
        /// The one that came.
        found: Digest,
    },
    /// It ended early.
    TooShort {
        /// Bytes that were promised.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
    /// It did not end where it should.
    TooLong {
        /// Bytes that were promised.
        expected: u64,
    },
}
// ANCHOR_END: mismatch

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest { expected, found } => {
                write!(f, "the content's digest is {found}, and {expected} was promised")
            }
            Self::TooShort { expected, found } => {
                write!(f, "the content ended after {found} bytes, and {expected} were promised")
            }
            Self::TooLong { expected } => {
                write!(f, "the content went on after the {expected} bytes that were promised")
            }
        }
    }
}

impl std::error::Error for Mismatch {}

impl From<Mismatch> for io::Error {
    fn from(mismatch: Mismatch) -> Self {
        Self::new(io::ErrorKind::InvalidData, mismatch)
    }
}

/// A reader or writer that hashes and counts what passes, and knows what it should come to.
#[derive(Debug)]
pub struct Verified<S> {
    stream: S,
    expected_digest: Digest,
    expected_size: u64,
    digester: Digester,
    passed: u64,
}

impl<S> Verified<S> {
    /// A stream that is to carry all of `descriptor`'s content.
    pub fn new(stream: S, descriptor: &Descriptor) -> Self {
        let digester = Digester::new(descriptor.digest.algorithm());
        Self::resume(stream, descriptor, digester, 0)
    }

    /// A stream that is to carry the rest, after `passed` bytes that went into `digester`.
    pub fn resume(stream: S, descriptor: &Descriptor, digester: Digester, passed: u64) -> Self {
        Self {
            stream,
            expected_digest: descriptor.digest.clone(),
            expected_size: descriptor.size,
            digester,
            passed,
        }
    }

    /// Bytes that have passed, including those before [`Verified::resume`].
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// The stream itself, to look at.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream itself; what is read or written through it is not counted.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    // ANCHOR: check
    /// Whether what has passed is exactly what was promised.
    ///
    /// # Errors
    /// The [`Mismatch`].
    pub fn check(&self) -> Result<(), Mismatch> {
        let (expected, found) = (self.expected_size, self.passed);
        if found < expected {
            return Err(Mismatch::TooShort { expected, found });
        }
        let found = self.digester.clone().finish();
        if found != self.expected_digest {
            return Err(Mismatch::Digest { expected: self.expected_digest.clone(), found });
        }
        Ok(())
    }

    /// The stream, if what has passed is exactly what was promised.
    ///
    /// # Errors
    /// The [`Mismatch`].
    pub fn finish(self) -> Result<S, Mismatch> {
        self.check()?;
        Ok(self.stream)
    }

    fn count(&mut self, bytes: &[u8]) -> Result<(), Mismatch> {
        let passed = self.passed + bytes.len() as u64;
        if passed > self.expected_size {
            return Err(Mismatch::TooLong { expected: self.expected_size });
        }
        self.digester.update(bytes);
        self.passed = passed;
        Ok(())
    }
    // ANCHOR_END: check
}

impl<R: Read> Read for Verified<R> {
    /// End of file comes only after the check: `io::copy` through this either fails or was right.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            self.check()?;
        }
        self.count(&buffer[..count])?;
        Ok(count)
    }
}

impl<W: Write> Write for Verified<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.passed + buffer.len() as u64 > self.expected_size {
            return Err(Mismatch::TooLong { expected: self.expected_size }.into());
        }
        let count = self.stream.write(buffer)?;
        self.count(&buffer[..count])?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sha256;
    use oci::MediaType;

    fn promised(content: &[u8]) -> Descriptor {
        Descriptor::new(MediaType::OciLayer, sha256(content), content.len() as u64)
    }

    #[track_caller]
    fn check(promised: &Descriptor, content: &[u8], expected: Option<&str>) {
        let read = io::copy(&mut Verified::new(content, promised), &mut io::sink());
        let mut writer = Verified::new(Vec::new(), promised);
        let written = writer.write_all(content).and_then(|()| Ok(writer.finish().map(drop)?));
        for result in [read.map(drop), written] {
            assert_eq!(result.err().map(|e| e.to_string()).as_deref(), expected);
        }
    }

    #[test]
    fn only_what_was_promised_passes() {
        check(&promised(b"abc"), b"abc", None);
        check(&promised(b""), b"", None);
        let short = "the content ended after 2 bytes, and 3 were promised";
        check(&promised(b"abc"), b"ab", Some(short));
        let long = "the content went on after the 3 bytes that were promised";
        check(&promised(b"abc"), b"abcd", Some(long));
        let (expected, found) = (sha256(b"abc"), sha256(b"abd"));
        let other = format!("the content's digest is {found}, and {expected} was promised");
        check(&promised(b"abc"), b"abd", Some(&other));
    }
}
