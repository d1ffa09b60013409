use super::*;
use crate::RedisAddress;

fn tcp(host: &str, port: u16) -> RedisAddress {
    RedisAddress::Tcp { host: host.to_owned(), port }
}

#[test]
fn urls_name_address_and_credentials() {
    let some = |text: &str| Some(text.to_owned());
    let cases = [
        ("redis://localhost", tcp("localhost", 6379), None, None),
        ("redis://127.0.0.1:7000", tcp("127.0.0.1", 7000), None, None),
        ("redis://127.0.0.1:7000/", tcp("127.0.0.1", 7000), None, None),
        ("redis://127.0.0.1:7000/0", tcp("127.0.0.1", 7000), None, None),
        ("redis://[::1]:7000", tcp("::1", 7000), None, None),
        ("redis://[::1]", tcp("::1", 6379), None, None),
        ("redis://:secret@h:1", tcp("h", 1), None, some("secret")),
        ("redis://user:p%40ss%2F@h:1", tcp("h", 1), some("user"), some("p@ss/")),
        ("redis://user:a:b@c@h:1", tcp("h", 1), some("user"), some("a:b@c")),
        ("redis://:@h", tcp("h", 6379), None, some("")),
        ("redis+unix:///run/redis.sock", RedisAddress::Unix("/run/redis.sock".into()), None, None),
        ("unix:///run/my%20redis.sock", RedisAddress::Unix("/run/my redis.sock".into()), None, None),
        ("redis+unix://u:p@/run/a@b", RedisAddress::Unix("/run/a@b".into()), some("u"), some("p")),
    ];
    for (url, address, username, password) in cases {
        let expected = RedisConfig { username, password, ..RedisConfig::new(address) };
        assert_eq!(RedisConfig::from_url(url), Ok(expected), "{url}");
    }
}

#[test]
fn wrong_urls_are_refused_with_their_fault() {
    let cases = [
        ("localhost:6379", RedisUrlError::Scheme("localhost".into())),
        ("http://h", RedisUrlError::Scheme("http".into())),
        ("rediss://h", RedisUrlError::Tls),
        ("redis://", RedisUrlError::Host),
        ("redis://:6379", RedisUrlError::Host),
        ("redis://[::1", RedisUrlError::Host),
        ("redis://h:", RedisUrlError::Port),
        ("redis://h:0", RedisUrlError::Port),
        ("redis://h:65536", RedisUrlError::Port),
        ("redis://h:x", RedisUrlError::Port),
        ("redis://[::1]x", RedisUrlError::Port),
        ("redis://h/1", RedisUrlError::Rest),
        ("redis://h?timeout=1", RedisUrlError::Rest),
        ("redis://user@h", RedisUrlError::UserWithoutPassword),
        ("redis://:a%4@h", RedisUrlError::Escape),
        ("redis://:a%zz@h", RedisUrlError::Escape),
        ("redis://:%ff@h", RedisUrlError::Escape),
        ("unix://relative", RedisUrlError::Path),
        ("redis+unix://", RedisUrlError::Path),
    ];
    for (url, error) in cases {
        assert_eq!(RedisConfig::from_url(url), Err(error), "{url}");
    }
}

#[test]
fn address_is_shown_as_a_url_that_reads_back() {
    for url in ["redis://h:1", "redis://[::1]:6379", "redis+unix:///run/redis.sock"] {
        assert_eq!(RedisConfig::from_url(url).unwrap().address.url("redis"), url);
    }
}

#[test]
fn password_is_never_shown() {
    let config = RedisConfig::from_url("redis://user:secret@h:1").unwrap();
    assert!(!format!("{config:?} {}", config.address.url("redis")).contains("secret"));
    for url in [
        "redis:/:secret@h",
        "redis://:secret@h:x",
        "redis://:secret@h/1",
        "redis://:secret",
        "redis://u:1/secret@h",
    ] {
        let error = RedisConfig::from_url(url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"), "{url}: {error}");
    }
}
