//! What kind of command a request is, which decides how it is replicated.

use super::{Command, CommandError, Rule, lookup, lookup_subcommand};
use crate::Request;

/// How a request is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// About the connection or the node: the node that the client is connected to answers it.
    Connection,
    /// Changes nothing.
    Read,
    /// Sets a key's whole state, whatever it was before, and cannot be refused for its arguments.
    Overwrite,
    /// Changes one key, depending on what it was before; the same state before gives the same state after.
    Sequenced,
    /// Changes one key in a way that is random or not exactly repeatable; its result is what is replicated.
    Effect,
}

impl Class {
    /// All classes, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Connection, Self::Read, Self::Overwrite, Self::Sequenced, Self::Effect];
}

/// A request that was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Its row in the table.
    pub command: &'static Command,
    /// Its class, the arguments considered.
    pub class: Class,
}

impl Call {
    /// Where the first key is among the arguments; `None` for a command without keys.
    pub fn key_index(&self) -> Option<usize> {
        usize::try_from(self.command.keys.first).ok().filter(|&first| first > 0)
    }

    /// The first key, which is the only one unless the command is split.
    pub fn key<'a>(&self, request: &'a Request) -> Option<&'a [u8]> {
        self.key_index().map(|index| request.arg(index))
    }

    /// All keys, in their order.
    pub fn keys<'a>(&self, request: &'a Request) -> impl Iterator<Item = &'a [u8]> {
        let keys = self.command.keys;
        let first = usize::from(keys.first.unsigned_abs());
        let end = match keys.last {
            _ if first == 0 => 0,
            last if last < 0 => (request.arg_count() + 1).saturating_sub(usize::from(last.unsigned_abs())),
            last => usize::from(last.unsigned_abs()) + 1,
        };
        (first..end).step_by(usize::from(keys.step.unsigned_abs()).max(1)).map(|index| request.arg(index))
    }
}

/// Recognises a request: finds its command and subcommand, checks the number of arguments, derives the class.
///
/// # Errors
/// The request is unknown, malformed or unsupported; the error's text is what to answer.
pub fn classify(request: &Request) -> Result<Call, CommandError> {
    let mut command = lookup(request.name()).ok_or_else(|| CommandError::unknown_command(request))?;
    if command.rule == Rule::Container || (request.arg_count() > 1 && command.name == "command") {
        if request.arg_count() < 2 {
            return Err(CommandError::WrongArgCount { name: command.name });
        }
        command = lookup_subcommand(command, request.arg(1))
            .ok_or_else(|| CommandError::unknown_subcommand(command.name, request))?;
    }
    if !command.accepts_arg_count(request.arg_count()) {
        return Err(CommandError::WrongArgCount { name: command.name });
    }
    let class = class_of(command, request)?;
    Ok(Call { command, class })
}

fn class_of(command: &'static Command, request: &Request) -> Result<Class, CommandError> {
    let unsupported = |reason| Err(CommandError::Unsupported { name: command.name, reason });
    Ok(match command.rule {
        Rule::Sort if has_word(request, 2, &["STORE", "BY", "GET"]) => {
            return unsupported("STORE, BY and GET reach for keys that may live on other nodes");
        }
        Rule::GeoRadius if has_word(request, 5, &["STORE", "STOREDIST"]) => {
            return unsupported("STORE writes a key that may live on other nodes");
        }
        Rule::ReadOfOne if request.arg_count() > 2 => {
            return unsupported("with several keys it would reach for keys that may live on other nodes");
        }
        Rule::Set if set_is_unconditional(request) => Class::Overwrite,
        Rule::SetExpiring if is_safe_time(request.arg(2)) => Class::Overwrite,
        Rule::GetExpiring if request.arg_count() == 2 => Class::Read,
        Rule::Node | Rule::Container => Class::Connection,
        Rule::Read | Rule::Sort | Rule::GeoRadius | Rule::ReadOfOne => Class::Read,
        Rule::Overwrite => Class::Overwrite,
        Rule::Sequenced | Rule::Set | Rule::SetExpiring | Rule::GetExpiring => Class::Sequenced,
        Rule::Effect => Class::Effect,
        Rule::Unsupported(reason) => return unsupported(reason),
    })
}

/// Whether a `SET` writes in any case. One that the datastore would refuse is not: an overwrite reaches every replica
/// before anyone knows the answer.
fn set_is_unconditional(request: &Request) -> bool {
    match request.arg_count() {
        3 => true,
        5 => {
            let option = request.arg(3);
            ["EX", "PX", "EXAT", "PXAT"].iter().any(|word| option.eq_ignore_ascii_case(word.as_bytes()))
                && is_safe_time(request.arg(4))
        }
        _ => false,
    }
}

/// Whether a time is accepted in whatever unit: a positive number so small that no unit overflows.
fn is_safe_time(text: &[u8]) -> bool {
    matches!(text, [b'1'..=b'9', ..]) && text.len() <= 15 && text.iter().all(u8::is_ascii_digit)
}

fn has_word(request: &Request, from: usize, words: &[&str]) -> bool {
    request.args().skip(from).any(|arg| words.iter().any(|word| arg.eq_ignore_ascii_case(word.as_bytes())))
}
