//! What the configuration accepts, refuses and prints.

mod refused;
mod round_trip;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

const CLUSTER: &str = r#"
name = "a1"
peer_listen = "0.0.0.0:8101"

[[seeds]]
name = "a1"
peer_address = "10.0.0.1:8101"
client_address = "10.0.0.1:6379"
datacenter = "east"
rack = "r1"

[[seeds]]
name = "a2"
peer_address = "node2.example:8101"
datacenter = "east"
rack = "r2"
"#;

fn parsed(text: &str) -> Config {
    Config::parse(text, "test.toml").unwrap_or_else(|error| panic!("{error}"))
}

fn source(text: &str) -> SeedSource {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn with_sets(text: &str, sets: &[&str]) -> Result<Config, ConfigError> {
    let mut overrides = Overrides::default();
    for set in sets {
        overrides.set(set)?;
    }
    Config::parse_with(text, "test.toml", &overrides)
}

fn with_env(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut overrides = Overrides::default();
    overrides.add_env(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))?;
    Config::parse_with("", "defaults", &overrides)
}

#[test]
fn an_empty_file_is_a_single_node_over_memory() {
    let config = parsed("");
    assert_eq!(config, Config::single_node());
    assert_eq!(config.listen.to_string(), "127.0.0.1:8102");
    assert_eq!(config.datastore, Datastore::Memory { max_memory: None });
    assert_eq!((config.peer_listen, config.members().len()), (None, 1));
    config.validate().expect("the default is valid");
}

#[test]
fn every_key_is_read() {
    let config = parsed(
        r#"
        cluster = "shop"
        name = "n1"
        datacenter = "dc-a"
        rack = "r.1"
        listen = "[::1]:7000"
        client_address = "[2001:db8::1]:7000"
        peer_listen = "0.0.0.0:7001"
        peer_address = "n1.example:7001"
        workers = 3
        data_dir = "/var/lib/dynomite"
        hash = "murmur"
        hash_tag = "{}"
        tokens = [1, 4294967295]
        consistency = { read = "dc_quorum", write = "DC_SAFE_QUORUM", prefix = [{ prefix = "u:", read = "DC_ONE" }] }
        [datastore]
        url = "redis://10.0.0.9:7777"
        username = "app"
        password_file = "/run/secret"
        [[seeds]]
        name = "n2"
        peer_address = "n2.example:7001"
        client_address = "n2.example:7000"
        datacenter = "dc-a"
        rack = "r2"
        tokens = [7]
        [discovery]
        sources = ["10.0.0.7", "dns:seeds.example:7001", "file:/etc/seeds", "http://[::1]:8080/REST/v1/admin/get_seeds"]
        interval = "5s"
        [timeouts]
        request = "3s"
        failover = "100ms"
        drain = "1m"
        client_stall = "1h"
        connect = "500ms"
        heartbeat = "50ms"
        hint_window = "2h"
        log_sync = "0s"
        [limits]
        clients_max = 1
        client_inflight_max = 2
        client_output_max = "16KiB"
        buffers_max = "2MiB"
        bulk_max = "1 KiB"
        args_max = 4
        request_max = 4096
        inline_max = "64B"
        operations_max = 5
        link_window = 6
        link_bytes_max = "3MiB"
        lane_window = 7
        clock_skew_max = "5s"
        hints_max = "1GiB"
        log_segment = "64KiB"
        [cross_dc]
        compression = "lz4"
        [repair]
        interval = "0s"
        keys_per_s = 9
        bytes_per_s = "4KiB"
        rebuild_wait = "1m"
        [log]
        filter = "debug,tokio=warn"
        format = "json"
        "#,
    );
    let address = |text: &str| text.parse::<HostPort>().expect("a valid address");
    assert_eq!(
        config,
        Config {
            cluster: "shop".into(),
            name: "n1".into(),
            datacenter: "dc-a".into(),
            rack: "r.1".into(),
            listen: "[::1]:7000".parse().expect("valid"),
            client_address: Some(address("[2001:db8::1]:7000")),
            peer_listen: Some("0.0.0.0:7001".parse().expect("valid")),
            peer_address: Some(address("n1.example:7001")),
            workers: Workers::Count(3),
            data_dir: Some("/var/lib/dynomite".into()),
            hash: HashKind::Murmur,
            hash_tag: Some((b'{', b'}')),
            vnodes: 16,
            auto_join: true,
            replaces: None,
            tokens: Some(vec![1, u32::MAX]),
            datastore: Datastore::Redis {
                address: RedisAddress::Tcp(address("10.0.0.9:7777")),
                credentials: Some(Credentials {
                    username: Some("app".into()),
                    password: Password::File("/run/secret".into()),
                }),
            },
            seeds: vec![Seed {
                name: "n2".into(),
                peer_address: address("n2.example:7001"),
                client_address: Some(address("n2.example:7000")),
                datacenter: "dc-a".into(),
                rack: "r2".into(),
                tokens: Some(vec![7]),
            }],
            discovery: Discovery {
                sources: vec![
                    SeedSource::Host(address("10.0.0.7:8101")),
                    SeedSource::Host(address("seeds.example:7001")),
                    SeedSource::File("/etc/seeds".into()),
                    source("http://[::1]:8080/REST/v1/admin/get_seeds"),
                ],
                interval: Duration::from_secs(5),
            },
            consistency: Consistency {
                read: Level::DcQuorum,
                write: Level::DcSafeQuorum,
                prefixes: vec![PrefixLevels { read: Some(Level::DcOne), ..PrefixLevels::of("u:") }],
            },
            timeouts: Timeouts {
                request: Duration::from_secs(3),
                failover: Duration::from_millis(100),
                drain: Duration::from_secs(60),
                client_stall: Duration::from_secs(3_600),
                connect: Duration::from_millis(500),
                heartbeat: Duration::from_millis(50),
                hint_window: Duration::from_secs(7_200),
                log_sync: Duration::ZERO,
            },
            limits: Limits {
                clients_max: 1,
                client_inflight_max: 2,
                client_output_max: ByteSize::kib(16),
                buffers_max: ByteSize::mib(2),
                bulk_max: ByteSize::kib(1),
                args_max: 4,
                request_max: ByteSize::kib(4),
                inline_max: ByteSize::new(64),
                operations_max: 5,
                link_window: 6,
                link_bytes_max: ByteSize::mib(3),
                lane_window: 7,
                clock_skew_max: Duration::from_secs(5),
                hints_max: ByteSize::gib(1),
                log_segment: ByteSize::kib(64),
            },
            cross_dc: CrossDc { compression: Compression::Lz4 },
            repair: Repair {
                interval: Duration::ZERO,
                keys_per_s: 9,
                bytes_per_s: ByteSize::kib(4),
                rebuild_wait: Duration::from_secs(60),
            },
            log: Log { filter: "debug,tokio=warn".into(), format: LogFormat::Json },
        }
    );
}

#[test]
fn the_seeds_entry_of_the_node_itself_fills_in_what_it_does_not_say() {
    let config = parsed(CLUSTER);
    assert_eq!((config.datacenter.as_str(), config.rack.as_str()), ("east", "r1"));
    assert_eq!(config.advertised_peer_address(), Some(HostPort::new("10.0.0.1", 8101)));
    assert_eq!(config.advertised_client_address(), HostPort::new("10.0.0.1", 6379));
    let members = config.members();
    assert_eq!(members.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(), ["a1", "a2"]);
    assert_eq!(members[1].client_address, HostPort::new("node2.example", CLIENT_PORT));
}

#[test]
fn one_list_of_seeds_gives_every_node_the_same_members() {
    let first = parsed(CLUSTER);
    let second = with_sets(CLUSTER, &["name=a2"]).expect("valid");
    assert_eq!(second.rack, "r2");
    let places = |config: &Config| {
        config
            .members()
            .into_iter()
            .map(|member| (member.name, member.datacenter, member.rack))
            .collect::<Vec<_>>()
    };
    assert_eq!(places(&first), places(&second));
}

#[test]
fn a_node_outside_the_seeds_is_a_member_too() {
    let config = with_sets(CLUSTER, &["name=a3", "rack=r3", "datacenter=east", "peer_address=10.0.0.3:8101"]);
    let names: Vec<_> = config.expect("valid").members().into_iter().map(|member| member.name).collect();
    assert_eq!(names, ["a1", "a2", "a3"]);
}

#[test]
fn datastore_urls_in_all_forms() {
    let tcp = |host: &str, port| RedisAddress::Tcp(HostPort::new(host, port));
    let login = |username: Option<&str>, password: &str| {
        let password = Password::Inline(Secret::new(password));
        Some(Credentials { username: username.map(str::to_owned), password })
    };
    for (url, address, credentials) in [
        ("redis://localhost", tcp("localhost", 6379), None),
        ("redis://127.0.0.1:6380/", tcp("127.0.0.1", 6380), None),
        ("redis://[::1]", tcp("::1", 6379), None),
        ("redis://[::1]:1", tcp("::1", 1), None),
        ("redis://:p%40ss@h:1", tcp("h", 1), login(None, "p@ss")),
        ("redis://app:a:b@c@h:1", tcp("h", 1), login(Some("app"), "a:b@c")),
        ("redis+unix:///run/r.sock", RedisAddress::Unix(PathBuf::from("/run/r.sock")), None),
        ("unix:///run/a@b.sock", RedisAddress::Unix(PathBuf::from("/run/a@b.sock")), None),
        ("redis+unix://:pw@/run/r.sock", RedisAddress::Unix(PathBuf::from("/run/r.sock")), login(None, "pw")),
    ] {
        let config = parsed(&format!("[datastore]\nurl = \"{url}\""));
        assert_eq!(config.datastore, Datastore::Redis { address, credentials }, "{url}");
    }
}

#[test]
fn sources_of_seeds_in_all_forms() {
    for (text, shown) in [
        ("10.0.0.1", "10.0.0.1:8101"),
        ("10.0.0.1:1", "10.0.0.1:1"),
        ("[2001:db8::1]", "[2001:db8::1]:8101"),
        ("[2001:DB8:0::1]:1", "[2001:db8::1]:1"),
        ("node_1.example", "node_1.example:8101"),
        ("dns:node1.example", "node1.example:8101"),
        ("dns:node1.example:1", "node1.example:1"),
        // Hosts that are called like a kind.
        ("dns:8101", "dns:8101"),
        ("file:1", "file:1"),
        ("http", "http:8101"),
        ("srv:_dynomite._tcp.example", "srv:_dynomite._tcp.example"),
        ("srv:_d._tcp.example.", "srv:_d._tcp.example."),
        ("file:/etc/a b", "file:/etc/a b"),
        ("file:///etc/seeds", "file:/etc/seeds"),
        ("http://h", "http://h:80/"),
        ("http://h:8080?x=1", "http://h:8080/?x=1"),
        ("http://[::1]/a/b?c=%20&d", "http://[::1]:80/a/b?c=%20&d"),
    ] {
        let parsed = source(text);
        assert_eq!(parsed.to_string(), shown);
        assert_eq!(source(shown), parsed);
    }
}

#[test]
fn seeds_of_the_command_line_come_last() {
    let mut overrides = Overrides::default();
    overrides.set("peer_listen=10.0.0.1:1").expect("a key");
    overrides.set("name=a").expect("a key");
    overrides.add_seed("10.0.0.2");
    overrides.add_seed("'");
    let error = Config::parse_with("", "defaults", &overrides).expect_err("a quote is no host").to_string();
    assert!(error.starts_with("--seed ': discovery.sources[1]: `':8101` is not a host and port"), "{error}");
    let mut overrides = Overrides::default();
    overrides.add_seed("10.0.0.2");
    let text = "name = 'a'\npeer_listen = '10.0.0.1:1'\ndiscovery = { sources = ['10.0.0.3'] }";
    let config = Config::parse_with(text, "d.toml", &overrides).expect("valid");
    assert_eq!(config.discovery.sources, [source("10.0.0.3"), source("10.0.0.2")]);
    // What is no list is told by its place in the file, not made one.
    let error = Config::parse_with("discovery = 7", "d.toml", &overrides).expect_err("refused").to_string();
    assert!(error.starts_with("d.toml:1:13: discovery: invalid type: integer `7`"), "{error}");
}

#[test]
fn a_node_that_asks_for_seeds_has_peers_and_may_have_copies_elsewhere() {
    let text = "name = 'a'\npeer_listen = '10.0.0.1:1'\n[discovery]\nsources = ['b']";
    let config = parsed(text);
    assert!(config.has_peers() && !config.has_one_copy());
    assert_eq!(config.advertised_peer_address(), Some(HostPort::new("10.0.0.1", 1)));
    let printed = config.effective_toml();
    assert!(printed.contains("[discovery]\nsources = [\"b:8101\"]\ninterval = \"30s\"\n"), "{printed}");
    assert!(!parsed("").effective_toml().contains("discovery"));
}

#[test]
fn a_password_is_never_printed() {
    let config = parsed("[datastore]\nurl = \"redis://app:hunter2@h:1\"");
    for text in [config.effective_toml(), format!("{config:?}"), format!("{:#?}", config.datastore)] {
        assert!(!text.contains("hunter2") && text.contains("***"), "{text}");
    }
}

#[test]
fn a_password_file_is_read_without_its_line_break() {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::io::Write::write_all(&mut file, b"s3cret \r\n").expect("written");
    let password = Password::File(file.path().to_owned());
    assert_eq!(password.reveal().expect("readable").expose(), "s3cret ");
    file.as_file().set_len(0).expect("truncated");
    assert!(password.reveal().is_err(), "an empty password is a mistake");
}

#[test]
fn overrides_go_over_the_file_and_later_ones_win() {
    let config = with_sets(
        "workers = 2\n[limits]\nbulk_max = \"2MiB\"",
        &["workers=auto", "limits.bulk_max=3MiB", "limits.args_max=9", "limits.args_max = 10", "name=007"],
    )
    .expect("valid");
    assert_eq!(config.workers, Workers::Auto);
    assert_eq!((config.limits.bulk_max, config.limits.args_max), (ByteSize::mib(3), 10));
    assert_eq!(config.name, "007", "text stays text, whatever it looks like");
}

#[test]
fn lists_are_overridden_as_wholes() {
    let config = with_sets(
        CLUSTER,
        &[
            "seeds=[{name='b', peer_address='h:1'}]",
            "peer_address=me:2",
            "tokens=[5]",
            "seeds=[{name='b', peer_address='h:1', rack='r2'}]",
            "hash=md5",
        ],
    )
    .expect("valid");
    assert_eq!(config.seeds.len(), 1);
    assert_eq!((config.seeds[0].rack.as_str(), config.tokens), ("r2", Some(vec![5])));
}

#[test]
fn environment_variables_name_keys() {
    let config = with_env(&[
        ("DYNOMITED_LISTEN", "0.0.0.0:1"),
        ("DYNOMITED_LIMITS_BULK_MAX", "1MiB"),
        ("DYNOMITED_TIMEOUTS_CLIENT_STALL", "7s"),
        ("DYNOMITED_CONFIG", "/etc/elsewhere.toml"),
        ("DYNOMITED_SERVICE_HOST", "10.96.0.1"),
        ("DYNOMITED_PORT_8102_TCP_ADDR", "10.96.0.1"),
        ("HOME", "/root"),
    ])
    .expect("valid");
    assert_eq!((config.listen.port(), config.limits.bulk_max), (1, ByteSize::mib(1)));
    assert_eq!(config.timeouts.client_stall, Duration::from_secs(7));
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/nonexistent/d.toml")).expect_err("no such file");
    assert!(error.to_string().starts_with("/nonexistent/d.toml: cannot be read: "), "{error}");
}

#[test]
fn all_problems_are_told_at_once_with_their_positions() {
    let error =
        Config::parse("vnodes = 0\nname = \"\"\n[limits]\nargs_max = 0", "d.toml").expect_err("refused");
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{error}");
    assert!(lines[0].starts_with("d.toml:2:8: name: "), "{error}");
    assert!(lines[1].starts_with("d.toml:1:10: vnodes: "), "{error}");
    assert!(lines[2].starts_with("d.toml:4:12: limits.args_max: "), "{error}");
}

#[test]
fn a_configuration_built_in_rust_is_judged_by_the_same_rules() {
    let config = Config { vnodes: 0, ..Config::single_node() };
    let error = config.validate().expect_err("refused");
    assert_eq!(error.to_string(), "vnodes: 0 is not 1 to 16, which is what hash redis-slot has room for");
}

#[test]
fn without_a_data_directory_it_is_said_what_that_means() {
    let one_copy = parsed("");
    let note = one_copy.memory_only_note().expect("nothing is kept");
    assert!(note.contains("one copy"), "{note}");
    let several = parsed(CLUSTER);
    let note = several.memory_only_note().expect("nothing is kept");
    assert!(note.contains("after a restart"), "{note}");
    assert!(several.effective_toml().contains(&format!("\n# {note}\n")));

    let kept = with_sets(CLUSTER, &["data_dir=/var/lib/dynomite"]).expect("valid");
    assert_eq!(kept.memory_only_note(), None);
    assert!(!kept.effective_toml().contains("memory only"), "{}", kept.effective_toml());
}

#[test]
fn durations_print_in_hours_and_seconds_where_they_are_whole() {
    for (millis, text) in [(0, "0ms"), (999, "999ms"), (60_000, "60s"), (3_600_000, "1h"), (10_800_000, "3h")]
    {
        assert_eq!(units::Millis(Duration::from_millis(millis)).to_string(), text);
    }
}

#[test]
fn sizes_print_in_the_largest_unit_that_fits() {
    for (size, text) in
        [(0, "0B"), (1, "1B"), (1_023, "1023B"), (1 << 20, "1MiB"), ((1 << 20) + 1, "1048577B")]
    {
        assert_eq!(ByteSize::new(size).to_string(), text);
    }
}

#[test]
fn the_list_of_keys_and_the_schema_agree() {
    for key in KEYS {
        // The schema knows the key: a value of a type that no key has is refused for its type, not for its name.
        let (path, depth) = (key.path.replace("[]", ""), key.path.matches("[]").count());
        let (table, name) = path.rsplit_once('.').map_or(("", path.as_str()), |(table, name)| (table, name));
        let header = match (table, depth) {
            ("", _) => String::new(),
            (table, 0) => format!("[{table}]\n"),
            (table, _) => format!("[[{table}]]\n"),
        };
        let text = format!("{header}{name} = 1979-05-27T07:32:00Z\n");
        let error = Config::parse(&text, "d.toml").expect_err("a date is no value");
        assert!(!error.to_string().contains("unknown"), "{}: {error}", key.path);
        assert_eq!(error.problems()[0].key, key.path.replace("[]", "[0]"), "{error}");
    }
}

mod documented {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/configuration.md");

    #[test]
    fn every_key_has_a_row_and_every_row_a_key() {
        let rows: Vec<&str> = PAGE
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
            .map(|(path, _)| path)
            .filter(|path| !path.contains(' '))
            .collect();
        let keys: Vec<&str> = KEYS.iter().map(|key| key.path).collect();
        assert_eq!(rows, keys, "the page has the keys in the order of the list");
    }

    #[test]
    fn the_defaults_of_the_page_are_those_of_the_code() {
        // With a data directory and a source of seeds, because some values are printed only then.
        let discovery = Discovery { sources: vec![source("h")], ..Discovery::default() };
        let printed = Config { data_dir: Some("/d".into()), discovery, ..Config::default() }.effective_toml();
        let printed = printed.replace("data_dir = \"/d\"\n", "").replace("sources = [\"h:8101\"]\n", "");
        let mut section = String::new();
        for line in printed.lines().filter(|line| !line.starts_with('#')) {
            if let Some(header) = line.strip_prefix('[') {
                section = format!("{}.", header.trim_end_matches(']'));
            } else if let Some((key, value)) = line.split_once(" = ") {
                let row = format!("| `{section}{key}` | `{value}` |");
                assert!(PAGE.contains(&row), "no row begins with {row}");
            }
        }
    }

    #[test]
    fn the_examples_of_the_page_are_valid() {
        let examples =
            PAGE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
        let mut example_count = 0;
        for example in examples {
            // The one about seeds alone is part of a file.
            let whole = if example.starts_with("[[seeds]]") {
                format!("name = \"a1\"\npeer_listen = \"10.0.0.1:8101\"\n{example}")
            } else {
                example.to_owned()
            };
            parsed(&whole);
            example_count += 1;
        }
        assert_eq!(example_count, 5);
    }
}
