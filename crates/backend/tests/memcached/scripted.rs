//! The lane against a server that answers from a script: states and faults that a real one shows seldom.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use dynomite_backend::{LaneEvent, Operation, Output, StoreIdentity};

use crate::conversation::{Conversation, config_of};

const VERSION: &str = "VERSION 1.6.10\r\n";
const STATS: &str = "STAT pid 7\r\nSTAT uptime 3\r\nSTAT time 103\r\nSTAT curr_items 12\r\nEND\r\n";
const NO_MARKER: &str = "EN\r\n";
/// What a lane is told until it is up.
const UP: [&str; 3] = [VERSION, STATS, NO_MARKER];

fn up_and(answers: &[&'static str]) -> Vec<&'static str> {
    UP.iter().chain(answers).copied().collect()
}

#[tokio::test]
async fn lane_tells_who_is_there() {
    let (url, heard) = server(vec![vec![VERSION, STATS, "VA 2 f0 t-1\r\n17\r\n", "MN\r\n"]]);
    let mut lane = Conversation::open(config_of(&url));
    let identity =
        StoreIdentity { kind: "memcached 1.6.10".into(), run_id: "7-100".into(), keys: 12, marker: Some(17) };
    assert_eq!(lane.event().await, LaneEvent::Up(identity));
    assert_eq!(lane.command(&["mn"]).await, "MN\r\n");
    let lines: Vec<String> = heard.try_iter().collect();
    assert_eq!(lines, ["version", "stats", "mg dynomite:{node-1}:marker:3 u f t v", "mn"]);
}

#[tokio::test]
async fn server_that_is_too_old_or_hides_what_it_is_is_not_used() {
    let (url, _heard) = server(vec![
        vec!["VERSION 1.6.9\r\n"],
        vec!["ERROR Too many open connections\r\n"],
        vec![VERSION, "ERROR\r\n"],
        vec![VERSION, STATS, "CLIENT_ERROR unauthenticated\r\n"],
        UP.to_vec(),
    ]);
    // Each is told, since each time an operation is submitted.
    let mut lane = Conversation::open(config_of(&url));
    for reason in [
        "the datastore is memcached 1.6.9, and 1.6.10 or later is needed",
        "the datastore does not tell its version: ERROR Too many open connections",
        "the datastore does not tell its process and number of keys (stats): ERROR",
        "the datastore does not tell its node's marker (mg): CLIENT_ERROR unauthenticated",
    ] {
        assert_eq!(lane.down().await, reason);
        lane.submit(Operation::Dump { key: "k".into() });
    }
    // What was submitted while it connected was not sent.
    let mut event = lane.event().await;
    if let LaneEvent::Down { .. } = event {
        event = lane.event().await;
    }
    assert!(matches!(event, LaneEvent::Up(_)), "{event:?}");
}

#[tokio::test]
async fn reply_that_nobody_asked_for_breaks_the_connection() {
    let (url, _heard) = server(vec![up_and(&["HD\r\nHD\r\n"]), UP.to_vec()]);
    let mut lane = Conversation::open_up_with(config_of(&url)).await;
    assert_eq!(lane.command(&["mg", "k"]).await, "HD\r\n");
    assert_eq!(lane.down().await, "the datastore sent a reply that nobody asked for");
    lane.up().await;
}

#[tokio::test]
async fn refusal_that_may_leave_data_to_be_read_as_commands_breaks_the_connection() {
    let refusal = "CLIENT_ERROR bad command line format\r\nERROR\r\n";
    let (url, _heard) = server(vec![up_and(&["STORED\r\n", "", refusal, ""]), UP.to_vec()]);
    let mut lane = Conversation::open_up_with(config_of(&url)).await;
    lane.submit_command(&["set", "k", "0", "0", "v"]);
    lane.submit_command(&["set", "k", "0", "0", "w"]);
    lane.submit_command(&["get", "k"]);
    assert_eq!(lane.done().await, Output::Reply("STORED\r\n".into()));
    assert_eq!(
        lane.down().await,
        "the datastore refused a command and perhaps not its data: CLIENT_ERROR bad command line format"
    );
    lane.up().await;
}

#[tokio::test]
async fn answer_of_another_kind_breaks_the_connection() {
    for answer in ["HD\r\n", "VA 1 f0\r\nx\r\n", "VA 1 f0 t-1\r\nxyz\r\n", "STORED\r\n"] {
        let (url, _heard) = server(vec![up_and(&[answer]), UP.to_vec()]);
        let mut lane = Conversation::open_up_with(config_of(&url)).await;
        lane.submit(Operation::Dump { key: "k".into() });
        lane.down().await;
        lane.up().await;
    }
}

#[tokio::test]
async fn busy_crawler_is_asked_again() {
    let list = "key=a%20b exp=-1 la=1 cas=1 fetch=no cls=1 size=60\nEND\r\n";
    let busy = "BUSY currently processing crawler request\r\n";
    let (url, heard) = server(vec![UP.to_vec(), vec![busy, busy, list]]);
    let mut lane = Conversation::open_up_with(config_of(&url)).await;
    let output = lane.run(Operation::Scan { cursor: 0, count: 10 }).await;
    assert_eq!(output, Output::Scanned { keys: vec!["a b".into()], cursor: 0 });
    assert_eq!(heard.try_iter().filter(|line| line == "lru_crawler metadump hash").count(), 3);
}

#[tokio::test]
async fn crawler_that_stays_busy_is_a_failure_that_says_to_retry() {
    let busy = "BUSY currently processing crawler request\r\n";
    let (url, _heard) = server(vec![UP.to_vec(), vec![busy; 60]]);
    let mut lane = Conversation::open_up_with(config_of(&url)).await;
    let text = lane.failure(Operation::Scan { cursor: 0, count: 10 }).await;
    assert_eq!(text, "BUSY currently processing crawler request: retry");
}

#[tokio::test]
async fn list_with_a_torn_line_is_read_again() {
    let torn = "key=a exp=-1 la=1\nkey=bkey=a exp=-1 la=1\nkey=b exp=-1 la=1\nEND\r\n";
    let whole = "key=a exp=-1 la=1\nkey=b exp=-1 la=1\nEND\r\n";
    let (url, heard) = server(vec![UP.to_vec(), vec![torn, whole]]);
    let mut lane = Conversation::open_up_with(config_of(&url)).await;
    let Output::Scanned { mut keys, cursor: 0 } = lane.run(Operation::Scan { cursor: 0, count: 10 }).await
    else {
        panic!("keys");
    };
    keys.sort();
    assert_eq!(keys, ["a", "b"].map(Bytes::from));
    assert_eq!(heard.try_iter().filter(|line| line.starts_with("lru_crawler")).count(), 2);
}

#[tokio::test]
async fn server_that_lists_slowly_is_waited_for() {
    let (url, heard) = server(vec![UP.to_vec(), vec![SLOW_LIST]]);
    let mut lane = Conversation::open_up_with(config_of(&url)).await;
    let Output::Scanned { keys, cursor: 0 } = lane.run(Operation::Scan { cursor: 0, count: 10 }).await else {
        panic!("keys");
    };
    assert_eq!(keys.len(), 2);
    assert_eq!(heard.try_iter().filter(|line| line.starts_with("lru_crawler")).count(), 1);
}

#[tokio::test]
async fn list_that_comes_for_an_earlier_scan_is_not_that_of_the_next() {
    let whole = "key=c exp=-1 la=1\nEND\r\n";
    let (url, _heard) = server(vec![up_and(&["MN\r\n"]), vec![SLOW_LIST, whole]]);
    let mut lane = Conversation::open_up_with(config_of(&url)).await;
    lane.submit(Operation::Scan { cursor: 0, count: 10 });
    lane.submit_command(&["mn"]);
    assert_eq!(lane.done().await, Output::Scanned { keys: vec![], cursor: 1 });
    assert_eq!(lane.done().await, Output::Reply("MN\r\n".into()));
    // Until the connection is there and the list has begun.
    assert_eq!(lane.event_within(SLOW).await, None);
    let output = lane.run(Operation::Scan { cursor: 0, count: 10 }).await;
    assert_eq!(output, Output::Scanned { keys: vec!["c".into()], cursor: 0 });
}

#[tokio::test]
async fn side_connection_that_breaks_fails_the_scan_and_not_the_lane() {
    let whole = "key=a exp=-1 la=1\nEND\r\n";
    let (url, _heard) = server(vec![up_and(&["MN\r\n"]), vec![CLOSE], vec![whole]]);
    let mut lane = Conversation::open_up_with(config_of(&url)).await;
    let text = lane.failure(Operation::Scan { cursor: 0, count: 10 }).await;
    assert_eq!(text, "ERR no list of keys: the datastore closed the connection");
    assert_eq!(lane.command(&["mn"]).await, "MN\r\n");
    let output = lane.run(Operation::Scan { cursor: 0, count: 10 }).await;
    assert_eq!(output, Output::Scanned { keys: vec!["a".into()], cursor: 0 });
}

/// In the place of an answer: the connection is closed.
const CLOSE: &str = "close";
/// An answer whose lines come one by one, after as long as makes a reader suspicious that did not read.
const SLOW_LIST: &str = "key=a exp=-1 la=1\nkey=b exp=-1 la=1\nEND\r\n";
const SLOW: Duration = Duration::from_millis(700);

/// A server that answers the lines of each connection, in the order in which they come, from a script of its own; after
/// the script it is silent. Gives the server's URL and the lines that it heard.
fn server(scripts: Vec<Vec<&'static str>>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let url = format!("memcached://{}", listener.local_addr().expect("it is bound"));
    let (tell, heard) = mpsc::channel();
    thread::spawn(move || {
        for script in scripts {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let tell = tell.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
                for answer in script {
                    let mut line = String::new();
                    if !reader.read_line(&mut line).is_ok_and(|len| len > 0) || answer == CLOSE {
                        return;
                    }
                    let _ = tell.send(line.trim_end().to_owned());
                    for line in answer.split_inclusive('\n') {
                        if answer == SLOW_LIST {
                            thread::sleep(SLOW);
                        }
                        if stream.write_all(line.as_bytes()).is_err() {
                            return;
                        }
                    }
                }
                // Until the lane closes it.
                let _ = reader.read_line(&mut String::new());
            });
        }
        thread::park();
    });
    (url, heard)
}
