//! The first exchange on a link, on both sides.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use dynomite_codec::WriteQueue;
use dynomite_ring::Ring;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::frame::{Decoder, FrameError, Kind, Message, put_frame};
use super::hello::{Hello, PREAMBLE, Refused};

/// Messages of a handshake are small.
const MESSAGE_MAX: usize = 16 << 10;
/// Where the version begins in the preamble.
const VERSION_AT: usize = 8;

/// Why a connection did not become a link.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The address cannot be connected to.
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: io::Error },
    /// The connection broke.
    #[error("connection lost during the handshake: {0}")]
    Io(#[from] io::Error),
    /// The other side did not say what it should in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// What connected is something else than a node.
    #[error("what connected is no Dynomite node: it began with \"{0}\"")]
    Garbage(String),
    /// The other side speaks another version of the protocol.
    #[error("the other node speaks version {0} of the link protocol, this one version 1: upgrade the older")]
    Version(u16),
    /// A frame that makes no sense here.
    #[error("unexpected answer: {0}")]
    Unexpected(String),
    /// The two do not belong together, as this node sees it.
    #[error("{0}")]
    Mismatch(String),
    /// The other node refused, for this reason.
    #[error("refused by the other node: {0}")]
    RefusedByPeer(String),
}

impl From<FrameError> for Refusal {
    fn from(error: FrameError) -> Self {
        Self::Unexpected(error.to_string())
    }
}

/// Connects to a node and introduces this one as `own`. The answer, which comes back with the connection, is checked to come
/// from `expected`, if it is known who should be there.
pub(crate) async fn dial(
    address: &str,
    expected: Option<&str>,
    own: &Hello,
    ring: &Ring,
    within: Duration,
) -> Result<(TcpStream, Hello), Refusal> {
    let connected = timeout(within, TcpStream::connect(address)).await;
    let source = match connected {
        Ok(Ok(mut stream)) => {
            stream.set_nodelay(true)?;
            let welcome = timeout(within, introduce(&mut stream, expected, own, ring))
                .await
                .map_err(|_| Refusal::Timeout(within))??;
            return Ok((stream, welcome));
        }
        Ok(Err(error)) => error,
        Err(_) => io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {within:?}")),
    };
    Err(Refusal::Connect { address: address.to_owned(), source })
}

/// Takes a dialer's introduction and answers it.
pub(crate) async fn accept(
    stream: &mut TcpStream,
    own: &Hello,
    ring: &Ring,
    within: Duration,
) -> Result<Hello, Refusal> {
    stream.set_nodelay(true)?;
    timeout(within, take_introduction(stream, own, ring)).await.map_err(|_| Refusal::Timeout(within))?
}

async fn introduce(
    stream: &mut TcpStream,
    expected: Option<&str>,
    own: &Hello,
    ring: &Ring,
) -> Result<Hello, Refusal> {
    let mut bytes = PREAMBLE.to_vec();
    bytes.extend_from_slice(&frame(Kind::Hello, own));
    stream.write_all(&bytes).await?;
    let mut input = BytesMut::new();
    let message = read_message(stream, &mut input).await?;
    match message.kind {
        Kind::Welcome => {
            let welcome: Hello = parse(&message.body)?;
            if let Some(expected) = expected
                && welcome.node != expected
            {
                return Err(Refusal::Mismatch(format!(
                    "node {:?} answers at the address of node {expected:?}: correct peer_address in the seeds",
                    welcome.node
                )));
            }
            welcome.check(own, ring, own.purpose).map_err(Refusal::Mismatch)?;
            Ok(welcome)
        }
        Kind::Refused => Err(Refusal::RefusedByPeer(parse::<Refused>(&message.body)?.reason)),
        other => Err(Refusal::Unexpected(format!("{other:?}"))),
    }
}

async fn take_introduction(stream: &mut TcpStream, own: &Hello, ring: &Ring) -> Result<Hello, Refusal> {
    let mut input = BytesMut::new();
    read_preamble(stream, &mut input).await?;
    let message = read_message(stream, &mut input).await?;
    if message.kind != Kind::Hello || !input.is_empty() {
        return Err(Refusal::Unexpected(format!("{:?} and {} more bytes", message.kind, input.len())));
    }
    let hello: Hello = parse(&message.body)?;
    if let Err(reason) = hello.check(own, ring, hello.purpose) {
        // Both logs shall say why; the refusal stands whether or not the other side gets to read it.
        let _ = stream.write_all(&frame(Kind::Refused, &Refused { reason: reason.clone() })).await;
        return Err(Refusal::Mismatch(reason));
    }
    stream.write_all(&frame(Kind::Welcome, own)).await?;
    Ok(hello)
}

async fn read_preamble(stream: &mut TcpStream, input: &mut BytesMut) -> Result<(), Refusal> {
    loop {
        let known = input.len().min(VERSION_AT);
        if input[..known] != PREAMBLE[..known] {
            let shown = &input[..input.len().min(16)];
            return Err(Refusal::Garbage(shown.escape_ascii().to_string()));
        }
        if let Some((preamble, _)) = input.split_first_chunk::<{ PREAMBLE.len() }>() {
            let version = u16::from_le_bytes([preamble[VERSION_AT], preamble[VERSION_AT + 1]]);
            if preamble != &PREAMBLE {
                return Err(Refusal::Version(version));
            }
            let _ = input.split_to(PREAMBLE.len());
            return Ok(());
        }
        read_some(stream, input).await?;
    }
}

async fn read_message(stream: &mut TcpStream, input: &mut BytesMut) -> Result<Message, Refusal> {
    let mut decoder = Decoder::new(MESSAGE_MAX);
    loop {
        if let Some(message) = decoder.next(input)? {
            return Ok(message);
        }
        read_some(stream, input).await?;
    }
}

async fn read_some(stream: &mut TcpStream, input: &mut BytesMut) -> io::Result<()> {
    input.reserve(1024);
    match stream.read_buf(input).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn frame(kind: Kind, body: &impl Serialize) -> Bytes {
    let body = serde_json::to_vec(body).expect("names and numbers have a JSON form");
    let mut queue = WriteQueue::new();
    put_frame(&mut queue, kind, &body, Bytes::new());
    queue.copy_to_bytes(queue.len())
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::Unexpected(error.to_string()))
}
