//! Commands of several keys that are carried out in parts, and their replies put together again.

use bytes::{Bytes, BytesMut};

use super::{Call, Class, CommandError, lookup};
use crate::line::short_number;
use crate::reply::ReplyView;
use crate::{Request, encode};

/// How a command with several keys is divided into commands of one key, or of a few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Not at all: it has one key, or is not supported with more.
    No,
    /// `MGET`: the values are put in a row.
    Values,
    /// `MSET`: one `SET key value` each, or an `MSET` for a few; together `OK`.
    Pairs,
    /// `DEL`, `EXISTS` …: the numbers are added.
    Sum,
}

/// A request divided by keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// What every part is.
    pub call: Call,
    /// The requests, in the order of their keys.
    pub requests: Vec<Request>,
}

impl Call {
    /// Divides a request into some of at most `keys_max` keys, or gives `None` when it can be sent as it is. With one key each, the
    /// parts of an `MSET` are `SET`s.
    ///
    /// # Errors
    /// `MSET` with a key that has no value.
    pub fn split(&self, request: &Request, keys_max: usize) -> Result<Option<Parts>, CommandError> {
        let arg_count = request.arg_count();
        let name = self.command.name.as_bytes();
        let chunks = |args_max: usize| {
            let args: Vec<&[u8]> = request.args().skip(1).collect();
            let part = |args: &[&[u8]]| {
                let arg = |at: usize| if at == 0 { name } else { args[at - 1] };
                Request::from_args((0..args.len() + 1).map(arg))
            };
            args.chunks(args_max).map(part).collect()
        };
        let parts = match self.command.split {
            Split::No => return Ok(None),
            Split::Pairs if arg_count.is_multiple_of(2) => {
                return Err(CommandError::WrongArgCount { name: self.command.name });
            }
            Split::Pairs if keys_max > 1 && arg_count / 2 <= keys_max => return Ok(None),
            Split::Pairs if keys_max > 1 => Parts { call: *self, requests: chunks(2 * keys_max) },
            Split::Pairs => {
                let set = lookup(b"set").expect("the table has SET");
                let pairs = (1..arg_count).step_by(2);
                let requests = pairs
                    .map(|at| Request::from_args([&b"SET"[..], request.arg(at), request.arg(at + 1)]))
                    .collect();
                Parts { call: Self { command: set, class: Class::Overwrite }, requests }
            }
            Split::Values | Split::Sum if arg_count - 1 <= keys_max => return Ok(None),
            Split::Values | Split::Sum => Parts { call: *self, requests: chunks(keys_max) },
        };
        Ok(Some(parts))
    }

    /// Puts the replies of a divided request together, given in the order of its parts. The first error among them
    /// becomes the error of the whole.
    pub fn merge(&self, replies: &[Bytes]) -> Bytes {
        if let Some(error) = replies.iter().find(|reply| reply.first() == Some(&b'-')) {
            return error.clone();
        }
        let merged = match self.command.split {
            Split::No => (replies.len() == 1).then(|| replies[0].clone()),
            Split::Values => merge_values(replies),
            Split::Pairs => {
                replies.iter().all(|reply| reply == encode::OK).then_some(Bytes::from_static(encode::OK))
            }
            Split::Sum => merge_sum(replies),
        };
        merged.unwrap_or_else(|| {
            let mut out = BytesMut::new();
            let text = format!("ERR Dynomite: unexpected reply to a part of '{}'", self.command.name);
            encode::error(&mut out, &text);
            out.freeze()
        })
    }
}

fn merge_values(replies: &[Bytes]) -> Option<Bytes> {
    let parts: Option<Vec<_>> = replies.iter().map(|reply| values(reply)).collect();
    let parts = parts?;
    let size: usize = parts.iter().map(|(_, values)| values.len()).sum();
    let mut out = BytesMut::with_capacity(size + 16);
    encode::array(&mut out, parts.iter().map(|(count, _)| count).sum());
    for (_, values) in parts {
        out.extend_from_slice(values);
    }
    Some(out.freeze())
}

/// How many values an array has, and the bytes after its header.
fn values(reply: &[u8]) -> Option<(usize, &[u8])> {
    let (count, at) = short_number(reply, 1).filter(|_| reply[0] == b'*')?;
    Some((count, &reply[at..]))
}

fn merge_sum(replies: &[Bytes]) -> Option<Bytes> {
    let mut sum = 0i64;
    for reply in replies {
        let Some(ReplyView::Integer(value)) = ReplyView::parse(reply) else {
            return None;
        };
        sum = sum.checked_add(value)?;
    }
    let mut out = BytesMut::with_capacity(24);
    encode::integer(&mut out, sum);
    Some(out.freeze())
}
