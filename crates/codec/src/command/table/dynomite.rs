//! This project's own commands.

use super::{Command, NO_KEY, Rule, command};
use crate::command::flags::{LOADING, NOSCRIPT, STALE};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("dynomite", -2, NOSCRIPT | LOADING | STALE, NO_KEY, "7.0.0", Rule::Node, "Shows the cluster as this node sees it, and how this connection uses it"),
];
