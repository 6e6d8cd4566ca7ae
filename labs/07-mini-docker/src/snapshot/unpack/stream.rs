//! The stream: packed bytes in, tar bytes out, hashed on the way and never more than promised.
//!
//! Inflating and hashing are what unpacking costs, so each has a thread, and pieces go from one to
//! the next by channels that hold only a few: a fast disk does not fill the memory.

use std::{
    cell::Cell,
    io::{self, Read},
    rc::Rc,
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread,
};

use ground::{Error, Result};
use oci::Digest;

use crate::{
    inflate::{self, Budget, Budgeted},
    store::Digester,
};

/// How much is passed from thread to thread at once.
const PIECE: usize = 256 << 10;

/// How many pieces may wait.
const WAITING: usize = 4;

/// How much more than the free space an archive may have: headers, whiteouts, and what only counts
/// once although it is there twice.
const HEADROOM: u64 = 1 << 30;

/// The unpacked archive, as the archive reader wants it.
pub type Tar = Budgeted<Unpacked>;

/// Runs `apply` on the unpacked archive, and checks that it was the right one.
pub fn run(
    packed: impl Read + Send,
    diff_id: &Digest,
    room: u64,
    apply: impl FnOnce(&mut Tar, &Budget) -> Result<()>,
) -> Result<()> {
    let limit = room.saturating_add(HEADROOM);
    let found = thread::scope(|scope| {
        let (inflated, to_hash) = sync_channel(WAITING);
        let (hashed, to_apply) = sync_channel(WAITING);
        let (empty, emptied) = channel();
        scope.spawn(move || inflate(packed, limit, &inflated, &emptied));
        let digester = Digester::new(diff_id.algorithm());
        let hash = scope.spawn(move || hash(digester, &to_hash, &hashed));
        let budget = Rc::new(Cell::new(u64::MAX));
        let mut tar = Budgeted::new(Unpacked::new(to_apply, empty), budget.clone());
        let applied = apply(&mut tar, &budget).and_then(|()| rest(&mut tar, &budget));
        // Before the join: a thread that waits to send must hear that nobody listens.
        drop(tar);
        applied.map(|()| hash.join().ok())
    })?;
    match found {
        Some(found) if found == *diff_id => Ok(()),
        Some(found) => Err(Error::new("the layer is not what its image says")
            .why(format!("unpacked it is {found}, and the image config promises {diff_id}"))
            .fix("pull it again; if it stays so, the image was made wrong")),
        None => Err(Error::new("cannot unpack the layer").why("a thread of ours failed")),
    }
}

/// A part of the unpacked archive. Its buffer goes round: new memory for each piece would cost more
/// than copying into it, since the kernel has to clear it first.
#[derive(Debug, Default)]
struct Piece {
    buffer: Vec<u8>,
    length: usize,
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// Reads until the buffer is full or the stream at its end.
    fn fill(&mut self, from: &mut impl Read) -> io::Result<()> {
        self.buffer.resize(PIECE, 0);
        self.length = 0;
        while self.length < PIECE {
            match from.read(&mut self.buffer[self.length..]) {
                Ok(0) => break,
                Ok(count) => self.length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn inflate(
    packed: impl Read,
    limit: u64,
    to: &SyncSender<io::Result<Piece>>,
    emptied: &Receiver<Piece>,
) {
    let mut unpacked = match inflate::reader(packed) {
        Ok(unpacked) => unpacked.take(limit + 1),
        Err(error) => {
            // Nobody listens any more: then nobody needs to know.
            let _ = to.send(Err(error));
            return;
        }
    };
    loop {
        let mut piece = emptied.try_recv().unwrap_or_default();
        let piece = match piece.fill(&mut unpacked) {
            Ok(()) if piece.length == 0 && unpacked.limit() == 0 => Err(too_large(limit)),
            Ok(()) if piece.length == 0 => return,
            Ok(()) => Ok(piece),
            Err(error) => Err(error),
        };
        let is_last = piece.is_err();
        if to.send(piece).is_err() || is_last {
            return;
        }
    }
}

fn too_large(limit: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("it unpacks to more than {limit} bytes, which is more than the disk has room for"),
    )
}

/// Reads what follows the archive's end: it belongs to the digest.
fn rest(tar: &mut Tar, budget: &Budget) -> Result<()> {
    budget.set(u64::MAX);
    io::copy(tar, &mut io::sink()).map(drop).map_err(|error| broken(&error))
}

fn hash(
    mut digester: Digester,
    from: &Receiver<io::Result<Piece>>,
    to: &SyncSender<io::Result<Piece>>,
) -> Digest {
    // The applier may stop listening when it failed; then the digest is of no use either.
    for piece in from {
        if let Ok(piece) = &piece {
            digester.update(piece.bytes());
        }
        if to.send(piece).is_err() {
            break;
        }
    }
    digester.finish()
}

/// The pieces of the unpacked archive as one stream.
#[derive(Debug)]
pub struct Unpacked {
    from: Receiver<io::Result<Piece>>,
    empty: Sender<Piece>,
    piece: Piece,
    at: usize,
}

impl Unpacked {
    fn new(from: Receiver<io::Result<Piece>>, empty: Sender<Piece>) -> Self {
        Self { from, empty, piece: Piece::default(), at: 0 }
    }

    /// The next piece that has anything in it, unless this one still has. `false` at the end.
    fn advance(&mut self) -> io::Result<bool> {
        while self.at == self.piece.length {
            let Ok(next) = self.from.recv() else { return Ok(false) };
            let done = std::mem::replace(&mut self.piece, next?);
            self.at = 0;
            // Who inflates may have ended: it needs no buffers then.
            let _ = self.empty.send(done);
        }
        Ok(true)
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.advance()? {
            return Ok(0);
        }
        let count = buffer.len().min(self.piece.length - self.at);
        buffer[..count].copy_from_slice(&self.piece.bytes()[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// The report for an archive that cannot be read.
pub fn broken(error: &io::Error) -> Error {
    let report = Error::new("cannot unpack the layer").why(error.to_string());
    match error.kind() {
        io::ErrorKind::FileTooLarge => {
            report.fix("free some space if you trust the image; it may be a bomb")
        }
        io::ErrorKind::Unsupported => {
            report.fix("who made the image has to pack its layers by gzip or zstd")
        }
        _ => report.fix("pull the image again; if it stays so, it was packed wrong"),
    }
}
