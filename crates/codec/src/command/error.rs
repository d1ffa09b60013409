//! Why a well-framed request is refused. The connection stays open.

use std::fmt::Write;

use thiserror::Error;

use crate::Request;

/// As much of a client's text is repeated in an error.
const ECHO_MAX: usize = 128;

/// A request that no command accepts; the client's fault, and nothing was changed. Display gives the text to send
/// after `-ERR `, in Redis 7.0's own words where Redis has words for it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No command has this name.
    #[error("unknown command '{name}', with args beginning with: {args}")]
    UnknownCommand {
        /// The name, cut at 128 bytes.
        name: String,
        /// The first arguments, each in quotes and followed by a blank; about 128 bytes.
        args: String,
    },
    /// The command has subcommands, but not this one.
    #[error("unknown subcommand '{name}'. Try {container} HELP.")]
    UnknownSubcommand {
        /// The command in capitals.
        container: String,
        /// The subcommand, cut at 128 bytes.
        name: String,
    },
    /// Too many arguments, or too few.
    #[error("wrong number of arguments for '{name}' command")]
    WrongArgCount {
        /// The command; `container|subcommand` for a subcommand.
        name: &'static str,
    },
    /// Redis knows the command; it does not work here.
    #[error("Dynomite: '{name}' is not supported here: {reason}")]
    Unsupported {
        /// The command, or the command with the option.
        name: &'static str,
        /// Why not.
        reason: &'static str,
    },
}

impl CommandError {
    #[cold]
    pub(super) fn unknown_command(request: &Request) -> Self {
        let mut args = String::new();
        let mut len = 0;
        for arg in request.args().skip(1) {
            if len >= ECHO_MAX {
                break;
            }
            let shown = c_prefix(arg, ECHO_MAX - len);
            len += shown.len() + 3;
            write!(args, "'{}' ", one_line(shown)).expect("a string takes everything");
        }
        Self::UnknownCommand { name: one_line(c_prefix(request.name(), ECHO_MAX)), args }
    }

    #[cold]
    pub(super) fn unknown_subcommand(container: &str, request: &Request) -> Self {
        Self::UnknownSubcommand {
            // Redis capitalises what the client sent, which is the name in some case.
            container: container.to_ascii_uppercase(),
            name: one_line(c_prefix(request.arg(1), ECHO_MAX)),
        }
    }
}

/// Redis prints arguments as C strings.
fn c_prefix(text: &[u8], max: usize) -> &[u8] {
    let text = &text[..text.len().min(max)];
    &text[..text.iter().position(|&byte| byte == 0).unwrap_or(text.len())]
}

fn one_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text).replace(['\r', '\n'], " ")
}
