//! A blocking connection for byte-exact scripts.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use scanner::ReplyScanner;

mod scanner;

const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 64 * 1024;

/// A blocking connection that sends bytes as they are and gives replies as bytes.
///
/// Every call that waits has a deadline (10 s unless set). The plain methods panic when something fails, with what had
/// been received by then; their `try_` forms return it.
#[derive(Debug)]
pub struct RawClient {
    stream: Stream,
    received: Vec<u8>,
    deadline: Duration,
}

impl RawClient {
    /// Connects over TCP.
    ///
    /// # Panics
    /// When the connection is refused.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"))
    }

    /// Connects over a unix socket.
    ///
    /// # Panics
    /// When the connection is refused.
    #[track_caller]
    pub fn connect_unix(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        Self::try_connect_unix(path)
            .unwrap_or_else(|error| panic!("cannot connect to {}: {error}", path.display()))
    }

    /// [`RawClient::connect`] without the panic.
    ///
    /// # Errors
    /// When the connection is refused.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, DEFAULT_DEADLINE)?;
        stream.set_nodelay(true)?;
        Ok(Self::over(Stream::Tcp(stream)))
    }

    /// [`RawClient::connect_unix`] without the panic.
    ///
    /// # Errors
    /// When the connection is refused.
    pub fn try_connect_unix(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::over(Stream::Unix(UnixStream::connect(path)?)))
    }

    /// Sets how long each later call may wait.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sends one command and gives its raw reply.
    ///
    /// # Panics
    /// When the connection breaks or no reply comes in time.
    #[track_caller]
    pub fn command<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Vec<u8> {
        self.try_command(args).unwrap_or_else(|error| panic!("{}: {error}", shown(&request(args))))
    }

    /// [`RawClient::command`] without the panic.
    ///
    /// # Errors
    /// When the connection breaks or no reply comes in time.
    pub fn try_command<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Vec<u8>> {
        self.try_send(&request(args))?;
        self.try_reply()
    }

    /// Sends `bytes` while it reads exactly `reply_count` replies; for pipelines larger than the buffers on the way.
    ///
    /// # Panics
    /// When the connection breaks or the replies do not come in time.
    #[track_caller]
    pub fn exchange(&mut self, bytes: &[u8], reply_count: usize) -> Vec<Vec<u8>> {
        let mut sending = self.stream.try_clone().expect("a socket can be duplicated");
        sending.set_write_timeout(self.deadline).expect("the deadline is not zero");
        thread::scope(|scope| {
            let sender = scope.spawn(move || sending.write_all(bytes));
            let replies = self.replies(reply_count);
            sender
                .join()
                .expect("writing does not panic")
                .unwrap_or_else(|error| panic!("cannot send: {error}"));
            replies
        })
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// When the connection breaks or the other side does not take them in time.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap_or_else(|error| panic!("cannot send: {error}"));
    }

    /// [`RawClient::send`] without the panic.
    ///
    /// # Errors
    /// When the connection breaks or the other side does not take them in time.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.set_write_timeout(self.deadline)?;
        self.stream.write_all(bytes)
    }

    /// The next whole reply, RESP2 or RESP3.
    ///
    /// # Panics
    /// When the connection breaks or the reply does not come in time.
    #[track_caller]
    pub fn reply(&mut self) -> Vec<u8> {
        self.try_reply()
            .unwrap_or_else(|error| panic!("no reply: {error}; received: {}", shown(&self.received)))
    }

    /// The next `count` replies.
    ///
    /// # Panics
    /// When the connection breaks or one of them does not come in time.
    #[track_caller]
    pub fn replies(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut replies = Vec::with_capacity(count);
        // Taken out in one go: cutting each reply off the front of a large buffer would be quadratic.
        let mut begin = 0;
        let until = Instant::now() + self.deadline;
        while replies.len() < count {
            match self.reply_end(begin, until) {
                Ok(end) => {
                    replies.push(self.received[begin..end].to_vec());
                    begin = end;
                }
                Err(error) => panic!(
                    "{} of {count} replies, then: {error}; received: {}",
                    replies.len(),
                    shown(&self.received[begin..])
                ),
            }
        }
        self.received.drain(..begin);
        replies
    }

    /// [`RawClient::reply`] without the panic.
    ///
    /// # Errors
    /// When the connection breaks, the reply does not come in time, or is none.
    pub fn try_reply(&mut self) -> io::Result<Vec<u8>> {
        let end = self.reply_end(0, Instant::now() + self.deadline)?;
        Ok(self.received.drain(..end).collect())
    }

    /// The next line with its end, for protocols of lines.
    ///
    /// # Panics
    /// When the connection breaks or the line does not end in time.
    #[track_caller]
    pub fn read_line(&mut self) -> Vec<u8> {
        self.try_read_line()
            .unwrap_or_else(|error| panic!("no line: {error}; received: {}", shown(&self.received)))
    }

    /// [`RawClient::read_line`] without the panic.
    ///
    /// # Errors
    /// When the connection breaks or the line does not end in time.
    pub fn try_read_line(&mut self) -> io::Result<Vec<u8>> {
        let until = Instant::now() + self.deadline;
        let mut searched = 0;
        loop {
            if let Some(at) = self.received[searched..].iter().position(|byte| *byte == b'\n') {
                return Ok(self.received.drain(..=searched + at).collect());
            }
            searched = self.received.len();
            self.receive(until)?;
        }
    }

    /// The next `count` bytes.
    ///
    /// # Panics
    /// When the connection breaks or they do not come in time.
    #[track_caller]
    pub fn read_bytes(&mut self, count: usize) -> Vec<u8> {
        let until = Instant::now() + self.deadline;
        while self.received.len() < count {
            if let Err(error) = self.receive(until) {
                panic!("{} of {count} bytes, then: {error}; {}", self.received.len(), shown(&self.received));
            }
        }
        self.received.drain(..count).collect()
    }

    /// Everything until the other side closes the connection.
    ///
    /// # Panics
    /// When it stays open.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let until = Instant::now() + self.deadline;
        loop {
            match self.receive(until) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    panic!("the connection stays open; received: {}", shown(&self.received))
                }
                Err(_) => return std::mem::take(&mut self.received),
            }
        }
    }

    /// Whether nothing arrives for `quiet`; what does arrive is kept for the next call.
    pub fn is_silent_for(&mut self, quiet: Duration) -> bool {
        self.received.is_empty()
            && self
                .receive(Instant::now() + quiet)
                .is_err_and(|error| error.kind() == io::ErrorKind::TimedOut)
    }

    /// Tells the other side that no more will be sent, and goes on reading.
    ///
    /// # Panics
    /// When the connection is broken.
    #[track_caller]
    pub fn finish_sending(&mut self) {
        self.stream.shutdown_write().unwrap_or_else(|error| panic!("cannot half-close: {error}"));
    }

    fn over(stream: Stream) -> Self {
        Self { stream, received: Vec::new(), deadline: DEFAULT_DEADLINE }
    }

    /// Where the reply that begins at `begin` ends, reading until it is there.
    fn reply_end(&mut self, begin: usize, until: Instant) -> io::Result<usize> {
        let mut scanner = ReplyScanner::new(begin);
        loop {
            if let Some(end) = scanner.advance(&self.received)? {
                return Ok(end);
            }
            self.receive(until)?;
        }
    }

    fn receive(&mut self, until: Instant) -> io::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "deadline passed"));
        }
        self.stream.set_read_timeout(left)?;
        let old = self.received.len();
        self.received.resize(old + READ_BYTES, 0);
        let outcome = self.stream.read(&mut self.received[old..]);
        self.received.truncate(old + outcome.as_ref().copied().unwrap_or(0));
        match outcome {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "connection closed")),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "deadline passed"))
            }
            Err(error) => Err(error),
        }
    }
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
        }
    }

    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            Self::Unix(stream) => stream.set_read_timeout(Some(timeout)),
        }
    }

    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(Some(timeout)),
            Self::Unix(stream) => stream.set_write_timeout(Some(timeout)),
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
        }
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buf),
            Self::Unix(stream) => stream.read(buf),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }
}

/// A command as the bytes that a client sends: an array of bulk strings.
pub fn request<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Bytes for a message: readable, and not longer than a screen.
fn shown(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 500;
    let mut text = bytes[..bytes.len().min(SHOWN_MAX)].escape_ascii().to_string();
    if bytes.len() > SHOWN_MAX {
        let _ = write!(text, "… ({} bytes)", bytes.len());
    }
    text
}
