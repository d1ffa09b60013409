use super::*;

/// A store with a clock, and replies as text.
struct Session {
    store: MemoryStore,
    now_ms: u64,
}

impl Session {
    fn new(max_bytes: Option<usize>) -> Self {
        Self { store: MemoryStore::new(7, MemoryConfig { max_bytes }), now_ms: 1_700_000_000_000 }
    }

    fn run(&mut self, command: &str) -> String {
        self.send(&command.split(' ').map(str::as_bytes).collect::<Vec<_>>())
    }

    fn send(&mut self, args: &[&[u8]]) -> String {
        let mut reply = BytesMut::new();
        self.store.execute(self.now_ms, &Request::from_args(args), &mut reply);
        String::from_utf8_lossy(&reply).replace("\r\n", " ").trim_end().to_owned()
    }
}

#[test]
fn key_expires_by_the_clock_that_comes_in() {
    let mut session = Session::new(None);
    session.run("SET k v PX 100");
    session.now_ms += 100;
    assert_eq!(session.run("PTTL k"), ":0");
    session.now_ms += 1;
    assert_eq!(session.run("GET k"), "$-1");
    assert_eq!(session.store.stats().expired_count, 1);
}

#[test]
fn expired_keys_go_though_nobody_asks_for_them() {
    let mut session = Session::new(None);
    for number in 0..1000 {
        session.run(&format!("SET k{number} v PX {}", 1 + number % 10));
        session.run(&format!("SET stays{number} v"));
    }
    session.now_ms += 100;
    let (mut removed, mut rounds) = (0, 0);
    while removed < 1000 {
        removed += session.store.expire_some(session.now_ms, 100);
        rounds += 1;
        assert!(rounds <= 30, "a few rounds see all keys");
    }
    let stats = session.store.stats();
    assert_eq!((stats.key_count, stats.volatile_count, stats.expired_count), (1000, 0, 1000));
}

#[test]
fn byte_budget_evicts_what_was_not_used_for_long() {
    let mut session = Session::new(Some(200_000));
    let value = "x".repeat(100);
    for number in 0..5000 {
        session.now_ms += 16;
        session.run(&format!("SET k{number} {value}"));
        session.run("GET k0");
        assert!(session.store.stats().used_bytes <= 200_000);
    }
    let stats = session.store.stats();
    assert_eq!(stats.evicted_count as usize, 5000 - stats.key_count);
    assert!(stats.key_count > 900, "{stats:?}");
    assert_eq!(session.run("EXISTS k0"), ":1");
    let recent = (4500..5000).filter(|number| session.run(&format!("EXISTS k{number}")) == ":1").count();
    assert!(recent > 450, "{recent} of the last 500 are there");
}

#[test]
fn what_can_never_fit_is_refused_as_in_redis() {
    let mut session = Session::new(Some(1000));
    let oom = "-OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(session.run(&format!("SET k {}", "x".repeat(2000))), oom);
    assert_eq!(session.run("SET k v"), "+OK");
    assert_eq!(session.run("SETRANGE k2 100000 v"), oom);
}

#[test]
fn state_moves_whole_between_stores() {
    let mut from = Session::new(None);
    let mut to = Session::new(None);
    from.run("SET k 12345 PX 5000");
    let state = from.store.dump(from.now_ms, b"k").unwrap();
    assert_eq!(state.as_ref().unwrap().expires_at_ms, Some(from.now_ms + 5000));
    to.store.install(to.now_ms, &Bytes::from_static(b"k"), state.as_ref()).unwrap();
    assert_eq!(to.store.dump(to.now_ms, b"k").unwrap(), state);
    assert_eq!(to.run("INCR k"), ":12346");
    to.store.install(to.now_ms, &Bytes::from_static(b"k"), None).unwrap();
    assert_eq!(to.store.dump(to.now_ms, b"k").unwrap(), None);
}

#[test]
fn damaged_payload_is_refused_and_changes_nothing() {
    let mut session = Session::new(None);
    session.run("SET k old");
    let payload = session.store.dump(session.now_ms, b"k").unwrap().unwrap().payload;
    for at in 0..payload.len() {
        let mut damaged = payload.to_vec();
        damaged[at] ^= 1;
        let reply = session.send(&[b"RESTORE", b"k", b"0", &damaged, b"REPLACE"]);
        assert_eq!(reply, "-ERR DUMP payload version or checksum are wrong");
        let reply = session.send(&[b"RESTORE", b"k", b"0", &payload[..at], b"REPLACE"]);
        assert_eq!(reply, "-ERR DUMP payload version or checksum are wrong");
    }
    assert_eq!(session.run("GET k"), "$3 old");
}

#[test]
fn scan_meets_every_key_that_stays() {
    let mut session = Session::new(None);
    for number in 0..500 {
        session.run(&format!("SET k{number} v"));
    }
    let (mut seen, mut cursor, mut gone) = (std::collections::BTreeSet::new(), 0, 1);
    loop {
        let (keys, next) = session.store.scan(session.now_ms, cursor, 7);
        seen.extend(keys);
        if next == 0 {
            break;
        }
        cursor = next;
        session.run(&format!("DEL k{gone} new{gone}"));
        session.run(&format!("SET new{gone} v"));
        gone += 2;
    }
    assert!((0..500).step_by(2).all(|number| seen.contains(format!("k{number}").as_bytes())));
}

#[test]
fn memory_is_accounted_back_to_nothing() {
    let mut session = Session::new(None);
    let long = "y".repeat(300);
    for command in [
        format!("SET {long} {long}"),
        format!("APPEND {long} {long}"),
        format!("SETRANGE {long} 2000 {long}"),
        format!("SET {long} 5"),
        "SET other value EX 10".to_owned(),
    ] {
        assert!(!session.run(&command).starts_with('-'), "{command}");
        assert!(session.store.stats().used_bytes > 0);
    }
    session.run(&format!("DEL {long} other"));
    assert_eq!(session.store.stats().used_bytes, 0);
    assert_eq!(session.store.stats().volatile_count, 0);
}

#[test]
fn wrong_number_of_arguments_never_panics() {
    let mut session = Session::new(None);
    let names = include_str!("commands.rs").lines().filter_map(|line| {
        let row = line.trim().strip_prefix("reads(\"").or_else(|| line.trim().strip_prefix("grows(\""))?;
        row.split('"').next()
    });
    let mut known = 0;
    for name in names {
        known += 1;
        for count in 0..8 {
            let reply = session.run(&format!("{name}{}", " 1".repeat(count)));
            assert!(!reply.is_empty() && !reply.contains("unknown command"), "{name} {count}: {reply}");
        }
    }
    assert!(known > 50);
}

#[test]
fn unknown_commands_are_named_as_in_redis() {
    let mut session = Session::new(None);
    assert_eq!(session.run("foo a b"), "-ERR unknown command 'foo', with args beginning with: 'a' 'b'");
    let long = session.run(&format!("{} a", "f".repeat(500)));
    assert_eq!(long.len(), "-ERR unknown command '', with args beginning with: 'a'".len() + 128);
}

#[test]
fn lanes_of_one_backend_are_one_store_to_the_outside() {
    let up = |backend: &MemoryBackend, worker| {
        let mut events = Vec::new();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(backend.open_lane(worker, 2).poll(&mut context, &mut events).is_ready());
        events
    };
    let backend = MemoryBackend::new(MemoryConfig::default());
    assert_eq!(up(&backend, 0), up(&backend, 1));
    assert_ne!(up(&backend, 0), up(&MemoryBackend::new(MemoryConfig::default()), 0));
}

#[test]
fn same_seed_gives_the_same_random_members() {
    let script = |seed| {
        let mut session = Session::new(None);
        session.store = MemoryStore::new(seed, MemoryConfig::default());
        (0..100).for_each(|number| drop(session.run(&format!("SADD s m{number}"))));
        (0..20).map(|_| session.run("SPOP s 2") + &session.run("SRANDMEMBER s -3")).collect::<String>()
    };
    assert_eq!(script(1), script(1));
    assert_ne!(script(1), script(2));
}
