use super::*;

fn command(line: &str) -> KeyRequest {
    let request = Request::from_args(line.split(' ').collect::<Vec<_>>());
    KeyRequest::new(dynomite_codec::classify(&request).unwrap(), request).unwrap()
}

fn line(request: &Request) -> String {
    request.args().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect::<Vec<_>>().join(" ")
}

fn overwritten(text: &str) -> String {
    overwrite(&command(text), 1_000_000).map_or("refused".into(), |command| line(command.request()))
}

#[test]
fn overwrites_carry_absolute_times() {
    assert_eq!(overwritten("SET k v"), "SET k v");
    assert_eq!(overwritten("set k v ex 10"), "SET k v PXAT 1010000");
    assert_eq!(overwritten("SET k v PX 10"), "SET k v PXAT 1000010");
    assert_eq!(overwritten("SET k v EXAT 2000"), "SET k v PXAT 2000000");
    assert_eq!(overwritten("SETEX k 3 v"), "SET k v PXAT 1003000");
    assert_eq!(overwritten("PSETEX k 3 v"), "SET k v PXAT 1000003");
    assert_eq!(overwritten("DEL k"), "DEL k");
}

#[test]
fn what_a_datastore_would_refuse_is_no_overwrite() {
    for text in [
        "SET k v EX",
        "SET k v EX 1 PX 2",
        "SET k v BOGUS 1",
        "SET k v EX 0",
        "SET k v EX -1",
        "SET k v EX 9223372036854775807",
        "SET k v EX abc",
        "SET k v EX 010",
        "SETEX k 0 v",
        "PSETEX k -5 v",
    ] {
        assert_eq!(overwritten(text), "refused", "{text}");
    }
}

#[test]
fn sequenced_writes_carry_absolute_times() {
    let cases = [
        ("SET k v NX EX 10", "SET k v NX PXAT 1010000"),
        ("SET k v PX 10 GET", "SET k v PXAT 1000010 GET"),
        ("SET k EX NX", "SET k EX NX"),
        ("GETEX k EX 10", "GETEX k PXAT 1010000"),
        ("GETEX k PERSIST", "GETEX k PERSIST"),
        ("EXPIRE k 10 NX", "PEXPIREAT k 1010000 NX"),
        ("PEXPIRE k -10", "PEXPIREAT k 999990"),
        ("EXPIREAT k 10", "EXPIREAT k 10"),
        ("EXPIRE k 9223372036854775807", "EXPIRE k 9223372036854775807"),
        ("RESTORE k 50 payload REPLACE", "RESTORE k 1000050 payload REPLACE ABSTTL"),
        ("RESTORE k 0 payload", "RESTORE k 0 payload"),
        ("RESTORE k 50 payload ABSTTL", "RESTORE k 50 payload ABSTTL"),
        ("INCR k", "INCR k"),
    ];
    for (from, to) in cases {
        assert_eq!(line(absolute(command(from), 1_000_000).request()), to, "{from}");
    }
}

#[test]
fn effects_name_what_happened() {
    let effect_of = |text: &str, reply: &'static [u8]| {
        effect(command(text).request(), &Bytes::from_static(reply)).map(|request| line(&request))
    };
    assert_eq!(effect_of("SPOP k", b"$1\r\nm\r\n").as_deref(), Some("SREM k m"));
    assert_eq!(effect_of("SPOP k 2", b"*2\r\n$1\r\nm\r\n$1\r\nn\r\n").as_deref(), Some("SREM k m n"));
    assert_eq!(effect_of("SPOP k", b"$-1\r\n"), None);
    assert_eq!(effect_of("SPOP k 2", b"*0\r\n"), None);
    assert_eq!(effect_of("INCRBYFLOAT k 1", b"$3\r\n1.5\r\n").as_deref(), Some("SET k 1.5 KEEPTTL"));
    assert_eq!(effect_of("HINCRBYFLOAT k f 1", b"$3\r\n1.5\r\n").as_deref(), Some("HSET k f 1.5"));
}
