//! redis-py, as the program in `examples/clients/python` uses it.

use std::path::Path;
use std::process::Command;

use crate::shapes::{at_level, single, three_racks};

/// `cargo xtask test` prepares an interpreter with the library, and says here where it is.
const VARIABLE: &str = "DYNOMITE_TEST_PYTHON";

#[test]
fn redis_py_works_with_a_single_node() {
    run(&single().start(), 0);
}

#[test]
fn redis_py_works_with_a_cluster() {
    run(&at_level(three_racks(2), "DC_QUORUM").set("workers=2").start(), 4);
}

fn run(cluster: &dynomite_testkit::Cluster, node: usize) {
    let Some(interpreter) = std::env::var_os(VARIABLE) else {
        // Without the task that prepares it there is nothing that could be run; the task itself reports when it cannot.
        eprintln!("left out: {VARIABLE} is not set; `cargo xtask test` sets it");
        return;
    };
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/clients/python/tour.py");
    let address = cluster.nodes()[node].server.client_address();
    let output = Command::new(&interpreter)
        .arg(program)
        .args(["--host", &address.ip().to_string(), "--port", &address.port().to_string()])
        .output()
        .unwrap_or_else(|error| panic!("{VARIABLE} names {}: {error}", Path::new(&interpreter).display()));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("all is well"), "{text}");
}
