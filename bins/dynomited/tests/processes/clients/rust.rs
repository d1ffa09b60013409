//! The `redis` crate, at RESP2 and at RESP3.

use std::collections::HashMap;

use redis::{Commands, Connection, ErrorKind, ExistenceCheck, RedisResult, SetExpiry, SetOptions};

use crate::shapes::{at_level, single, three_racks};

#[test]
fn redis_crate_works_with_a_single_node() {
    let cluster = single().start();
    for protocol in ["resp2", "resp3"] {
        tour(connect(&cluster, 0, protocol), protocol).unwrap();
    }
}

#[test]
fn redis_crate_works_with_a_cluster() {
    let cluster = at_level(three_racks(2), "DC_QUORUM").set("workers=2").start();
    for protocol in ["resp2", "resp3"] {
        for node in [0, 3] {
            tour(connect(&cluster, node, protocol), &format!("{protocol}:{node}")).unwrap();
        }
    }
}

fn connect(cluster: &dynomite_testkit::Cluster, node: usize, protocol: &str) -> Connection {
    let address = cluster.nodes()[node].server.client_address();
    let client = redis::Client::open(format!("redis://{address}/0?protocol={protocol}")).unwrap();
    client.get_connection().unwrap()
}

fn tour(mut client: Connection, prefix: &str) -> RedisResult<()> {
    let key = |name: &str| format!("{prefix}:{name}");

    // Strings and expiry.
    let () = client.set(key("text"), "value")?;
    assert_eq!(client.get::<_, String>(key("text"))?, "value");
    assert_eq!(client.get::<_, Option<String>>(key("absent"))?, None);
    let binary: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let () = client.set(key("binary\r\n\0key"), &binary)?;
    assert_eq!(client.get::<_, Vec<u8>>(key("binary\r\n\0key"))?, binary);
    let options =
        SetOptions::default().conditional_set(ExistenceCheck::NX).with_expiration(SetExpiry::EX(100));
    assert_eq!(
        client.set_options::<_, _, Option<String>>(key("once"), "1", options.clone())?.as_deref(),
        Some("OK")
    );
    assert_eq!(client.set_options::<_, _, Option<String>>(key("once"), "2", options)?, None);
    assert!((90..=100).contains(&client.ttl::<_, i64>(key("once"))?));
    assert_eq!(client.incr::<_, _, i64>(key("n"), 5)?, 5);
    assert_eq!(client.incr::<_, _, f64>(key("f"), 0.5)?, 0.5);

    // Collections.
    let () = client.hset_multiple(key("hash"), &[("a", 1), ("b", 2)])?;
    let map: HashMap<String, i64> = client.hgetall(key("hash"))?;
    assert_eq!(map, HashMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]));
    assert_eq!(client.rpush::<_, _, i64>(key("list"), &["a", "b", "c"])?, 3);
    assert_eq!(client.lrange::<_, Vec<String>>(key("list"), 0, -1)?, ["a", "b", "c"]);
    assert_eq!(client.sadd::<_, _, i64>(key("set"), &["x", "y"])?, 2);
    assert!(client.sismember::<_, _, bool>(key("set"), "x")?);
    assert_eq!(client.zadd_multiple::<_, _, _, i64>(key("zset"), &[(1.5, "low"), (2.5, "high")])?, 2);
    let scores: Vec<(String, f64)> = client.zrange_withscores(key("zset"), 0, -1)?;
    assert_eq!(scores, [("low".to_owned(), 1.5), ("high".to_owned(), 2.5)]);

    // Many keys, and pipelines.
    let () = client.mset(&[(key("m1"), "1"), (key("m2"), "2"), (key("m3"), "3")])?;
    let many: Vec<Option<String>> = client.mget(&[key("m3"), key("absent"), key("m1")])?;
    assert_eq!(many, [Some("3".to_owned()), None, Some("1".to_owned())]);
    let mut pipeline = redis::pipe();
    for number in 0..500 {
        pipeline.set(key(&format!("p{number}")), number).ignore();
        pipeline.get(key(&format!("p{number}")));
    }
    assert_eq!(pipeline.query::<Vec<i64>>(&mut client)?, (0..500).collect::<Vec<i64>>());
    assert_eq!(client.del::<_, i64>(&[key("m1"), key("m2"), key("absent")])?, 2);

    // Errors are errors, and the connection goes on.
    let error = client.lpush::<_, _, i64>(key("text"), "x").unwrap_err();
    assert_eq!(error.code(), Some("WRONGTYPE"), "{error}");
    let error = redis::cmd("NOSUCH").query::<()>(&mut client).unwrap_err();
    assert!(error.to_string().contains("unknown command"), "{error}");
    assert_ne!(error.kind(), ErrorKind::Io);
    assert_eq!(client.get::<_, String>(key("text"))?, "value");
    Ok(())
}
