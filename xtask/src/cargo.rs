//! Running cargo and other programs, and what cargo knows of the workspace.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The top of the checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// A cargo command that runs at the top of the checkout.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Whether `cargo NAME` is installed.
pub(crate) fn has_subcommand(name: &str) -> bool {
    is_successful(cargo([name, "--version"]))
}

/// Runs a command with its output on ours, and fails when it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = display(command);
    println!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    ensure!(status.success(), "`{line}` failed: {status}");
    Ok(())
}

/// Runs a command silently and tells whether it succeeded.
pub(crate) fn is_successful(mut command: Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Where a program lies on the search path.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    // Servers of system packages may lie where users do not look.
    let extra = [PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")];
    env::split_paths(&path).chain(extra).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// What `cargo metadata` says of the workspace's own packages.
pub(crate) fn metadata() -> Result<Value> {
    let output = cargo(["metadata", "--no-deps", "--format-version=1", "--locked"])
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "cargo metadata failed: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The packages in what [`metadata`] gave.
pub(crate) fn packages(metadata: &Value) -> Result<&Vec<Value>> {
    metadata["packages"].as_array().context("cargo metadata lists no packages")
}

/// A text field of what cargo gave.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    match value[field].as_str() {
        Some(text) => Ok(text),
        None => bail!("cargo metadata has no text field `{field}`"),
    }
}

fn display(command: &Command) -> String {
    let mut line =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
