//! Commands of several keys that are carried out key by key, and their replies put together again.

use bytes::{Bytes, BytesMut};

use super::{Call, Class, CommandError, lookup};
use crate::reply::ReplyView;
use crate::{Request, encode};

/// How a command with several keys is divided into commands of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Not at all: it has one key, or is not supported with more.
    No,
    /// `MGET`: one `MGET key` each; the values are put in a row.
    Values,
    /// `MSET`: one `SET key value` each; together `OK`.
    Pairs,
    /// `DEL`, `EXISTS` …: the same command for each key; the numbers are added.
    Sum,
}

/// A request divided by keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// What every part is.
    pub call: Call,
    /// One request per key, in the order of the keys; a key that was named twice has two.
    pub requests: Vec<Request>,
}

impl Call {
    /// Divides a request into one per key, or gives `None` when it can be sent as it is.
    ///
    /// # Errors
    /// `MSET` with a key that has no value.
    pub fn split(&self, request: &Request) -> Result<Option<Parts>, CommandError> {
        let arg_count = request.arg_count();
        let parts = match self.command.split {
            Split::No => return Ok(None),
            Split::Pairs if arg_count.is_multiple_of(2) => {
                return Err(CommandError::WrongArgCount { name: self.command.name });
            }
            Split::Pairs => {
                let set = lookup(b"set").expect("the table has SET");
                let pairs = (1..arg_count).step_by(2);
                let requests = pairs
                    .map(|at| Request::from_args([&b"SET"[..], request.arg(at), request.arg(at + 1)]))
                    .collect();
                Parts { call: Self { command: set, class: Class::Overwrite }, requests }
            }
            Split::Values | Split::Sum if arg_count == 2 => return Ok(None),
            Split::Values | Split::Sum => {
                let name = self.command.name.as_bytes();
                let requests = request.args().skip(1).map(|key| Request::from_args([name, key])).collect();
                Parts { call: *self, requests }
            }
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
    const HEADER: &[u8] = b"*1\r\n";
    let size: usize = replies.iter().map(Bytes::len).sum();
    let mut out = BytesMut::with_capacity(size + 16);
    encode::array(&mut out, replies.len());
    for reply in replies {
        out.extend_from_slice(reply.strip_prefix(HEADER)?);
    }
    Some(out.freeze())
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
