//! Where figures were measured, and with what.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::redis_benchmark;
use super::systems::{System, nutcracker_program};

/// Hardware and kernel.
pub(crate) fn machine() -> Result<Value> {
    const KIB_PER_GIB: f64 = (1024 * 1024) as f64;
    let memory: f64 = field(&read("/proc/meminfo")?, "MemTotal")?
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .context("no number of MemTotal")?;
    Ok(json!({
        "cpu": field(&read("/proc/cpuinfo")?, "model name")?,
        "core_count": thread::available_parallelism()?.get(),
        "memory_gib": (memory / KIB_PER_GIB * 10.0).round() / 10.0,
        "kernel": read("/proc/sys/kernel/osrelease")?.trim(),
    }))
}

/// What the programs that were measured say of themselves.
pub(crate) fn versions(systems: &[System], dynomited: &Path) -> Result<Value> {
    let mut versions = json!({
        "redis": version(Command::new("redis-server").arg("--version"))?,
        "redis_benchmark": redis_benchmark::version()?,
        "dynomited": version(Command::new(dynomited).arg("--version"))?,
        "rustc": version(Command::new("rustc").arg("--version"))?,
    });
    if systems.contains(&System::Nutcracker) {
        versions["nutcracker"] = version(Command::new(nutcracker_program()).arg("--version"))?.into();
    }
    Ok(versions)
}

/// The moment in universal time: `2026-01-31 12:00`.
pub(crate) fn now() -> Result<String> {
    version(Command::new("date").args(["--utc", "+%Y-%m-%d %H:%M"]))
}

/// The first line that a program writes, to wherever it does.
fn version(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    ensure!(output.status.success(), "{:?}: {}", command.get_program(), output.status);
    let text = [output.stdout, output.stderr].concat();
    let line = String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned();
    ensure!(!line.is_empty(), "{:?} says nothing", command.get_program());
    Ok(line)
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.to_owned())
}

/// What stands behind `name:` in the first such line.
fn field(text: &str, name: &str) -> Result<String> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    let value = pairs.find_map(|(own, value)| (own.trim() == name).then(|| value.trim().to_owned()));
    value.with_context(|| format!("no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "processor\t: 0\nmodel name\t: AMD: EPYC\nmodel\t: 7\n";
        assert_eq!(field(text, "model name").expect("a line"), "AMD: EPYC");
        assert_eq!(field(text, "model").expect("a line"), "7");
        assert!(field(text, "name").is_err());
    }

    #[test]
    fn this_machine_is_described() {
        let machine = machine().expect("proc is there");
        assert!(machine["core_count"].as_u64() > Some(0) && machine["memory_gib"].as_f64() > Some(0.0));
    }
}
