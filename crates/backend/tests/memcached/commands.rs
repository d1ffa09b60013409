//! Every command that a client may send, and the reply it gets.

use dynomite_backend::{Operation, Output};
use dynomite_codec::Request;
use dynomite_testkit::Memcached;

use crate::conversation::Conversation;

#[tokio::test]
async fn every_command_gets_its_own_reply() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    let script: [(&[&str], &str); 51] = [
        (&["get", "a"], "END\r\n"),
        (&["set", "a", "5", "0", "END\r\nx"], "STORED\r\n"),
        (&["get", "a", "b"], "VALUE a 5 6\r\nEND\r\nx\r\nEND\r\n"),
        (&["add", "a", "0", "0", "y"], "NOT_STORED\r\n"),
        (&["add", "b", "0", "0", ""], "STORED\r\n"),
        (&["replace", "b", "7", "0", "12"], "STORED\r\n"),
        (&["append", "b", "0", "0", "3"], "STORED\r\n"),
        (&["prepend", "b", "0", "0", "0"], "STORED\r\n"),
        (&["append", "c", "0", "0", "3"], "NOT_STORED\r\n"),
        (&["gat", "0", "a", "b"], "VALUE a 5 6\r\nEND\r\nx\r\nVALUE b 7 4\r\n0123\r\nEND\r\n"),
        (&["cas", "a", "0", "0", "18446744073709551615", "z"], "EXISTS\r\n"),
        (&["cas", "c", "0", "0", "1", "z"], "NOT_FOUND\r\n"),
        (&["incr", "b", "10"], "133\r\n"),
        (&["decr", "b", "200"], "0\r\n"),
        (&["incr", "a", "1"], "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
        (&["incr", "noreply", "1"], "NOT_FOUND\r\n"),
        (&["touch", "a", "100"], "TOUCHED\r\n"),
        (&["touch", "c", "100"], "NOT_FOUND\r\n"),
        (&["delete", "a"], "DELETED\r\n"),
        (&["delete", "a"], "NOT_FOUND\r\n"),
        (&["delete", "noreply"], "NOT_FOUND\r\n"),
        (&["get", "noreply"], "END\r\n"),
        (&["mn"], "MN\r\n"),
        (&["mg", "a"], "EN\r\n"),
        (&["mg", "a", "v"], "EN\r\n"),
        (&["ms", "a", "T0", "F9", "k", "O17", "VA 1\r\n"], "HD ka O17\r\n"),
        (&["mg", "a", "v", "f", "t", "s", "k"], "VA 6 f9 t-1 s6 ka\r\nVA 1\r\n\r\n"),
        (&["mg", "a", "f"], "HD f9\r\n"),
        (&["mg", "new", "N30", "v"], "VA 0 W\r\n\r\n"),
        (&["ms", "a", "ME", "x"], "NS\r\n"),
        (&["ms", "a", "C1", "x"], "EX\r\n"),
        (&["ms", "YSBi", "b", "T0", "x"], "HD\r\n"),
        (&["mg", "YSBi", "b", "k", "v"], "VA 1 kYSBi b\r\nx\r\n"),
        (&["ma", "count", "N0", "J5", "v"], "VA 1\r\n5\r\n"),
        (&["ma", "count", "D3"], "HD\r\n"),
        (&["ma", "gone"], "NF\r\n"),
        (&["md", "a"], "HD\r\n"),
        (&["md", "a"], "NF\r\n"),
        (&["me", "a"], "EN\r\n"),
        (&["version"], "VERSION 1.6.18\r\n"),
        (&["verbosity", "1"], "OK\r\n"),
        (&["lru_crawler", "sleep", "100"], "OK\r\n"),
        (&["cache_memlimit", "64"], "OK\r\n"),
        (&["stats", "reset"], "RESET\r\n"),
        (&["stats", "detail", "on"], "OK\r\n"),
        (&["stats", "nosuch"], "ERROR\r\n"),
        (&["stats", "sizes"], "STAT sizes_status disabled\r\nEND\r\n"),
        (&["get"], "ERROR\r\n"),
        (&["mg", "a", "Z"], "CLIENT_ERROR invalid flag\r\n"),
        (&["flush_all"], "OK\r\n"),
        (&["get", "b"], "END\r\n"),
    ];
    for (args, _) in script {
        lane.submit_command(args);
    }
    for (args, expected) in script {
        let Output::Reply(reply) = lane.done().await else { panic!("a reply to {args:?}") };
        let reply = String::from_utf8_lossy(&reply);
        // Whatever version of the server the tests run with.
        let is_same = if args == ["version"] { reply.starts_with("VERSION 1.") } else { reply == expected };
        assert!(is_same, "{args:?}: {reply:?}");
    }
    let stats = lane.command(&["stats"]).await;
    assert!(stats.starts_with("STAT pid ") && stats.ends_with("\r\nEND\r\n"), "{stats}");
    let settings = lane.command(&["stats", "settings"]).await;
    assert!(settings.starts_with("STAT maxbytes ") && settings.ends_with("\r\nEND\r\n"), "{settings}");
    let item = lane.command(&["gets", "count"]).await;
    assert_eq!(item, "END\r\n", "flushed");
}

#[tokio::test]
async fn refused_commands_fail_in_their_turn_and_are_not_sent() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    let long_key = "k".repeat(251);
    let refused: [&[&str]; 8] = [
        &["set", "k", "0", "0", "noreply", "v"],
        &["mg", "k", "q"],
        &["quit"],
        &["watch"],
        &["lru_crawler", "metadump", "all"],
        &["set", "k", "x", "0", "flush_all"],
        &["set", &long_key, "0", "0", "flush_all"],
        &["ms", &long_key, "flush_all"],
    ];
    for args in refused {
        lane.submit_command(&["ms", "k", "before"]);
        lane.submit_command(args);
        lane.submit_command(&["mg", "k", "v"]);
        assert_eq!(lane.done().await, Output::Reply("HD\r\n".into()), "{args:?}");
        let Output::Failed(_) = lane.done().await else { panic!("{args:?} is refused") };
        assert_eq!(lane.done().await, Output::Reply("VA 6\r\nbefore\r\n".into()), "{args:?}");
    }
}

#[tokio::test]
async fn flags_that_the_server_refuses_leave_the_lane_in_step() {
    let memcached = Memcached::start();
    let mut lane = Conversation::open_up(&memcached).await;
    let many: Vec<String> =
        "OPLktscfvhuIbqxz".chars().filter(|flag| *flag != 'q').map(String::from).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let opaque = format!("O{}", "o".repeat(40));
    let flags: [&[&str]; 12] = [
        &["Z"],
        &["T"],
        &["Tx"],
        &["MZ"],
        &["MEE"],
        &["C"],
        &["J"],
        &["T1", "T1"],
        &["\u{e9}"],
        &["b"],
        &[&opaque],
        &many,
    ];
    for flags in flags {
        let args: Vec<&str> =
            ["ms", "!"].into_iter().chain(flags.iter().copied()).chain(["flush_all"]).collect();
        lane.submit(Operation::Command(Request::from_args(&args)));
        lane.submit_command(&["mn"]);
        let Output::Reply(reply) = lane.done().await else { panic!("a reply to {args:?}") };
        assert!(reply.starts_with(b"CLIENT_ERROR "), "{args:?}: {reply:?}");
        assert_eq!(lane.done().await, Output::Reply("MN\r\n".into()), "after {args:?}");
    }
}
