//! SRV records (RFC 2782): which hosts and ports a service has.
//!
//! Priorities and weights say whom to prefer; here all are wanted.

#[cfg(test)]
mod tests;

use hickory_resolver::proto::rr::RData;
use hickory_resolver::{ResolverBuilder, TokioResolver};

use super::entries::Entries;
use super::error::AskError;
use crate::config::HostPort;

/// Asks the name servers of `/etc/resolv.conf`, as it is now.
pub(super) async fn look_up(name: &str) -> Result<Entries, AskError> {
    let built = TokioResolver::builder_tokio().and_then(ResolverBuilder::build);
    ask(&built.map_err(|error| failure(name, &error))?, name).await
}

async fn ask(resolver: &TokioResolver, name: &str) -> Result<Entries, AskError> {
    let found = resolver.srv_lookup(name).await.map_err(|error| failure(name, &error))?;
    let mut entries = Entries::default();
    for record in found.answers() {
        if let RData::SRV(service) = &record.data {
            let target = service.target.to_ascii();
            // A service that is not there names the root.
            if target != "." {
                let address = format!("{}:{}", target.trim_end_matches('.'), service.port);
                entries.push(|| format!("record of {target}"), address.parse::<HostPort>());
            }
        }
    }
    Ok(entries)
}

fn failure(name: &str, error: &impl ToString) -> AskError {
    AskError::Service { name: name.to_owned(), reason: error.to_string() }
}
