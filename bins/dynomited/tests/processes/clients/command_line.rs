//! `redis-cli` and `redis-benchmark`.

use std::net::SocketAddr;
use std::process::{Command, Output};

use crate::shapes::{BINARY, at_level, single, three_racks};

#[test]
fn redis_cli_works() {
    let cluster = at_level(three_racks(2), "DC_QUORUM").set("workers=2").start();
    let address = cluster.nodes()[0].server.client_address();
    for protocol in ["-2", "-3"] {
        let cli = |args: &[&str]| {
            let output = tool("redis-cli", address).arg(protocol).args(args).output().unwrap();
            assert!(output.status.success(), "{args:?}: {}", shown(&output));
            String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
        };
        assert_eq!(cli(&["PING"]), "PONG");
        assert_eq!(cli(&["DEL", "k", "n", "l", "h"]).parse::<u32>().map(|count| count <= 4), Ok(true));
        assert_eq!(cli(&["SET", "k", "v"]), "OK");
        assert_eq!(cli(&["GET", "k"]), "v");
        assert_eq!(cli(&["-n", "0", "GET", "k"]), "v");
        assert_eq!(cli(&["-r", "5", "INCR", "n"]), "1\n2\n3\n4\n5");
        assert_eq!(cli(&["RPUSH", "l", "a", "b"]), "2");
        assert_eq!(cli(&["LRANGE", "l", "0", "-1"]), "a\nb");
        assert_eq!(cli(&["--no-raw", "HSET", "h", "f", "1"]), "(integer) 1");
        assert_eq!(cli(&["--no-raw", "GET", "absent"]), "(nil)");
        assert!(cli(&["NOSUCH"]).starts_with("ERR unknown command 'NOSUCH'"));
        assert!(cli(&["INFO", "server"]).contains("redis_version:"));
    }
}

#[test]
fn redis_cli_reads_commands_from_its_input() {
    let cluster = single().start();
    let script = "SET a 1\nINCR a\nHELLO 3\nSMEMBERS none\nECHO \"two words\"\n";
    let mut child = tool("redis-cli", cluster.nodes()[0].server.client_address())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = shown(&output);
    assert!(
        output.status.success() && text.starts_with("OK\n2\n") && text.trim_end().ends_with("two words"),
        "{text}"
    );
}

#[test]
fn redis_benchmark_runs_its_whole_set() {
    let cluster = single().start();
    let address = cluster.nodes()[0].server.client_address();
    benchmark(address, &["-n", "2000", "-c", "20"]);
    benchmark(address, &["-n", "2000", "-c", "20", "-P", "16", "-r", "1000"]);
}

#[test]
fn redis_benchmark_runs_its_whole_set_on_a_cluster() {
    let cluster = at_level(three_racks(2), "DC_QUORUM").set("workers=2").start();
    let address = cluster.nodes()[3].server.client_address();
    benchmark(address, &["-n", "500", "-c", "10"]);
    benchmark(address, &["-n", "1000", "-c", "10", "-P", "16", "-r", "1000"]);
    let other =
        dynomite_testkit::RawClient::connect(cluster.nodes()[0].server.client_address()).command(&["PING"]);
    assert_eq!(other, b"+PONG\r\n", "{BINARY} goes on");
}

fn benchmark(address: SocketAddr, args: &[&str]) {
    let output = tool("redis-benchmark", address).arg("-q").args(args).output().unwrap();
    let text = shown(&output);
    assert!(output.status.success(), "{text}");
    let bad = text.lines().find(|line| {
        let line = line.to_lowercase();
        line.contains("error") || line.contains("warn") || line.contains("unknown")
    });
    assert_eq!(bad, None, "{text}");
    // Every test of the set gives its line.
    let done = text.matches("requests per second").count();
    assert!(done >= 19, "{done} tests: {text}");
}

fn tool(name: &str, address: SocketAddr) -> Command {
    let mut command = Command::new(name);
    command.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()]);
    command
}

fn shown(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
