//! Arrivals: blobs that are read while they are still being written.
//!
//! A layer need not be whole before unpacking begins. Who unpacks reads the file of the download
//! itself, out of the page cache, and waits where the bytes end; who downloads says how far it is.
//! So neither has to keep pace with the other, nothing is kept in memory, and a download that was
//! taken up in the middle is read from its beginning all the same.
//!
//! What is read before the digest was checked is only good for work that can be thrown away:
//! [`Arrivals::whole`] says when it may be kept.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use oci::Digest;

use super::{Part, Result, Store};

/// How far the blobs of one pull are; shared by the threads that write and those that read.
#[derive(Debug)]
pub struct Arrivals {
    store: Store,
    blobs: Mutex<HashMap<Digest, State>>,
    changed: Condvar,
    given_up: AtomicBool,
}

#[derive(Debug, Clone)]
enum State {
    /// Nothing is there yet, or another process is downloading it.
    Expected,
    /// The file of the download, its length so far, and how often it began from nothing.
    Moving { file: Arc<File>, length: u64, begun: u32 },
    /// In the store.
    Here,
    /// It will not come.
    Failed,
}

impl Arrivals {
    /// Blobs that somebody is going to bring into `store`. All others are read from there.
    pub fn expecting<'a>(store: &Store, digests: impl IntoIterator<Item = &'a Digest>) -> Self {
        let expected = digests.into_iter().map(|digest| (digest.clone(), State::Expected));
        Self {
            store: store.clone(),
            blobs: Mutex::new(expected.collect()),
            changed: Condvar::new(),
            given_up: AtomicBool::new(false),
        }
    }

    /// Nothing is on the way: all is read from the store.
    pub fn none(store: &Store) -> Self {
        Self::expecting(store, [])
    }

    /// The store that the blobs come into.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Says that a blob is in the store.
    pub fn here(&self, digest: &Digest) {
        self.set(digest, State::Here);
    }

    /// Says that a blob will not come.
    pub fn failed(&self, digest: &Digest) {
        self.set(digest, State::Failed);
    }

    /// Lets readers read the file of a download, up to where it is now.
    ///
    /// # Errors
    /// As dup(2).
    pub fn moving(&self, digest: &Digest, part: &Part) -> io::Result<()> {
        let (file, begun) = match self.state(digest) {
            Some(State::Moving { file, begun, .. }) => (file, begun + 1),
            _ => (Arc::new(part.share()?), 0),
        };
        self.set(digest, State::Moving { file, length: part.offset(), begun });
        Ok(())
    }

    /// Says how long the file of a download is. `false` if nobody wants it any more.
    pub fn moved(&self, digest: &Digest, to: u64) -> bool {
        if let Some(State::Moving { length, .. }) = self.blobs().get_mut(digest) {
            *length = to;
        }
        self.changed.notify_all();
        !self.given_up.load(Ordering::Relaxed)
    }

    /// Says that nobody wants any of the blobs: what is made of them has failed.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// Opens a blob, as soon as there is anything to read; `None` if it will not come.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`] if it is neither here nor expected.
    pub fn open(&self, digest: &Digest) -> Result<Option<Arriving<'_>>> {
        let (file, begun) = match self.wait(digest, |state| !matches!(state, State::Expected)) {
            State::Failed => return Ok(None),
            State::Moving { file, begun, .. } => (file, begun),
            State::Expected | State::Here => (Arc::new(self.store.blob(digest)?), 0),
        };
        Ok(Some(Arriving { arrivals: self, digest: digest.clone(), file, begun, at: 0 }))
    }

    /// Waits until a blob is checked and in the store. `false` if it will not come.
    pub fn whole(&self, digest: &Digest) -> bool {
        let is_over = |state: &State| matches!(state, State::Here | State::Failed);
        matches!(self.wait(digest, is_over), State::Here)
    }

    fn wait(&self, digest: &Digest, is_enough: impl Fn(&State) -> bool) -> State {
        let mut blobs = self.blobs();
        loop {
            match blobs.get(digest) {
                // Nobody is going to bring it.
                None => return State::Here,
                Some(state) if is_enough(state) => return state.clone(),
                Some(_) => {
                    blobs = self.changed.wait(blobs).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn state(&self, digest: &Digest) -> Option<State> {
        self.blobs().get(digest).cloned()
    }

    fn set(&self, digest: &Digest, state: State) {
        // What nobody reads while it moves need not be kept book of.
        if let Some(known) = self.blobs().get_mut(digest) {
            *known = state;
        }
        self.changed.notify_all();
    }

    fn blobs(&self) -> MutexGuard<'_, HashMap<Digest, State>> {
        // Each change is a single assignment, which a panic elsewhere cannot have cut in half.
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a blob that somebody has read while it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is what its digest promised.
    Right,
    /// Its download threw the bytes away, so that reading has to begin anew.
    BegunAnew,
    /// It will not come.
    Failed,
}

/// A blob as it arrives. Its end is where the whole blob ends.
#[derive(Debug)]
pub struct Arriving<'a> {
    arrivals: &'a Arrivals,
    digest: Digest,
    file: Arc<File>,
    begun: u32,
    at: u64,
}

impl Arriving<'_> {
    /// Waits until it is known what was read: the content, or bytes that the download has thrown
    /// away since.
    pub fn verdict(&self) -> Verdict {
        let begun_here = self.begun;
        let is_known = |state: &State| match state {
            State::Moving { begun, .. } => *begun != begun_here,
            State::Expected => false,
            State::Here | State::Failed => true,
        };
        match self.arrivals.wait(&self.digest, is_known) {
            State::Here => Verdict::Right,
            State::Failed => Verdict::Failed,
            State::Expected | State::Moving { .. } => Verdict::BegunAnew,
        }
    }
}

impl Read for Arriving<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let goes_on = |state: &State| match state {
            State::Moving { length, begun, .. } => *length > self.at || *begun != self.begun,
            State::Expected => false,
            State::Here | State::Failed => true,
        };
        let most = match self.arrivals.wait(&self.digest, goes_on) {
            State::Moving { begun, .. } if begun != self.begun => {
                return Err(io::Error::other("the download began anew"));
            }
            State::Moving { length, .. } => length - self.at,
            State::Here => u64::MAX,
            State::Expected | State::Failed => {
                return Err(io::Error::other("the download broke off"));
            }
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, thread};

    use oci::{Descriptor, MediaType};

    use super::*;
    use crate::{layout::Layout, store::sha256};

    fn scene(content: &[u8]) -> (tempfile::TempDir, Store, Descriptor) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Layout::new(dir.path())).unwrap();
        let size = content.len() as u64;
        (dir, store, Descriptor::new(MediaType::OciLayer, sha256(content), size))
    }

    #[test]
    fn a_blob_is_read_while_it_is_written() {
        let (_dir, store, blob) = scene(b"first second");
        let arrivals = Arrivals::expecting(&store, [&blob.digest]);
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut text = String::new();
                arrivals.open(&blob.digest).unwrap().unwrap().read_to_string(&mut text).unwrap();
                assert!(arrivals.whole(&blob.digest));
                text
            });
            let mut part = store.ingest(&blob).unwrap().unwrap();
            arrivals.moving(&blob.digest, &part).unwrap();
            for piece in [b"first " as &[u8], b"second"] {
                part.write_all(piece).unwrap();
                assert!(arrivals.moved(&blob.digest, part.offset()));
            }
            part.commit().unwrap();
            arrivals.here(&blob.digest);
            assert_eq!(reader.join().unwrap(), "first second");
        });
    }

    #[test]
    fn who_reads_hears_of_a_new_beginning_and_of_the_end() {
        let (_dir, store, blob) = scene(b"content");
        let arrivals = Arrivals::expecting(&store, [&blob.digest]);
        let mut part = store.ingest(&blob).unwrap().unwrap();
        part.write_all(b"cont").unwrap();
        arrivals.moving(&blob.digest, &part).unwrap();
        let mut reader = arrivals.open(&blob.digest).unwrap().unwrap();
        reader.read_exact(&mut [0; 4]).unwrap();
        part.restart().unwrap();
        arrivals.moving(&blob.digest, &part).unwrap();
        reader.read_exact(&mut [0; 1]).unwrap_err();
        assert_eq!(reader.verdict(), Verdict::BegunAnew);
        arrivals.failed(&blob.digest);
        assert!(arrivals.open(&blob.digest).unwrap().is_none());
        assert!(!arrivals.whole(&blob.digest));
        assert_eq!(reader.verdict(), Verdict::Failed);
    }

    #[test]
    fn what_nobody_expects_is_read_from_the_store() {
        let (_dir, store, blob) = scene(b"content");
        let arrivals = Arrivals::none(&store);
        assert!(arrivals.open(&blob.digest).is_err());
        store.put(&blob, b"content" as &[u8]).unwrap();
        let mut text = String::new();
        arrivals.open(&blob.digest).unwrap().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "content");
        assert!(arrivals.whole(&blob.digest));
    }
}
