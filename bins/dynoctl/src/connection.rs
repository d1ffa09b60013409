//! A blocking connection to a node's client port. Every wait ends after a few seconds.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::{Bytes, BytesMut};
use dynomite_codec::{ReplyFramer, ReplyLimits, Request};
use redis_protocol::resp2::decode::decode_bytes;
use redis_protocol::resp2::types::BytesFrame;

const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);
const REPLY_TIME_MAX: Duration = Duration::from_secs(5);
/// Far above the ring of the largest cluster.
const REPLY_BYTES_MAX: usize = 128 << 20;

/// One connection to one node.
pub(crate) struct Connection {
    stream: TcpStream,
    node: String,
    framer: ReplyFramer,
    received: BytesMut,
}

impl Connection {
    /// Connects to `node`, which is `HOST:PORT`.
    pub(crate) fn open(node: &str) -> Result<Self> {
        let addresses: Vec<SocketAddr> = node
            .to_socket_addrs()
            .with_context(|| format!("`{node}` is no address of a node; --node takes HOST:PORT"))?
            .collect();
        let mut last_error = anyhow!("the name has no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, CONNECT_TIME_MAX) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(REPLY_TIME_MAX))?;
                    stream.set_write_timeout(Some(REPLY_TIME_MAX))?;
                    let framer = ReplyFramer::new(ReplyLimits {
                        total_max: REPLY_BYTES_MAX,
                        ..ReplyLimits::default()
                    });
                    return Ok(Self { stream, node: node.to_owned(), framer, received: BytesMut::new() });
                }
                Err(error) => last_error = error.into(),
            }
        }
        Err(last_error.context(format!(
            "cannot connect to {node}; is the node running, and is this where it serves clients (its key `listen`)? \
             --node HOST:PORT names another"
        )))
    }

    /// The node's address as it was given.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// Sends a command and gives its reply, which is text. An error reply is an error.
    pub(crate) fn ask<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Result<Bytes> {
        let request = Request::from_args(arguments);
        self.stream
            .write_all(request.raw())
            .with_context(|| format!("{} does not take the command", self.node))?;
        let reply = self.read_reply()?;
        // No command here is answered by a nested value, so none is decoded.
        let frame = match reply.first() {
            Some(b'+' | b'-' | b'$') => decode_bytes(&reply).ok().flatten().map(|(frame, _)| frame),
            _ => None,
        };
        match frame {
            Some(BytesFrame::SimpleString(text) | BytesFrame::BulkString(text)) => Ok(text),
            Some(BytesFrame::Error(text)) if text.contains("unknown command") => {
                bail!("{} answers \"{text}\"; it is no Dynomite node, or one of another version", self.node)
            }
            Some(BytesFrame::Error(text)) => bail!("{} answers \"{text}\"", self.node),
            _ => bail!(
                "{} answers with what is no text; it is no Dynomite node, or one of another version",
                self.node
            ),
        }
    }

    fn read_reply(&mut self) -> Result<Bytes> {
        let mut chunk = [0; 16 * 1024];
        loop {
            let framed = self.framer.next(&mut self.received);
            if let Some(reply) =
                framed.map_err(|_| anyhow!("{} does not speak the Redis protocol", self.node))?
            {
                return Ok(reply);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => bail!("{} closed the connection before it answered", self.node),
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    bail!("{} did not answer within {} s", self.node, REPLY_TIME_MAX.as_secs())
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("{} cannot be read from", self.node));
                }
            }
        }
    }
}
