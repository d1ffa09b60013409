//! A virtual environment with the Python client that tests run against a node.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::cargo::{find_program, is_successful, run};
use crate::servers;

/// redis-py, the current major release.
const REQUIREMENT: &str = "redis>=8,<9";

/// Makes the environment, or finds it made; gives its interpreter.
pub(crate) fn prepare(target: &Path) -> Result<PathBuf> {
    let directory = target.join("python-venv");
    let interpreter = directory.join("bin/python");
    let stamp = directory.join("requirement");
    if fs::read_to_string(&stamp).is_ok_and(|made_for| made_for == REQUIREMENT) && has_client(&interpreter) {
        println!("{} has {REQUIREMENT}", directory.display());
        return Ok(interpreter);
    }
    if !has_venv() {
        servers::install(&["python3", "python3-venv"])?;
        ensure!(has_venv(), "python3 cannot make a virtual environment (Debian: python3-venv)");
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&directory);
    run(&mut venv)?;
    let mut pip = Command::new(&interpreter);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT]);
    run(&mut pip)?;
    fs::write(stamp, REQUIREMENT)?;
    Ok(interpreter)
}

fn has_venv() -> bool {
    let mut probe = Command::new("python3");
    // Debian ships venv without ensurepip, which then fails half way.
    probe.args(["-c", "import venv, ensurepip"]);
    find_program("python3").is_some() && is_successful(probe)
}

fn has_client(interpreter: &Path) -> bool {
    let mut probe = Command::new(interpreter);
    probe.args(["-c", "import redis"]);
    is_successful(probe)
}
