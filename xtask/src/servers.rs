//! The real datastores that tests start: found, or installed where that needs nobody's permission.

use std::process::Command;

use anyhow::{Result, bail};

use crate::cargo::{find_program, is_successful, run};

/// Programs that tests start, and the Debian package that each comes in.
const PROGRAMS: [(&str, &str); 3] =
    [("redis-server", "redis-server"), ("redis-cli", "redis-tools"), ("memcached", "memcached")];

/// Sees to it that every program is there.
pub(crate) fn prepare() -> Result<()> {
    let missing = missing();
    if !missing.is_empty() {
        install(&missing)?;
    }
    for (program, package) in PROGRAMS {
        match find_program(program) {
            Some(path) => println!("{program}: {}", path.display()),
            None => bail!("{program} is still not found after {package} was installed"),
        }
    }
    Ok(())
}

/// Sees to it that one program is there, from its Debian package where it is missing.
pub(crate) fn prepare_one(program: &str, package: &str) -> Result<()> {
    if find_program(program).is_none() {
        install(&[package])?;
    }
    match find_program(program) {
        Some(path) => println!("{program}: {}", path.display()),
        None => bail!("{program} is still not found after {package} was installed"),
    }
    Ok(())
}

/// Installs Debian packages; without the right to do so, says what has to be done.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let Some(prefix) = apt_prefix() else {
        bail!(
            "needed and not installed: {0}\ninstall them, for instance with `apt-get install {0}` on Debian or Ubuntu",
            packages.join(" ")
        );
    };
    println!("installing {}", packages.join(", "));
    run(&mut apt_get(prefix, &["update", "--quiet"]))?;
    let mut arguments = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    arguments.extend(packages);
    run(&mut apt_get(prefix, &arguments))
}

fn missing() -> Vec<&'static str> {
    PROGRAMS
        .into_iter()
        .filter(|(program, _)| find_program(program).is_none())
        .map(|(_, package)| package)
        .collect()
}

/// What goes before `apt-get`; `None` when there is no such program, or no right to use it without asking.
fn apt_prefix() -> Option<&'static [&'static str]> {
    find_program("apt-get")?;
    if is_root() {
        return Some(&[]);
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["--non-interactive", "true"]);
    is_successful(sudo).then_some(&["sudo", "--non-interactive"])
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn apt_get(prefix: &[&str], arguments: &[&str]) -> Command {
    // Through env, because sudo drops variables of its own.
    let mut words =
        prefix.iter().chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]).chain(arguments);
    let mut command = Command::new(words.next().expect("there is at least `env`"));
    command.args(words);
    command
}
