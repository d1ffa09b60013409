use super::*;

const VECTORS: &str = include_str!("../../tests/hash-vectors.tsv");

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn legacy_hashes_equal_those_of_the_c_code() {
    let mut lines = VECTORS.lines();
    let kinds: Vec<HashKind> =
        lines.next().unwrap().split('\t').skip(1).map(|name| name.parse().unwrap()).collect();
    assert_eq!(kinds.len(), 12);
    let mut checked = 0;
    for line in lines {
        let mut fields = line.split('\t');
        let key = bytes(fields.next().unwrap());
        for (kind, expected) in kinds.iter().zip(fields) {
            assert_eq!(kind.hash(&key), expected.parse::<u32>().unwrap(), "{kind} of {key:?}");
            checked += 1;
        }
    }
    assert!(checked > 800, "{checked} hashes checked");
}

#[test]
fn murmur3_equals_the_published_function() {
    // Known values of MurmurHash3_x86_32 with seed 0.
    for (key, expected) in [
        ("", 0),
        ("test", 0xBA6B_D213),
        ("Hello, world!", 0xC036_3E43),
        ("The quick brown fox jumps over the lazy dog", 0x2E4F_F723),
    ] {
        assert_eq!(HashKind::Murmur3.hash(key.as_bytes()), expected, "{key}");
    }
}

#[test]
fn slots_equal_those_of_redis_cluster() {
    // CRC16("123456789") is 0x31C3 in the Redis Cluster specification; the others are answers of CLUSTER KEYSLOT.
    for (key, slot) in [("123456789", 12739), ("foo", 12182), ("bar", 5061), ("somekey", 11058), ("", 0)] {
        assert_eq!(Token(HashKind::RedisSlot.hash(key.as_bytes())), Token::from_slot(slot), "{key}");
    }
}

#[test]
fn slots_follow_the_tag_rule_of_redis_cluster() {
    let slot = |key: &str| HashKind::RedisSlot.hash(key.as_bytes());
    assert_eq!(slot("{user1000}.following"), slot("user1000"));
    assert_eq!(slot("foo{bar}{zap}"), slot("bar"));
    assert_eq!(slot("foo{{bar}}zap"), slot("{bar"));
    let whole = crc::crc16(b"foo{}{bar}") % SLOT_COUNT;
    assert_eq!(slot("foo{}{bar}"), Token::from_slot(whole).0);
}

#[test]
fn both_forms_of_crc16_agree_in_the_low_bits() {
    let key: Vec<u8> = (0..=255).cycle().step_by(7).take(300).collect();
    for len in 0..key.len() {
        assert_eq!(crc::crc16(&key[..len]), crc::crc16_wide(&key[..len]) as u16, "{len}");
    }
}

#[test]
fn names_read_back() {
    for (kind, name) in HashKind::ALL {
        assert_eq!(name.parse(), Ok(kind));
        assert_eq!(kind.to_string(), name);
    }
    let error = "md6".parse::<HashKind>().unwrap_err().to_string();
    assert!(error.contains("md6") && error.contains("murmur3"), "{error}");
}

#[test]
fn hashes_stay_in_their_space() {
    for (kind, _) in HashKind::ALL {
        let space = kind.space();
        for number in 0..2000 {
            let hash = kind.hash(format!("key:{number}").as_bytes());
            assert_eq!(hash % space.step(), 0, "{kind}");
            assert!(u64::from(hash / space.step()) < space.count(), "{kind}");
        }
    }
}
