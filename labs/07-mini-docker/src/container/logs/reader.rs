//! The reader: the lines of a log in all its files, while it may still grow.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Line, parse::Parsed, rotated};

/// Reads a log while it may still grow.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    // The oldest first.
    files: Vec<BufReader<File>>,
    // A line that was not whole yet when we came to it.
    begun: Vec<u8>,
    parsed: Parsed,
}

impl Reader {
    /// Opens the log, at its oldest line. One that is not there is empty.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(path: &Path) -> io::Result<Self> {
        let files = files(path)?.into_iter().map(buffered).collect();
        Ok(Self { path: path.to_owned(), files, begun: Vec::new(), parsed: Parsed::new() })
    }

    /// Goes to the last `count` lines. Reads from the end, so a long log costs nothing.
    ///
    /// # Errors
    /// As read(2).
    pub fn tail(&mut self, count: usize) -> io::Result<()> {
        let mut wanted = count;
        for index in (0..self.files.len()).rev() {
            wanted -= go_back(&mut self.files[index], wanted)?;
            if wanted == 0 {
                self.files.drain(..index);
                break;
            }
        }
        Ok(())
    }

    /// The next line; `None` when there is no further whole line yet.
    ///
    /// # Errors
    /// As read(2). A line that is no JSON, as after a power cut, is passed over.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            if self.begun.last() == Some(&b'\n') {
                self.begun.clear();
            }
            if !self.read_line()? {
                return Ok(None);
            }
            if self.parsed.read(&self.begun) {
                return Ok(Some(self.parsed.line()));
            }
        }
    }

    fn read_line(&mut self) -> io::Result<bool> {
        loop {
            let Some(file) = self.files.first_mut() else {
                self.files = files(&self.path)?.into_iter().map(buffered).collect();
                if self.files.is_empty() {
                    return Ok(false);
                }
                continue;
            };
            file.read_until(b'\n', &mut self.begun)?;
            if self.begun.last() == Some(&b'\n') {
                return Ok(true);
            }
            if !self.goes_on()? {
                return Ok(false);
            }
        }
    }

    /// At the end of a file: whether there is more, in a newer one or because it began anew.
    fn goes_on(&mut self) -> io::Result<bool> {
        if self.files.len() == 1 {
            let current = self.files[0].get_ref().metadata()?;
            if fs::metadata(&self.path).is_ok_and(|named| named.ino() == current.ino()) {
                return self.began_anew(current.len());
            }
            self.files.extend(newer(&self.path, current.ino())?.into_iter().map(buffered));
        }
        // Rotated away and not yet replaced: the next one comes.
        if self.files.len() == 1 {
            return Ok(false);
        }
        self.files.remove(0);
        self.begun.clear();
        Ok(true)
    }

    fn began_anew(&mut self, length: u64) -> io::Result<bool> {
        let anew = self.files[0].stream_position()? > length;
        if anew {
            self.files[0].rewind()?;
            self.begun.clear();
        }
        Ok(anew)
    }
}

fn buffered(file: File) -> BufReader<File> {
    BufReader::with_capacity(256 << 10, file)
}

/// The files of a log, the oldest first. One of the names is missing while the files get older ones.
fn files(path: &Path) -> io::Result<Vec<File>> {
    let (mut files, mut missing) = (Vec::new(), 0);
    for age in 0.. {
        match File::open(rotated(path, age)) {
            Ok(file) => files.push(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound && missing == 0 => missing += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
    }
    each_once(&mut files)?;
    files.reverse();
    Ok(files)
}

/// A file that got an older name while we looked was found under both.
fn each_once(files: &mut Vec<File>) -> io::Result<()> {
    let mut known = Vec::new();
    for file in &*files {
        known.push(file.metadata()?.ino());
    }
    let mut index = 0;
    files.retain(|_| {
        index += 1;
        !known[..index - 1].contains(&known[index - 1])
    });
    Ok(())
}

/// The files that are newer than the one with this number; all, if that is gone.
fn newer(path: &Path, ino: u64) -> io::Result<Vec<File>> {
    let mut files = files(path)?;
    let mut known = files.iter().map(|file| file.metadata().map(|it| it.ino() == ino));
    if let Some(at) = known.position(|known| known.unwrap_or(false)) {
        files.drain(..=at);
    }
    Ok(files)
}

/// Puts the file before its last `count` lines, at most. Returns how many those are.
fn go_back(file: &mut BufReader<File>, count: usize) -> io::Result<usize> {
    const BLOCK: u64 = 64 << 10;
    let mut at = file.seek(SeekFrom::End(0))?;
    let mut found = 0;
    let mut block = Vec::new();
    if count == 0 {
        return Ok(0);
    }
    while at > 0 {
        let length = at.min(BLOCK);
        at -= length;
        file.seek(SeekFrom::Start(at))?;
        block.resize(usize::try_from(length).unwrap_or(0), 0);
        file.read_exact(&mut block)?;
        for index in memchr::memrchr_iter(b'\n', &block) {
            // The line feed at the very end ends the last line: it begins none. So one more.
            if found == count {
                file.seek(SeekFrom::Start(at + index as u64 + 1))?;
                return Ok(count);
            }
            found += 1;
        }
    }
    file.rewind()?;
    Ok(found)
}
