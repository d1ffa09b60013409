//! Owned bytes that are small in memory: most keys and values of a cache are short.

use std::ops::Deref;

use bytes::Bytes;
use dynomite_codec::Request;

/// Up to this many bytes need no allocation of their own.
const INLINE_MAX: usize = 22;
/// From this size on an argument may be kept by reference to the buffer it came in.
const SHARED_MIN: usize = 16 << 10;

/// Owned bytes in 24 bytes plus, when longer than 22, one allocation.
#[derive(Clone)]
pub(crate) enum Blob {
    /// Short.
    Inline { len: u8, bytes: [u8; INLINE_MAX] },
    /// Long, written once.
    Exact(Box<[u8]>),
    /// Very long, still in the buffer that the network filled.
    Shared(Box<Bytes>),
    /// Was appended to or written into; has room to grow, so that appending is amortised.
    #[expect(clippy::box_collection, reason = "keeps every other blob at 24 bytes")]
    Growing(Box<Vec<u8>>),
}

impl Blob {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        if bytes.len() > INLINE_MAX {
            return Self::Exact(bytes.into());
        }
        let mut inline = [0; INLINE_MAX];
        inline[..bytes.len()].copy_from_slice(bytes);
        Self::Inline { len: bytes.len() as u8, bytes: inline }
    }

    /// The bytes of a vector that will grow no more; not copied when they are long.
    pub(crate) fn from_vec(bytes: Vec<u8>) -> Self {
        if bytes.len() > INLINE_MAX { Self::Exact(bytes.into_boxed_slice()) } else { Self::new(&bytes) }
    }

    /// An argument to be kept: copied, unless it is large and most of its request, so that a small value never pins a
    /// network buffer.
    pub(crate) fn from_arg(request: &Request, index: usize) -> Self {
        let arg = request.arg(index);
        if arg.len() >= SHARED_MIN && arg.len() > request.raw().len() / 2 {
            return Self::Shared(Box::new(request.arg_bytes(index)));
        }
        Self::new(arg)
    }

    /// The bytes as a vector to be changed in place.
    pub(crate) fn to_mut(&mut self) -> &mut Vec<u8> {
        if !matches!(self, Self::Growing(_)) {
            *self = Self::Growing(Box::new(self.to_vec()));
        }
        match self {
            Self::Growing(bytes) => bytes,
            _ => unreachable!("just made growing"),
        }
    }

    /// Bytes allocated outside of the 24 of the value itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Inline { .. } => 0,
            Self::Exact(bytes) => bytes.len(),
            Self::Shared(bytes) => bytes.len() + size_of::<Bytes>(),
            Self::Growing(bytes) => bytes.capacity() + size_of::<Vec<u8>>(),
        }
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Self::Exact(bytes) => bytes,
            Self::Shared(bytes) => bytes,
            Self::Growing(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blob_takes_24_bytes_and_keeps_any_length() {
        assert_eq!(size_of::<Blob>(), 24);
        for len in [0, 1, 22, 23, 1000] {
            let bytes = vec![7; len];
            let mut blob = Blob::new(&bytes);
            assert_eq!(&*blob, bytes);
            blob.to_mut().push(8);
            assert_eq!(blob.len(), len + 1);
        }
    }

    #[test]
    fn only_a_large_argument_that_is_most_of_its_request_is_shared() {
        let shared = |args: &[&[u8]], index| {
            matches!(Blob::from_arg(&Request::from_args(args.iter()), index), Blob::Shared(_))
        };
        let (large, small) = (vec![b'x'; SHARED_MIN], vec![b'x'; SHARED_MIN - 1]);
        assert!(shared(&[b"SET", b"k", &large], 2));
        assert!(!shared(&[b"SET", b"k", &small], 2));
        assert!(!shared(&[b"MSET", b"k", &large, b"l", &large], 2));
    }
}
