use super::*;

fn tcp(host: &str, port: u16) -> ServerAddress {
    ServerAddress::Tcp { host: host.to_owned(), port }
}

#[test]
fn urls_name_an_address_and_read_back() {
    let cases = [
        ("memcached://localhost", tcp("localhost", 11211), "memcached://localhost:11211"),
        ("memcached://127.0.0.1:7000/", tcp("127.0.0.1", 7000), "memcached://127.0.0.1:7000"),
        ("memcached://[::1]:7000", tcp("::1", 7000), "memcached://[::1]:7000"),
        (
            "memcached+unix:///run/m.sock",
            ServerAddress::Unix("/run/m.sock".into()),
            "memcached+unix:///run/m.sock",
        ),
        ("memcached+unix:///a%20b@c", ServerAddress::Unix("/a b@c".into()), "memcached+unix:///a b@c"),
    ];
    for (url, address, shown) in cases {
        assert_eq!(MemcachedConfig::from_url(url), Ok(MemcachedConfig::new(address.clone())), "{url}");
        assert_eq!(address.url("memcached"), shown);
    }
}

#[test]
fn wrong_urls_are_refused_with_their_fault() {
    let cases = [
        ("localhost:11211", MemcachedUrlError::Scheme("localhost".into())),
        ("redis://h", MemcachedUrlError::Scheme("redis".into())),
        ("unix:///p", MemcachedUrlError::Scheme("unix".into())),
        ("memcached://u:p@h", MemcachedUrlError::Credentials),
        ("memcached://", MemcachedUrlError::Host),
        ("memcached://[::1", MemcachedUrlError::Host),
        ("memcached://h:0", MemcachedUrlError::Port),
        ("memcached://h:x", MemcachedUrlError::Port),
        ("memcached://h/0", MemcachedUrlError::Rest),
        ("memcached://h?x=1", MemcachedUrlError::Rest),
        ("memcached://h%4", MemcachedUrlError::Escape),
        ("memcached+unix://relative", MemcachedUrlError::Path),
    ];
    for (url, error) in cases {
        assert_eq!(MemcachedConfig::from_url(url), Err(error), "{url}");
    }
}
