//! Where members may be found.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::config::HostPort;

/// Of the prefix 100::/64 (RFC 6666), to which no packet is ever sent: the number of a name follows. The state machine knows a
/// name by such an address, and whatever the name stands for at the moment is dialled.
const NAMES: u128 = 0x0100 << 112;

/// Names of seeds, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Seeds {
    names: Vec<HostPort>,
}

impl Seeds {
    /// How the state machine shall know a seed.
    pub(super) fn add(&mut self, seed: &HostPort) -> SocketAddr {
        if let Ok(ip) = seed.host().parse::<IpAddr>() {
            return SocketAddr::new(ip, seed.port());
        }
        let place = self.names.iter().position(|known| known == seed).unwrap_or_else(|| {
            self.names.push(seed.clone());
            self.names.len() - 1
        });
        SocketAddr::new(Ipv6Addr::from(NAMES + place as u128).into(), seed.port())
    }

    /// The name that an address stands for.
    pub(super) fn name_of(&self, address: SocketAddr) -> Option<&HostPort> {
        let IpAddr::V6(ip) = address.ip() else { return None };
        let place = u128::from(ip).checked_sub(NAMES)?;
        self.names.get(usize::try_from(place).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_addresses_stay_what_they_are() {
        let mut seeds = Seeds::default();
        let [a, b, ip]: [HostPort; 3] =
            ["a.example:8101", "b.example:8102", "[2001:db8::1]:7"].map(|text| text.parse().unwrap());
        let (first, second) = (seeds.add(&a), seeds.add(&b));
        assert_eq!(seeds.add(&a), first, "the same seed again");
        assert_eq!(seeds.name_of(first), Some(&a));
        assert_eq!(seeds.name_of(second), Some(&b));
        let plain = seeds.add(&ip);
        assert_eq!(plain.to_string(), "[2001:db8::1]:7");
        assert_eq!(seeds.name_of(plain), None);
        assert_eq!(seeds.name_of("127.0.0.1:1".parse().unwrap()), None);
    }
}
