//! The datastore that the configuration names is the one that is used, and as it says.

use std::fs;
use std::time::Duration;

use dynomite_node::config::{ByteSize, Config, Datastore};
use dynomite_testkit::{Redis, eventually, request};

use crate::support::{Running, single};

#[test]
fn a_redis_on_a_unix_socket_with_a_password_file_is_used() {
    let redis = Redis::builder().password("a secret").start();
    let password = redis.directory().join("password");
    fs::write(&password, "a secret\n").unwrap();
    let text = format!(
        "listen = \"127.0.0.1:0\"\n[datastore]\nurl = \"redis+unix://{}\"\npassword_file = \"{}\"\n",
        redis.socket_path().display(),
        password.display()
    );
    let node = Running::start(Config::parse(&text, "test").unwrap());
    let mut client = node.client();
    eventually(Duration::from_secs(5), "the datastore", || client.command(&["SET", "k", "v"]) == b"+OK\r\n");
    let mut direct = redis.client();
    assert_eq!(direct.command(&["AUTH", "a secret"]), b"+OK\r\n");
    assert_eq!(direct.command(&["GET", "k"]), b"$1\r\nv\r\n");
}

#[test]
fn the_memory_store_stays_inside_max_memory() {
    let mut config = single(2);
    config.datastore = Datastore::Memory { max_memory: Some(ByteSize::mib(1)) };
    let node = Running::start(config);
    let mut client = node.client();
    let keys: Vec<String> = (0..4_000).map(|at| format!("k{at}")).collect();
    let value = "v".repeat(1_000);
    let script: Vec<u8> = keys.iter().flat_map(|key| request(&["SET", key, &value])).collect();
    assert!(client.exchange(&script, keys.len()).iter().all(|reply| reply == b"+OK\r\n"));
    let exists: Vec<&str> = ["EXISTS"].into_iter().chain(keys.iter().map(String::as_str)).collect();
    let reply = String::from_utf8(client.command(&exists)).unwrap();
    let kept: usize = reply.trim_start_matches(':').trim_end().parse().unwrap();
    assert!((300..1_050).contains(&kept), "{kept}");
}
