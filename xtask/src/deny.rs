//! Licences and sources of the dependencies, by cargo-deny.

use std::env;

use crate::cargo::{self, cargo, has_subcommand};
use crate::report::Report;

const STEP: &str = "licences and sources of dependencies";
/// The release that `deny.toml` is written for.
const VERSION: &str = "^0.20";

/// Runs cargo-deny; where it is missing, installs it in CI or when told to, and otherwise leaves the step out.
pub(crate) fn check(report: &mut Report, may_install: bool) {
    if !has_subcommand("deny") {
        let is_ci = env::var("CI").is_ok_and(|value| value == "true");
        if !may_install && !is_ci {
            let reason = "cargo-deny is not installed; `cargo xtask lint --install` installs it (minutes)";
            report.leave_out(STEP, reason.to_owned());
            return;
        }
        let install = ["install", "--locked", "cargo-deny", "--version", VERSION];
        if !report.step("install cargo-deny", || cargo::run(&mut cargo(install))) {
            return;
        }
    }
    // Advisories need a download from outside the registry, so they are no part of a build.
    report.step(STEP, || {
        cargo::run(&mut cargo(["deny", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"]))
    });
}
