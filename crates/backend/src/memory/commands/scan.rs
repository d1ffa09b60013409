//! `SCAN` and its kin: pages of a collection that may change between them.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::options::{Options, is};
use crate::memory::fault::{Answer, Fault};
use crate::memory::glob::matches;
use crate::memory::keyspace::Keyspace;
use crate::memory::number::integer_arg;

pub(crate) fn scan(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let page = Page::parse(request, 1, Page::cursor(request, 1)?)?;
    let mut found = Vec::new();
    let cursor = keys.scan(page.cursor, page.count, |key, value| {
        let type_matches = page.type_name.is_none_or(|name| is(name, value.type_name()));
        if type_matches && page.wants(key) {
            found.push(key.to_vec());
        }
    });
    write_page(reply, cursor, found.len());
    found.iter().for_each(|key| encode::bulk(reply, key));
    Ok(())
}

/// What a scan asks for.
pub(crate) struct Page<'a> {
    pub(crate) cursor: u64,
    pub(crate) count: usize,
    pattern: Option<&'a [u8]>,
    type_name: Option<&'a [u8]>,
}

impl<'a> Page<'a> {
    /// Reads the cursor at argument `index`.
    pub(crate) fn cursor(request: &Request, index: usize) -> Result<u64, Fault> {
        let cursor = std::str::from_utf8(request.arg(index)).ok().and_then(|text| text.parse().ok());
        cursor.ok_or(Fault::new("ERR invalid cursor"))
    }

    /// Reads the options behind the cursor, which is argument `index`; `TYPE` is for keys alone.
    pub(crate) fn parse(request: &'a Request, index: usize, cursor: u64) -> Result<Self, Fault> {
        let mut page = Self { cursor, count: 10, pattern: None, type_name: None };
        let mut args = Options::new(request, index + 1);
        while let Some(arg) = args.next() {
            let value = args.next_index().ok_or(Fault::SYNTAX)?;
            if is(arg, "COUNT") {
                let count = integer_arg(request, value)?;
                page.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or(Fault::SYNTAX)?;
            } else if is(arg, "MATCH") {
                page.pattern = Some(request.arg(value));
            } else if is(arg, "TYPE") && index == 1 {
                page.type_name = Some(request.arg(value));
            } else {
                return Err(Fault::SYNTAX);
            }
        }
        Ok(page)
    }

    pub(crate) fn wants(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| matches(pattern, name))
    }

    /// The positions of this page in a collection of `len`, walked downwards, and the next cursor.
    pub(crate) fn positions(&self, len: usize) -> (std::ops::Range<usize>, u64) {
        let end = match usize::try_from(self.cursor) {
            Ok(0) | Err(_) => len,
            Ok(cursor) => cursor.min(len),
        };
        let begin = end.saturating_sub(self.count);
        (begin..end, begin as u64)
    }
}

/// Writes everything in front of the `count` names (and values) of a page.
pub(crate) fn write_page(reply: &mut BytesMut, cursor: u64, count: usize) {
    encode::array(reply, 2);
    encode::bulk(reply, cursor.to_string().as_bytes());
    encode::array(reply, count);
}

/// The page of a collection that is absent.
pub(crate) fn write_empty_page(reply: &mut BytesMut) {
    write_page(reply, 0, 0);
}
