//! As much of a Redis client as the tour needs.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use dynomite_codec::{ReplyFramer, ReplyLimits, ReplyView, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A reply that takes longer is a failure of the demo.
const PATIENCE: Duration = Duration::from_secs(10);

/// One connection to one node.
pub(super) struct Client {
    stream: TcpStream,
    input: BytesMut,
    framer: ReplyFramer,
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Result<Self> {
        let stream =
            TcpStream::connect(address).await.with_context(|| format!("no connection to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: BytesMut::new(), framer: ReplyFramer::new(ReplyLimits::default()) })
    }

    /// Sends one command, its arguments separated by blanks, and gives the reply as redis-cli would print it.
    pub(super) async fn run(&mut self, line: &str) -> Result<String> {
        let replies = self.pipeline(&[line.to_owned()]).await?;
        Ok(replies.into_iter().next().unwrap_or_default())
    }

    /// Sends many commands at once and gives their replies in order.
    pub(super) async fn pipeline(&mut self, lines: &[String]) -> Result<Vec<String>> {
        let mut output = BytesMut::new();
        for line in lines {
            output.extend_from_slice(Request::from_args(line.split(' ').collect::<Vec<_>>()).raw());
        }
        self.stream.write_all(&output).await?;
        let mut replies = Vec::with_capacity(lines.len());
        for _ in lines {
            let reply = timeout(PATIENCE, self.reply()).await.context("no reply within 10 s")??;
            replies.push(shown(ReplyView::parse(&reply).context("a malformed reply")?));
        }
        Ok(replies)
    }

    async fn reply(&mut self) -> Result<Bytes> {
        loop {
            if let Some(reply) = self.framer.next(&mut self.input)? {
                return Ok(reply);
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                bail!("the node closed the connection");
            }
        }
    }
}

/// A reply as redis-cli prints it, on one line.
fn shown(reply: ReplyView<'_>) -> String {
    match reply {
        ReplyView::Simple(text) => String::from_utf8_lossy(text).into_owned(),
        ReplyView::Error(text) => format!("(error) {}", String::from_utf8_lossy(text)),
        ReplyView::Integer(value) => format!("(integer) {value}"),
        ReplyView::Bulk(value) => format!("\"{}\"", String::from_utf8_lossy(value)),
        ReplyView::Null | ReplyView::NullArray => "(nil)".to_owned(),
        ReplyView::Array(elements) => {
            let mut text = String::new();
            for (index, element) in elements.enumerate() {
                let blank = if index > 0 { " " } else { "" };
                let _ = write!(text, "{blank}{}) {}", index + 1, shown(element));
            }
            text
        }
    }
}
