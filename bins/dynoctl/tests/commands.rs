//! The program against a tiny server with prepared replies.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread;

const RING: &str = r#"{"epoch":1,"hash":"redis-slot","digest":"00ff","self":"a1","datacenters":[{"name":"east","racks":[
{"name":"r1","nodes":[{"name":"a1","id":7,"client_address":"10.0.0.1:8102","peer_address":"10.0.0.1:8101","state":"self","ownership":0.3333,"tokens":[1,2]}]},
{"name":"r2","nodes":[{"name":"b","id":8,"client_address":"10.0.0.22:8102","peer_address":"10.0.0.22:8101","state":"down","ownership":1.0,"tokens":[1]}]}]}]}"#;
const ROUTE: &str = r#"{"key":"k","token":42,"replicas":[
{"datacenter":"east","rack":"r1","node":"a1","client_address":"10.0.0.1:8102","state":"self","primary":false},
{"datacenter":"east","rack":"r2","node":"b","client_address":"10.0.0.22:8102","state":"up","primary":true}]}"#;

const MEMBERS: &str = r#"{"cluster":"shop","self":"a1","hash":"redis-slot","epoch":1,"digest":"00ff","gossip":{
"digest":"77aa","connections":2,"messages_sent":10,"bytes_sent":1000,"messages_received":11,"bytes_received":1100,
"messages_dropped":3,"messages_malformed":0,"messages_refused":0,"probes":4,"verdicts":1,"verdicts_not_followed":0},"members":[
{"name":"a1","id":"7","datacenter":"east","rack":"r1","self":true,"client_address":"10.0.0.1:8102","peer_address":"10.0.0.1:8101",
"status":"up","state":"normal","datastore":"up","in_ring":true,"ownership":1.0,"ring_epoch":1,"ring_digest":"00ff","keys":50,"hints":2,
"program_version":"0.1.0","generation":1700000000,"incarnation":0,"items_version":9,"phi":null,"latency_us":null},
{"name":"b","id":"8","datacenter":"east","rack":"r2","self":false,"client_address":"10.0.0.22:8102","peer_address":"10.0.0.22:8101",
"status":"suspect","state":"normal","datastore":"down","in_ring":true,"ownership":0.5,"ring_epoch":1,"ring_digest":"00fe","keys":49,"hints":0,
"program_version":"0.0.9","generation":1700000001,"incarnation":2,"items_version":8,"phi":6.25,"latency_us":1234},
{"name":"c","id":"9","datacenter":"east","rack":"r2","self":false,"client_address":"10.0.0.3:8102","peer_address":"10.0.0.3:8101",
"status":"unknown","state":null,"datastore":null,"in_ring":true,"ownership":0.5,"ring_epoch":null,"ring_digest":null,"keys":null,"hints":null,
"program_version":null,"generation":null,"incarnation":null,"items_version":null,"phi":null,"latency_us":null}]}"#;

/// Answers one connection's first command, which must be `request`, and gives what the program printed.
fn ask(request: &'static [u8], reply: impl Into<Vec<u8>>, arguments: &[&str]) -> Output {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let reply = reply.into();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut received = vec![0; request.len()];
        stream.read_exact(&mut received).expect("a command");
        assert_eq!(received, request, "{}", received.escape_ascii());
        // In two pieces, as networks deliver.
        let (head, tail) = reply.split_at(reply.len() / 2);
        stream.write_all(head).expect("written");
        stream.write_all(tail).expect("written");
    });
    let output = run(&[&["--node", &address], arguments].concat());
    server.join().expect("the server saw what it expected");
    output
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dynoctl"))
        .args(arguments)
        .env_remove("DYNOCTL_NODE")
        .output()
        .expect("it runs")
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[track_caller]
fn failed(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const ASK_MEMBERS: &[u8] = b"*2\r\n$8\r\nDYNOMITE\r\n$7\r\nMEMBERS\r\n";
const ASK_RING: &[u8] = b"*2\r\n$8\r\nDYNOMITE\r\n$4\r\nRING\r\n";

#[test]
fn ping_tells_who_answered() {
    let text = succeeded(&ask(PING, "+PONG\r\n", &["ping"]));
    assert!(text.starts_with("PONG from 127.0.0.1:") && text.ends_with(" ms\n"), "{text}");
    let json = succeeded(&ask(PING, "+PONG\r\n", &["ping", "--json"]));
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(value["reply"], "PONG");
}

#[test]
fn ring_is_a_table_without_colour_in_a_pipe() {
    let text = succeeded(&ask(ASK_RING, bulk(RING), &["ring"]));
    let expected = "\
DATACENTER  RACK  NODE  STATE  OWNS     TOKENS  CLIENTS         PEERS
east        r1    a1    self   33.3 %   2       10.0.0.1:8102   10.0.0.1:8101
east        r2    b     down   100.0 %  1       10.0.0.22:8102  10.0.0.22:8101

2 nodes, 1 down as a1 sees it; hash redis-slot, epoch 1, digest 00ff
";
    assert_eq!(text, expected);
}

#[test]
fn json_is_printed_as_it_came() {
    assert_eq!(succeeded(&ask(ASK_RING, bulk(RING), &["--json", "ring"])), format!("{RING}\n"));
    for command in ["status", "gossip", "describe"] {
        let text = succeeded(&ask(ASK_MEMBERS, bulk(MEMBERS), &[command, "--json"]));
        assert_eq!(text, format!("{MEMBERS}\n"));
    }
}

#[test]
fn status_groups_members_by_rack_and_counts_those_that_are_not_up() {
    let text = succeeded(&ask(ASK_MEMBERS, bulk(MEMBERS), &["status"]));
    let expected = "\
DATACENTER  RACK  NODE  STATUS   STATE   DATASTORE  OWNS     KEYS  HINTS  CLIENTS
east        r1    a1    up       normal  up         100.0 %  50    2      10.0.0.1:8102
            r2    b     suspect  normal  down       50.0 %   49    0      10.0.0.22:8102
                  c     unknown  -       -          50.0 %   -     -      10.0.0.3:8102

3 members, 1 suspect, 1 unknown as a1 sees it
not all nodes have the same ring: `dynoctl describe` tells which have which
";
    assert_eq!(text, expected);
}

#[test]
fn gossip_tells_the_detectors_view_and_the_traffic() {
    let text = succeeded(&ask(ASK_MEMBERS, bulk(MEMBERS), &["gossip"]));
    let expected = "\
NODE  STATUS   PHI   LATENCY  GENERATION  INCARNATION  ITEMS  PEERS
a1    up       -     -        1700000000  0            9      10.0.0.1:8101
b     suspect  6.25  1.23 ms  1700000001  2            8      10.0.0.22:8101
c     unknown  -     -        -           -            -      10.0.0.3:8101

3 members, 1 suspect, 1 unknown as a1 sees it; what it knows adds up to 77aa
sent 10 messages, 1000 bytes; received 11 messages, 1100 bytes; 2 connections
3 messages dropped, 0 malformed, 0 refused; 4 probes, 1 verdicts, 0 of others not followed
";
    assert_eq!(text, expected);
}

#[test]
fn describe_shows_who_has_another_ring() {
    let text = succeeded(&ask(ASK_MEMBERS, bulk(MEMBERS), &["describe"]));
    let expected = "\
cluster shop, asked at a1
hash redis-slot, epoch 1, ring 00ff

NODE  STATUS   EPOCH  RING  VERSION
a1    up       1      00ff  0.1.0
b     suspect  1      00fe  0.0.9
c     unknown  -      -     -

nodes have different rings, and those with different ones do not work together:
  epoch 1, digest 00ff: a1
  epoch 1, digest 00fe: b
";
    assert_eq!(text, expected);
}

#[test]
fn route_names_the_replicas_and_the_primary() {
    let request = b"*3\r\n$8\r\nDYNOMITE\r\n$5\r\nROUTE\r\n$5\r\na\x1b\xc3\xa9b\r\n";
    let text = succeeded(&ask(request, bulk(ROUTE), &["route", "a\u{1b}éb"]));
    let expected = "\
key a\\x1b\\xc3\\xa9b, token 42

DATACENTER  RACK  NODE  STATE  CLIENTS
east        r1    a1    self   10.0.0.1:8102
east        r2    b     up     10.0.0.22:8102  primary
";
    assert_eq!(text, expected);
}

#[test]
fn error_replies_are_passed_on() {
    let text = failed(&ask(ASK_RING, "-ERR not now\r\n", &["ring"]), 1);
    assert!(text.ends_with("answers \"ERR not now\"\n"), "{text}");
    let text = failed(&ask(ASK_RING, "-ERR unknown command 'DYNOMITE'\r\n", &["ring"]), 1);
    assert!(text.contains("no Dynomite node"), "{text}");
}

#[test]
fn answers_that_make_no_sense_are_refused() {
    let nested = format!("{}:1\r\n", "*1\r\n".repeat(100));
    for reply in [bulk("{}"), bulk("no JSON"), ":1\r\n".to_owned(), "$-1\r\n".to_owned(), nested] {
        let text = failed(&ask(ASK_RING, reply.clone(), &["ring"]), 1);
        assert!(text.contains("another version"), "{reply:?}: {text}");
    }
    let text = failed(&ask(ASK_RING, "HTTP/1.1 400 Bad Request\r\n\r\n", &["ring"]), 1);
    assert!(text.contains("does not speak the Redis protocol"), "{text}");
    let text = failed(&ask(ASK_RING, "", &["ring"]), 1);
    assert!(text.contains("closed the connection"), "{text}");
}

#[test]
fn an_unreachable_node_is_named_with_what_to_do() {
    let unused = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").to_string();
    let text = failed(&run(&["--node", &unused, "ping"]), 1);
    assert!(
        text.contains(&unused) && text.contains("refused") && text.contains("--node HOST:PORT"),
        "{text}"
    );
    let text = failed(&run(&["--node", "nonsense", "ping"]), 1);
    assert!(text.contains("--node takes HOST:PORT"), "{text}");
}

#[test]
fn a_wrong_command_line_has_its_own_exit_code() {
    failed(&run(&["route"]), 2);
}
