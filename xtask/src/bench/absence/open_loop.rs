//! Clients that send at a steady rate, whether they are answered or not.
//!
//! Each request is due at a moment that is fixed beforehand, and its latency counts from there: a server that stands still
//! for a second delays all requests of that second, and each of them says so.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dynomite_testkit::request;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::samples::{Sample, Samples};
use crate::bench::redis_benchmark::key;

/// Connections, spread evenly over the nodes.
const CONNECTION_COUNT: usize = 20;
/// The clients look this often for what is due; what they see later than that counts as latency.
const TICK: Duration = Duration::from_micros(250);
const READ_BYTES: usize = 64 << 10;
/// After the last request was sent.
const LAST_REPLY_MAX: Duration = Duration::from_secs(10);
/// What an error reply has in its first bytes.
const ERROR_SHOWN_BYTES: usize = 160;

/// What clients do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) writes_per_second: u32,
    pub(super) reads_per_second: u32,
    pub(super) key_count: u32,
    pub(super) value_bytes: usize,
}

/// The number of the last write of each key that was acknowledged. Writes of one key go through one connection, so a later
/// number was written later.
#[derive(Debug)]
pub(super) struct Acknowledged(Vec<AtomicU32>);

impl Acknowledged {
    pub(super) fn new(key_count: u32) -> Self {
        Self((0..key_count).map(|_| AtomicU32::new(0)).collect())
    }

    /// What it is now, for each key.
    pub(super) fn snapshot(&self) -> Vec<u32> {
        self.0.iter().map(|number| number.load(Ordering::Acquire)).collect()
    }
}

/// The value that write `number` leaves: the number in ten digits, and filling.
pub(super) fn value(number: u32, value_bytes: usize) -> Vec<u8> {
    let mut value = format!("{number:010}").into_bytes();
    value.resize(value_bytes.max(value.len()), b'v');
    value
}

/// The number of the write that left this value.
pub(super) fn write_number(value: &[u8]) -> Option<u32> {
    std::str::from_utf8(value.get(..10)?).ok()?.parse().ok()
}

/// Sends until `stop`, and gives what was measured; `epoch` is when the clock of the samples is zero.
///
/// # Errors
/// When a connection breaks, or replies come in no known form or not at all.
pub(super) fn run(
    addresses: &[SocketAddr],
    load: Load,
    epoch: Instant,
    acknowledged: &Arc<Acknowledged>,
    stop: &AtomicBool,
) -> Result<Samples> {
    let connect = |index: usize| Connection::open(addresses[index % addresses.len()]);
    let mut clients = Clients {
        connections: (0..CONNECTION_COUNT).map(connect).collect::<Result<_>>()?,
        load,
        random: 0x9e37_79b9_7f4a_7c15,
        write_count: 0,
        samples: Samples::default(),
        acknowledged: Arc::clone(acknowledged),
        epoch,
        buf: vec![0; READ_BYTES],
    };
    clients.run(stop)?;
    Ok(clients.samples)
}

struct Clients {
    connections: Vec<Connection>,
    load: Load,
    random: u64,
    write_count: u32,
    samples: Samples,
    acknowledged: Arc<Acknowledged>,
    epoch: Instant,
    buf: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    to_send: Vec<u8>,
    received: Vec<u8>,
    awaited: VecDeque<Awaited>,
}

/// A request that is not answered yet.
#[derive(Debug, Clone, Copy)]
struct Awaited {
    due: Duration,
    /// Key and number of a write.
    write: Option<(u32, u32)>,
}

impl Clients {
    fn run(&mut self, stop: &AtomicBool) -> Result<()> {
        let rate = self.load.writes_per_second + self.load.reads_per_second;
        let begun_at = self.epoch.elapsed();
        let due = |number: u64| begun_at + Duration::from_secs_f64(number as f64 / f64::from(rate));
        let mut next = 0;
        while !stop.load(Ordering::Relaxed) {
            let now = self.epoch.elapsed();
            while due(next) <= now {
                self.ask(due(next));
                next += 1;
            }
            self.exchange(TICK)?;
        }
        let stopped_at = Instant::now();
        while self.connections.iter().any(|connection| !connection.awaited.is_empty()) {
            ensure!(stopped_at.elapsed() < LAST_REPLY_MAX, "replies are missing after {LAST_REPLY_MAX:?}");
            self.exchange(TICK)?;
        }
        Ok(())
    }

    /// Chooses a request.
    fn ask(&mut self, due: Duration) {
        let Load { writes_per_second, reads_per_second, key_count, value_bytes } = self.load;
        let number = self.below(key_count);
        let is_write = self.below(writes_per_second + reads_per_second) < writes_per_second;
        let count = self.connections.len();
        let connection = &mut self.connections[number as usize % count];
        let key = key(number);
        if is_write {
            self.write_count += 1;
            let value = value(self.write_count, value_bytes);
            connection.to_send.extend(request(&[b"SET", key.as_bytes(), &value]));
            connection.awaited.push_back(Awaited { due, write: Some((number, self.write_count)) });
        } else {
            connection.to_send.extend(request(&["GET", &key]));
            connection.awaited.push_back(Awaited { due, write: None });
        }
    }

    /// A random number below `count` (xorshift).
    fn below(&mut self, count: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (((self.random >> 32) * u64::from(count)) >> 32) as u32
    }

    /// Sends what there is, and takes what comes within `wait`.
    fn exchange(&mut self, wait: Duration) -> Result<()> {
        for connection in &mut self.connections {
            connection.send()?;
        }
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
        let flags = |connection: &Connection| match connection.to_send.is_empty() {
            true => PollFlags::IN,
            false => PollFlags::IN | PollFlags::OUT,
        };
        let mut watched: Vec<PollFd<'_>> =
            self.connections.iter().map(|one| PollFd::new(&one.stream, flags(one))).collect();
        poll(&mut watched, Some(&timeout))?;
        let is_readable: Vec<bool> =
            watched.iter().map(|one| one.revents().intersects(PollFlags::IN | PollFlags::HUP)).collect();
        for (index, _) in is_readable.iter().enumerate().filter(|(_, is_readable)| **is_readable) {
            self.receive(index)?;
        }
        Ok(())
    }

    fn receive(&mut self, index: usize) -> Result<()> {
        let connection = &mut self.connections[index];
        connection.read(&mut self.buf)?;
        let now = self.epoch.elapsed();
        let mut at = 0;
        while let Some(length) = reply_length(&connection.received[at..])? {
            let reply = &connection.received[at..at + length];
            let awaited = connection.awaited.pop_front().context("a reply to nothing")?;
            let latency = now.saturating_sub(awaited.due);
            let is_error = reply[0] == b'-';
            if is_error {
                let text = &reply[..reply.len().min(ERROR_SHOWN_BYTES)];
                self.samples.note_error(String::from_utf8_lossy(text).trim_end());
            } else if let Some((key, number)) = awaited.write {
                self.acknowledged.0[key as usize].store(number, Ordering::Release);
            }
            let is_write = awaited.write.is_some();
            self.samples.push(Sample::new(awaited.due, latency, is_write, is_error));
            at += length;
        }
        connection.received.drain(..at);
        Ok(())
    }
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, to_send: Vec::new(), received: Vec::new(), awaited: VecDeque::new() })
    }

    fn send(&mut self) -> Result<()> {
        while !self.to_send.is_empty() {
            match self.stream.write(&self.to_send) {
                Ok(count) => drop(self.to_send.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("a client's connection broke"),
            }
        }
        Ok(())
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<()> {
        match self.stream.read(buf) {
            Ok(0) => anyhow::bail!("a node closed a client's connection"),
            Ok(count) => {
                self.received.extend_from_slice(&buf[..count]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Err(error) => Err(error).context("a client's connection broke"),
        }
    }
}

/// Bytes of the reply at the front: a line, or a string with its length. `None` while it is not whole.
pub(super) fn reply_length(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
    let line_length = end + 2;
    match bytes[0] {
        b'+' | b'-' | b':' => Ok(Some(line_length)),
        b'$' => {
            let count: i64 = std::str::from_utf8(&bytes[1..end])?.parse()?;
            let Ok(count) = usize::try_from(count) else { return Ok(Some(line_length)) };
            let length = line_length + count + 2;
            Ok((bytes.len() >= length).then_some(length))
        }
        other => anyhow::bail!("a reply begins with {:?}", char::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use dynomite_testkit::Redis;

    use super::*;

    #[test]
    fn replies_are_cut_where_they_end() {
        let length = |bytes: &[u8]| reply_length(bytes).expect("a reply");
        assert_eq!(length(b"+OK\r\n+OK\r\n"), Some(5));
        assert_eq!(length(b"$3\r\na\r\n\r\n$"), Some(9));
        assert_eq!(length(b"$-1\r\n"), Some(5));
        assert_eq!((length(b"$3\r\na\r\n"), length(b"+O"), length(b"")), (None, None, None));
        assert!(reply_length(b"*1\r\n").is_err());
    }

    #[test]
    fn values_tell_their_write() {
        assert_eq!(value(42, 12), b"0000000042vv");
        assert_eq!(write_number(&value(u32::MAX, 0)), Some(u32::MAX));
        assert_eq!((write_number(b"123"), write_number(b"not a number")), (None, None));
    }

    #[test]
    fn a_server_that_stands_still_delays_all_that_was_due_meanwhile() {
        const STILL: Duration = Duration::from_millis(400);
        let mut redis = Redis::start();
        let load = Load { writes_per_second: 1000, reads_per_second: 500, key_count: 100, value_bytes: 32 };
        let (acknowledged, stop, epoch) =
            (Arc::new(Acknowledged::new(100)), AtomicBool::new(false), Instant::now());
        let address = redis.address();
        let samples = std::thread::scope(|scope| {
            let load = scope.spawn(|| run(&[address], load, epoch, &acknowledged, &stop));
            std::thread::sleep(STILL);
            redis.freeze();
            std::thread::sleep(STILL);
            redis.thaw();
            std::thread::sleep(STILL);
            stop.store(true, Ordering::Relaxed);
            load.join().expect("no panic").expect("every request is answered")
        });
        let whole = samples.summary(Duration::ZERO, epoch.elapsed(), true);
        assert!(whole.count > 600 && whole.error_count == 0, "{whole:?}");
        // A third of the requests were due while it stood still, half of those in the first half of that.
        let late = samples.iter().filter(|sample| sample.latency() > STILL / 2).count();
        assert!(late * 10 > samples.iter().count(), "{late} late of {}", samples.iter().count());
        let newest = acknowledged.snapshot().into_iter().max();
        assert!(newest > Some(600), "{newest:?}");
    }
}
