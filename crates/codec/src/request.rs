//! One complete command: its bytes as they came, and where its arguments lie in them.
//!
//! Invariants: `raw` is always one well-formed RESP array of bulk strings (an inline command is rewritten into one),
//! every range lies inside `raw`, and there is at least one argument (the command's name).

mod framer;

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

pub use framer::{FrameLimits, RequestFramer};

/// Where one argument lies in the raw bytes of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArgRange {
    /// Offset of the argument's first byte in the raw request.
    pub start: u32,
    /// Length of the argument in bytes.
    pub len: u32,
}

/// Ranges of a request's arguments; commands of up to five arguments need no allocation.
pub type ArgRanges = SmallVec<[ArgRange; 5]>;

/// A complete command over shared bytes. Cloning copies no argument.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    raw: Bytes,
    args: ArgRanges,
}

impl Clone for Request {
    fn clone(&self) -> Self {
        // The ranges in one piece; SmallVec's own clone takes them one by one.
        Self { raw: self.raw.clone(), args: ArgRanges::from_slice(&self.args) }
    }
}

impl Request {
    /// Builds a request from its arguments, the command's name first. Costs one allocation and one copy.
    pub fn from_args<I, A>(args: I) -> Self
    where
        I: IntoIterator<Item = A>,
        I::IntoIter: ExactSizeIterator + Clone,
        A: AsRef<[u8]>,
    {
        let args = args.into_iter();
        let size: usize = args.clone().map(|arg| arg.as_ref().len() + 16).sum();
        let mut raw = BytesMut::with_capacity(size + 16);
        let mut ranges = ArgRanges::new();
        crate::encode::header(&mut raw, b'*', args.len());
        for arg in args {
            let arg = arg.as_ref();
            crate::encode::header(&mut raw, b'$', arg.len());
            ranges.push(ArgRange { start: raw.len() as u32, len: arg.len() as u32 });
            raw.put_slice(arg);
            raw.put_slice(b"\r\n");
        }
        Self { raw: raw.freeze(), args: ranges }
    }

    /// Wraps bytes that were already framed. The caller vouches for the type's invariants.
    pub fn from_parts(raw: Bytes, args: ArgRanges) -> Self {
        debug_assert!(!args.is_empty(), "a request has a name");
        Self { raw, args }
    }

    /// The whole command as one RESP array, ready to be sent on.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Number of arguments, the command's name included; never zero.
    pub fn arg_count(&self) -> usize {
        self.args.len()
    }

    /// The ranges of the arguments, the command's name first.
    pub fn ranges(&self) -> &[ArgRange] {
        &self.args
    }

    /// The command's name as the client spelled it.
    pub fn name(&self) -> &[u8] {
        self.arg(0)
    }

    /// Argument `index`, the command's name being argument 0.
    ///
    /// # Panics
    /// When `index >= arg_count()`: arity is checked before arguments are looked at.
    pub fn arg(&self, index: usize) -> &[u8] {
        let range = self.args[index];
        &self.raw[range.start as usize..(range.start + range.len) as usize]
    }

    /// Argument `index` as shared bytes, without copying.
    ///
    /// # Panics
    /// As [`Request::arg`].
    pub fn arg_bytes(&self, index: usize) -> Bytes {
        let range = self.args[index];
        self.raw.slice(range.start as usize..(range.start + range.len) as usize)
    }

    /// All arguments, the command's name first.
    pub fn args(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        self.args.iter().map(|range| &self.raw[range.start as usize..(range.start + range.len) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_encoded_as_one_array() {
        let request = Request::from_args(["SET", "k", ""]);
        assert_eq!(&request.raw()[..], b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
        assert_eq!(request.args().collect::<Vec<_>>(), [&b"SET"[..], b"k", b""]);
    }
}
