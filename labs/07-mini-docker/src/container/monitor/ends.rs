//! Ends: ours of the program's standard streams.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::OwnedFd,
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::container::logs::Stream;

/// Our ends of the program's streams.
#[derive(Debug, Default)]
pub struct Ends {
    pub(super) input: Option<File>,
    pub(super) output: Option<File>,
    pub(super) errors: Option<File>,
    pub(super) is_terminal: bool,
    // For the program, which has not taken it yet.
    pending: Vec<u8>,
    input_ends: bool,
}

/// What came out of a stream.
pub(super) enum Came {
    /// Bytes, this many.
    Bytes(usize),
    /// Nothing, for now.
    Nothing,
    /// The end.
    End,
}

impl Ends {
    /// Pipes; without an input the program reads end-of-file.
    pub fn pipes(input: Option<OwnedFd>, output: OwnedFd, errors: OwnedFd) -> Self {
        Self {
            input: input.map(File::from),
            output: Some(output.into()),
            errors: Some(errors.into()),
            ..Self::default()
        }
    }

    /// The master side of a terminal, which is input and output in one.
    pub fn terminal(master: OwnedFd) -> Self {
        let input = master.try_clone().ok().map(File::from);
        Self { input, output: Some(master.into()), is_terminal: true, ..Self::default() }
    }

    /// Ends that were handed over.
    pub(super) fn take(fds: [Option<OwnedFd>; 3], is_terminal: bool) -> Self {
        let [input, output, errors] = fds.map(|fd| fd.map(File::from));
        if let Some(input) = &input {
            // A program that does not read must not stop us: the rest waits in `pending`.
            let _ = fcntl(input, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        }
        Self { input, output, errors, is_terminal, ..Self::default() }
    }

    /// Hands them over: input, output, errors.
    pub fn give(self) -> [Option<OwnedFd>; 3] {
        [self.input, self.output, self.errors].map(|file| file.map(OwnedFd::from))
    }

    /// Whether everything that the program wrote was read.
    pub(super) fn are_done(&self) -> bool {
        self.output.is_none() && self.errors.is_none()
    }

    /// Whether input waits for the program.
    pub(super) fn has_pending(&self) -> bool {
        self.input.is_some() && !self.pending.is_empty()
    }

    /// Reads what is there.
    pub(super) fn read(&mut self, stream: Stream, buffer: &mut [u8]) -> Came {
        let end = match stream {
            Stream::Stdout => &mut self.output,
            Stream::Stderr => &mut self.errors,
        };
        let Some(file) = end else { return Came::End };
        match file.read(buffer) {
            Ok(count @ 1..) => Came::Bytes(count),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock) => Came::Nothing,
            // A terminal whose last slave was closed answers EIO.
            Ok(0) | Err(_) => {
                *end = None;
                Came::End
            }
        }
    }

    /// More for the program to read.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        if self.input.is_some() {
            self.pending.extend_from_slice(bytes);
            self.feed();
        }
    }

    /// There will be nothing more to read. A terminal does not end: others may come to it.
    pub(super) fn end_input(&mut self) {
        self.input_ends = !self.is_terminal;
        self.close_input();
    }

    /// Gives the program what it takes of the pending input.
    pub(super) fn feed(&mut self) {
        while let Some(input) = &mut self.input
            && !self.pending.is_empty()
        {
            match input.write(&self.pending) {
                Ok(count) if count == self.pending.len() => self.pending = Vec::new(),
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The program has closed its input.
                Err(_) => {
                    self.input = None;
                    self.pending = Vec::new();
                }
            }
        }
        self.close_input();
    }

    fn close_input(&mut self) {
        if self.input_ends && self.pending.is_empty() {
            self.input = None;
        }
    }
}
