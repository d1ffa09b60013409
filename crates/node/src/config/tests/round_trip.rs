//! What is printed is read back as the same configuration.

use proptest::prelude::*;
use proptest::{collection, option};

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn effective_toml_parses_to_the_same_configuration(config in configs()) {
        let text = config.effective_toml();
        let again = Config::parse(&text, "effective.toml").map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&again, &config, "{}", text);
        prop_assert_eq!(again.effective_toml(), text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in r#"[a-z_.=\[\]{}",0-9é\n -]{0,80}"#) {
        let _ = Config::parse(&text, "any.toml");
    }

    #[test]
    fn sizes_survive_printing(size in any::<u64>().prop_map(ByteSize::new)) {
        prop_assert_eq!(size.to_string().parse(), Ok(size));
    }
}

/// Valid configurations; an inline password, which is not printed, is not among them.
fn configs() -> impl Strategy<Value = Config> {
    let identity = ("[a-z][a-z0-9._-]{0,8}", hosts(), any::<bool>(), option::of(hosts()));
    let service = (option::of(1_u16..=256), 0_usize..14, any::<bool>(), 1_u16..=16);
    let cluster = (0_usize..4, any::<bool>(), any::<bool>());
    let bounds = (timeouts(), limits(), repairs());
    let cluster = (cluster, discoveries());
    (identity, service, datastores(), cluster, levels(), bounds, logs(), disks()).prop_map(
        |(identity, service, datastore, cluster, consistency, (timeouts, limits, repair), log, disk)| {
            let (data_dir, log_sync, log_segment) = disk;
            let (cluster_name, host, v6, client_address) = identity;
            let (workers, hash, tagged, vnodes) = service;
            let ((seed_count, listed, given), discovery) = cluster;
            // Sources alone would do, but then there is no entry to give the node's address.
            let discovery = if seed_count > 0 { discovery } else { Discovery::default() };
            let has_peers = seed_count > 0;
            let hash = HashKind::ALL[hash].0;
            // Multiples of the slot size fit every hash.
            let tokens = |index: usize| given.then(|| vec![(index as u32) << 18, (index as u32 + 100) << 18]);
            let seeds = (0..seed_count)
                .map(|index| Seed {
                    // Number 9 is this node.
                    name: if listed && index == 0 { "n9".into() } else { format!("n{index}") },
                    peer_address: HostPort::new(format!("10.0.0.{index}"), 81),
                    client_address: (index % 2 == 1).then(|| HostPort::new("c.example", 82)),
                    datacenter: "dc1".into(),
                    rack: "rack1".into(),
                    tokens: tokens(index),
                })
                .collect();
            Config {
                cluster: cluster_name,
                name: if has_peers { "n9".into() } else { "node1".into() },
                listen: if v6 { "[::1]:8102" } else { "0.0.0.0:8102" }.parse().expect("valid"),
                client_address,
                peer_listen: has_peers.then(|| "0.0.0.0:81".parse().expect("valid")),
                peer_address: (has_peers && !listed).then_some(host),
                workers: workers.map_or(Workers::Auto, Workers::Count),
                data_dir,
                hash_tag: (tagged && hash != HashKind::RedisSlot).then_some((b'"', b'\\')),
                hash,
                vnodes: if given { 16 } else { vnodes },
                tokens: if listed && has_peers { None } else { tokens(9) },
                datastore,
                seeds,
                discovery,
                consistency,
                timeouts: Timeouts { log_sync, ..timeouts },
                limits: Limits { log_segment, ..limits },
                cross_dc: CrossDc { compression: if v6 { Compression::Lz4 } else { Compression::None } },
                repair,
                log,
                ..Config::default()
            }
        },
    )
}

fn hosts() -> impl Strategy<Value = HostPort> {
    let host =
        prop_oneof!["[a-z]{1,5}\\.example", Just("192.0.2.1".to_owned()), Just("2001:db8::1".to_owned())];
    (host, 1..=u16::MAX).prop_map(|(host, port)| HostPort::new(host, port))
}

fn discoveries() -> impl Strategy<Value = Discovery> {
    let addresses = hosts().prop_map(SeedSource::Host);
    let urls = (hosts(), "/[a-z0-9/]{0,5}(\\?[a-z=&%]{1,5})?")
        .prop_map(|(host, path)| source(&format!("http://{host}{path}")));
    let files = "/[a-z \"\\\\é:]{0,8}[a-z]".prop_map(|path| SeedSource::File(path.into()));
    let sources = collection::vec(prop_oneof![addresses, urls, files], 1..5);
    (option::of(sources), 1_000..3_600_000_u64).prop_map(|(sources, interval)| match sources {
        None => Discovery::default(),
        Some(sources) => {
            let mut unique: Vec<SeedSource> = Vec::new();
            for source in sources {
                if !unique.contains(&source) {
                    unique.push(source);
                }
            }
            Discovery { sources: unique, interval: Duration::from_millis(interval) }
        }
    })
}

fn datastores() -> impl Strategy<Value = Datastore> {
    let credentials = (option::of("[a-z:@/%é]{1,6}"), "/[a-z \"\\\\]{1,8}")
        .prop_map(|(username, path)| Credentials { username, password: Password::File(path.into()) });
    let address = prop_oneof![
        hosts().prop_map(RedisAddress::Tcp),
        "/[a-z@:]{1,5}/[a-z@ ]{0,5}s".prop_map(|path| RedisAddress::Unix(path.into())),
    ];
    prop_oneof![
        option::of(1_u64 << 20..1 << 50)
            .prop_map(|size| Datastore::Memory { max_memory: size.map(ByteSize::new) }),
        (address, option::of(credentials))
            .prop_map(|(address, credentials)| Datastore::Redis { address, credentials }),
    ]
}

fn levels() -> impl Strategy<Value = Consistency> {
    let level = || proptest::sample::select(&Level::ALL[..]);
    let mode = prop_oneof![Just(SequencingMode::Claimed), Just(SequencingMode::Available)];
    let prefix = ("[ -~é]{1,6}", level(), option::of(level()), option::of(mode)).prop_map(
        |(prefix, read, write, sequencing)| PrefixLevels {
            read: Some(read),
            write,
            sequencing,
            ..PrefixLevels::of(&prefix)
        },
    );
    (level(), level(), collection::vec(prefix, 0..4)).prop_map(|(read, write, mut prefixes)| {
        prefixes.sort_by(|a, b| a.prefix.cmp(&b.prefix));
        prefixes.dedup_by(|a, b| a.prefix == b.prefix);
        Consistency { read, write, prefixes }
    })
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    let millis = |range: std::ops::Range<u64>| range.prop_map(Duration::from_millis);
    (
        millis(500..9_000),
        millis(1..500),
        millis(1..9_000),
        millis(1..9_000),
        millis(1..9_000),
        millis(1..9_000),
        millis(1..90_000_000),
    )
        .prop_map(|(request, failover, drain, client_stall, connect, heartbeat, hint_window)| Timeouts {
            request,
            failover,
            drain,
            client_stall,
            connect,
            heartbeat,
            hint_window,
            ..Timeouts::default()
        })
}

fn limits() -> impl Strategy<Value = Limits> {
    let size = |range: std::ops::Range<u64>| range.prop_map(ByteSize::new);
    let counts = (1..100_000_u32, 1..9_999_u32);
    let sizes =
        (size(1 << 24..1 << 30), size(1 << 30..1 << 40), size(1 << 20..1 << 25), size(1 << 16..1 << 40));
    (counts, sizes).prop_map(
        |((clients_max, link_window), (client_output_max, buffers_max, bulk_max, hints_max))| Limits {
            clients_max,
            link_window,
            client_output_max,
            buffers_max,
            bulk_max,
            hints_max,
            ..Limits::default()
        },
    )
}

fn repairs() -> impl Strategy<Value = Repair> {
    let interval = prop_oneof![Just(0), 10_000..90_000_000_u64].prop_map(Duration::from_millis);
    let bytes = (1_u64 << 10..1 << 40).prop_map(ByteSize::new);
    let wait = (0..90_000_000_u64).prop_map(Duration::from_millis);
    (interval, 1..=1_000_000_u32, bytes, wait).prop_map(
        |(interval, keys_per_s, bytes_per_s, rebuild_wait)| Repair {
            interval,
            keys_per_s,
            bytes_per_s,
            rebuild_wait,
        },
    )
}

/// A data directory, and what only has an effect with one.
fn disks() -> impl Strategy<Value = (Option<PathBuf>, Duration, ByteSize)> {
    let settings = ("/[a-z \"\\\\é]{1,8}", 0..=60_000_u64, 64_u64 << 10..=1 << 30);
    option::of(settings).prop_map(|settings| {
        settings.map_or((None, Timeouts::default().log_sync, Limits::default().log_segment), |disk| {
            (Some(disk.0.into()), Duration::from_millis(disk.1), ByteSize::new(disk.2))
        })
    })
}

fn logs() -> impl Strategy<Value = Log> {
    let format = prop_oneof![Just(LogFormat::Text), Just(LogFormat::Json)];
    ("[a-z][a-z=,:\"]{0,9}", format).prop_map(|(filter, format)| Log { filter, format })
}
