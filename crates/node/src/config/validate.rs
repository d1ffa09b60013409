//! The rules that a configuration keeps, whether it was read or built.

mod cluster;
mod discovery;
mod ranges;

use std::net::SocketAddr;

use super::datastore::RedisAddress;
use super::error::Problem;
use super::{ByteSize, Config, Credentials, Datastore, HashKind, HostPort, Password, WORKERS_MAX, Workers};

/// Longest name of a cluster, node, datacenter or rack.
const NAME_LEN_MAX: usize = 64;

impl Config {
    /// Every problem, in the order of the keys.
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.check_names(&mut problems);
        self.check_addresses(&mut problems);
        self.check_service(&mut problems);
        self.check_datastore(&mut problems);
        cluster::check(self, &mut problems);
        discovery::check(&self.discovery, &mut problems);
        ranges::check(self, &mut problems);
        problems
    }

    fn check_names(&self, problems: &mut Vec<Problem>) {
        for (key, name) in [
            ("cluster", &self.cluster),
            ("name", &self.name),
            ("datacenter", &self.datacenter),
            ("rack", &self.rack),
        ] {
            check_name(key, name, problems);
        }
    }

    fn check_addresses(&self, problems: &mut Vec<Problem>) {
        let mut refuse = |key: &str, message: String| problems.push(Problem::new(key, message));
        for (key, address) in [("client_address", &self.client_address), ("peer_address", &self.peer_address)]
        {
            if let Some(message) = address.as_ref().and_then(unreachable) {
                refuse(key, message);
            }
        }
        if !self.has_peers() {
            for (key, is_given) in
                [("peer_listen", self.peer_listen.is_some()), ("peer_address", self.peer_address.is_some())]
            {
                if is_given {
                    let message =
                        "has no effect without [[seeds]] or discovery.sources: the node has no peers";
                    refuse(key, message.to_owned());
                }
            }
            return;
        }
        let Some(peer_listen) = self.peer_listen else {
            refuse("peer_listen", "is needed where there are seeds, such as \"0.0.0.0:8101\"".to_owned());
            return;
        };
        if peer_listen.port() == 0 {
            refuse("peer_listen", "port 0 is chosen anew at every start; peers need a fixed one".to_owned());
        } else if collide(self.listen, peer_listen) {
            let message = format!("is the same as listen, {}; clients and peers need two ports", self.listen);
            refuse("peer_listen", message);
        }
        if self.peer_address.is_none() && self.own_seed().is_none() && peer_listen.ip().is_unspecified() {
            refuse("peer_address", format!("is needed: peers cannot reach this node at {peer_listen}"));
        }
    }

    fn check_service(&self, problems: &mut Vec<Problem>) {
        if let Workers::Count(count) = self.workers
            && !(1..=WORKERS_MAX).contains(&count)
        {
            problems.push(Problem::new("workers", format!("{count} is not \"auto\" or 1 to {WORKERS_MAX}")));
        }
        if let Some(path) = &self.data_dir
            && !path.is_absolute()
        {
            let message = format!("`{}` is not an absolute path", path.display());
            problems.push(Problem::new("data_dir", message));
        }
        if let Some((open, close)) = self.hash_tag {
            if self.hash == HashKind::RedisSlot {
                let message = "has no effect with hash = \"redis-slot\", whose tag is {} as in Redis Cluster";
                problems.push(Problem::new("hash_tag", message));
            } else if !open.is_ascii_graphic() || !close.is_ascii_graphic() {
                problems.push(Problem::new("hash_tag", "is not two visible ASCII characters"));
            }
        }
    }

    fn check_datastore(&self, problems: &mut Vec<Problem>) {
        match &self.datastore {
            Datastore::Memory { max_memory: Some(size) } if *size < ByteSize::mib(1) => {
                problems.push(Problem::new("datastore.max_memory", format!("{size} is less than 1MiB")));
            }
            Datastore::Memory { .. } => {}
            Datastore::Redis { address, credentials } => {
                if matches!(address, RedisAddress::Unix(path) if !path.is_absolute()) {
                    problems.push(Problem::new("datastore.url", "the path of a unix socket is absolute"));
                }
                if let Some(Credentials { password: Password::File(path), .. }) = credentials
                    && !path.is_absolute()
                {
                    let message = format!("`{}` is not an absolute path", path.display());
                    problems.push(Problem::new("datastore.password_file", message));
                }
            }
        }
        if self.log.filter.trim().is_empty() {
            problems.push(Problem::new(
                "log.filter",
                "is empty; allowed are off, error, warn, info, debug, trace and target=level lists",
            ));
        }
    }
}

/// Names stand in logs, metrics, URLs and files, so they are kept plain.
fn check_name(key: &str, name: &str, problems: &mut Vec<Problem>) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > NAME_LEN_MAX || !name.bytes().all(is_plain) {
        let message = format!("{name:?} is no name: 1 to {NAME_LEN_MAX} letters, digits, `-`, `_` or `.`");
        problems.push(Problem::new(key, message));
    }
}

/// Why nobody could connect to `address`, if so.
fn unreachable(address: &HostPort) -> Option<String> {
    if address.is_wildcard() {
        return Some(format!("{address} is not an address that others can connect to"));
    }
    (address.port() == 0).then(|| format!("{address}: port 0 is not a port that others can connect to"))
}

fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}
