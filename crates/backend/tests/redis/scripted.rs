//! The lane against a server that answers from a script: states and faults that a real one shows seldom.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use dynomite_backend::{LaneEvent, Operation, Output, RedisConfig, StoreIdentity};

use crate::conversation::Conversation;

const INFO: &str = "$36\r\nredis_version:7.0.15\r\nrun_id:abcde\r\n\r\n";
const DBSIZE: &str = ":12\r\n";
/// In the place of an answer: the connection is closed.
const CLOSE: &str = "close";

#[tokio::test]
async fn lane_waits_while_the_server_loads_its_data() {
    let (url, heard) = server(vec![vec![
        "+OK\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-BUSY Redis is busy running a script.\r\n",
        "+PONG\r\n",
        INFO,
        DBSIZE,
        "$1\r\nv\r\n",
    ]]);
    let mut lane = Conversation::open(&url);
    let identity =
        StoreIdentity { kind: "redis 7.0.15".into(), run_id: "abcde".into(), keys: 12, marker: None };
    assert_eq!(lane.event().await, LaneEvent::Up(identity), "and no Down before");
    assert_eq!(lane.command(&["GET", "k"]).await, b"$1\r\nv\r\n");
    let names: Vec<String> = heard.try_iter().collect();
    assert_eq!(names, ["CLIENT", "PING", "PING", "PING", "INFO", "DBSIZE", "GET"]);
}

#[tokio::test]
async fn server_that_refuses_writes_is_still_up() {
    let (url, _heard) =
        server(vec![vec!["-ERR unknown command\r\n", "-MISCONF cannot write\r\n", INFO, DBSIZE]]);
    Conversation::open_up(&url).await;
}

#[tokio::test]
async fn server_that_hides_its_run_id_is_not_used() {
    let (url, _heard) = server(vec![
        vec!["+OK\r\n", "+PONG\r\n", "-NOPERM no info for you\r\n"],
        vec!["+OK\r\n", "+PONG\r\n", INFO, DBSIZE],
    ]);
    let mut lane = Conversation::open(&url);
    let reason = lane.down().await;
    assert_eq!(reason, "the datastore does not tell its run_id (INFO server): NOPERM no info for you");
    lane.up().await;
}

#[tokio::test]
async fn reply_that_nobody_asked_for_breaks_the_connection() {
    let (url, _heard) = server(vec![
        vec!["+OK\r\n", "+PONG\r\n", INFO, DBSIZE, "+one\r\n+two\r\n"],
        vec!["+OK\r\n", "+PONG\r\n", INFO, DBSIZE],
    ]);
    let mut lane = Conversation::open_up(&url).await;
    assert_eq!(lane.command(&["GET", "k"]).await, b"+one\r\n");
    assert_eq!(lane.down().await, "the datastore sent a reply that nobody asked for");
    lane.up().await;
}

#[tokio::test]
async fn bytes_that_are_no_reply_break_the_connection() {
    let (url, _heard) = server(vec![
        vec!["+OK\r\n", "+PONG\r\n", INFO, DBSIZE, "+one\r\nHTTP/1.1 400\r\n"],
        vec!["+OK\r\n", "+PONG\r\n", INFO, DBSIZE],
    ]);
    let mut lane = Conversation::open_up(&url).await;
    lane.submit_command(&["GET", "a"]);
    lane.submit(Operation::Dump { key: "b".into() });
    assert_eq!(lane.done().await, Output::Reply("+one\r\n".into()));
    let reason = lane.down().await;
    assert!(reason.starts_with("unreadable reply from the datastore: Protocol error"), "{reason}");
    lane.up().await;
}

#[tokio::test]
async fn replies_sent_before_the_connection_closes_count() {
    let (url, _heard) =
        server(vec![vec!["+OK\r\n", "+PONG\r\n", INFO, DBSIZE, "+one\r\n+two\r\n+thr", CLOSE]]);
    let mut lane = Conversation::open_up(&url).await;
    for _ in 0..3 {
        lane.submit_command(&["GET", "k"]);
    }
    assert_eq!(lane.reply().await, b"+one\r\n");
    assert_eq!(lane.reply().await, b"+two\r\n");
    assert_eq!(lane.down().await, "the datastore closed the connection");
}

#[tokio::test]
async fn reply_over_the_limit_breaks_the_connection() {
    let (url, _heard) = server(vec![
        vec!["+OK\r\n", "+PONG\r\n", INFO, DBSIZE, "$1000001\r\n"],
        vec!["+OK\r\n", "+PONG\r\n", INFO, DBSIZE],
    ]);
    let mut config = RedisConfig::from_url(&url).unwrap();
    config.reply_limits.bulk_max = 1_000_000;
    config.backoff_min = Duration::from_millis(10);
    let mut lane = Conversation::open_with(config);
    lane.up().await;
    lane.submit_command(&["GET", "k"]);
    let reason = lane.down().await;
    assert!(reason.contains("invalid bulk length"), "{reason}");
    lane.up().await;
}

#[tokio::test]
async fn host_name_is_resolved() {
    let (url, _heard) = server(vec![vec!["+OK\r\n", "+PONG\r\n", INFO, DBSIZE]]);
    Conversation::open_up(&url.replace("127.0.0.1", "localhost")).await;
}

/// A server that answers the commands of each connection from a script of its own; after the script it is silent. A
/// connection stays open until the next one comes. Gives the server's URL and the names of the commands it heard.
fn server(scripts: Vec<Vec<&'static str>>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let url = format!("redis://{}", listener.local_addr().expect("it is bound"));
    let (tell, heard) = mpsc::channel();
    thread::spawn(move || {
        let mut connections = Vec::new();
        for script in scripts {
            let Ok((stream, _)) = listener.accept() else { return };
            connections.clear();
            // The client may break off at any point of the script.
            let _ = play(&stream, &script, &tell);
            connections.push(stream);
        }
        thread::park();
    });
    (url, heard)
}

fn play(mut stream: &TcpStream, script: &[&str], tell: &mpsc::Sender<String>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    for answer in script {
        let name = read_command(&mut reader)?;
        let _ = tell.send(name);
        match *answer {
            CLOSE => stream.shutdown(Shutdown::Write)?,
            answer => stream.write_all(answer.as_bytes())?,
        }
    }
    Ok(())
}

/// Reads one command and gives its name.
fn read_command(reader: &mut impl BufRead) -> io::Result<String> {
    let mut args = Vec::new();
    for _ in 0..read_count(reader)? {
        let mut arg = vec![0; read_count(reader)? + 2];
        reader.read_exact(&mut arg)?;
        args.push(String::from_utf8_lossy(&arg).trim_end().to_owned());
    }
    Ok(args.swap_remove(0))
}

fn read_count(reader: &mut impl BufRead) -> io::Result<usize> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let digits = line.get(1..).unwrap_or_default().trim_end();
    digits.parse().map_err(|_| io::Error::other("the client is gone"))
}
