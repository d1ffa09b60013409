//! Random commands: mostly sensible, often at an edge, sometimes nonsense.

/// Templates by the kind of key they are for. `$x` is drawn from a pool, `?` marks what may be left out, `:` joins words
/// that come together, `+` repeats.
const FAMILIES: [(&[u8], &[&str]); 7] = [
    (b"s", STRINGS),
    (b"h", HASHES),
    (b"l", LISTS),
    (b"t", SETS),
    (b"z", SORTED_SETS),
    (b"x", LEX_SETS),
    (b"any", KEYS),
];

const STRINGS: &[&str] = &[
    "GET $k",
    "SET $k $v",
    "SET $k $v",
    "SET $k $v ?NX ?XX ?GET ?KEEPTTL ?EX:$seconds ?PX:$millis ?EXAT:$moment ?PXAT:$momentms",
    "SET $k $v ?GET ?EX:$seconds",
    "SETNX $k $v",
    "SETEX $k $seconds $v",
    "PSETEX $k $millis $v",
    "GETSET $k $v",
    "GETDEL $k",
    "GETEX $k ?PERSIST ?EX:$seconds ?PX:$millis ?EXAT:$moment ?PXAT:$momentms",
    "APPEND $k $v",
    "STRLEN $k",
    "SETRANGE $k $offset $v",
    "GETRANGE $k $i $i",
    "SUBSTR $k $i $i",
    "INCR $k",
    "DECR $k",
    "INCRBY $k $i",
    "DECRBY $k $i",
    "INCRBYFLOAT $k $f",
    "SET $k $f",
    "SET $k $i",
    "MGET +$k",
    "MSET +$k:$v",
    "MSETNX +$k:$v",
    "SETBIT $k $offset $i",
    "GETBIT $k $offset",
    "BITCOUNT $k ?$i:$i ?BIT ?BYTE",
    "BITCOUNT $k $i $i BIT",
    "BITPOS $k $i ?$i ?$i ?BIT ?BYTE",
    "BITPOS $k 0 $i $i BIT",
    "BITPOS $k 1 $i $i BYTE",
];

const HASHES: &[&str] = &[
    "HSET $k +$m:$v",
    "HSET $k +$m:$f",
    "HSET $k $m $i",
    "HSETNX $k $m $v",
    "HMSET $k +$m:$v",
    "HGET $k $m",
    "HMGET $k +$m",
    "HGETALL $k",
    "HDEL $k +$m",
    "HLEN $k",
    "HEXISTS $k $m",
    "HKEYS $k",
    "HVALS $k",
    "HSTRLEN $k $m",
    "HINCRBY $k $m $i",
    "HINCRBYFLOAT $k $m $f",
    "HRANDFIELD $k ?$n ?WITHVALUES",
    "HSCAN $k 0 COUNT 1000 ?MATCH:$p",
    "HSCAN $k 0 COUNT 1000 ?COUNT:-1 ?COUNT:abc ?TYPE:hash ?FOO",
    "HSCAN $k abc",
];

const LISTS: &[&str] = &[
    "LPUSH $k +$m",
    "RPUSH $k +$m",
    "RPUSH $k +$v",
    "LPUSHX $k +$v",
    "RPUSHX $k +$v",
    "LPOP $k ?$n",
    "RPOP $k ?$n",
    "LLEN $k",
    "LINDEX $k $i",
    "LSET $k $i $v",
    "LRANGE $k $i $i",
    "LTRIM $k $i $i",
    "LTRIM $k 0 40",
    "LREM $k $i $m",
    "LINSERT $k BEFORE $m $v",
    "LINSERT $k AFTER $m $v",
    "LINSERT $k $v $m $v",
    "LPOS $k $m ?RANK:$rank ?COUNT:$i ?MAXLEN:$i",
    "LPOS $k $m ?RANK:$rank ?COUNT:0",
];

const SETS: &[&str] = &[
    "SADD $k +$m",
    "SADD $k +$i",
    "SADD $k $v",
    "SREM $k +$m",
    "SCARD $k",
    "SISMEMBER $k $m",
    "SMISMEMBER $k +$m",
    "SMEMBERS $k",
    "SPOP $k ?$n",
    "SRANDMEMBER $k ?$n",
    "SSCAN $k 0 COUNT 1000 ?MATCH:$p",
];

const SORTED_SETS: &[&str] = &[
    "ZADD $k +$f:$m",
    "ZADD $k +$i:$m",
    "ZADD $k ?NX ?XX ?GT ?LT ?CH ?INCR $f $m",
    "ZADD $k ?XX ?GT ?CH +$i:$m",
    "ZADD $k ?LT ?CH +$i:$m",
    "ZADD $k INCR $f $m",
    "ZINCRBY $k $f $m",
    "ZSCORE $k $m",
    "ZMSCORE $k +$m",
    "ZCARD $k",
    "ZCOUNT $k $b $b",
    "ZRANK $k $m",
    "ZREVRANK $k $m",
    "ZRANGE $k $i $i ?WITHSCORES",
    "ZRANGE $k $i $i ?REV ?WITHSCORES ?LIMIT:$i:$i",
    "ZRANGE $k $b $b BYSCORE ?REV ?WITHSCORES ?LIMIT:$i:$i",
    "ZREVRANGE $k $i $i ?WITHSCORES ?LIMIT:$i:$i",
    "ZRANGEBYSCORE $k $b $b ?WITHSCORES ?LIMIT:$i:$i",
    "ZREVRANGEBYSCORE $k $b $b ?WITHSCORES ?LIMIT:$i:$i",
    "ZREM $k +$m",
    "ZREMRANGEBYRANK $k $i $i",
    "ZREMRANGEBYSCORE $k $b $b",
    "ZPOPMIN $k ?$n",
    "ZPOPMAX $k ?$n",
    "ZRANDMEMBER $k ?$n ?WITHSCORES",
    "ZSCAN $k 0 COUNT 1000 ?MATCH:$p",
];

/// For sets whose scores are all the same, without which ranges of members mean nothing.
const LEX_SETS: &[&str] = &[
    "ZADD $k 0 $m 0 $m 0 $m",
    "ZADD $k 0 $v 0 a",
    "ZREM $k +$m",
    "ZCARD $k",
    "ZLEXCOUNT $k $x $x",
    "ZRANGE $k $x $x BYLEX ?REV ?LIMIT:$i:$i ?WITHSCORES ?BYSCORE",
    "ZRANGEBYLEX $k $x $x ?LIMIT:$i:$i",
    "ZREVRANGEBYLEX $k $x $x ?LIMIT:$i:$i",
    "ZREMRANGEBYLEX $k $x $x",
];

const KEYS: &[&str] = &[
    "DEL +$k",
    "DEL $k",
    "UNLINK $k",
    "EXISTS +$k",
    "TOUCH +$k",
    "TYPE $k",
    "TTL $k",
    "PTTL $k",
    "EXPIRETIME $k",
    "PEXPIRETIME $k",
    "EXPIRE $k $seconds ?NX ?XX",
    "PEXPIRE $k $millis ?NX ?XX",
    "EXPIREAT $k $moment ?NX ?XX ?GT ?LT",
    "EXPIREAT $k $moment ?GT",
    "PEXPIREAT $k $momentms ?LT ?XX",
    "PERSIST $k",
    "OBJECT ENCODING $k",
    "OBJECT REFCOUNT foo bar",
    "OBJECT FREQ $k",
    "OBJECT $v $k",
    "RESTORE $k $i $v ?REPLACE ?ABSTTL ?IDLETIME:$i ?FREQ:$i",
    "RENAME $k $k",
    "RENAMENX $k $k",
    "COPY $k $k ?REPLACE ?DB:0",
    "KEYS $p",
    "DBSIZE",
    "RANDOMKEY",
    "SCAN 0 COUNT 1000 ?MATCH:$p ?TYPE:zset",
    "SCAN 0 COUNT 1000 ?COUNT:0 ?COUNT:abc ?FOO:1 ?FOO",
    "SCAN abc",
    "PING ?$v ?$v",
    "ECHO $v",
    "FLUSHDB ?$v ?$v ?$v",
    "$v $v",
];

const VALUES: &[&[u8]] = &[
    b"",
    b"a",
    b"abc",
    b"10",
    b"-5",
    b"3.5",
    b"9223372036854775807",
    b"hello world",
    b"1e5",
    b"inf",
    b"0x1F",
    b"\x00\xff\r\n\x01",
    b"1 ",
    b"01",
    b"a string of more than twenty-two bytes",
    b"a string of more than forty-four bytes, which Redis calls raw",
    b"a string of more than sixty-four bytes, for which Redis leaves its compact encodings",
];
const INTEGERS: &[&str] = &[
    "0",
    "0",
    "1",
    "1",
    "2",
    "3",
    "5",
    "10",
    "-1",
    "-1",
    "-2",
    "-3",
    "-5",
    "-100",
    "100",
    "7",
    "8",
    "9",
    "9223372036854775807",
    "-9223372036854775808",
    "abc",
    "1.5",
    "",
    "-0",
];
const COUNTS: &[&str] = &["0", "1", "2", "3", "5", "-1", "-3", "-7", "abc", "-9223372036854775808"];
const RANKS: &[&str] = &["1", "2", "3", "-1", "-2", "0", "9223372036854775807", "abc"];
const FLOATS: &[&str] = &[
    "0",
    "1",
    "2",
    "3.5",
    "-1.25",
    "0.1",
    "0.2",
    "1e5",
    "1e17",
    "1e300",
    "-1e300",
    "1e-7",
    "123456.789",
    "inf",
    "-inf",
    "nan",
    "abc",
    "",
    "1e400",
    "0x1p4",
    "3.0e3",
    " 1",
    "1 ",
    "+7",
    ".5",
    "1e-320",
    "100000000000000000000",
];
const BOUNDS: &[&str] = &[
    "-inf", "+inf", "inf", "0", "1", "(1", "2", "(2", "3.5", "(3.5", "-1", "100000", "abc", "(", "((1",
    "nan", "(inf", "1e400",
];
const LEX_BOUNDS: &[&str] =
    &["-", "+", "[a", "(a", "[m1", "(m1", "[m3", "(m2", "[", "(", "foo", "", "-a", "[z"];
const PATTERNS: &[&str] = &["*", "m*", "?1", "[a-m]*", "[^m]*", "s0", "*0", "m\\1", "", "[", "h[0-9"];
const OFFSETS: &[&str] =
    &["0", "1", "2", "7", "9", "20", "63", "100", "-1", "abc", "536870912", "4294967296", ""];
const SECONDS: &[&str] =
    &["1000", "5000", "100000", "0", "-1", "abc", "9223372036854775807", "9223372036854775"];
const MILLIS: &[&str] = &["1000000", "5000000", "100000000", "0", "-1", "abc", "9223372036854775807"];

/// Seeded; the same seed gives the same commands, but for the moments in them.
pub(crate) struct Generator {
    state: u64,
    now_ms: u64,
    /// How many different members there are, and how many a repeated argument adds at most.
    member_count: usize,
    repeat_max: usize,
}

impl Generator {
    /// Every other seed makes large collections.
    pub(crate) fn new(seed: u64, now_ms: u64) -> Self {
        let (member_count, repeat_max) = if seed.is_multiple_of(2) { (7, 3) } else { (1500, 150) };
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, now_ms, member_count, repeat_max }
    }

    /// Every key that commands may name.
    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        let names = FAMILIES.iter().flat_map(|(family, _)| (0..3u8).map(|number| key(family, number)));
        names.collect()
    }

    pub(crate) fn command(&mut self) -> Vec<Vec<u8>> {
        // Keys' own commands are one in eight, so that keys live for a while.
        let family = if self.below(8) == 0 { FAMILIES.len() - 1 } else { self.below(FAMILIES.len() - 1) };
        let (own, templates) = FAMILIES[family];
        let template = templates[self.below(templates.len())];
        if template.starts_with("FLUSH") && self.below(20) != 0 {
            return self.command();
        }
        let mut args = Vec::new();
        for word in template.split(' ') {
            let (optional, word) = word.strip_prefix('?').map_or((false, word), |word| (true, word));
            let (repeated, word) = word.strip_prefix('+').map_or((false, word), |word| (true, word));
            let count = if repeated {
                1 + self.below(self.repeat_max)
            } else {
                usize::from(!optional || self.below(4) == 0)
            };
            for _ in 0..count {
                args.extend(word.split(':').map(|word| self.word(word, own)).collect::<Vec<_>>());
            }
        }
        match self.below(60) {
            0 if args.len() > 1 => drop(args.pop()),
            1 => args.push(b"foo".to_vec()),
            2 => args[0].make_ascii_lowercase(),
            _ => {}
        }
        args
    }

    fn word(&mut self, word: &str, family: &[u8]) -> Vec<u8> {
        let pool = match word {
            "$k" => {
                let any = family == b"any" || self.below(16) == 0;
                let family = if any { FAMILIES[self.below(FAMILIES.len())].0 } else { family };
                return key(family, self.below(3) as u8);
            }
            "$m" => return format!("m{}", self.below(self.member_count)).into_bytes(),
            "$v" => return VALUES[self.below(VALUES.len())].to_vec(),
            // Long gone, far ahead, and apart from what relative times lead to.
            "$moment" | "$momentms" => {
                let at_s = self.now_ms / 1000 + [2_000_000, 3_000_000, 4_000_000][self.below(3)];
                let at = if word == "$moment" { at_s } else { at_s * 1000 + 77 };
                let edges = ["1", "0", "-1", "abc"];
                let pick = self.below(6);
                return edges
                    .get(pick)
                    .map_or_else(|| at.to_string(), |edge| (*edge).to_owned())
                    .into_bytes();
            }
            "$i" => INTEGERS,
            "$n" => COUNTS,
            "$rank" => RANKS,
            "$f" => FLOATS,
            "$b" => BOUNDS,
            "$x" => LEX_BOUNDS,
            "$p" => PATTERNS,
            "$offset" => OFFSETS,
            "$seconds" => SECONDS,
            "$millis" => MILLIS,
            literal => return literal.as_bytes().to_vec(),
        };
        pool[self.below(pool.len())].as_bytes().to_vec()
    }

    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}

fn key(family: &[u8], number: u8) -> Vec<u8> {
    [family, &[b'0' + number]].concat()
}
