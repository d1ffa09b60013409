use dynomite_codec::command::commands;
use dynomite_codec::{Request, classify};

use crate::server::{Connection, Server};

fn assert_same_error(connection: &mut Connection, args: &[&[u8]]) {
    let request = Request::from_args(args);
    let ours = classify(&request).expect_err("an error");
    let theirs = connection.call(request.raw());
    assert_eq!(
        format!("-ERR {ours}\r\n"),
        String::from_utf8_lossy(&theirs),
        "{}",
        request.raw().escape_ascii()
    );
}

#[test]
fn every_command_counts_its_arguments_as_redis_does() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let mut checked = 0;
    // EXEC words every error as the end of a transaction.
    for row in commands().iter().filter(|row| !["dynomite", "exec"].contains(&row.name)) {
        let mut args: Vec<&[u8]> = row.name.split('|').map(str::as_bytes).collect();
        while args.len() < 10 {
            if !row.accepts_arg_count(args.len()) {
                assert_same_error(&mut connection, &args);
                checked += 1;
            }
            args.push(b"x");
        }
    }
    assert!(checked > 1000);
}

#[test]
fn unknown_commands_are_refused_in_the_words_of_redis() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let long = vec![b'a'; 300];
    for args in [
        vec![&b"nope"[..]],
        vec![b"NoPe", b"a", b"b"],
        vec![b"", b""],
        vec![b"get|x", b"a"],
        vec![b"client|list"],
        vec![b"a\r\nb", b"c\r\nd"],
        vec![b"nul\0byte", b"a\0b", b"c"],
        vec![b"nope", &long, b"b"],
        vec![b"nope", &long[..126], b"b", b"c"],
        vec![b"nope", &long[..120], b"bcdefghijk", b"c"],
        vec![b"nope", &long[..60], &long[..60], &long[..60]],
        vec![&long, b"b"],
        vec![b"object", b"nope", b"a"],
        vec![b"Client", b"no\r\npe"],
        vec![b"COMMAND", b"nope"],
        vec![b"config", &long],
        vec![b"xgroup", b""],
        vec![b"mset", b"a", b"b", b"c"],
    ] {
        if args[0] == b"mset" {
            let request = Request::from_args(&args);
            let ours = classify(&request).unwrap().split(&request, 1).unwrap_err();
            assert_eq!(format!("-ERR {ours}\r\n").as_bytes(), connection.call(request.raw()));
        } else {
            assert_same_error(&mut connection, &args);
        }
    }
}
