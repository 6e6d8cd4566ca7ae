//! Bridge: from asynchronous HTTP to a blocking function and back.
//!
//! hyper gives a request's body piece by piece to whoever polls; hashing and writing to disk block.
//! So a body goes through a short channel to a thread that may block, and a file goes through one
//! back. Short, so that a fast client cannot fill the memory: it waits until the disk has followed.
//!
//! One thread is enough for all of HTTP; tokio keeps the blocking ones.

use std::{
    future::poll_fn,
    io::{self, Read},
    net::TcpListener,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::{HeaderValue, Method, header, request::Parts},
    response::Response,
};
use http_body::Frame;
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{
    Registry, answer,
    reply::{Code, Content, Refusal, Reply},
};

/// How many pieces may wait in a channel.
const PIECES: usize = 8;
/// How large a piece of a file is.
const PIECE: usize = 128 << 10;

/// Answers requests until the listener fails.
pub(super) fn run(listener: TcpListener, registry: Arc<Registry>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let router = Router::new().fallback(handle).with_state(registry);
        axum::serve(listener, router).await
    })
}

async fn handle(State(registry): State<Arc<Registry>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let is_head = parts.method == Method::HEAD;
    let (pieces, incoming) = mpsc::channel(PIECES);
    let answered = spawn_blocking(move || work(&registry, &parts, incoming));
    let (answered, ()) = tokio::join!(answered, feed(body, pieces));
    let reply = answered.unwrap_or_else(|_| {
        Refusal::new(500, Code::Unknown, "the registry lost its head; see its error output").into()
    });
    respond(reply, is_head)
}

fn work(registry: &Registry, parts: &Parts, incoming: mpsc::Receiver<Piece>) -> Reply {
    let mut body = Incoming { pieces: incoming, current: Bytes::new(), ended: false };
    answer(registry, parts, &mut body).unwrap_or_else(Reply::from)
}

/// A piece of a request's body, or its end. A channel that closes without one was cut.
enum Piece {
    Bytes(Bytes),
    End,
}

/// Carries a body into the channel, as fast as the other side takes it.
async fn feed(body: Body, pieces: mpsc::Sender<Piece>) {
    let mut body = pin!(body);
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        // A client that went away: dropping the sender without an end says so.
        let Ok(frame) = frame else { return };
        if let Ok(bytes) = frame.into_data()
            && pieces.send(Piece::Bytes(bytes)).await.is_err()
        {
            // The function has its answer without the rest.
            return;
        }
    }
    let _ = pieces.send(Piece::End).await;
}

/// A request's body for a blocking function. Ends in an error if the client went away.
#[derive(Debug)]
pub(super) struct Incoming {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    ended: bool,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.current = bytes,
                Some(Piece::End) => self.ended = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = buffer.len().min(self.current.len());
        buffer[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}

fn respond(reply: Reply, is_head: bool) -> Response {
    let length = reply.content.length();
    let body = match reply.content {
        _ if is_head => Body::empty(),
        Content::Bytes(bytes) => Body::from(bytes),
        Content::File { file, length } => Body::new(Outgoing::start(file, length)),
    };
    let mut response = Response::new(body);
    if let Ok(status) = reply.status.try_into() {
        *response.status_mut() = status;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert("docker-distribution-api-version", HeaderValue::from_static("registry/2.0"));
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    response
}

/// A file on its way out, read by a thread that waits for the client.
struct Outgoing {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
}

impl Outgoing {
    fn start(file: std::fs::File, length: u64) -> Self {
        let (sender, pieces) = mpsc::channel(PIECES);
        spawn_blocking(move || {
            let mut file = file.take(length);
            loop {
                let mut piece = vec![0; PIECE];
                let read = file.read(&mut piece).map(|count| {
                    piece.truncate(count);
                    Bytes::from(piece)
                });
                let is_end = matches!(&read, Ok(bytes) if bytes.is_empty());
                // An error is sent on: the connection breaks, and the client sees that it did.
                let is_last = is_end || read.is_err();
                let gone = !is_end && sender.blocking_send(read).is_err();
                if is_last || gone {
                    return;
                }
            }
        });
        Self { pieces }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.pieces.poll_recv(context).map(|piece| piece.map(|read| read.map(Frame::data)))
    }
}
