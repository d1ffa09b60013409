//! What a node does with those who connect to its peer port, and with nodes that do not belong to it.

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Running, racks};
use dynomite_node::config::{HashKind, Level};
use dynomite_testkit::{RawClient, eventually};
use tracing_subscriber::fmt::MakeWriter;

/// What all nodes of this process log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn install() -> Self {
        static LOG: std::sync::OnceLock<Log> = std::sync::OnceLock::new();
        let log = LOG.get_or_init(|| {
            let log = Self::default();
            tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).init();
            log
        });
        log.clone()
    }

    fn waits_for(&self, text: &str) {
        eventually(Duration::from_secs(5), text, || {
            String::from_utf8_lossy(&self.0.lock().unwrap()).contains(text)
        });
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn garbage_on_the_peer_port_is_refused_and_the_node_lives() {
    let log = Log::install();
    let (mut configs, _leases) = racks(1, 1, Level::DcOne);
    configs[0].timeouts.connect = Duration::from_millis(300);
    let node = Running::start(configs.remove(0));
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"*1\r\n$4\r\nPING\r\n", b"DYNOMITX", &[0; 100]] {
        let mut stream = RawClient::connect(node.peer_address());
        stream.send(garbage);
        assert_eq!(stream.read_to_end(), b"");
    }
    log.waits_for("no Dynomite node: it began with");
    let mut stream = RawClient::connect(node.peer_address());
    stream.send(b"DYNOMITE\x09\x00");
    assert_eq!(stream.read_to_end(), b"");
    // A frame that is no greeting, one with a wrong CRC, and silence.
    for bytes in [
        &b"DYNOMITE\x01\x00\x01\x00\x00\x00"[..],
        b"DYNOMITE\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01",
        b"",
    ] {
        let mut stream = RawClient::connect(node.peer_address());
        stream.send(bytes);
        let before = Instant::now();
        assert_eq!(stream.read_to_end(), b"");
        assert!(before.elapsed() < Duration::from_secs(3));
    }
    assert_eq!(node.client().command(&["SET", "a", "1"]), b"+OK\r\n");
}

#[test]
fn many_silent_connections_do_not_keep_peers_out() {
    let (mut configs, _leases) = racks(2, 1, Level::DcOne);
    configs[0].timeouts.connect = Duration::from_millis(300);
    let first = Running::start(configs.remove(0));
    let _silent: Vec<TcpStream> =
        (0..300).map(|_| TcpStream::connect(first.peer_address()).unwrap()).collect();
    let second = Running::start(configs.remove(0));
    crate::support::wait_linked(&[first, second]);
}

#[test]
fn nodes_that_do_not_belong_together_say_why_on_both_sides() {
    let log = Log::install();
    let (configs, _leases) = racks(2, 1, Level::DcOne);
    let _first = Running::start(configs[0].clone());

    let mut other_cluster = configs[1].clone();
    other_cluster.cluster = "elsewhere".to_owned();
    let node = Running::start(other_cluster);
    log.waits_for("no link: refused by the other node: node \"node0\" belongs to cluster \"dynomite\" and node \"node1\" to cluster \"elsewhere\"");
    log.waits_for("peer connection refused: node \"node0\" belongs to cluster \"dynomite\"");
    node.kill();

    let mut other_ring = configs[1].clone();
    other_ring.hash = HashKind::Murmur;
    let node = Running::start(other_ring);
    log.waits_for("have different rings");
    node.kill();

    let mut other_rack = configs[1].clone();
    other_rack.rack = "rack9".to_owned();
    other_rack.seeds[1].rack = "rack9".to_owned();
    let _node = Running::start(other_rack);
    log.waits_for("says it is in rack \"rack9\" of \"dc1\", and node \"node0\" lists it in rack \"rack1\"");
}
