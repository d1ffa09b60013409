//! The list that Netflix Dynomite's `florida_provider` reads: `host:port:rack:dc:tokens`, separated by `|`.
//!
//! Only host and port are of use here: where a node is and which tokens it has, it tells itself.

use std::net::Ipv6Addr;

use super::entries::Entries;
use crate::config::HostPort;

pub(super) fn parse(body: &str) -> Entries {
    let mut entries = Entries::default();
    for (index, entry) in body.split('|').map(str::trim).enumerate() {
        if !entry.is_empty() {
            entries.push(|| format!("entry {}", index + 1), address(entry));
        }
    }
    entries
}

/// Fields are counted from the right, as there: an IPv6 host has colons of its own.
fn address(entry: &str) -> Result<HostPort, String> {
    let fields: Vec<&str> = entry.rsplitn(5, ':').collect();
    let [tokens, dc, rack, port, host] = fields[..] else {
        return Err(format!("`{entry}` is not host:port:rack:dc:tokens"));
    };
    let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
    if !is_name(rack) || !is_name(dc) {
        return Err(format!("`{entry}` has no rack or no datacenter; the form is host:port:rack:dc:tokens"));
    }
    if !tokens.split(',').all(|token| token.trim().parse::<u32>().is_ok()) {
        return Err(format!("`{tokens}` of `{entry}` is no list of tokens, numbers from 0 to {}", u32::MAX));
    }
    let is_bare_v6 = host.parse::<Ipv6Addr>().is_ok();
    if is_bare_v6 { format!("[{host}]:{port}").parse() } else { format!("{host}:{port}").parse() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &str) -> Vec<String> {
        let entries = parse(body);
        assert_eq!(entries.complaints(), [""; 0], "{body}");
        entries.hosts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn hosts_and_ports_are_taken_from_all_entries() {
        assert_eq!(
            shown(
                "ec2-54-145-17-101.compute-1.amazonaws.com:8101:dyno_pds--useast1e:us-east-1:1383429731|\
                 10.0.0.2:8102:rack2:dc1:0,4294967295"
            ),
            ["ec2-54-145-17-101.compute-1.amazonaws.com:8101", "10.0.0.2:8102"]
        );
        assert_eq!(shown("2001:db8::1:8101:r:d:1|[::1]:8101:r:d:1"), ["[2001:db8::1]:8101", "[::1]:8101"]);
    }

    #[test]
    fn nothing_is_no_mistake() {
        assert_eq!(shown(""), [""; 0]);
        assert_eq!(shown("\r\n"), [""; 0]);
        assert_eq!(shown("h:1:r:d:7|\n"), ["h:1"]);
    }

    #[test]
    fn entries_of_another_form_are_told_and_the_others_taken() {
        for (entry, expected) in [
            ("h:1:r:d", "entry 2: `h:1:r:d` is not host:port:rack:dc:tokens"),
            ("h:1::d:7", "entry 2: `h:1::d:7` has no rack or no datacenter"),
            ("h:1:r::7", "entry 2: `h:1:r::7` has no rack or no datacenter"),
            ("h:1:r:d:", "entry 2: `` of `h:1:r:d:` is no list of tokens"),
            ("h:1:r:d:4294967296", "entry 2: `4294967296` of"),
            ("h:1:r:d:-1", "entry 2: `-1` of"),
            ("h:x:r:d:7", "entry 2: `h:x` is not a host and port"),
            ("h:0:r:d:7", "entry 2: `h:0` is not an address that others can connect to"),
            (":1:r:d:7", "entry 2: `:1` is not a host and port"),
            ("<html>", "entry 2: `<html>` is not host:port:rack:dc:tokens"),
        ] {
            let entries = parse(&format!("a:1:r:d:1|{entry}|b:1:r:d:2"));
            assert_eq!(entries.hosts.len(), 2, "{entry}");
            let complaints = entries.complaints();
            assert!(complaints.len() == 1 && complaints[0].starts_with(expected), "{complaints:?}");
        }
    }
}
