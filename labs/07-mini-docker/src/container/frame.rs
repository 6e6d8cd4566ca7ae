//! Frame: what a monitor and whoever is attached say to each other, over one socket.
//!
//! ```text
//!   monitor -> client: Started | Failed(report) | Output(stream, bytes).. | Exited(code) | Restarts(code)
//!   client -> monitor: Input(bytes).. | InputEnd | Resize(rows, columns) | Signal(number) | Quiet | Wake
//! ```
//!
//! On the wire a frame is one byte for its kind, four for the length (big-endian), and the bytes.

use std::io;

use super::logs::Stream;

/// The longest frame we believe in; ours are shorter.
const MAX: usize = 1 << 20;
const HEADER: usize = 5;

/// One thing said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The program runs.
    Started,
    /// It could not be started; the container waits for another try.
    Failed(ground::Error),
    /// The program wrote something.
    Output(Stream, Vec<u8>),
    /// The program ended with this status and everything it wrote was sent.
    Exited(i32),
    /// The same, and it will be started again.
    Restarts(i32),
    /// Something for the program to read.
    Input(Vec<u8>),
    /// There will be nothing more to read.
    InputEnd,
    /// The client's terminal has this size.
    Resize {
        /// Lines.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// A signal that the client got and passes on.
    Signal(i32),
    /// The client wants to hear of the end and nothing else.
    Quiet,
    /// A container that waits for its next start has been stopped: look at the record.
    Wake,
}

impl Frame {
    /// The frame as it goes over the wire.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, body) = match self {
            Self::Started => (0, Vec::new()),
            Self::Failed(error) => {
                let report = serde_json::json!({
                    "what": error.what, "why": error.why, "see": error.see, "fix": error.fix,
                    "exit_code": error.exit_code,
                });
                (3, report.to_string().into_bytes())
            }
            Self::Output(Stream::Stdout, bytes) => (1, bytes.clone()),
            Self::Output(Stream::Stderr, bytes) => (2, bytes.clone()),
            Self::Exited(code) => (4, code.to_be_bytes().to_vec()),
            Self::Input(bytes) => (5, bytes.clone()),
            Self::InputEnd => (6, Vec::new()),
            Self::Resize { rows, columns } => {
                (7, [rows.to_be_bytes(), columns.to_be_bytes()].concat())
            }
            Self::Signal(number) => (8, number.to_be_bytes().to_vec()),
            Self::Restarts(code) => (9, code.to_be_bytes().to_vec()),
            Self::Quiet => (10, Vec::new()),
            Self::Wake => (11, Vec::new()),
        };
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        [&[kind], length.to_be_bytes().as_slice(), &body].concat()
    }

    /// Takes the first frame out of `buffer`; `None` while it is not whole.
    ///
    /// # Errors
    /// Bytes that are no frame.
    pub fn decode(buffer: &mut Vec<u8>) -> io::Result<Option<Self>> {
        let Some((header, rest)) = buffer.split_first_chunk::<HEADER>() else { return Ok(None) };
        let [kind, length @ ..] = *header;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX {
            return Err(nonsense());
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let frame = Self::read(kind, body).ok_or_else(nonsense)?;
        buffer.drain(..HEADER + length);
        Ok(Some(frame))
    }

    fn read(kind: u8, body: &[u8]) -> Option<Self> {
        Some(match kind {
            0 => Self::Started,
            1 => Self::Output(Stream::Stdout, body.to_vec()),
            2 => Self::Output(Stream::Stderr, body.to_vec()),
            3 => Self::Failed(ground::Error::from_json(&serde_json::from_slice(body).ok()?)),
            4 => Self::Exited(i32::from_be_bytes(body.try_into().ok()?)),
            5 => Self::Input(body.to_vec()),
            6 => Self::InputEnd,
            7 => {
                let [a, b, c, d] = *body else { return None };
                Self::Resize {
                    rows: u16::from_be_bytes([a, b]),
                    columns: u16::from_be_bytes([c, d]),
                }
            }
            8 => Self::Signal(i32::from_be_bytes(body.try_into().ok()?)),
            9 => Self::Restarts(i32::from_be_bytes(body.try_into().ok()?)),
            10 => Self::Quiet,
            11 => Self::Wake,
            _ => return None,
        })
    }
}

fn nonsense() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the other side speaks another language")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_wire_in_pieces() {
        let error = ground::Error::new("no").why("because").fix("do").exit_code(127);
        let frames = [
            Frame::Started,
            Frame::Output(Stream::Stderr, b"x".to_vec()),
            Frame::Failed(error),
            Frame::Exited(-1),
            Frame::Input(Vec::new()),
            Frame::InputEnd,
            Frame::Resize { rows: 24, columns: 80 },
            Frame::Signal(15),
            Frame::Restarts(1),
            Frame::Quiet,
            Frame::Wake,
        ];
        let wire: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        let mut buffer = Vec::new();
        let mut arrived = Vec::new();
        for byte in wire {
            buffer.push(byte);
            arrived.extend(Frame::decode(&mut buffer).unwrap());
        }
        assert_eq!(arrived, frames);
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(Frame::decode(&mut vec![99, 0, 0, 0, 0]).is_err());
        assert!(Frame::decode(&mut vec![1, 255, 0, 0, 0]).is_err());
    }
}
