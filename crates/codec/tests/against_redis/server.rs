//! A real server on a unix socket in a directory of its own, and a plain connection to it.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use dynomite_codec::{ReplyFramer, ReplyLimits};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    process: Child,
    directory: TempDir,
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(directory.path().join("socket"))
            .arg("--dir")
            .arg(directory.path())
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("redis-server cannot be started ({error}): install Redis 7.0, for instance with `apt-get install redis-server`")
            });
        Self { process, directory }
    }

    pub(crate) fn connect(&self) -> Connection {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match UnixStream::connect(self.directory.path().join("socket")) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    return Connection {
                        stream,
                        buf: BytesMut::new(),
                        framer: ReplyFramer::new(ReplyLimits::default()),
                    };
                }
                Err(error) if Instant::now() > deadline => panic!("redis-server does not listen: {error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

pub(crate) struct Connection {
    stream: UnixStream,
    buf: BytesMut,
    framer: ReplyFramer,
}

impl Connection {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next whole reply as it came; `None` when the server closed the connection.
    pub(crate) fn reply(&mut self) -> Option<Bytes> {
        loop {
            if let Some(reply) = self.framer.next(&mut self.buf).unwrap() {
                return Some(reply);
            }
            let mut piece = [0; 16 << 10];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(len) => self.buf.extend_from_slice(&piece[..len]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no reply: {error}"),
            }
        }
    }

    pub(crate) fn call(&mut self, request: &[u8]) -> Bytes {
        self.send(request);
        self.reply().expect("a reply")
    }
}
