//! `dynomited demo`: two datacenters of three racks in one process, each node with the memory store.

mod client;
mod cluster;
mod tour;

use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;

use anyhow::{Context, Result};
use dynomite_node::config::{Log, LogFormat};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::logging;
use cluster::Cluster;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Walk through what the cluster does, step by step, and end; exit status 0 only if each step showed what it claims
    #[arg(long)]
    tour: bool,
    /// First of the six client ports; the peers' ports are 100 above. By default the first free range from 8102 on
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1024..=65_000))]
    port_base: Option<u16>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    logging::init(&Log { filter: "error".to_owned(), format: LogFormat::Text })?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be caught")?;
        let mut terminate = signal(SignalKind::terminate()).context("signals cannot be caught")?;
        let mut cluster = Cluster::start(arguments.port_base).await?;
        stdout().write_all(cluster.describe().as_bytes())?;
        let passed = tokio::select! {
            biased;
            _ = interrupt.recv() => true,
            _ = terminate.recv() => true,
            passed = play(arguments.tour, &mut cluster) => passed?,
        };
        if !arguments.tour && stderr().is_terminal() {
            eprintln!("\nStopping.");
        }
        cluster.stop().await;
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// The tour, or waiting for a signal.
async fn play(tour: bool, cluster: &mut Cluster) -> Result<bool> {
    if tour {
        return tour::play(cluster).await;
    }
    println!("\nThe cluster runs until Ctrl-C. Everything it holds is in memory and ends with it.");
    std::future::pending().await
}
