use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::*;
use crate::config::SeedSource;

const ENTRIES: &str = "10.0.0.1:8101:rack1:dc1:1|10.0.0.2:8101:rack2:dc1:1";

/// Answers one request with `parts`, a moment apart, and gives what was asked.
fn serve(parts: Vec<Vec<u8>>) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut chunk = [0; 1024];
            let count = stream.read(&mut chunk).unwrap();
            assert!(count > 0, "the request ends with an empty line: {}", request.escape_ascii());
            request.extend_from_slice(&chunk[..count]);
        }
        for part in parts {
            // Whoever has heard enough may have gone.
            let _ = stream.write_all(&part);
            thread::sleep(Duration::from_millis(2));
        }
        String::from_utf8(request).unwrap()
    });
    (address, served)
}

fn url(address: SocketAddr, path: &str) -> HttpUrl {
    match format!("http://{address}{path}").parse() {
        Ok(SeedSource::Http(url)) => url,
        other => panic!("{other:?}"),
    }
}

async fn answer_to(parts: Vec<Vec<u8>>) -> Result<String, String> {
    let (address, served) = serve(parts);
    let answer = fetch(&url(address, "/")).await.map_err(|error| error.to_string());
    served.join().unwrap();
    answer
}

#[tokio::test]
async fn the_legacy_path_is_asked_for_and_the_body_comes_back() {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{ENTRIES}", ENTRIES.len());
    let (address, served) = serve(vec![answer.into_bytes()]);
    assert_eq!(fetch(&url(address, "/REST/v1/admin/get_seeds?dc=x")).await.unwrap(), ENTRIES);
    let request = served.join().unwrap().to_ascii_lowercase();
    assert!(request.starts_with("get /rest/v1/admin/get_seeds?dc=x http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nhost: {address}\r\n")), "{request}");
}

#[tokio::test]
async fn bodies_come_in_every_form_and_in_any_pieces() {
    let (head, tail) = ENTRIES.split_at(20);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{head}\r\n{:x}\r\n{tail}\r\n0\r\n\r\n",
        head.len(),
        tail.len()
    );
    for answer in [format!("HTTP/1.0 200 OK.\r\n\r\n{ENTRIES}"), chunked] {
        let pieces = answer.as_bytes().chunks(7).map(<[u8]>::to_vec).collect();
        assert_eq!(answer_to(pieces).await.unwrap(), ENTRIES, "{answer}");
    }
}

#[tokio::test]
async fn what_is_no_list_is_refused_with_the_reason() {
    let endless = std::iter::repeat_n(vec![b'x'; 1 << 16], 40);
    let endless = std::iter::once(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).chain(endless).collect();
    for (parts, expected) in [
        (vec![b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()], "404 Not Found"),
        (vec![b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".to_vec()], "redirects"),
        (vec![b"+PONG\r\n".to_vec()], "no HTTP answer: "),
        (vec![b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()], "no HTTP answer: "),
        (vec![b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\xff".to_vec()], "it is not UTF-8"),
        (endless, "it is longer than 1 MiB"),
    ] {
        let reason = answer_to(parts).await.unwrap_err();
        assert!(reason.contains(expected), "{reason}");
    }
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let reason = fetch(&url(address, "/")).await.unwrap_err().to_string();
    assert!(reason.starts_with(&format!("cannot connect to {address}: ")), "{reason}");
}

/// Time stands still but for what is waited for, so this takes none.
#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let begun_at = Instant::now();
    let reason = fetch(&url(listener.local_addr().unwrap(), "/")).await.unwrap_err().to_string();
    assert_eq!(reason, "no whole answer within 5s");
    assert!(begun_at.elapsed() < WITHIN, "the clock of the test is the one that counts");
}
