//! A list of hosts as somebody else wrote it.

use crate::config::HostPort;

/// Most hosts that are taken from one list.
pub(super) const HOSTS_MAX: usize = 256;
/// Most mistakes that are told; the rest is counted.
const MISTAKES_MAX: usize = 8;
/// So much of a mistake is shown.
const SHOWN_MAX: usize = 80;
/// Longest list that is read.
pub(super) const TEXT_MAX: usize = 1 << 20;

/// The hosts of a list, and what in it is none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entries {
    pub(super) hosts: Vec<HostPort>,
    pub(super) mistakes: Vec<String>,
    mistake_count: usize,
    left_out: usize,
}

impl Entries {
    /// A list of one.
    pub(super) fn one(host: HostPort) -> Self {
        Self { hosts: vec![host], ..Self::default() }
    }

    /// Takes what an entry, at the place that `at` tells, was read as.
    pub(super) fn push(&mut self, at: impl FnOnce() -> String, entry: Result<HostPort, String>) {
        match entry.and_then(reachable) {
            Ok(host) if self.hosts.contains(&host) => {}
            Ok(host) if self.hosts.len() < HOSTS_MAX => self.hosts.push(host),
            Ok(_) => self.left_out += 1,
            Err(reason) => {
                self.mistake_count += 1;
                if self.mistakes.len() < MISTAKES_MAX {
                    self.mistakes.push(format!("{}: {}", at(), shortened(&reason)));
                }
            }
        }
    }

    /// All that is to be said about the list; nothing when it is as it should be.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut complaints = self.mistakes.clone();
        let untold = self.mistake_count - self.mistakes.len();
        if untold > 0 {
            complaints.push(format!("{untold} more entries are wrong"));
        }
        if self.left_out > 0 {
            complaints.push(format!("{} hosts beyond the first {HOSTS_MAX} are left out", self.left_out));
        }
        complaints
    }
}

fn reachable(host: HostPort) -> Result<HostPort, String> {
    if host.is_wildcard() || host.port() == 0 {
        return Err(format!("`{host}` is not an address that others can connect to"));
    }
    Ok(host)
}

/// What others wrote may be long, and goes into a log.
fn shortened(text: &str) -> String {
    let plain = text.replace(char::is_control, "?");
    match plain.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_bounded_in_hosts_and_in_what_is_said_of_it() {
        let mut entries = Entries::default();
        for number in 0..HOSTS_MAX + 5 {
            entries.push(String::new, Ok(HostPort::new(format!("n{number}"), 1)));
            entries.push(String::new, Ok(HostPort::new("n0", 1)));
        }
        for number in 0..20 {
            entries.push(|| format!("line {number}"), Err("\u{1b}[2J".repeat(1_000)));
        }
        assert_eq!(entries.hosts.len(), HOSTS_MAX);
        let complaints = entries.complaints();
        assert_eq!(complaints.len(), MISTAKES_MAX + 2, "{complaints:?}");
        assert!(complaints[0].starts_with("line 0: ?[2J?["), "{}", complaints[0]);
        assert!(complaints.iter().all(|complaint| complaint.len() < 120), "{complaints:?}");
        assert_eq!(
            complaints[8..],
            ["12 more entries are wrong", "5 hosts beyond the first 256 are left out"]
        );
    }

    #[test]
    fn addresses_that_nobody_can_connect_to_are_mistakes() {
        let mut entries = Entries::default();
        for host in [HostPort::new("0.0.0.0", 1), HostPort::new("::", 1), HostPort::new("h", 0)] {
            entries.push(String::new, Ok(host));
        }
        assert_eq!((entries.hosts.len(), entries.complaints().len()), (0, 3));
    }
}
