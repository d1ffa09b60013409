//! The lane against a real `memcached`: breaks, returns, stalls.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use dynomite_backend::{Backend, LaneEvent, MemcachedBackend, Operation, Output};
use dynomite_testkit::{Memcached, PortLease};

use crate::conversation::{Conversation, ask, config, config_of};

#[tokio::test]
async fn server_that_is_not_there_is_told_once_and_found_when_it_comes() {
    let port = PortLease::take();
    let mut lane = Conversation::open(config_of(&format!("memcached://{}", port.address())));
    assert!(lane.down().await.contains("cannot connect to the datastore"));
    assert_eq!(
        lane.event_within(Duration::from_millis(200)).await,
        None,
        "no attempt after the first is told"
    );
    lane.submit(Operation::Dump { key: "k".into() });
    assert!(lane.down().await.contains("cannot connect to the datastore"), "but an operation is");
}

#[tokio::test]
async fn broken_connection_is_told_once_and_opened_again() {
    let mut memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    for _ in 0..3 {
        memcached.kill();
        lane.submit(Operation::Dump { key: "k".into() });
        lane.submit(Operation::Dump { key: "k".into() });
        lane.down().await;
        assert_eq!(lane.event_within(Duration::from_millis(100)).await, None);
        memcached.restart();
        lane.up().await;
        assert_eq!(lane.command(&["get", "k"]).await, "END\r\n");
    }
}

#[tokio::test]
async fn stalled_server_keeps_its_lane_and_answers_later() {
    let mut memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    memcached.freeze();
    let value = "v".repeat(500_000);
    for _ in 0..100 {
        lane.submit_command(&["ms", "k", &value]);
    }
    assert_eq!(lane.event_within(Duration::from_millis(300)).await, None);
    memcached.thaw();
    for _ in 0..100 {
        assert_eq!(lane.done().await, Output::Reply("HD\r\n".into()));
    }
}

#[tokio::test]
async fn server_that_accepts_and_says_nothing_is_given_up() {
    let mut memcached = Memcached::start();
    memcached.freeze();
    let mut config = config(&memcached);
    config.connect_timeout = Duration::from_millis(100);
    let mut lane = Conversation::open(config);
    assert_eq!(lane.down().await, "no answer from the datastore within 100ms");
    memcached.thaw();
    lane.up().await;
}

#[tokio::test]
async fn reply_over_the_limit_breaks_the_connection() {
    let memcached = Memcached::start();
    let mut config = config(&memcached);
    config.reply_bytes_max = 100_000;
    let mut lane = Conversation::open_up_with(config).await;
    let value = "v".repeat(60_000);
    assert_eq!(lane.command(&["ms", "k", &value]).await, "HD\r\n");
    assert_eq!(lane.command(&["mg", "k", "v"]).await.len(), 60_012);
    lane.submit_command(&["get", "k", "k"]);
    assert_eq!(lane.down().await, "unreadable reply from the datastore: it is longer than allowed");
    lane.up().await;
}

#[tokio::test]
async fn unix_socket_is_as_good_as_a_port() {
    let memcached = Memcached::start();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("memcached.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let address = memcached.address();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(address) else { return };
            let _ = join(stream, server);
        }
    });
    let url = format!("memcached+unix://{}", path.display());
    let mut lane = Conversation::open_up_with(config_of(&url)).await;
    assert_eq!(lane.command(&["ms", "k", "v"]).await, "HD\r\n");
    assert_eq!(ask(&mut memcached.client(), "mg k s"), "HD s1");
    assert_eq!(MemcachedBackend::new(config_of(&url)).describe(), url);
}

/// Passes on in both directions what comes on either.
fn join(client: UnixStream, server: TcpStream) -> io::Result<()> {
    let (mut from_client, mut to_client) = (client.try_clone()?, client);
    let (mut from_server, mut to_server) = (server.try_clone()?, server);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    Ok(())
}

#[tokio::test]
async fn two_lanes_see_the_same_keys() {
    let memcached = Memcached::start();
    let backend = MemcachedBackend::new(config(&memcached));
    assert!(!backend.has_parts());
    let mut first = Conversation::open_up(&memcached).await;
    let mut second = Conversation::open(config(&memcached));
    assert!(matches!(second.event().await, LaneEvent::Up(_)));
    assert_eq!(first.command(&["ms", "k", "v"]).await, "HD\r\n");
    assert_eq!(second.command(&["mg", "k", "v"]).await, "VA 1\r\nv\r\n");
}
