use bytes::BytesMut;
use dynomite_codec::{FrameLimits, RequestFramer, encode};

use crate::server::Server;

/// What a server on our framer answers, and whether it then closes the connection.
fn answers(input: &[u8]) -> (BytesMut, bool) {
    let mut framer = RequestFramer::new(FrameLimits { bulk_max: 512 << 20, ..FrameLimits::default() });
    let (mut buf, mut out) = (BytesMut::from(input), BytesMut::new());
    loop {
        match framer.next(&mut buf) {
            Ok(Some(request)) if request.arg_count() == 2 => encode::bulk(&mut out, request.arg(1)),
            Ok(Some(_)) => encode::simple(&mut out, "PONG"),
            Ok(None) => return (out, false),
            Err(error) => {
                encode::error(&mut out, &format!("ERR {error}"));
                return (out, true);
            }
        }
    }
}

#[test]
fn broken_streams_end_as_with_redis() {
    let server = Server::start(&[]);
    let long = |prefix: &[u8]| [prefix, &[b'1'; (64 << 10) + 10]].concat();
    let nested = b"*1\r\n".repeat(10_000);
    let cases: Vec<Vec<u8>> = [
        &b"*1\r\n$4\r\nPING\r\n"[..],
        b"PING\r\n",
        b"PING\n",
        b"  PING  \r\n",
        b"\r\n\r\n\n",
        b"*0\r\n",
        b"*-1\r\n",
        b"*-2147483649\r\n",
        b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
        b"*2\r\n$4\r\nECHO\r\n$5\r\n\0\r\n\r\n\r\n",
        b"ECHO 'a b'\r\n",
        b"ECHO \"\\x00\\n\\\"'\"\r\n",
        b"ECHO ''\r\n",
        b"ECHO a\"b\"\r\n",
        b"ECHO 'it\\'s'\r\n",
        b"ECHO \"a\"b\r\n",
        b"ECHO \"a\r\n",
        b"ECHO 'a\r\n",
        b"*a\r\n",
        b"*\r\n",
        b"*+1\r\n",
        b"*01\r\n",
        b"*1 \r\n",
        b"*2147483648\r\n",
        b"*99999999999999999999\r\n",
        b"*1\r\n*1\r\n",
        b"*1\r\n:1\r\n",
        b"*1\r\nPING\r\n",
        b"*1\r\n\r\n",
        b"*1\r\n\n\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$-5\r\n",
        b"*1\r\n$\r\n",
        b"*1\r\n$x\r\n",
        b"*1\r\n$4x\r\n",
        b"*1\r\n$536870913\r\n",
        b"*1\r\n$99999999999999999999\r\n",
        b"*2\r\n$4\r\nECHO\r\n$-1\r\n",
        b"*1\r\n$4\r\nPING\r\n*x\r\n",
        &nested,
        &long(b"*"),
        &long(b"*1\r\n$"),
        &long(b"PING"),
    ]
    .map(<[u8]>::to_vec)
    .into();
    for input in cases {
        let shown = input[..input.len().min(60)].escape_ascii().to_string();
        // The PING shows that the stream goes on; a stream that broke never comes to it.
        let input = if input.len() > 60_000 { input } else { [&input[..], b"*1\r\n$4\r\nPING\r\n"].concat() };
        let (expected, closes) = answers(&input);
        let mut connection = server.connect();
        connection.send(&input);
        let mut got = BytesMut::new();
        while got.len() < expected.len() {
            let Some(reply) = connection.reply() else { break };
            got.extend_from_slice(&reply);
        }
        assert_eq!(got, expected, "{shown}");
        if closes {
            assert_eq!(connection.reply(), None, "{shown} closes the connection");
        } else {
            assert_eq!(connection.call(b"PING\r\n"), "+PONG\r\n", "{shown} keeps the connection");
        }
    }
}
