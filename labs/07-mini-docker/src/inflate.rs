//! Inflate: a stream that may be packed, unpacked; how, its first bytes say.
//!
//! As Docker does it, because names and media types were wrong too often.

use std::{
    cell::Cell,
    io::{self, BufRead, BufReader, Read},
    rc::Rc,
};

use flate2::bufread::MultiGzDecoder;

/// How much is read at once.
const PIECE: usize = 256 << 10;

/// The unpacked content of `packed`: gzip (RFC 1952), Zstandard (RFC 8878), or as it is.
///
/// # Errors
/// When nothing can be read; for xz and bzip2, which we leave to their own programs.
pub fn reader<'a>(packed: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut packed = BufReader::with_capacity(PIECE, packed);
    let unsupported = |program: &str| {
        let why = format!(
            "it is packed by {program}, which is not read here: unpack it by {program} -d first"
        );
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    };
    match packed.fill_buf()? {
        [0x1f, 0x8b, ..] => Ok(Box::new(MultiGzDecoder::new(packed))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Ok(Box::new(zstd::stream::read::Decoder::with_buffer(packed)?))
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => unsupported("xz"),
        [b'B', b'Z', b'h', ..] => unsupported("bzip2"),
        _ => Ok(Box::new(packed)),
    }
}

/// How many bytes may still be read before somebody says that more are wanted. Whoever reads tar
/// archives keeps headers in memory, so a stranger's header must not be as large as it likes.
pub type Budget = Rc<Cell<u64>>;

/// A stream with a budget.
#[derive(Debug)]
pub struct Budgeted<R> {
    stream: R,
    budget: Budget,
}

impl<R> Budgeted<R> {
    /// Reads no more than `budget` allows.
    pub fn new(stream: R, budget: Budget) -> Self {
        Self { stream, budget }
    }
}

impl<R: Read> Read for Budgeted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        let Some(left) = self.budget.get().checked_sub(count as u64) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "an entry has a header of more than a megabyte",
            ));
        };
        self.budget.set(left);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[track_caller]
    fn check(packed: &[u8], expected: Result<&str, &str>) {
        let mut text = String::new();
        let read = reader(packed).and_then(|mut reader| reader.read_to_string(&mut text));
        let read = read.map(|_| text).map_err(|error| error.to_string());
        assert!(match (&read, expected) {
            (Ok(text), Ok(expected)) => text == expected,
            (Err(why), Err(expected)) => why.contains(expected),
            _ => false,
        });
    }

    #[test]
    fn the_first_bytes_say_how_it_is_packed() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"hello").unwrap();
        check(&gzip.finish().unwrap(), Ok("hello"));
        check(&zstd::encode_all(&b"hello"[..], 0).unwrap(), Ok("hello"));
        check(b"hello", Ok("hello"));
        check(b"", Ok(""));
        check(b"\xfd7zXZ\0..", Err("xz -d"));
        check(b"BZh9..", Err("bzip2 -d"));
    }

    #[test]
    fn a_budget_is_not_exceeded() {
        let budget: Budget = Rc::new(Cell::new(10));
        let mut stream = Budgeted::new(io::repeat(0), budget.clone());
        stream.read_exact(&mut [0; 10]).unwrap();
        stream.read_exact(&mut [0; 1]).unwrap_err();
        budget.set(1);
        stream.read_exact(&mut [0; 1]).unwrap();
    }
}
