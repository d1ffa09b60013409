//! The shape of the tree: what lies at the top, how files are named, how long they are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::cargo::root;

/// Everything that may lie at the top of the checkout.
const TOP_LEVEL: [&str; 21] = [
    ".cargo",
    ".ci",
    ".config",
    ".git",
    ".github",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "benches",
    "bins",
    "clippy.toml",
    "crates",
    "deny.toml",
    "docs",
    "examples",
    "fuzz",
    "rustfmt.toml",
    "target",
    "xtask",
];
/// Directories with source of ours.
const SOURCE: [&str; 5] = ["benches", "bins", "crates", "examples", "xtask"];
/// A file of this many lines holds more than one idea.
const LINES_SOFT_MAX: usize = 400;
const LINES_MAX: usize = 700;
/// Words that promise work for later; spelled apart so that this file does not hold them.
const PROMISES: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
/// Names that say nothing.
const EMPTY_NAMES: [&str; 6] = ["mod", "utils", "util", "common", "helpers", "manager"];

/// Checks all files, and gives every violation; long files are only listed.
pub(crate) fn check() -> Result<()> {
    let mut violations = Vec::new();
    check_top_level(&mut violations)?;
    let mut long = Vec::new();
    for directory in SOURCE {
        for file in rust_files(&root().join(directory))? {
            let name = shown(&file, root());
            let content = fs::read_to_string(&file)?;
            check_name(&file, &name, &mut violations);
            check_content(&name, &content, &mut violations);
            let line_count = content.lines().count();
            if line_count > LINES_MAX {
                violations.push(format!("{name}: {line_count} lines; at most {LINES_MAX}, split it"));
            } else if line_count > LINES_SOFT_MAX {
                long.push(format!("{name} ({line_count})"));
            }
        }
    }
    if !long.is_empty() {
        println!("files of more than {LINES_SOFT_MAX} lines: {}", long.join(", "));
    }
    if violations.is_empty() {
        return Ok(());
    }
    bail!("{}", violations.join("\n"))
}

/// All Rust files below a directory, in the order of their names; an empty list when it does not exist.
pub(crate) fn rust_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        if !directory.is_dir() {
            continue;
        }
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A path as messages show it.
pub(crate) fn shown(file: &Path, root: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).display().to_string()
}

fn check_top_level(violations: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(root())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !TOP_LEVEL.contains(&name.as_str()) {
            violations
                .push(format!("{name}: does not belong at the top; allowed are {}", TOP_LEVEL.join(", ")));
        }
    }
    for (directory, needed) in [("crates", "README.md"), ("crates", "Cargo.toml"), ("bins", "Cargo.toml")] {
        for entry in fs::read_dir(root().join(directory))? {
            let path = entry?.path();
            if path.is_dir() && !path.join(needed).is_file() {
                violations.push(format!("{}: has no {needed}", shown(&path, root())));
            }
        }
    }
    Ok(())
}

fn check_name(file: &Path, name: &str, violations: &mut Vec<String>) {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    if EMPTY_NAMES.contains(&stem.as_ref()) {
        violations
            .push(format!("{name}: a file is called after the idea it holds, and a module `foo` is foo.rs"));
    }
}

fn check_content(name: &str, content: &str, violations: &mut Vec<String>) {
    for (index, line) in content.lines().enumerate() {
        for promise in PROMISES {
            if line.contains(promise) {
                violations.push(format!("{name}:{}: {promise} is not left in the code", index + 1));
            }
        }
    }
    if content.contains('\t') || content.contains('\r') {
        violations.push(format!("{name}: has tabs or carriage returns"));
    }
    let is_test_part = name.contains("/tests/") || name.ends_with("/tests.rs");
    if !content.starts_with("//!") && !is_test_part {
        violations.push(format!("{name}: begins with a `//!` line that says what it is for"));
    }
}
