//! Kills the servers of a test process that ends without running its destructors (abort, SIGKILL, `exit`).
//!
//! One shell per test process waits on a pipe whose other end only the test process holds. When that process is gone,
//! however it went, the shell reads the end of the pipe and kills what was still registered. Servers live in process
//! groups of their own, so that a Ctrl-C in the terminal reaches them through the guardian alone.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

const SCRIPT: &str = r#"
pids=
while read -r operation pid; do
    case $operation in
    +) pids="$pids $pid" ;;
    -) rest=; for other in $pids; do [ "$other" = "$pid" ] || rest="$rest $other"; done; pids=$rest ;;
    esac
done
for pid in $pids; do kill -9 "$pid"; done
"#;

static PIPE: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// From now on the process `pid` dies with this one.
pub(crate) fn register(pid: u32) -> std::io::Result<()> {
    let mut pipe = PIPE.lock().unwrap_or_else(PoisonError::into_inner);
    if pipe.is_none() {
        *pipe = Some(start_shell()?);
    }
    let pipe = pipe.as_mut().expect("the shell was just started");
    pipe.write_all(format!("+ {pid}\n").as_bytes())
}

/// The process `pid` is gone, and its number may soon be someone else's.
pub(crate) fn unregister(pid: u32) {
    let mut pipe = PIPE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pipe) = pipe.as_mut() {
        // Best effort: without a guardian there is nobody left who could kill a stranger.
        let _ = pipe.write_all(format!("- {pid}\n").as_bytes());
    }
}

fn start_shell() -> std::io::Result<ChildStdin> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    Ok(child.stdin.take().expect("stdin is piped"))
}
