//! A relay passes everything on, until it is told not to.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use dynomite_testkit::{Flow, PortLease, Relay, Way};

/// Long enough that what passes freely would have arrived.
const QUIET: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_secs(10);

/// A relay, with who connected to it and who was connected to.
struct Pair {
    relay: Relay,
    client: TcpStream,
    server: TcpStream,
    listener: TcpListener,
}

impl Pair {
    fn connect() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Relay::start(listener.local_addr().unwrap());
        let (mut client, mut server) = connect(&relay, &listener);
        // The target's system accepts before the relay knows of it.
        say(&mut client, &mut server, "hello");
        Self { relay, client, server, listener }
    }
}

fn connect(relay: &Relay, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(relay.address()).unwrap();
    let (server, _) = listener.accept().unwrap();
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
    }
    (client, server)
}

fn say(from: &mut TcpStream, to: &mut TcpStream, text: &str) {
    from.write_all(text.as_bytes()).unwrap();
    assert_eq!(heard(to, text.len()), text);
}

fn heard(to: &mut TcpStream, count: usize) -> String {
    let mut bytes = vec![0; count];
    to.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(QUIET)).unwrap();
    let outcome = stream.read(&mut [0]);
    stream.set_read_timeout(Some(SOON)).unwrap();
    outcome.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

fn is_reset(stream: &mut TcpStream) -> bool {
    stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

#[test]
fn bytes_and_ends_pass_both_ways() {
    let Pair { relay: _relay, mut client, mut server, .. } = Pair::connect();
    say(&mut client, &mut server, "forth");
    say(&mut server, &mut client, "back");
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(server.read(&mut [0]).unwrap(), 0, "the end arrives");
    say(&mut server, &mut client, "still");
    drop(server);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn much_passes_in_order() {
    let Pair { relay: _relay, mut client, mut server, .. } = Pair::connect();
    let sent: Vec<u8> = (0..8 << 20_u32).map(|number| (number / 7) as u8).collect();
    let copy = sent.clone();
    let writer = std::thread::spawn(move || client.write_all(&copy).unwrap());
    let mut received = Vec::new();
    server.read_to_end(&mut received).unwrap();
    writer.join().unwrap();
    assert!(received == sent);
}

#[test]
fn cut_resets_what_there_is_and_what_comes_until_mended() {
    let Pair { relay, mut client, mut server, listener } = Pair::connect();
    say(&mut client, &mut server, "before");
    relay.cut();
    assert!(is_reset(&mut client) && is_reset(&mut server));
    let mut refused = TcpStream::connect(relay.address()).unwrap();
    refused.set_read_timeout(Some(SOON)).unwrap();
    assert!(is_reset(&mut refused));
    relay.mend();
    let (mut client, mut server) = connect(&relay, &listener);
    say(&mut client, &mut server, "after");
}

#[test]
fn held_bytes_arrive_when_that_is_over() {
    for way in [Way::Forth, Way::Back] {
        let Pair { relay, client, server, .. } = Pair::connect();
        let (mut from, mut to) = if way == Way::Forth { (client, server) } else { (server, client) };
        relay.set(way, Flow::Held);
        from.write_all(b"late").unwrap();
        assert!(is_silent(&mut to));
        // The other way is free.
        say(&mut to, &mut from, "answer");
        relay.mend();
        assert_eq!(heard(&mut to, 4), "late");
    }
}

#[test]
fn connection_made_while_all_is_held_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = Relay::start(listener.local_addr().unwrap());
    relay.set(Way::Forth, Flow::Held);
    relay.set(Way::Back, Flow::Held);
    let (mut client, mut server) = connect(&relay, &listener);
    client.write_all(b"hello").unwrap();
    drop(client);
    assert!(is_silent(&mut server), "neither the bytes nor the end of the connection");
    relay.mend();
    assert_eq!(heard(&mut server, 5), "hello");
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
}

#[test]
fn delayed_bytes_are_late_and_in_order() {
    let Pair { relay, mut client, mut server, .. } = Pair::connect();
    relay.set(Way::Forth, Flow::Delayed(QUIET));
    let sent_at = Instant::now();
    client.write_all(b"a").unwrap();
    std::thread::sleep(QUIET / 4);
    client.write_all(b"b").unwrap();
    assert_eq!(heard(&mut server, 1), "a");
    assert!(sent_at.elapsed() >= QUIET, "{:?}", sent_at.elapsed());
    // What comes after the delay does not overtake what came in it.
    relay.mend();
    client.write_all(b"c").unwrap();
    assert_eq!(heard(&mut server, 2), "bc");
}

#[test]
fn throttled_bytes_take_their_time() {
    let Pair { relay, mut client, mut server, .. } = Pair::connect();
    relay.set(Way::Forth, Flow::Throttled(100_000));
    let sent_at = Instant::now();
    // In small writes, as most of what peers say.
    for _ in 0..100 {
        client.write_all(&[b'x'; 400]).unwrap();
    }
    heard(&mut server, 40_000);
    let took = sent_at.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    say(&mut server, &mut client, "free");
}

#[test]
fn nobody_at_the_target_is_a_reset() {
    let lease = PortLease::take();
    let relay = Relay::start(lease.address());
    let mut client = TcpStream::connect(relay.address()).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    assert!(is_reset(&mut client));
}

#[test]
fn reset_of_one_side_resets_the_other() {
    let Pair { relay: _relay, client, mut server, .. } = Pair::connect();
    server.write_all(b"unread").unwrap();
    client.peek(&mut [0]).unwrap();
    // With bytes that nobody has read, the system resets it.
    drop(client);
    assert!(is_reset(&mut server));
}

#[test]
fn dropped_relay_resets_its_connections_and_gives_up_its_port() {
    let Pair { relay, mut client, mut server, .. } = Pair::connect();
    let address = relay.address();
    drop(relay);
    assert!(is_reset(&mut client) && is_reset(&mut server));
    dynomite_testkit::eventually(SOON, "the port is free", || TcpStream::connect(address).is_err());
}
