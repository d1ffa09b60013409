//! Log lines on standard error, for people or for programs.

use std::io::{self, IsTerminal};

use anyhow::{Result, anyhow};
use dynomite_node::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// Sets the process's subscriber up.
pub(crate) fn init(log: &Log) -> Result<()> {
    let lines = tracing_subscriber::fmt().with_writer(io::stderr).with_env_filter(filter(log)?);
    match log.format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(|error| anyhow!("logging cannot be set up: {error}"))
}

/// Parses `log.filter`.
pub(crate) fn filter(log: &Log) -> Result<EnvFilter> {
    EnvFilter::builder().parse(&log.filter).map_err(|error| {
        anyhow!(
            "log.filter: {:?} is not a level (off, error, warn, info, debug, trace) or target=level list: {error}",
            log.filter
        )
    })
}
