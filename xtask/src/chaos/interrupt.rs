//! Ctrl-C and SIGTERM: the first ends the run in good order, the second at once. Servers die with this process in any
//! case, see the testkit's guardian.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

/// As shells give it for a process that SIGINT ended.
const EXIT_CODE: i32 = 130;

static IS_WANTED: AtomicBool = AtomicBool::new(false);

/// From now on the signals are caught.
pub(super) fn catch() -> Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let (mut interrupt, mut terminate) = {
        let _runtime = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let wait = move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if IS_WANTED.swap(true, Ordering::Relaxed) {
                    std::process::exit(EXIT_CODE);
                }
                println!("\nstopping everything; once more ends it at once");
            }
        })
    };
    thread::Builder::new().name("signals".to_owned()).spawn(wait).context("no thread for signals")?;
    Ok(())
}

pub(super) fn is_wanted() -> bool {
    IS_WANTED.load(Ordering::Relaxed)
}

/// Fails once a signal came.
pub(super) fn check() -> Result<()> {
    ensure!(!is_wanted(), "interrupted");
    Ok(())
}
