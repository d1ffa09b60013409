//! From hosts to addresses, by the system's resolver.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::asking::Answer;
use super::entries::Entries;
use super::error::AskError;
use crate::config::HostPort;

/// Look-ups at the same time, in the whole process: each one holds a thread until the resolver answers or gives up.
static LOOKUPS: Semaphore = Semaphore::const_new(8);

/// The hosts of one source, with the addresses that each was last known to have.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashMap<HostPort, Vec<SocketAddr>>,
}

impl Names {
    /// All addresses of the entries, in order. A host that cannot be looked up keeps the addresses it had.
    ///
    /// # Errors
    /// When there are entries, and no host of them has an address now.
    pub(super) async fn resolve(&mut self, entries: &Entries) -> Result<Answer, AskError> {
        let mut complaints = entries.complaints();
        if entries.hosts.is_empty() && !complaints.is_empty() {
            return Err(AskError::NothingUsable(complaints.join("; ")));
        }
        let mut lookups = JoinSet::new();
        for host in &entries.hosts {
            let host = host.clone();
            lookups.spawn(async move { (host.clone(), addresses(&host).await) });
        }
        let mut known = HashMap::new();
        let mut failures = Vec::new();
        while let Some(joined) = lookups.join_next().await {
            // A look-up that panicked has said so already, and counts as one without an answer.
            let Ok((host, found)) = joined else { continue };
            match found {
                Ok(addresses) => {
                    known.insert(host, addresses);
                }
                Err(error) => failures.push((host, error)),
            }
        }
        failures.sort_by_cached_key(|(host, _)| host.to_string());
        if known.is_empty() && !failures.is_empty() {
            return Err(failures.swap_remove(0).1);
        }
        for (host, error) in failures {
            complaints.push(error.to_string());
            if let Some(addresses) = self.known.remove(&host) {
                known.insert(host, addresses);
            }
        }
        self.known = known;
        let mut addresses: Vec<SocketAddr> = self.known.values().flatten().copied().collect();
        // Servers give the addresses of a name in an order that changes.
        addresses.sort_unstable();
        addresses.dedup();
        Ok(Answer { addresses, complaints })
    }
}

/// All addresses of a host; what is an address already is not looked up.
pub(super) async fn addresses(host: &HostPort) -> Result<Vec<SocketAddr>, AskError> {
    if let Ok(ip) = host.host().parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, host.port())]);
    }
    let failed = |source| AskError::Lookup { host: host.clone(), source };
    let _permit = LOOKUPS.acquire().await.map_err(|closed| failed(io::Error::other(closed)))?;
    let found = tokio::net::lookup_host((host.host(), host.port())).await.map_err(failed)?;
    let addresses: Vec<SocketAddr> = found.filter(|address| !address.ip().is_unspecified()).collect();
    if addresses.is_empty() { Err(AskError::Unusable(host.clone())) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6761: this name never has an address.
    const NOWHERE: &str = "nowhere.invalid";

    fn entries(hosts: &[&str]) -> Entries {
        let mut entries = Entries::default();
        for host in hosts {
            entries.push(String::new, Ok(HostPort::new(*host, 8101)));
        }
        entries
    }

    fn shown(answer: &Answer) -> Vec<String> {
        answer.addresses.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn addresses_need_no_resolver_and_names_give_all_they_have() {
        let mut names = Names::default();
        let answer = names.resolve(&entries(&["10.0.0.2", "::1", "10.0.0.1", "localhost"])).await.unwrap();
        let shown = shown(&answer);
        assert!(shown.starts_with(&[
            "10.0.0.1:8101".into(),
            "10.0.0.2:8101".into(),
            "127.0.0.1:8101".into()
        ]));
        assert_eq!(shown.iter().filter(|address| *address == "[::1]:8101").count(), 1, "{shown:?}");
        assert_eq!(answer.complaints, [""; 0]);
    }

    #[tokio::test]
    async fn a_host_that_is_not_found_keeps_its_addresses_and_hides_no_other() {
        let mut names = Names::default();
        let was = SocketAddr::from(([10, 0, 0, 9], 8101));
        names.known.insert(HostPort::new(NOWHERE, 8101), vec![was]);
        let answer = names.resolve(&entries(&[NOWHERE, "10.0.0.1"])).await.unwrap();
        assert_eq!(shown(&answer), ["10.0.0.1:8101", "10.0.0.9:8101"]);
        assert!(answer.complaints[0].starts_with("cannot look up nowhere.invalid:8101: "), "{answer:?}");
        // Gone from the list, it is forgotten.
        names.resolve(&entries(&["10.0.0.1"])).await.unwrap();
        let answer = names.resolve(&entries(&[NOWHERE, "10.0.0.1"])).await.unwrap();
        assert_eq!(shown(&answer), ["10.0.0.1:8101"]);
    }

    #[tokio::test]
    async fn a_list_of_which_nothing_is_known_is_no_answer() {
        let mut names = Names::default();
        let error = names.resolve(&entries(&[NOWHERE])).await.unwrap_err().to_string();
        assert!(error.contains(NOWHERE) && error.contains("resolver"), "{error}");
        let mut wrong = Entries::default();
        wrong.push(|| "line 1".to_owned(), Err("is wrong".to_owned()));
        let error = names.resolve(&wrong).await.unwrap_err().to_string();
        assert_eq!(error, "nothing in it can be used: line 1: is wrong");
        assert_eq!(names.resolve(&Entries::default()).await.unwrap().addresses, []);
    }
}
