//! Which crate may depend on which, and what the pure ones may not touch.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cargo::{metadata, packages, root, text};
use crate::tidy::{rust_files, shown};

/// A crate, the workspace crates it may depend on, and whether it is pure: no I/O, no clock, no threads, no randomness
/// but what is passed in.
const CRATES: &[(&str, &[&str], bool)] = &[
    ("dynomite-codec", &[], true),
    ("dynomite-ring", &[], true),
    ("dynomite-gossip", &[], true),
    ("dynomite-replication", &["dynomite-codec", "dynomite-ring"], true),
    ("dynomite-backend", &["dynomite-codec"], false),
    (
        "dynomite-node",
        &["dynomite-codec", "dynomite-ring", "dynomite-gossip", "dynomite-replication", "dynomite-backend"],
        false,
    ),
    (
        "dynomite-sim",
        &["dynomite-codec", "dynomite-ring", "dynomite-gossip", "dynomite-replication", "dynomite-backend"],
        false,
    ),
    ("dynomite-testkit", &["dynomite-codec"], false),
    ("dynomited", &["dynomite-codec", "dynomite-node"], false),
    ("dynoctl", &["dynomite-codec"], false),
];
/// Modules of pure crates that are drivers: behind a feature, and no part of the pure core.
const DRIVERS: [&str; 1] = ["crates/gossip/src/udp"];
/// Packages at the top of the graph, which may use everything.
const TOP: [&str; 3] = ["dynomite-benches", "dynomite-examples", "xtask"];
/// In tests, every crate may start servers, run on the memory store and meet a simulated cluster.
const DEV_ONLY: [&str; 3] = ["dynomite-testkit", "dynomite-backend", "dynomite-sim"];

/// Packages that do what a pure crate does not.
const IMPURE_PACKAGES: [&str; 8] =
    ["tokio", "mio", "socket2", "rustix", "libc", "rand", "getrandom", "fastrand"];
/// Words in the source of a pure crate that read a clock, open something or start a thread.
const IMPURE_WORDS: [&str; 11] = [
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "std::fs",
    "fs::",
    "File::",
    "std::thread",
    "thread::",
    "Instant::now",
    "SystemTime::now",
    "RandomState::new",
];

/// Checks all packages, and gives every violation.
pub(crate) fn check() -> Result<()> {
    let workspace = metadata()?;
    let mut violations = Vec::new();
    for package in packages(&workspace)? {
        let name = text(package, "name")?;
        if TOP.contains(&name) {
            continue;
        }
        let Some((_, allowed, is_pure)) = CRATES.iter().find(|(known, ..)| *known == name) else {
            violations.push(format!(
                "{name}: not in the list of crates in xtask/src/dependencies.rs; add it there"
            ));
            continue;
        };
        check_dependencies(name, allowed, *is_pure, package, &mut violations)?;
        if *is_pure {
            let manifest = Path::new(text(package, "manifest_path")?);
            let directory = manifest.parent().context("a manifest lies in a directory")?;
            check_words(name, &directory.join("src"), &mut violations)?;
        }
    }
    if violations.is_empty() {
        return Ok(());
    }
    bail!("{}", violations.join("\n"))
}

fn check_dependencies(
    name: &str,
    allowed: &[&str],
    is_pure: bool,
    package: &Value,
    violations: &mut Vec<String>,
) -> Result<()> {
    for dependency in
        package["dependencies"].as_array().context("a package without a list of dependencies")?
    {
        let other = text(dependency, "name")?;
        let is_dev = dependency["kind"] == "dev";
        let is_optional = dependency["optional"] == true;
        let is_ours = other.starts_with("dynomite") || other == "dynoctl";
        if is_ours && !allowed.contains(&other) && !(is_dev && DEV_ONLY.contains(&other)) {
            violations.push(format!("{name} may not depend on {other}"));
        }
        // An optional driver for embedders is not part of the pure core.
        if is_pure && !is_dev && !is_optional && IMPURE_PACKAGES.contains(&other) {
            violations.push(format!("{name} is pure and may not depend on {other}"));
        }
    }
    Ok(())
}

fn check_words(name: &str, source: &Path, violations: &mut Vec<String>) -> Result<()> {
    for file in rust_files(source)? {
        if is_driver(&shown(&file, root())) {
            continue;
        }
        for (line, word) in impure_words(&fs::read_to_string(&file)?) {
            violations
                .push(format!("{}:{line}: {name} is pure and may not use {word}", shown(&file, root())));
        }
    }
    Ok(())
}

/// Whether the file is a driver's module or lies in its directory.
fn is_driver(name: &str) -> bool {
    DRIVERS
        .iter()
        .any(|driver| name.strip_prefix(driver).is_some_and(|rest| rest == ".rs" || rest.starts_with('/')))
}

/// The lines, counted from 1, outside comments.
fn impure_words(content: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (index, line) in content.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        found.extend(
            IMPURE_WORDS.into_iter().filter(|word| code.contains(word)).map(|word| (index + 1, word)),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn violations(name: &str, dependencies: &Value) -> Vec<String> {
        let (_, allowed, is_pure) =
            CRATES.iter().find(|(known, ..)| *known == name).expect("a crate of ours");
        let mut violations = Vec::new();
        let package = json!({ "dependencies": dependencies });
        check_dependencies(name, allowed, *is_pure, &package, &mut violations).expect("well-formed");
        violations
    }

    #[test]
    fn a_dependency_against_the_direction_is_refused() {
        let back = json!([{ "name": "dynomite-node", "kind": null, "optional": false }]);
        assert_eq!(
            violations("dynomite-backend", &back),
            ["dynomite-backend may not depend on dynomite-node"]
        );
        let forth = json!([{ "name": "dynomite-backend", "kind": null, "optional": false }]);
        assert_eq!(violations("dynomite-node", &forth), [""; 0]);
    }

    #[test]
    fn a_pure_crate_has_a_runtime_only_in_tests_or_as_an_option() {
        let tokio =
            |kind: Value, optional: bool| json!([{ "name": "tokio", "kind": kind, "optional": optional }]);
        assert_eq!(violations("dynomite-ring", &tokio(Value::Null, false)).len(), 1);
        assert_eq!(violations("dynomite-ring", &tokio(json!("dev"), false)).len(), 0);
        assert_eq!(violations("dynomite-ring", &tokio(Value::Null, true)).len(), 0);
    }

    #[test]
    fn a_driver_is_its_module_and_nothing_beside_it() {
        assert!(is_driver("crates/gossip/src/udp.rs") && is_driver("crates/gossip/src/udp/task.rs"));
        assert!(!is_driver("crates/gossip/src/udp_like.rs") && !is_driver("crates/gossip/src/gossip.rs"));
    }

    #[test]
    fn a_clock_is_found_in_code_and_not_in_comments() {
        let content = "let at = 1;\nlet now = Instant::now(); // why\n// SystemTime::now is for others\n";
        assert_eq!(impure_words(content), [(2, "Instant::now")]);
    }

    #[test]
    fn a_file_is_found_however_it_was_imported() {
        assert_eq!(impure_words("use std::{fs, sync::Arc};\nfs::read(name)?;\n"), [(2, "fs::")]);
    }
}
