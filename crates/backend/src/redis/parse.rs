//! Reads the few structured replies that the lane needs: a header, and strings that share the reply's memory.
//!
//! The reply is whole and well formed (the framer saw to that); what is not of the expected shape gives `None`.

use bytes::Bytes;

/// Walks over a reply from its front.
#[derive(Debug)]
pub(super) struct Walk {
    rest: Bytes,
}

impl Walk {
    pub(super) fn new(reply: Bytes) -> Self {
        Self { rest: reply }
    }

    /// The number of elements of an array, which come next.
    pub(super) fn array(&mut self) -> Option<usize> {
        self.header(b'*')?.try_into().ok()
    }

    pub(super) fn integer(&mut self) -> Option<i64> {
        self.header(b':')
    }

    /// The text of the error that comes next, if one does.
    pub(super) fn error(&self) -> Option<String> {
        let line = self.rest.split(|byte| *byte == b'\r').next()?;
        error_text(line)
    }

    /// A string that is there.
    pub(super) fn string(&mut self) -> Option<Bytes> {
        self.nullable_string()?
    }

    /// A string, or `Some(None)` for one that is absent.
    pub(super) fn nullable_string(&mut self) -> Option<Option<Bytes>> {
        let len = self.header(b'$')?;
        let Ok(len) = usize::try_from(len) else { return Some(None) };
        if self.rest.len() < len + 2 {
            return None;
        }
        let string = self.rest.split_to(len);
        let _ = self.rest.split_to(2);
        Some(Some(string))
    }

    /// Takes a line of the given kind that holds a number.
    fn header(&mut self, kind: u8) -> Option<i64> {
        let digits = self.rest.strip_prefix(&[kind])?;
        let end = digits.iter().position(|byte| *byte == b'\r')?;
        let number = std::str::from_utf8(&digits[..end]).ok()?.parse().ok()?;
        if self.rest.len() < end + 3 {
            return None;
        }
        let _ = self.rest.split_to(end + 3);
        Some(number)
    }
}

/// The text of an error reply.
pub(super) fn error_text(reply: &[u8]) -> Option<String> {
    let line = reply.strip_prefix(b"-")?;
    Some(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(reply: &'static [u8]) -> Walk {
        Walk::new(Bytes::from_static(reply))
    }

    #[test]
    fn nested_reply_is_walked_from_its_front() {
        let mut walk = walk(b"*4\r\n$2\r\n17\r\n:-5\r\n$-1\r\n*1\r\n$4\r\na\r\nb\r\n");
        assert_eq!(walk.array(), Some(4));
        assert_eq!(walk.string().unwrap(), "17");
        assert_eq!(walk.integer(), Some(-5));
        assert_eq!(walk.nullable_string(), Some(None));
        assert_eq!(walk.array(), Some(1));
        assert_eq!(walk.string().unwrap(), "a\r\nb");
        assert_eq!(walk.string(), None);
    }

    #[test]
    fn other_shapes_are_none() {
        assert_eq!(walk(b"*-1\r\n").array(), None);
        assert_eq!(walk(b":1\r\n").array(), None);
        assert_eq!(walk(b"+OK\r\n").string(), None);
        assert_eq!(walk(b"$-1\r\n").string(), None);
        assert_eq!(walk(b"").integer(), None);
    }

    #[test]
    fn error_text_is_without_its_mark_and_line_end() {
        assert_eq!(error_text(b"-ERR no\r\n").as_deref(), Some("ERR no"));
        assert_eq!(error_text(b"+OK\r\n"), None);
    }
}
