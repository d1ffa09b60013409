use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use super::*;

const NAME: &str = "_dynomite._tcp.example.test.";
/// RFC 1035, section 4.1.1.
const NO_SUCH_NAME: u8 = 3;

/// A name server that knows one name with these hosts and ports, and answers all else with `no such name`.
fn serve(services: &'static [(&'static str, u16)]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut query) {
            socket.send_to(&answer(&query[..length], services), client).unwrap();
        }
    });
    address
}

fn answer(query: &[u8], services: &[(&str, u16)]) -> Vec<u8> {
    // The question: labels up to an empty one, type, class.
    let name_length = query[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
    let question = &query[12..12 + name_length + 4];
    let is_known = question.starts_with(&name(NAME));
    let count = if is_known { services.len() as u8 } else { 0 };
    let code = if is_known { 0 } else { NO_SUCH_NAME };
    let mut answer = query[..2].to_vec();
    answer.extend([0x85, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(question);
    for (host, port) in &services[..usize::from(count)] {
        let target = name(host);
        // The question's name, SRV, IN, a minute; priority 1, weight 2.
        answer.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, 6 + target.len() as u8, 0, 1, 0, 2]);
        answer.extend(port.to_be_bytes());
        answer.extend(target);
    }
    answer
}

fn name(text: &str) -> Vec<u8> {
    let labels = text.split_terminator('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> =
        labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).collect();
    bytes.push(0);
    bytes
}

fn resolver(server: SocketAddr) -> TokioResolver {
    let mut connection = ConnectionConfig::udp();
    connection.port = server.port();
    let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build().unwrap()
}

#[tokio::test]
async fn every_record_gives_a_host_and_its_port() {
    let server = serve(&[("n1.example.test.", 8101), ("n2.example.test.", 9000), (".", 0)]);
    let entries = ask(&resolver(server), NAME).await.unwrap();
    let shown: Vec<String> = entries.hosts.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["n1.example.test:8101", "n2.example.test:9000"]);
    assert_eq!(entries.complaints(), [""; 0]);
}

#[tokio::test]
async fn a_name_without_records_is_no_answer() {
    let resolver = resolver(serve(&[]));
    for name in ["_other._tcp.example.test.", NAME] {
        let error = ask(&resolver, name).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot look up the SRV records of {name}: ")), "{error}");
    }
}
