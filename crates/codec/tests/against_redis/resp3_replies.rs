use std::collections::BTreeSet;

use dynomite_codec::command::{Rule, commands};
use dynomite_codec::{Request, classify, to_resp3};

use crate::server::Server;

/// What prepares the key, then the command whose reply is compared. Each is run on a fresh key `k`.
const CASES: &str = "
SET k v => GET k
=> GET k
RPUSH k a => GET k
=> SET k v
=> SET k v NX
SET k v => SET k w NX
SET k v => SET k w GET
=> SET k w GET
=> SETEX k 100 v
=> PSETEX k 100000 v
=> SETNX k v
=> MSET k v k2 w
SET k -1 => MGET k absent k
=> MGET absent
SET k v => GETSET k w
=> GETSET k w
SET k v => GETDEL k
=> GETDEL k
SET k v => GETEX k
=> GETEX k PERSIST
=> APPEND k v
SET k abc => GETRANGE k 0 1
=> GETRANGE k 0 1
SET k abc => SUBSTR k 0 1
=> SETRANGE k 2 x
=> STRLEN k
=> INCR k
=> INCRBY k 5
=> DECR k
=> DECRBY k 5
=> INCRBYFLOAT k 1.5
SET k v => INCR k
SET k v => DEL k
=> UNLINK k
=> EXISTS k
=> TOUCH k
SET k v => DUMP k
=> DUMP k
=> TYPE k
SET k v => TYPE k
=> TTL k
=> PTTL k
=> EXPIRETIME k
=> PEXPIRETIME k
SET k v => EXPIRE k 100
=> PEXPIRE k 100
SET k v => EXPIREAT k 9999999999
SET k v => PEXPIREAT k 9999999999000
SET k v => PERSIST k
SET k v => OBJECT ENCODING k
=> OBJECT ENCODING k
SET k v => OBJECT REFCOUNT k
SET k v => OBJECT IDLETIME k
SET k v => OBJECT FREQ k
=> RESTORE k 0 broken
RPUSH k 3 1 2 => SORT k
RPUSH k b a => SORT k ALPHA DESC
RPUSH k b a => SORT_RO k ALPHA
=> SORT k
=> HSET k f v
HSET k f v => HSETNX k f v
=> HMSET k f v
HSET k f v => HGET k f
=> HGET k f
HSET k f v g -1 => HMGET k f absent g
=> HMGET k f
HSET k f v g w => HGETALL k
=> HGETALL k
HSET k f v => HDEL k f
=> HLEN k
=> HEXISTS k f
HSET k f v g w => HKEYS k
HSET k f v g w => HVALS k
=> HKEYS k
=> HSTRLEN k f
=> HINCRBY k f 2
=> HINCRBYFLOAT k f 2.5
HSET k f v => HRANDFIELD k
=> HRANDFIELD k
HSET k f v => HRANDFIELD k 2
HSET k f v => HRANDFIELD k 2 WITHVALUES
HSET k f v => HRANDFIELD k -2 WITHVALUES
=> HRANDFIELD k 2 WITHVALUES
HSET k f v g w => HSCAN k 0
=> LPUSH k a
=> RPUSH k a
=> LPUSHX k a
=> RPUSHX k a
RPUSH k a => LPOP k
=> LPOP k
RPUSH k a b => LPOP k 2
=> LPOP k 2
RPUSH k a => RPOP k
RPUSH k a b => RPOP k 1
=> RPOP k 1
=> LLEN k
RPUSH k a => LINDEX k 0
=> LINDEX k 0
RPUSH k a => LSET k 0 b
=> LSET k 0 b
RPUSH k a $-1 => LRANGE k 0 -1
=> LRANGE k 0 -1
RPUSH k a => LTRIM k 0 0
RPUSH k a => LREM k 0 a
RPUSH k a => LINSERT k BEFORE a b
RPUSH k a a => LPOS k a
=> LPOS k a
RPUSH k a a => LPOS k a COUNT 0
=> LPOS k a COUNT 0
=> SADD k a
SADD k a => SREM k a
=> SCARD k
SADD k a => SISMEMBER k a
SADD k a => SMISMEMBER k a b
SADD k a b c => SMEMBERS k
SADD k 1 2 3 => SMEMBERS k
=> SMEMBERS k
SADD k a b => SINTER k
SADD k a b => SUNION k
SADD k a b => SDIFF k
=> SINTER k
SADD k a => SPOP k
=> SPOP k
SADD k a => SPOP k 5
SADD k a b => SPOP k 0
=> SPOP k 5
SADD k a => SRANDMEMBER k
=> SRANDMEMBER k
SADD k a => SRANDMEMBER k 5
SADD k a => SRANDMEMBER k -2
=> SRANDMEMBER k 5
SADD k a => SSCAN k 0
=> ZADD k 1 a
=> ZADD k CH 1 a
=> ZADD k INCR 1.5 a
=> ZADD k INCR inf a
ZADD k 1 a => ZADD k NX INCR 1.5 a
ZADD k 1 a => ZINCRBY k 0.1 a
=> ZINCRBY k -inf a
ZADD k 3.14159265358979 a => ZSCORE k a
ZADD k 1e300 a => ZSCORE k a
ZADD k 17179869184.5 a => ZSCORE k a
ZADD k -inf a => ZSCORE k a
ZADD k -0 a => ZSCORE k a
=> ZSCORE k a
ZADD k 1 a 2.5 b => ZMSCORE k a absent b
=> ZMSCORE k a b
=> ZCARD k
ZADD k 1 a => ZCOUNT k -inf inf
ZADD k 1 a => ZLEXCOUNT k - +
ZADD k 1 a => ZRANK k a
=> ZRANK k a
ZADD k 1 a => ZREVRANK k b
ZADD k 1 a 2 b => ZRANGE k 0 -1
ZADD k 1 a 2.5 b => ZRANGE k 0 -1 WITHSCORES
=> ZRANGE k 0 -1 WITHSCORES
ZADD k 1 a 2.5 b => ZRANGE k 0 9 BYSCORE LIMIT 0 1 withscores
ZADD k 1 a 2.5 b => ZRANGE k 9 0 BYSCORE REV WITHSCORES
ZADD k 1 a 1 b => ZRANGE k - + BYLEX
ZADD k 1 a 2.5 b => ZREVRANGE k 0 -1 WITHSCORES
ZADD k 1 a 2.5 b => ZREVRANGE k 0 -1
ZADD k 1 a 2.5 b => ZRANGEBYSCORE k -inf inf WITHSCORES LIMIT 0 5
ZADD k 1 a 2.5 b => ZRANGEBYSCORE k -inf inf
ZADD k 1 a 2.5 b => ZREVRANGEBYSCORE k inf -inf WITHSCORES
ZADD k 1 a 1 b => ZRANGEBYLEX k - +
ZADD k 1 a 1 b => ZREVRANGEBYLEX k + -
ZADD k 1 a => ZREM k a
ZADD k 1 a => ZREMRANGEBYRANK k 0 0
ZADD k 1 a => ZREMRANGEBYSCORE k 0 5
ZADD k 1 a => ZREMRANGEBYLEX k - +
ZADD k 1 a 2.5 b => ZPOPMIN k
ZADD k 1 a 2.5 b => ZPOPMIN k 1
ZADD k 1 a 2.5 b => ZPOPMIN k 5
=> ZPOPMIN k
=> ZPOPMIN k 5
ZADD k 1 a 2.5 b => ZPOPMAX k
ZADD k 1 a 2.5 b => ZPOPMAX k 2
ZADD k 1 a => ZRANDMEMBER k
=> ZRANDMEMBER k
ZADD k 1 a => ZRANDMEMBER k 2
ZADD k 1.5 a => ZRANDMEMBER k 2 WITHSCORES
ZADD k 1.5 a => ZRANDMEMBER k -2 WITHSCORES
=> ZRANDMEMBER k 2 WITHSCORES
ZADD k 1.5 a => ZSCAN k 0
=> SETBIT k 3 1
=> GETBIT k 3
SET k abc => BITCOUNT k
SET k abc => BITPOS k 1
=> BITFIELD k INCRBY u4 0 1 GET u4 0
=> BITFIELD k OVERFLOW FAIL INCRBY u2 0 9
SET k abc => BITFIELD_RO k GET u8 0
=> PFADD k a
PFADD k a => PFCOUNT k
=> GEOADD k 13.361389 38.115556 Palermo
GEOADD k 13.361389 38.115556 a 15.087269 37.502669 b => GEODIST k a b km
=> GEODIST k a b
GEOADD k 13.361389 38.115556 a => GEOHASH k a absent
GEOADD k 13.361389 38.115556 a 15.087269 37.502669 b => GEOPOS k a absent b
=> GEOPOS k a
GEOADD k 13.361389 38.115556 a 15.087269 37.502669 b => GEORADIUS k 15 37 200 km ASC
GEOADD k 13.361389 38.115556 a 15.087269 37.502669 b => GEORADIUS k 15 37 200 km WITHDIST WITHCOORD WITHHASH ASC
GEOADD k 13.361389 38.115556 a 15.087269 37.502669 b => GEORADIUS_RO k 15 37 200 km WITHDIST ASC
GEOADD k 13.361389 38.115556 a 15.087269 37.502669 b => GEORADIUSBYMEMBER k a 200 km WITHCOORD ASC
GEOADD k 13.361389 38.115556 a 15.087269 37.502669 b => GEORADIUSBYMEMBER_RO k a 200 km ASC
GEOADD k 13.361389 38.115556 a 15.087269 37.502669 b => GEOSEARCH k FROMMEMBER a BYRADIUS 200 km ASC WITHCOORD WITHDIST
GEOADD k 13.361389 38.115556 a => GEOSEARCH k FROMLONLAT 15 37 BYBOX 400 400 km WITHHASH
=> GEOSEARCH k FROMLONLAT 15 37 BYBOX 400 400 km WITHCOORD
=> PING
=> PING hello
=> ECHO hello
=> CLIENT GETNAME
=> CLIENT HELP
=> CONFIG GET maxmemory*
=> CONFIG GET nothing
=> COMMAND COUNT
=> COMMAND INFO get nope set zrangestore
=> COMMAND INFO sort migrate eval
=> COMMAND DOCS bitpos
=> COMMAND DOCS geosearch substr set nope
=> COMMAND GETKEYS mset a 1 b 2
";

fn request(line: &str) -> Request {
    Request::from_args(line.split_whitespace().collect::<Vec<_>>())
}

#[test]
fn converted_replies_are_those_of_redis() {
    let server = Server::start(&[]);
    let (mut resp2, mut resp3) = (server.connect(), server.connect());
    assert_eq!(resp3.call(b"HELLO 3\r\n")[0], b'%');
    let mut seen = BTreeSet::new();
    for case in CASES.lines().filter(|line| !line.is_empty()) {
        let (prepare, command) = case.split_once("=> ").unwrap();
        let request = request(command);
        let call = classify(&request).unwrap();
        seen.insert(call.command.name);
        let [plain, expected] = [&mut resp2, &mut resp3].map(|connection| {
            connection.call(b"DEL k k2\r\n");
            if !prepare.is_empty() {
                connection.call(self::request(prepare).raw());
            }
            connection.call(request.raw())
        });
        let converted = to_resp3(&call, &request, plain.clone());
        assert_eq!(converted, expected, "{case}; in RESP2 {}", plain.escape_ascii());
    }
    let missing: Vec<_> = commands()
        .iter()
        .filter(|row| !matches!(row.rule, Rule::Node | Rule::Container | Rule::Unsupported(_)))
        .filter(|row| !seen.contains(row.name))
        .map(|row| row.name)
        .collect();
    assert!(missing.is_empty(), "commands without a case: {missing:?}");
}

/// For replies that differ from call to call in numbers or order: the kinds of all values, and the texts without digits.
fn outline(reply: &[u8]) -> Vec<String> {
    let mut lines: Vec<String> = String::from_utf8_lossy(reply)
        .split("\r\n")
        .filter(|line| !line.starts_with(['$', '=']))
        .map(|line| {
            if line.starts_with(['*', '%', '~']) {
                line.into()
            } else {
                line.replace(|c: char| c.is_ascii_digit(), "")
            }
        })
        .collect();
    lines.sort_unstable();
    lines
}

#[test]
fn replies_about_the_server_have_the_kinds_of_redis() {
    let server = Server::start(&["--cluster-enabled", "yes"]);
    let (mut resp2, mut resp3) = (server.connect(), server.connect());
    resp3.call(b"HELLO 3\r\n");
    resp2.call(b"CLUSTER ADDSLOTSRANGE 0 100 200 300\r\n");
    for line in [
        "INFO keyspace",
        "INFO cluster",
        "CLUSTER SHARDS",
        "CLUSTER SLOTS",
        "CLUSTER NODES",
        "CLUSTER INFO",
        "CLUSTER MYID",
        "CLUSTER KEYSLOT a",
        "COMMAND",
        "COMMAND INFO config",
        "COMMAND DOCS config client",
        "COMMAND DOCS",
        "COMMAND LIST",
        "TIME",
        "HELLO",
        "CLIENT ID",
    ] {
        let request = request(line);
        let call = classify(&request).unwrap();
        let plain = resp2.call(request.raw());
        let expected = resp3.call(request.raw());
        let converted = to_resp3(&call, &request, plain.clone());
        assert_eq!(converted[0], expected[0], "{line}");
        assert_eq!(outline(&converted), outline(&expected), "{line}");
    }
}

#[test]
fn a_reply_that_fits_no_shape_stays_as_it_is() {
    for (line, reply) in [
        ("HGETALL k", "*1\r\n$1\r\na\r\n"),
        ("HGETALL k", "*x\r\n"),
        ("HGETALL k", "*2\r\n$1\r\na\r\n"),
        ("ZSCORE k a", "$3\r\n1."),
        ("ZRANGE k 0 1 WITHSCORES", "*2\r\n$1\r\na\r\n:1\r\n"),
        ("COMMAND DOCS", "*x\r\n"),
        ("LRANGE k 0 1", "*2\r\n$-1\r\n"),
        ("HGETALL k", "-WRONGTYPE x\r\n"),
    ] {
        let request = request(line);
        let call = classify(&request).unwrap();
        assert_eq!(to_resp3(&call, &request, reply.to_owned().into()), reply, "{line}");
    }
    let deep = [b"*1\r\n".repeat(100_000), b":1\r\n".to_vec()].concat();
    for line in ["COMMAND DOCS", "COMMAND INFO", "HGETALL k", "GEOPOS k a", "SMEMBERS k"] {
        let request = request(line);
        to_resp3(&classify(&request).unwrap(), &request, deep.clone().into());
    }
}
