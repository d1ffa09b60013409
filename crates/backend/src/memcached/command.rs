//! A client's command as memcached reads it, and what its reply looks like.
//!
//! Invariant: what is queued makes the server answer exactly once, and read no byte of data as a command. It reads the
//! data as commands when it refuses the line before it knows the data's length; so lines are checked here as it would,
//! and a refusal that comes nevertheless breaks the connection ([`leaves_data`]).

#[cfg(test)]
mod tests;

use std::str::FromStr;

use dynomite_codec::{Request, WriteQueue};

use super::framer::Shape;
use super::key::{KEY_BYTES_MAX, is_word};

/// The longest line that the server is sure to read whole, in bytes. `get` and `gets` may be longer.
const LINE_BYTES_MAX: usize = 2048;
/// The most flags of a meta command, beside name, key and length.
const META_FLAGS_MAX: usize = 16;
/// What memcached says of a line that it cannot read.
const BAD_LINE: &str = "CLIENT_ERROR bad command line format";

/// What comes back for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) shape: Shape,
    pub(super) data: Data,
}

/// Whether a command carries data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    None,
    /// As the classic commands do.
    Classic,
    /// As `ms` does.
    Meta,
}

/// Queues `request`, unless that is refused with the text that says why.
pub(super) fn append_command(request: &Request, output: &mut WriteQueue) -> Result<Expected, String> {
    let expected = expected(request)?;
    let line_count = request.arg_count() - usize::from(expected.data != Data::None);
    if line_count == 0 {
        return Err(BAD_LINE.to_owned());
    }
    check_words(request, line_count)?;
    check_silence(request, expected.shape, line_count)?;
    match expected.data {
        Data::None if expected.shape == Shape::Meta => check_meta(line_count)?,
        Data::None => {}
        Data::Classic => check_classic_data(request)?,
        Data::Meta => check_meta_data(request, line_count)?,
    }
    append(request, expected.data, line_count, output);
    Ok(expected)
}

/// Whether the reply to a command that carries data means that the server may read the data as commands.
///
/// A value that is too large, or for which there is no memory, the server reads and forgets (`SERVER_ERROR`); and of `ms`
/// it does so for whatever is wrong with the flags.
pub(super) fn leaves_data(data: Data, reply: &[u8]) -> bool {
    let reply = reply.trim_ascii_end();
    match data {
        Data::None => false,
        Data::Classic => reply.starts_with(b"CLIENT_ERROR") || reply.starts_with(b"ERROR"),
        Data::Meta => {
            reply.starts_with(b"ERROR")
                || [BAD_LINE, "CLIENT_ERROR bad data chunk", "CLIENT_ERROR options flags too long"]
                    .iter()
                    .any(|text| reply == text.as_bytes())
        }
    }
}

fn expected(request: &Request) -> Result<Expected, String> {
    let of = |shape, data| Ok(Expected { shape, data });
    match request.name() {
        b"get" | b"gets" | b"gat" | b"gats" => of(Shape::Values, Data::None),
        b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas" => of(Shape::Line, Data::Classic),
        b"incr" | b"decr" | b"touch" | b"delete" | b"flush_all" | b"version" | b"verbosity"
        | b"cache_memlimit" | b"slabs" | b"lru" => of(Shape::Line, Data::None),
        b"mg" | b"md" | b"ma" | b"me" | b"mn" => of(Shape::Meta, Data::None),
        b"ms" => of(Shape::Meta, Data::Meta),
        b"stats" => of(Shape::Stats, Data::None),
        b"lru_crawler" if !request.args().skip(1).any(|word| word.ends_with(b"dump")) => {
            of(Shape::Line, Data::None)
        }
        b"lru_crawler" | b"watch" | b"quit" | b"shutdown" => {
            let name = request.name().escape_ascii();
            Err(format!("ERR the reply to '{name}' has no end, or it ends the connection: not by this lane"))
        }
        name => Err(format!("ERR unknown command '{}'", name.escape_ascii())),
    }
}

fn check_words(request: &Request, line_count: usize) -> Result<(), String> {
    let mut line_bytes = 0;
    for word in request.args().take(line_count) {
        if !is_word(word) {
            return Err(
                "CLIENT_ERROR a word is empty, or holds a blank, a line end or a zero byte".to_owned()
            );
        }
        line_bytes += word.len() + 1;
    }
    let is_unbound = matches!(request.name(), b"get" | b"gets");
    if line_bytes > LINE_BYTES_MAX && !is_unbound {
        return Err(format!("CLIENT_ERROR the line has {line_bytes} bytes, and may have {LINE_BYTES_MAX}"));
    }
    Ok(())
}

/// Refuses what asks the server not to answer.
fn check_silence(request: &Request, shape: Shape, line_count: usize) -> Result<(), String> {
    let last = line_count - 1;
    match shape {
        Shape::Meta if request.args().take(line_count).skip(2).any(|flag| flag.starts_with(b"q")) => {
            Err("ERR a quiet command (flag 'q') would leave the lane without an answer".to_owned())
        }
        // The key of that name.
        Shape::Line if request.name() == b"delete" && last == 1 => Ok(()),
        Shape::Line if last > 0 && request.arg(last) == b"noreply" => {
            Err("ERR 'noreply' would leave the lane without an answer".to_owned())
        }
        Shape::Line | Shape::Meta | Shape::Values | Shape::Stats => Ok(()),
    }
}

fn check_meta(line_count: usize) -> Result<(), String> {
    let flag_count = line_count.saturating_sub(2);
    if flag_count > META_FLAGS_MAX {
        return Err("CLIENT_ERROR options flags too long".to_owned());
    }
    Ok(())
}

fn check_classic_data(request: &Request) -> Result<(), String> {
    let is_cas = request.name() == b"cas";
    // Name, key, flags, expiry, of `cas` the number, and the data.
    let is_complete = request.arg_count() == 5 + usize::from(is_cas);
    let is_good = is_complete
        && request.arg(1).len() <= KEY_BYTES_MAX
        && is_number::<u32>(request.arg(2))
        && is_number::<i32>(request.arg(3))
        && (!is_cas || is_number::<u64>(request.arg(4)));
    if is_good { Ok(()) } else { Err(BAD_LINE.to_owned()) }
}

fn check_meta_data(request: &Request, line_count: usize) -> Result<(), String> {
    if line_count < 2 || request.arg(1).len() > KEY_BYTES_MAX {
        return Err(BAD_LINE.to_owned());
    }
    check_meta(line_count)?;
    let flags = request.args().take(line_count).skip(2);
    let mut client_flags = flags.filter_map(|flag| flag.strip_prefix(b"F"));
    if client_flags.any(|digits| !is_number::<u32>(digits)) {
        return Err(BAD_LINE.to_owned());
    }
    Ok(())
}

fn is_number<T: FromStr>(word: &[u8]) -> bool {
    std::str::from_utf8(word).is_ok_and(|text| text.parse::<T>().is_ok())
}

/// Queues the line, with the data's length in its place, and the data.
fn append(request: &Request, data: Data, line_count: usize, output: &mut WriteQueue) {
    let len_place = match data {
        Data::None => usize::MAX,
        Data::Classic => 4,
        Data::Meta => 2,
    };
    let mut digits = itoa::Buffer::new();
    let len = digits.format(request.arg(request.arg_count() - 1).len()).as_bytes();
    output.append_with(|out| {
        for (place, word) in request.args().take(line_count).enumerate() {
            if place > 0 {
                out.push(b' ');
            }
            if place == len_place {
                out.extend_from_slice(len);
                out.push(b' ');
            }
            out.extend_from_slice(word);
        }
        if len_place == line_count {
            out.push(b' ');
            out.extend_from_slice(len);
        }
        out.extend_from_slice(b"\r\n");
    });
    if data != Data::None {
        output.append_bytes(request.arg_bytes(line_count));
        output.append(b"\r\n");
    }
}
