//! `dynoctl repair` against a tiny server that expects certain commands.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread;

/// Answers one connection's commands, each of which must be as expected, and gives what the program printed.
fn converse(script: Vec<(&'static str, String)>, arguments: &[&str]) -> Output {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        for (command, reply) in script {
            let words: Vec<&str> = command.split(' ').collect();
            let parts = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
            let expected = format!("*{}\r\n{}", words.len(), parts.collect::<String>());
            let mut received = vec![0; expected.len()];
            stream.read_exact(&mut received).expect("a command");
            assert_eq!(received.escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
            stream.write_all(reply.as_bytes()).expect("written");
        }
    });
    let output = Command::new(env!("CARGO_BIN_EXE_dynoctl"))
        .args(["--node", &address])
        .args(arguments)
        .output()
        .expect("it runs");
    server.join().expect("the server saw what it expected");
    output
}

const STATUS: &str = "DYNOMITE REPAIR STATUS";

fn status(number: u64, state: &str, done: u64, differing: u64) -> String {
    let json = format!(
        r#"{{"node":"a1","repair":{number},"state":"{state}","phase":"comparing","preview":false,"full":false,"buckets":4096,
"seconds":2.0,"workers":1,"workers_done":0,"compared_upto":null,"buckets_done":{done},"buckets_total":8192,
"buckets_differing":0,"buckets_settled":0,"keys_compared":100,"keys_differing":{differing},"keys_healed":{differing},
"keys_failed":0,"peers_failed":0}}"#
    );
    format!("${}\r\n{json}\r\n", json.len())
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_repair_is_begun_followed_and_told_of() {
    let output = converse(
        vec![
            (STATUS, status(0, "none", 0, 0)),
            ("DYNOMITE REPAIR START PREVIEW FULL BUCKETS 0 1023", "+OK\r\n".to_owned()),
            (STATUS, status(1, "running", 2048, 3)),
            (STATUS, status(1, "running", 2050, 3)),
            (STATUS, status(1, "running", 4096, 4)),
            (STATUS, status(1, "done", 8192, 5)),
        ],
        &["repair", "--preview", "--full", "--range", "0..1023"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let expected = "\
a1: 25 %, comparing, 2048/8192 buckets, 3 differences, 3 healed, 0 not healed, 0 nodes failed, 50 keys/s, 6 s left
a1: 50 %, comparing, 4096/8192 buckets, 4 differences, 4 healed, 0 not healed, 0 nodes failed, 50 keys/s, 2 s left
a1: done in 2 s: 8192 of 8192 buckets compared, 5 differences, 5 keys healed, 0 not healed
";
    assert_eq!(text(&output), expected, "a line for ten percent at most, in a file");
}

#[test]
fn one_that_is_running_is_shown_and_none_is_begun() {
    let output = converse(
        vec![
            (STATUS, status(7, "running", 0, 0)),
            (STATUS, status(7, "running", 8000, 0)),
            (STATUS, status(7, "stopped", 8000, 0)),
        ],
        &["repair"],
    );
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let text = text(&output);
    assert!(
        text.starts_with("a1: a repair is running already and is shown here; nothing was begun\n"),
        "{text}"
    );
    assert!(text.ends_with("a1: an operator stopped it; the rest was not compared\n"), "{text}");
}

#[test]
fn somebody_elses_start_in_between_is_followed_and_other_errors_are_passed_on() {
    let refused = || "-ERR not now\r\n".to_owned();
    let begin = || vec![(STATUS, status(0, "none", 0, 0)), ("DYNOMITE REPAIR START TOKENS 5 9", refused())];
    let arguments = ["repair", "--range", "tokens:5..9"];
    let faster = vec![(STATUS, status(1, "running", 1, 0)), (STATUS, status(1, "done", 8192, 0))];
    let output = converse([begin(), faster].concat(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let output = converse([begin(), vec![(STATUS, status(0, "none", 0, 0))]].concat(), &arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("answers \"ERR not now\""), "{}", text(&output));
}

#[test]
fn a_node_that_is_lost_or_started_anew_is_told_of_with_what_to_do() {
    let begin = || vec![(STATUS, status(0, "none", 0, 0)), ("DYNOMITE REPAIR START", "+OK\r\n".to_owned())];
    let running = || vec![(STATUS, status(4, "running", 1, 0))];
    let output = converse([begin(), running()].concat(), &["repair"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("`dynoctl repair status` tells"), "{}", text(&output));
    let output =
        converse([begin(), running(), vec![(STATUS, status(0, "none", 0, 0))]].concat(), &["repair"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("a1 was started anew"), "{}", text(&output));
}

#[test]
fn a_program_gets_one_object_a_line() {
    let output = converse(
        vec![
            (STATUS, status(2, "running", 1, 0)),
            (STATUS, status(2, "running", 1, 0)),
            (STATUS, status(2, "done", 8192, 0)),
        ],
        &["--json", "repair"],
    );
    // The server's own lines are broken; what is printed is not.
    let lines: Vec<serde_json::Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let states: Vec<&str> = lines.iter().filter_map(|line| line["state"].as_str()).collect();
    assert_eq!(states, ["running", "done"]);
}

#[test]
fn ranges_that_are_none_are_refused_with_their_form() {
    for range in ["5", "9..5", "a..b", "tokens:", "..", "buckets:1..2"] {
        let output = Command::new(env!("CARGO_BIN_EXE_dynoctl"))
            .args(["repair", "--range", range])
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{range}");
        assert!(text(&output).contains("a range is such as 0..1023"), "{}", text(&output));
    }
}
