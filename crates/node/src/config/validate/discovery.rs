//! Rules about the sources of seeds.

use super::super::error::Problem;
use super::super::{Discovery, SeedSource};
use super::unreachable;

/// Each is asked by a task of its own.
const SOURCES_MAX: usize = 64;

pub(super) fn check(discovery: &Discovery, problems: &mut Vec<Problem>) {
    let sources = &discovery.sources;
    if sources.len() > SOURCES_MAX {
        let message =
            format!("has {} entries; at most {SOURCES_MAX}: put addresses into a file", sources.len());
        problems.push(Problem::new("discovery.sources", message));
        return;
    }
    for (index, source) in sources.iter().enumerate() {
        let message = if sources[..index].contains(source) {
            Some(format!("`{source}` is in the list already; leave one of the two out"))
        } else {
            refusal(source)
        };
        if let Some(message) = message {
            problems.push(Problem::new(format!("discovery.sources[{index}]"), message));
        }
    }
}

/// Why the source cannot be asked, if so.
fn refusal(source: &SeedSource) -> Option<String> {
    // One that was put together in Rust keeps the form of one that was read.
    match source.to_string().parse::<SeedSource>() {
        Err(message) => return Some(message),
        Ok(parsed) if parsed != *source => return Some(format!("`{source}` is no source of seeds")),
        Ok(_) => {}
    }
    match source {
        SeedSource::Host(address) => unreachable(address),
        SeedSource::Http(url) => unreachable(url.server()),
        SeedSource::Srv(_) if !cfg!(feature = "srv") => Some(format!(
            "`{source}`: this program was built without SRV look-ups; build it with \
             `cargo build --release -p dynomited --features srv`, or name the nodes by \"dns:NAME:PORT\""
        )),
        SeedSource::Srv(_) | SeedSource::File(_) => None,
    }
}
