//! `dynomited check`: is the configuration right, and what does it amount to?

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use dynomite_node::config::{Credentials, Datastore, Password};

use crate::command_line::ConfigSource;
use crate::logging;

pub(crate) fn run(source: &ConfigSource) -> Result<ExitCode> {
    let config = source.load()?;
    logging::filter(&config.log)?;
    if let Datastore::Redis { credentials: Some(Credentials { password, .. }), .. } = &config.datastore
        && let Password::File(path) = password
    {
        password.reveal().with_context(|| format!("datastore.password_file: {}", path.display()))?;
    }
    io::stdout().write_all(config.effective_toml().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
