//! Digests of values on a real `redis-server`: equal for equal values, whatever led there.

use bytes::Bytes;
use dynomite_backend::{DigestPart, Operation, Output, Position};
use dynomite_testkit::Redis;

use crate::conversation::Conversation;
use crate::piecewise::{add_many, digest, measure};
use crate::state::now_ms;

/// Enough for several pages.
const MANY: usize = 5000;

#[tokio::test]
async fn equal_values_have_equal_digests_in_every_encoding_and_order() {
    let redis = Redis::start();
    // Another server keeps all values in its other way.
    let other = Redis::start();
    other.client().command(&[
        "CONFIG",
        "SET",
        "hash-max-listpack-entries",
        "0",
        "set-max-intset-entries",
        "0",
        "zset-max-listpack-entries",
        "0",
        "list-max-listpack-size",
        "1",
    ]);
    let mut lane = Conversation::open_up(&redis.unix_url()).await;
    let mut other_lane = Conversation::open_up(&other.unix_url()).await;
    // Each pair of scripts makes the same value.
    let pairs: [(&[&str], &[&str]); 9] = [
        (&["SET k 12345"], &["SET k 1234", "APPEND k 5"]),
        (&["SET k "], &["APPEND k "]),
        (&["RPUSH k a b c a"], &["RPUSH k b c a x", "LPUSH k a", "RPOP k"]),
        (&["SADD k 1 2 3"], &["SADD k 3 x 2 1", "SREM k x"]),
        (&["SADD k a b c"], &["SADD k c b a"]),
        (&["HSET k f v g w"], &["HSET k g w x y", "HSET k f v", "HDEL k x"]),
        (&["HSET k f 1"], &["HINCRBY k f 1"]),
        (&["ZADD k 1.5 a -inf b 0 c"], &["ZADD k -0 c 3 a", "ZADD k -inf b", "ZINCRBY k -1.5 a"]),
        (&["PFADD k a b c", "PFCOUNT k"], &["PFADD k a", "PFADD k b", "PFADD k c"]),
    ];
    let mut digests = Vec::new();
    for (first, second) in pairs {
        for (server, commands) in [(&redis, first), (&other, second)] {
            let mut client = server.client();
            client.command(&["DEL", "k"]);
            for command in commands {
                let reply = client.command(&command.split(' ').collect::<Vec<_>>());
                assert!(!reply.starts_with(b"-"), "{command}: {}", reply.escape_ascii());
            }
        }
        let [ours, theirs] = [digest(&mut lane, "k").await, digest(&mut other_lane, "k").await];
        assert_eq!(ours, theirs, "{first:?} {second:?}");
        digests.push(ours);
    }
    digests.sort_unstable();
    digests.dedup();
    // `HSET k f 1` and the rest are nine different values.
    assert_eq!(digests.len(), pairs.len(), "and different values different ones");
}

#[tokio::test]
async fn digest_of_many_pages_does_not_depend_on_them() {
    let redis = Redis::start();
    let mut lane = Conversation::open_up(&redis.unix_url()).await;
    let mut client = redis.client();
    let number = |number: usize| number.to_string();
    for (command, tail) in [("RPUSH", ""), ("SADD", ""), ("HSET", "v"), ("ZADD", "1")] {
        client.command(&["DEL", "up", "down"]);
        for (key, is_down) in [("up", false), ("down", true)] {
            let element = |index: usize| if is_down { MANY - 1 - index } else { index };
            add_many(&mut client, &format!("{command} {key}"), MANY, |index, args| match tail {
                "" => args.push(number(element(index))),
                "1" => args.extend([tail.to_owned(), number(element(index))]),
                _ => args.extend([number(element(index)), tail.to_owned()]),
            });
        }
        let whole = digest(&mut lane, "up").await;
        let is_equal = digest(&mut lane, "down").await == whole;
        assert_eq!(is_equal, command != "RPUSH", "{command}: only a list has an order");
        // Other pages of the same value.
        let start = measure(&mut lane, "up").await.expect("the key is there").start;
        for count in [1, 7, 100, 1_000_000] {
            let (mut sum, mut page_count) = (0u64, 0);
            let mut next = Some(start);
            while let Some(position) = next {
                let part =
                    part(&mut lane, "up", Position { count, ..position }).await.expect("it stays there");
                sum = sum.wrapping_add(part.digest);
                next = part.next;
                page_count += 1;
            }
            assert_eq!(sum, whole, "{command} {count}");
            assert!(count > 100 || page_count > 10, "{command} {count}");
        }
        // One element is another, one is missing.
        let change: [&str; 4] = match command {
            "RPUSH" => ["LSET", "up", "4321", "x"],
            "SADD" => ["SMOVE", "up", "elsewhere", "4321"],
            "HSET" => ["HSET", "up", "4321", "w"],
            _ => ["ZADD", "up", "1.0000000000000002", "4321"],
        };
        client.command(&change);
        assert_ne!(digest(&mut lane, "up").await, whole, "{command}");
    }
}

#[tokio::test]
async fn long_string_that_differs_in_one_byte_has_another_digest() {
    let redis = Redis::start();
    let mut lane = Conversation::open_up(&redis.unix_url()).await;
    let mut client = redis.client();
    let mut value = vec![b'x'; 3 << 20];
    client.command(&[&b"SET"[..], b"k", &value]);
    let whole = digest(&mut lane, "k").await;
    for at in [0, 1_000_000, value.len() - 1] {
        value[at] = b'y';
        client.command(&[&b"SET"[..], b"k", &value]);
        assert_ne!(digest(&mut lane, "k").await, whole, "byte {at}");
        value[at] = b'x';
    }
    // Two blocks in the other order.
    value[..256 << 10].fill(b'a');
    client.command(&[&b"SET"[..], b"k", &value]);
    let first = digest(&mut lane, "k").await;
    value.rotate_right(256 << 10);
    client.command(&[&b"SET"[..], b"k", &value]);
    assert_ne!(digest(&mut lane, "k").await, first);
}

#[tokio::test]
async fn digest_tells_the_expiry_beside_and_absence() {
    let redis = Redis::start();
    let mut lane = Conversation::open_up(&redis.unix_url()).await;
    let mut client = redis.client();
    client.command(&["SADD", "k", "a"]);
    let start = measure(&mut lane, "k").await.expect("the key is there").start;
    let lasting = part(&mut lane, "k", start).await.expect("it stays there");
    assert_eq!((lasting.expires_at_ms, lasting.next), (None, None));
    let at = now_ms() + 3_600_000;
    client.command(&["PEXPIREAT", "k", &at.to_string()]);
    let expiring = part(&mut lane, "k", start).await.expect("it stays there");
    assert_eq!((expiring.expires_at_ms, expiring.digest), (Some(at), lasting.digest));
    client.command(&["DEL", "k"]);
    assert_eq!(part(&mut lane, "k", start).await, None);
    client.command(&["SET", "k", "a"]);
    assert_eq!(part(&mut lane, "k", start).await, None, "of another type by now");
}

async fn part(lane: &mut Conversation, key: &str, position: Position) -> Option<DigestPart> {
    let key = Bytes::copy_from_slice(key.as_bytes());
    match lane.run(Operation::Digest { key, position }).await {
        Output::Digest(part) => part,
        other => panic!("{other:?}"),
    }
}
