//! A TCP connection or a unix socket, polled by the lane itself.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::ServerAddress;

/// A host that vanished without a word is noticed after 19 s: by keepalive when nothing is under way …
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
const KEEPALIVE_PROBE_COUNT: u32 = 3;
/// … and by this when bytes are, which would otherwise be sent again and again for a quarter of an hour. It also ends
/// a connection whose server has not read for so long that the socket's buffers are full.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(crate) async fn connect(address: &ServerAddress) -> io::Result<Self> {
        match address {
            ServerAddress::Tcp { host, port } => {
                // An address needs no resolver, which would cost a thread.
                let stream = match host.parse::<IpAddr>() {
                    Ok(ip) => TcpStream::connect((ip, *port)).await?,
                    Err(_) => TcpStream::connect((host.as_str(), *port)).await?,
                };
                set_options(&stream)?;
                Ok(Self::Tcp(stream))
            }
            ServerAddress::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
        }
    }

    /// Appends what has arrived to `buf`, as far as its spare capacity goes; 0 bytes mean the end of the stream.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => pin!(stream.read_buf(buf)).poll(cx),
            Self::Unix(stream) => pin!(stream.read_buf(buf)).poll(cx),
        }
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }
}

fn set_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBE_COUNT);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    Ok(())
}
