//! What a node over one Redis keeps resident: idle, with many clients, and after a burst.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dynomite_testkit::{Dynomited, PortLease, Redis, request};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::process_stats::resident_bytes;
use super::redis_benchmark::key;
use super::table;

const BYTES_PER_MB: f64 = 1e6;

const IDLE_WAIT: Duration = Duration::from_secs(2);
const IDLE_MB_MAX: f64 = 25.0;

const CONNECTION_COUNT: u64 = 10_000;
const CONNECTIONS_MB_MAX: f64 = 250.0;
/// Files that this process and the node need beside the connections.
const OTHER_FILES: u64 = 512;

const BURST_BYTES: usize = 1 << 30;
const BURST_VALUE_BYTES: usize = 64 * 1024;
const BURST_KEY_COUNT: usize = 500;
const BURST_WAIT: Duration = Duration::from_secs(10);
const BURST_MB_MAX: f64 = 100.0;
/// How long a socket may stand still during a burst.
const BURST_DEADLINE: Duration = Duration::from_secs(30);
const READ_BYTES: usize = 256 * 1024;

/// One measured figure and its bound.
struct Resident {
    case: String,
    mb: f64,
    mb_max: f64,
}

/// Measures, and prints a table; with `check` fails where a bound is passed.
///
/// # Errors
/// When a reply is not what it must be, a process ends, or a bound is passed.
pub(crate) fn measure(binary: &Path, workers: &str, check: bool) -> Result<()> {
    let connection_count = raise_file_limit()?;
    let measured = [
        idle(binary, workers)?,
        many_connections(binary, workers, connection_count)?,
        after_burst(binary, workers)?,
    ];
    let row = |resident: &Resident| {
        vec![
            resident.case.clone(),
            format!("{:.1}", resident.mb),
            format!("{:.0}", resident.mb_max),
            if resident.is_kept() { "ok" } else { "MISSED" }.to_owned(),
        ]
    };
    println!("\n{}", table::aligned(&["case", "resident MB", "at most", ""], &measured.each_ref().map(row)));
    let missed_count = measured.iter().filter(|resident| !resident.is_kept()).count();
    ensure!(!check || missed_count == 0, "{missed_count} of {} bounds passed", measured.len());
    Ok(())
}

fn idle(binary: &Path, workers: &str) -> Result<Resident> {
    let node = Node::start(binary, workers);
    thread::sleep(IDLE_WAIT);
    Ok(Resident { case: "idle".to_owned(), mb: node.resident_mb()?, mb_max: IDLE_MB_MAX })
}

fn many_connections(binary: &Path, workers: &str, connection_count: u64) -> Result<Resident> {
    let node = Node::start(binary, workers);
    let mut connections = Vec::new();
    for index in 0..connection_count {
        connections.push(ping(node.address()).with_context(|| format!("connection {index}"))?);
    }
    thread::sleep(IDLE_WAIT);
    let mb = node.resident_mb()?;
    let share = connection_count as f64 / CONNECTION_COUNT as f64;
    let mb_max = (CONNECTIONS_MB_MAX * share).max(IDLE_MB_MAX);
    Ok(Resident { case: format!("{connection_count} idle connections"), mb, mb_max })
}

fn after_burst(binary: &Path, workers: &str) -> Result<Resident> {
    let node = Node::start(binary, workers);
    let value = vec![b'v'; BURST_VALUE_BYTES];
    let count = BURST_BYTES / BURST_VALUE_BYTES;
    burst(node.address(), count, |key| request(&[b"SET", key, &value]), b"+OK\r\n").context("SET")?;
    let mut reply = format!("${BURST_VALUE_BYTES}\r\n").into_bytes();
    reply.extend_from_slice(&value);
    reply.extend_from_slice(b"\r\n");
    burst(node.address(), count, |key| request(&[b"GET", key]), &reply).context("GET")?;
    thread::sleep(BURST_WAIT);
    let case = format!("{} s after 1 GiB in and out", BURST_WAIT.as_secs());
    Ok(Resident { case, mb: node.resident_mb()?, mb_max: BURST_MB_MAX })
}

/// Sends `count` commands through one connection as fast as it takes them, while another thread reads the replies; each
/// must be `reply`.
fn burst(address: SocketAddr, count: usize, command: impl Fn(&[u8]) -> Vec<u8>, reply: &[u8]) -> Result<()> {
    let mut sending = TcpStream::connect(address)?;
    sending.set_write_timeout(Some(BURST_DEADLINE))?;
    let receiving = sending.try_clone()?;
    receiving.set_read_timeout(Some(BURST_DEADLINE))?;
    let commands: Vec<Vec<u8>> =
        (0..BURST_KEY_COUNT as u32).map(|number| command(key(number).as_bytes())).collect();
    thread::scope(|scope| {
        let reader = scope.spawn(|| expect_repeated(receiving, reply, count));
        let sent = (0..count).try_for_each(|index| sending.write_all(&commands[index % BURST_KEY_COUNT]));
        // Why the node stopped taking commands is told by its replies.
        reader.join().expect("reading does not panic")?;
        sent.context("the node took no more commands")
    })
}

/// Reads `reply` exactly `count` times.
fn expect_repeated(mut stream: impl Read, reply: &[u8], count: usize) -> Result<()> {
    let total = reply.len() * count;
    let (mut buf, mut at) = (vec![0; READ_BYTES], 0);
    while at < total {
        let read = stream.read(&mut buf).with_context(|| format!("after {at} of {total} bytes"))?;
        ensure!(read > 0, "the connection was closed after {at} of {total} bytes");
        let mut received = &buf[..read];
        while !received.is_empty() {
            let expected = &reply[at % reply.len()..];
            let length = expected.len().min(received.len());
            ensure!(
                at < total && received[..length] == expected[..length],
                "at byte {at} of the replies: {}",
                received[..length.min(100)].escape_ascii()
            );
            (received, at) = (&received[length..], at + length);
        }
    }
    Ok(())
}

/// A new connection that has been used once.
fn ping(address: SocketAddr) -> Result<TcpStream> {
    const PONG: &[u8] = b"+PONG\r\n";
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(BURST_DEADLINE))?;
    stream.write_all(&request(&["PING"]))?;
    let mut reply = [0; PONG.len()];
    stream.read_exact(&mut reply)?;
    ensure!(reply == PONG, "PING is answered {}", reply.escape_ascii());
    Ok(stream)
}

/// Raises this process's limit, which the node inherits, and gives the number of connections that it allows.
fn raise_file_limit() -> Result<u64> {
    let needed = CONNECTION_COUNT + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    if limit.current.is_some_and(|current| current < allowed) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum: limit.maximum })?;
    }
    let connection_count = allowed.saturating_sub(OTHER_FILES);
    ensure!(connection_count > 0, "the hard limit of open files, {allowed}, allows no connections");
    if connection_count < CONNECTION_COUNT {
        println!(
            "note: the hard limit of open files is {allowed}, so there are {connection_count} connections instead of \
             {CONNECTION_COUNT}, and the bound is lower by as much"
        );
    }
    Ok(connection_count)
}

/// A node over a Redis of its own.
struct Node {
    server: Dynomited,
    _redis: Redis,
    _port: PortLease,
}

impl Node {
    fn start(binary: &Path, workers: &str) -> Self {
        let (redis, port) = (Redis::start(), PortLease::take());
        let clients_max = CONNECTION_COUNT + OTHER_FILES;
        let config = format!(
            "listen = \"{}\"\n[datastore]\nurl = \"{}\"\n[limits]\nclients_max = {clients_max}\n",
            port.address(),
            redis.url()
        );
        let builder = Dynomited::builder(binary, &config, port.address());
        let server = builder.arg("--set").arg(format!("workers={workers}")).start();
        Self { server, _redis: redis, _port: port }
    }

    fn address(&self) -> SocketAddr {
        self.server.client_address()
    }

    fn resident_mb(&self) -> Result<f64> {
        let process = self.server.process_id().context("the node has ended")?;
        Ok(resident_bytes(&[process])? as f64 / BYTES_PER_MB)
    }
}

impl Resident {
    fn is_kept(&self) -> bool {
        self.mb <= self.mb_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_compared_byte_for_byte() {
        assert!(expect_repeated(&b"+OK\r\n+OK\r\n"[..], b"+OK\r\n", 2).is_ok());
        assert!(expect_repeated(&b"+OK\r\n-ERR\r\n"[..], b"+OK\r\n", 2).is_err(), "another reply");
        assert!(expect_repeated(&b"+OK\r\n+O"[..], b"+OK\r\n", 2).is_err(), "one is cut off");
        assert!(expect_repeated(&b"+OK\r\n+OK\r\n"[..], b"+OK\r\n", 1).is_err(), "one too many");
    }
}
