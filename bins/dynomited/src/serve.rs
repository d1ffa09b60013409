//! Running a node: start, wait for a signal, stop.

use std::process::ExitCode;

use anyhow::{Context, Result};
use dynomite_node::Node;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::command_line::ConfigSource;
use crate::{file_limit, logging};

pub(crate) fn run(source: &ConfigSource) -> Result<ExitCode> {
    let config = source.load()?;
    logging::init(&config.log)?;
    file_limit::raise(config.limits.clients_max);
    if let Some(note) = config.memory_only_note() {
        if config.has_one_copy() {
            info!("{note}");
        } else {
            warn!("{note}");
        }
    }
    // The node has threads of its own for the data; this one only waits.
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        // Before the start, so that a signal during it is not lost.
        let mut signals = Signals::new().context("signals cannot be caught")?;
        let mut node = tokio::select! {
            biased;
            number = signals.next() => return Ok(exit_code(number)),
            node = Node::start(config) => node?,
        };
        tokio::select! {
            number = signals.next() => {
                info!(signal = signal_name(number), "stopping; a second signal ends the node at once");
            }
            ended = node.wait() => {
                ended.context("the node has ended by itself; this is a defect, please report it with the log")?;
                info!("the cluster has no place for this node any more: stopping");
            }
        }
        tokio::select! {
            biased;
            number = signals.next() => {
                warn!(signal = signal_name(number), "ended before all requests were answered");
                Ok(exit_code(number))
            }
            () = node.stop() => {
                info!("stopped");
                Ok(ExitCode::SUCCESS)
            }
        }
    })
}

/// The signals that end the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next signal's number.
    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}

fn signal_name(signal: SignalKind) -> &'static str {
    if signal == SignalKind::terminate() { "SIGTERM" } else { "SIGINT" }
}

/// As shells give it for a process that a signal ended.
fn exit_code(signal: SignalKind) -> ExitCode {
    ExitCode::from(u8::try_from(128 + signal.as_raw_value()).unwrap_or(u8::MAX))
}
