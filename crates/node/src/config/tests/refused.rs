//! Each row: a file, where its problem is, and what is said about it.

use super::*;

#[track_caller]
fn check(text: &str, expected: &str) {
    let error = Config::parse(text, "d.toml").expect_err(text).to_string();
    assert_eq!(error, expected, "for {text}");
}

#[test]
fn keys_that_do_not_exist() {
    for (text, expected) in [
        ("lisen = \"x\"", "d.toml:1:1: lisen: unknown key; did you mean `listen`?"),
        ("peer-listen = \"x\"", "d.toml:1:1: peer-listen: unknown key; did you mean `peer_listen`?"),
        ("[limits]\n  bulk_mx = 1", "d.toml:2:3: limits.bulk_mx: unknown key; did you mean `bulk_max`?"),
        ("bulk_max = 1", "d.toml:1:1: bulk_max: unknown key here; did you mean `limits.bulk_max`?"),
        ("[[seeds]]\nnmae = \"x\"", "d.toml:2:1: seeds[0].nmae: unknown key; did you mean `name`?"),
        ("[log]\ncolour = 1", "d.toml:2:1: log.colour: unknown key; allowed here are filter, format"),
        (
            "# é\n[\"é\"]",
            "d.toml:2:2: é: unknown key; allowed here are cluster, name, datacenter, rack, listen, client_address, peer_listen, peer_address, workers, data_dir, auto_join, replaces, hash, hash_tag, vnodes, tokens, datastore, seeds, discovery, consistency, timeouts, limits, cross_dc, repair, log",
        ),
        (
            "lisen = 1\nrakc = 2",
            "d.toml:1:1: lisen: unknown key; did you mean `listen`?\nd.toml:2:1: rakc: unknown key; did you mean `rack`?",
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn values_of_the_wrong_form() {
    for (text, expected) in [
        (
            "listen = \"localhost:1\"",
            "d.toml:1:10: listen: `localhost:1` is not an IP address and port, such as \"0.0.0.0:8102\" or \"[::1]:8102\"",
        ),
        (
            "client_address = \"::1:80\"",
            "d.toml:1:18: client_address: `::1:80`: an IPv6 address needs brackets, such as \"[::1]:8101\"",
        ),
        (
            "client_address = \"a b:80\"",
            "d.toml:1:18: client_address: `a b:80` is not a host and port, such as \"10.0.0.1:8101\", \"[::1]:8101\" or \"node1.example:8101\"",
        ),
        (
            "hash = \"murmer\"",
            "d.toml:1:8: hash: unknown hash `murmer`; did you mean murmur? allowed are redis-slot, murmur, murmur3, one_at_a_time, md5, crc16, crc32, crc32a, fnv1_64, fnv1a_64, fnv1_32, fnv1a_32, hsieh, jenkins",
        ),
        ("hash_tag = \"{\"", "d.toml:1:12: hash_tag: `{` is not two ASCII characters, such as \"{}\""),
        (
            "workers = \"all\"",
            "d.toml:1:11: workers: invalid value: string \"all\", expected \"auto\" or a number of threads",
        ),
        (
            "workers = -1",
            "d.toml:1:11: workers: invalid value: integer `-1`, expected \"auto\" or a number of threads",
        ),
        ("name = 7", "d.toml:1:8: name: invalid type: integer `7`, expected a string"),
        ("tokens = [1, -2]", "d.toml:1:14: tokens[1]: invalid value: integer `-2`, expected u32"),
        (
            "datastore = \"memory\"",
            "d.toml:1:13: datastore: invalid type: string \"memory\", expected a table",
        ),
        (
            "[consistency]\nread = \"QUORUM\"",
            "d.toml:2:8: consistency.read: unknown consistency level `QUORUM`; allowed are DC_ONE, DC_QUORUM, DC_SAFE_QUORUM, DC_EACH_SAFE_QUORUM",
        ),
        (
            "[consistency]\nwrite = \"dc-qorum\"",
            "d.toml:2:9: consistency.write: unknown consistency level `dc-qorum`; did you mean DC_QUORUM? allowed are DC_ONE, DC_QUORUM, DC_SAFE_QUORUM, DC_EACH_SAFE_QUORUM",
        ),
        (
            "[timeouts]\nrequest = 200",
            "d.toml:2:11: timeouts.request: the number 200 needs a unit: \"200ms\" or \"200s\"",
        ),
        (
            "[timeouts]\nrequest = \"2 sec\"",
            "d.toml:2:11: timeouts.request: `2 sec` is not a duration such as \"200ms\" or \"2s\" (ms, s, m, h)",
        ),
        (
            "[limits]\nbulk_max = \"64MB\"",
            "d.toml:2:12: limits.bulk_max: `64MB` is not a size such as \"64MiB\" (B, KiB, MiB, GiB, TiB), or a number of bytes",
        ),
        (
            "[limits]\nbulk_max = -1",
            "d.toml:2:12: limits.bulk_max: invalid value: integer `-1`, expected a size such as \"64MiB\" (B, KiB, MiB, GiB, TiB), or a number of bytes",
        ),
        (
            "[limits]\nbulk_max = \"99999999TiB\"",
            "d.toml:2:12: limits.bulk_max: `99999999TiB` is more than 64 bits can count",
        ),
        (
            "[log]\nformat = \"jsn\"",
            "d.toml:2:10: log.format: unknown log format `jsn`; did you mean json? allowed are text, json",
        ),
        ("[[seeds]]\nname = \"a\"", "d.toml:1:1: seeds[0]: missing field `peer_address`"),
    ] {
        check(text, expected);
    }
}

#[test]
fn text_that_is_no_toml() {
    let error = Config::parse("name = \"a\"\nrack = ", "d.toml").expect_err("refused").to_string();
    assert!(error.starts_with("d.toml:2:"), "{error}");
    let error = Config::parse("name = \"a\"\nname = \"b\"", "d.toml").expect_err("refused").to_string();
    assert!(error.starts_with("d.toml:2:1: ") && error.contains("duplicate key"), "{error}");
}

#[test]
fn datastore_urls() {
    let forms =
        "allowed are \"memory\", \"redis://[user[:password]@]host[:port]\" or \"redis+unix:///path/to.sock\"";
    for (url, message) in [
        ("mongodb://h", format!("unknown kind of datastore: {forms}")),
        ("redis://", format!("no valid host and port: {forms}")),
        ("redis://h:99999", format!("no valid host and port: {forms}")),
        ("redis://h:0", "port 0 is not a port that a datastore listens on".to_owned()),
        ("redis://h:1/0", "leave the database out: it is always 0".to_owned()),
        ("redis://h:1/2", "a node uses database 0 of its datastore; leave the path out".to_owned()),
        ("redis://:@h", "the password in the URL is empty".to_owned()),
        ("redis://:a/b@h", "a `/` in the user or password is written %2F".to_owned()),
        (
            "redis://:%zz@h",
            "the user or password in the URL has a `%` that does not begin a %XX sequence of UTF-8"
                .to_owned(),
        ),
        ("redis+unix://relative.sock", format!("the path of a unix socket is absolute: {forms}")),
        ("rediss://h", "TLS to the datastore is not supported; use redis:// or redis+unix://".to_owned()),
        (
            "memory://:secret@",
            "the memory store is written \"memory\"; it has no user and no password".to_owned(),
        ),
        (
            "redis://app@h",
            "a user without a password; add `datastore.password_file`, or user:password@ in the URL"
                .to_owned(),
        ),
    ] {
        check(&format!("[datastore]\nurl = \"{url}\""), &format!("d.toml:2:7: datastore.url: {message}"));
    }
}

#[test]
fn sources_of_seeds() {
    const FORMS: &str = "allowed are \"HOST[:PORT]\", \"dns:NAME[:PORT]\", \"srv:_SERVICE._tcp.DOMAIN\", \
                         \"file:/PATH\" or \"http://HOST[:PORT]/PATH\"";
    const HOST_PORT: &str = "is not a host and port, such as \"10.0.0.1:8101\", \"[::1]:8101\" or \
                             \"node1.example:8101\"";
    const URL: &str = "the form is \"http://HOST[:PORT]/PATH\"";
    let service = |name: &str| {
        format!(
            "`srv:{name}` names no service: the form is \"srv:_dynomite._tcp.example.com\", without a port"
        )
    };
    let path = |path: &str| {
        format!("`file:{path}` is no absolute path of a file, such as \"file:/etc/dynomite/seeds\"")
    };
    for (source, message) in [
        ("", format!("is empty; {FORMS}")),
        ("a b", format!("`a b:8101` {HOST_PORT}")),
        ("h:65536", format!("`h:65536` {HOST_PORT}")),
        ("h:x", format!("`h:x` {HOST_PORT}")),
        ("dns:h:x", format!("`h:x` {HOST_PORT}")),
        ("::1", "`::1`: an IPv6 address needs brackets, such as \"[::1]:8101\"".to_owned()),
        ("h:0", "h:0: port 0 is not a port that others can connect to".to_owned()),
        ("[::]", "[::]:8101 is not an address that others can connect to".to_owned()),
        ("srv:example.com", service("example.com")),
        ("srv:_d._tcp", service("_d._tcp")),
        ("srv:_d._tcp.example:8101", service("_d._tcp.example:8101")),
        ("file:seeds", path("seeds")),
        ("file:/etc/", path("/etc/")),
        ("ftp://h/x", format!("`ftp://h/x` is no source of seeds; {FORMS}")),
        ("https://h/x", "`https://h/x`: TLS is not supported here; use http:// or a file".to_owned()),
        ("http:h", format!("`http:h`: is no URL; {URL}")),
        ("http://u:p@h/", format!("`http://u:p@h/`: a user or password is not supported; {URL}")),
        ("http:///x", format!("`http:///x`: `:80` {HOST_PORT}; {URL}")),
        (
            "http://h/é",
            format!(
                "`http://h/é`: the path may hold visible ASCII characters other than `#`; write others as %XX; {URL}"
            ),
        ),
        ("http://0.0.0.0/", "0.0.0.0:80 is not an address that others can connect to".to_owned()),
    ] {
        let text = format!(
            "name = \"a\"\npeer_listen = \"10.0.0.1:1\"\n[discovery]\nsources = [\"ok\", \"{source}\"]"
        );
        check(&text, &format!("d.toml:4:18: discovery.sources[1]: {message}"));
    }
    let with = |sources: &str| {
        format!("name = \"a\"\npeer_listen = \"10.0.0.1:1\"\n[discovery]\nsources = {sources}")
    };
    check(
        &with("[\"h\", \"dns:h:8101\"]"),
        "d.toml:4:17: discovery.sources[1]: `h:8101` is in the list already; leave one of the two out",
    );
    let many: Vec<String> = (0..65).map(|number| format!("h{number}")).collect();
    check(
        &with(&format!("{many:?}")),
        "d.toml:4:11: discovery.sources: has 65 entries; at most 64: put addresses into a file",
    );
    check(&with("\"h\""), "d.toml:4:11: discovery.sources: invalid type: string \"h\", expected a sequence");
    check(&with("[\"h\"]\ninterval = \"2h\""), "d.toml:5:12: discovery.interval: 2h is not 1s to 1h");
    check("[discovery]\nsources = [\"h\"]", "d.toml: name: a node that has seeds needs a name of its own");
    check(
        "name = \"a\"\n[discovery]\nsources = [\"h\"]",
        "d.toml: peer_listen: is needed where there are seeds, such as \"0.0.0.0:8101\"",
    );
}

#[test]
fn records_of_services_need_the_feature() {
    let text = "name = \"a\"\npeer_listen = \"10.0.0.1:1\"\n[discovery]\nsources = [\"srv:_d._tcp.x\"]";
    if cfg!(feature = "srv") {
        parsed(text);
    } else {
        check(
            text,
            "d.toml:4:12: discovery.sources[0]: `srv:_d._tcp.x`: this program was built without SRV look-ups; build it with \
             `cargo build --release -p dynomited --features srv`, or name the nodes by \"dns:NAME:PORT\"",
        );
    }
}

#[test]
fn a_source_that_was_put_together_wrong_is_refused() {
    for source in [
        SeedSource::Host(HostPort::new("a b", 1)),
        SeedSource::File("seeds".into()),
        SeedSource::File("/a\u{0}b/".into()),
        SeedSource::Srv("x".into()),
    ] {
        let shown = format!("{source:?}");
        let discovery = Discovery { sources: vec![source], ..Discovery::default() };
        let peer_listen = Some("10.0.0.1:1".parse().expect("valid"));
        let config = Config { discovery, peer_listen, ..Config::default() };
        let error = config.validate().expect_err(&shown);
        assert_eq!(error.problems()[0].key, "discovery.sources[0]", "{error}");
    }
}

#[test]
fn keys_that_would_have_no_effect() {
    for (text, expected) in [
        (
            "peer_listen = \"0.0.0.0:1\"",
            "d.toml:1:15: peer_listen: has no effect without [[seeds]] or discovery.sources: the node has no peers",
        ),
        (
            "peer_address = \"h:1\"",
            "d.toml:1:16: peer_address: has no effect without [[seeds]] or discovery.sources: the node has no peers",
        ),
        (
            "hash_tag = \"{}\"",
            "d.toml:1:12: hash_tag: has no effect with hash = \"redis-slot\", whose tag is {} as in Redis Cluster",
        ),
        (
            "tokens = [0]\nvnodes = 8",
            "d.toml:2:10: vnodes: has no effect: all tokens are given; leave it out",
        ),
        (
            "[datastore]\nurl = \"redis://h\"\nmax_memory = 5000000",
            "d.toml:3:14: datastore.max_memory: has no effect: only the memory store has this limit; set `maxmemory` in Redis itself",
        ),
        (
            "[datastore]\npassword_file = \"/x\"",
            "d.toml:2:17: datastore.password_file: has no effect: the memory store asks for no password",
        ),
        (
            "[datastore]\nusername = \"x\"",
            "d.toml:2:12: datastore.username: has no effect: the memory store asks for no password",
        ),
        (
            "[datastore]\nurl = \"redis://:p@h\"\npassword_file = \"/x\"",
            "d.toml:3:17: datastore.password_file: the URL has a password already; give one of the two",
        ),
        (
            "[datastore]\nurl = \"redis://u:p@h\"\nusername = \"v\"",
            "d.toml:3:12: datastore.username: the URL names a user already; give one of the two",
        ),
        (
            "[discovery]\ninterval = \"2s\"",
            "d.toml:2:12: discovery.interval: has no effect without discovery.sources: nobody is asked",
        ),
        (
            "[timeouts]\nlog_sync = \"2s\"",
            "d.toml:2:12: timeouts.log_sync: has no effect without data_dir: nothing is kept on disk",
        ),
        (
            "[limits]\nlog_segment = \"1MiB\"",
            "d.toml:2:15: limits.log_segment: has no effect without data_dir: nothing is kept on disk",
        ),
        (
            "[[consistency.prefix]]\nprefix = \"u:\"",
            "d.toml:2:10: consistency.prefix[0].prefix: has no effect: give `read`, `write`, `home` or `sequencing`",
        ),
        (
            "[[consistency.prefix]]\nprefix = \"u:\"\nhome = \"dc9\"",
            "d.toml:3:8: consistency.prefix[0].home: no node is in a datacenter `dc9`",
        ),
        (
            "[[consistency.prefix]]\nprefix = \"u:\"\nsequencing = \"both\"",
            "d.toml:3:14: consistency.prefix[0].sequencing: unknown way of sequencing `both`; allowed are claimed, available",
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn numbers_out_of_range() {
    for (text, expected) in [
        ("workers = 0", "d.toml:1:11: workers: 0 is not \"auto\" or 1 to 256"),
        ("workers = 257", "d.toml:1:11: workers: 257 is not \"auto\" or 1 to 256"),
        ("vnodes = 0", "d.toml:1:10: vnodes: 0 is not 1 to 16, which is what hash redis-slot has room for"),
        (
            "vnodes = 1025\nhash = \"murmur\"",
            "d.toml:1:10: vnodes: 1025 is not 1 to 1024, which is what hash murmur has room for",
        ),
        ("[timeouts]\nrequest = \"0s\"", "d.toml:2:11: timeouts.request: 0ms is not 1ms to 1h"),
        (
            "[timeouts]\nrequest = \"200ms\"",
            "d.toml:1:1: timeouts.failover: 200ms is not shorter than timeouts.request, 200ms: no read would ever be sent again",
        ),
        ("[timeouts]\nheartbeat = \"11s\"", "d.toml:2:13: timeouts.heartbeat: 11s is not 1ms to 10s"),
        ("[repair]\ninterval = \"9s\"", "d.toml:2:12: repair.interval: 9s is not 10s to 168h"),
        ("[repair]\nkeys_per_s = 0", "d.toml:2:14: repair.keys_per_s: 0 is not 1 to 1000000"),
        ("[repair]\nbytes_per_s = 9", "d.toml:2:15: repair.bytes_per_s: 9B is not 1KiB to 1TiB"),
        ("[repair]\nrebuild_wait = \"200h\"", "d.toml:2:16: repair.rebuild_wait: 200h is not 0ms to 168h"),
        (
            "[repair]\nintervall = \"1m\"",
            "d.toml:2:1: repair.intervall: unknown key; did you mean `interval`?",
        ),
        ("[timeouts]\nhint_window = \"200h\"", "d.toml:2:15: timeouts.hint_window: 200h is not 1ms to 168h"),
        (
            "data_dir = \"/d\"\n[timeouts]\nlog_sync = \"61s\"",
            "d.toml:3:12: timeouts.log_sync: 61s is not 0ms to 60s",
        ),
        ("[limits]\nhints_max = \"1KiB\"", "d.toml:2:13: limits.hints_max: 1KiB is not 64KiB to 1TiB"),
        (
            "data_dir = \"/d\"\n[limits]\nlog_segment = \"2GiB\"",
            "d.toml:3:15: limits.log_segment: 2GiB is not 64KiB to 1GiB",
        ),
        ("data_dir = \"data\"", "d.toml:1:12: data_dir: `data` is not an absolute path"),
        ("data_dir = \"\"", "d.toml:1:12: data_dir: `` is not an absolute path"),
        ("[limits]\nclients_max = 0", "d.toml:2:15: limits.clients_max: 0 is not 1 to 1000000"),
        ("[limits]\nlane_window = 0", "d.toml:2:15: limits.lane_window: 0 is not 1 to 16777216"),
        (
            "[limits]\nbulk_max = \"1GiB\"\nrequest_max = \"2GiB\"",
            "d.toml:2:12: limits.bulk_max: 1GiB is not 1KiB to 512MiB",
        ),
        (
            "[limits]\nrequest_max = \"1MiB\"",
            "d.toml:1:1: limits.bulk_max: 64MiB is more than limits.request_max, 1MiB",
        ),
        (
            "[limits]\nbuffers_max = \"1MiB\"",
            "d.toml:1:1: limits.client_output_max: 32MiB is more than limits.buffers_max, 1MiB",
        ),
        ("[limits]\nclock_skew_max = \"2h\"", "d.toml:2:18: limits.clock_skew_max: 2h is not 1ms to 1h"),
        ("[datastore]\nmax_memory = 5", "d.toml:2:14: datastore.max_memory: 5B is less than 1MiB"),
        (
            "[datastore]\nurl = \"redis://h\"\npassword_file = \"x\"",
            "d.toml:3:17: datastore.password_file: `x` is not an absolute path",
        ),
        (
            "[log]\nfilter = \"\"",
            "d.toml:2:10: log.filter: is empty; allowed are off, error, warn, info, debug, trace and target=level lists",
        ),
        ("name = \"a b\"", "d.toml:1:8: name: \"a b\" is no name: 1 to 64 letters, digits, `-`, `_` or `.`"),
        (
            "client_address = \"0.0.0.0:1\"",
            "d.toml:1:18: client_address: 0.0.0.0:1 is not an address that others can connect to",
        ),
        (
            "client_address = \"h:0\"",
            "d.toml:1:18: client_address: h:0: port 0 is not a port that others can connect to",
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn clusters_that_contradict_themselves() {
    let seed = |name: &str, address: &str, rest: &str| {
        format!("[[seeds]]\nname = \"{name}\"\npeer_address = \"{address}\"\n{rest}\n")
    };
    let own = "name = \"a\"\npeer_listen = \"10.0.0.1:1\"\n";
    let b = seed("b", "10.0.0.2:1", "rack = \"r2\"");
    for (text, expected) in [
        (b.clone(), "d.toml: name: a node that has seeds needs a name of its own"),
        (
            format!("name = \"a\"\n{b}"),
            "d.toml: peer_listen: is needed where there are seeds, such as \"0.0.0.0:8101\"",
        ),
        (
            format!("name = \"a\"\npeer_listen = \"0.0.0.0:1\"\n{b}"),
            "d.toml: peer_address: is needed: peers cannot reach this node at 0.0.0.0:1",
        ),
        (
            format!("name = \"a\"\npeer_listen = \"10.0.0.1:0\"\n{b}"),
            "d.toml:2:15: peer_listen: port 0 is chosen anew at every start; peers need a fixed one",
        ),
        (
            format!("name = \"a\"\npeer_listen = \"127.0.0.1:8102\"\n{b}"),
            "d.toml:2:15: peer_listen: is the same as listen, 127.0.0.1:8102; clients and peers need two ports",
        ),
        (format!("{own}{b}{b}"), "d.toml:8:8: seeds[1].name: `b` is already the name of seeds[0]"),
        (
            format!("{own}{b}{}", seed("c", "10.0.0.2:1", "")),
            "d.toml:9:16: seeds[1].peer_address: 10.0.0.2:1 is already the address of `b`",
        ),
        (
            format!("{own}{}", seed("b", "10.0.0.1:1", "")),
            "d.toml:5:16: seeds[0].peer_address: 10.0.0.1:1 is already the address of `a`",
        ),
        (
            format!("{own}{}", seed("b", "[::]:1", "")),
            "d.toml:5:16: seeds[0].peer_address: [::]:1 is not an address that others can connect to",
        ),
        (
            format!("{own}rack = \"r9\"\n{}", seed("a", "10.0.0.1:1", "rack = \"r1\"")),
            "d.toml:7:8: seeds[0].rack: this node has rack = r9, but its entry in the seeds says r1",
        ),
        (
            format!("{own}tokens = [0]\n{}", seed("a", "10.0.0.1:1", "tokens = [262144]")),
            "d.toml:7:10: seeds[0].tokens: this node has tokens = [0], but its entry in the seeds says [262144]",
        ),
        (
            format!("{own}tokens = [0]\n{}", seed("b", "10.0.0.2:1", "")),
            "d.toml:3:10: tokens: `a` has tokens and `b` has none; all nodes of rack1 have them, or none",
        ),
        (
            format!("{own}tokens = [0]\n{}", seed("b", "10.0.0.2:1", "tokens = [262144, 0]")),
            "d.toml:7:19: seeds[0].tokens[1]: token 0 is already one of `a` in rack1",
        ),
        (
            format!("{own}tokens = [5]\n{b}"),
            "d.toml:3:11: tokens[0]: token 5 is no slot boundary: with hash redis-slot a token is its last slot (0 to 16383) times 262144",
        ),
        (format!("{own}tokens = []\n{b}"), "d.toml:3:10: tokens: has 0 tokens; 1 to 1024 are allowed"),
        (
            "[[consistency.prefix]]\nprefix = \"\"".to_owned(),
            "d.toml:2:10: consistency.prefix[0].prefix: is not 1 to 256 bytes long",
        ),
    ] {
        check(&text, expected);
    }
    let twice = "[[consistency.prefix]]\nprefix = \"u\"\nread = \"DC_ONE\"\n";
    check(&format!("{twice}{twice}"), "d.toml:5:10: consistency.prefix[1].prefix: `u` has an entry already");
}

#[test]
fn names_whose_ids_collide() {
    // Both are FNV-1a 32 pre-images of one value, found by search.
    let (a, b) = colliding_names();
    let text = format!(
        "name = \"{a}\"\npeer_listen = \"10.0.0.1:1\"\n[[seeds]]\nname = \"{b}\"\npeer_address = \"10.0.0.2:1\"\nrack = \"r2\""
    );
    check(
        &text,
        &format!("d.toml:4:8: seeds[0].name: `{b}` and `{a}` have the same node id; rename one of them"),
    );
}

#[test]
fn overrides_that_are_wrong() {
    for (set, expected) in [
        ("workers", "--set workers: the form is --set key=value, such as --set limits.bulk_max=1MiB"),
        ("worker=1", "--set worker: there is no such key; did you mean `workers`?"),
        ("whatever=1", "--set whatever: there is no such key"),
        ("seeds[0].name=x", "--set seeds[0].name: there is no such key"),
        (
            "workers=many",
            "--set workers: invalid value: string \"many\", expected \"auto\" or a number of threads",
        ),
        (
            "limits.log_segmnt=1MiB",
            "--set limits.log_segmnt: there is no such key; did you mean `limits.log_segment`?",
        ),
        ("data_dri=/d", "--set data_dri: there is no such key; did you mean `data_dir`?"),
        ("data_dir=d", "--set data_dir: `d` is not an absolute path"),
        ("limits.args_max=0", "--set limits.args_max: 0 is not 1 to 1048576"),
        ("tokens=[1,'x']", "--set tokens: invalid type: string \"x\", expected u32"),
        ("seeds=[{nmae='b'}]", "--set seeds: seeds[0].nmae: unknown key; did you mean `name`?"),
    ] {
        let error = with_sets("", &[set]).expect_err(set).to_string();
        assert_eq!(error, expected);
    }
    let error = with_env(&[("DYNOMITED_LISEN", "x")]).expect_err("refused").to_string();
    assert_eq!(error, "DYNOMITED_LISEN: no key belongs to this variable; did you mean DYNOMITED_LISTEN?");
    let error = with_env(&[("DYNOMITED_VNODES", "none")]).expect_err("refused").to_string();
    assert!(error.starts_with("DYNOMITED_VNODES: vnodes: invalid type"), "{error}");
}

fn colliding_names() -> (String, String) {
    let mut seen = std::collections::HashMap::new();
    for number in 0_u32.. {
        let name = format!("node-{number:x}");
        if let Some(other) = seen.insert(dynomite_ring::NodeId::from_name(&name), name.clone()) {
            return (other, name);
        }
    }
    unreachable!("a 32-bit hash collides")
}
