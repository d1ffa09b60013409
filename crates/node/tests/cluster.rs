//! Several nodes in one process, over real sockets.

mod support;

use std::time::Duration;

use dynomite_node::config::Level;
use dynomite_testkit::eventually;
use support::{Running, racks};

fn start(count: usize, workers: u16, level: Level) -> Vec<Running> {
    let (configs, _leases) = racks(count, workers, level);
    configs.into_iter().map(Running::start).collect()
}

#[test]
fn what_one_node_wrote_another_reads_at_quorum() {
    for workers in [1, 2] {
        let nodes = start(3, workers, Level::DcQuorum);
        let mut writer = nodes[0].client();
        eventually(Duration::from_secs(5), "a quorum", || {
            writer.command(&["SET", "first", "1"]) == b"+OK\r\n"
        });
        let mut reader = nodes[2].client();
        eventually(Duration::from_secs(5), "a quorum", || {
            reader.command(&["GET", "first"]) == b"$1\r\n1\r\n"
        });
        for at in 0..200 {
            let (key, value) = (format!("key:{at}"), at.to_string());
            assert_eq!(writer.command(&["SET", &key, &value]), b"+OK\r\n");
            assert_eq!(reader.command(&["GET", &key]), format!("${}\r\n{value}\r\n", value.len()).as_bytes());
            assert_eq!(writer.command(&["INCR", "counter"]), format!(":{}\r\n", 2 * at + 1).as_bytes());
            assert_eq!(reader.command(&["INCR", "counter"]), format!(":{}\r\n", 2 * at + 2).as_bytes());
        }
    }
}
