//! A value with its client flags as bytes, for moving keys between nodes.
//!
//! Layout: `b"mcd"`, the version (1), the client flags (`u32` little endian), the value, CRC-32 of all that (little endian).

use bytes::{BufMut, Bytes, BytesMut};

const HEADER: &[u8] = b"mcd\x01";
const FLAGS_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 4;

/// The payload of `value`. Copies it.
pub(super) fn encode(flags: u32, value: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER.len() + FLAGS_BYTES + value.len() + CHECKSUM_BYTES);
    out.put_slice(HEADER);
    out.put_u32_le(flags);
    out.put_slice(value);
    let checksum = crc32fast::hash(&out);
    out.put_u32_le(checksum);
    out.freeze()
}

/// The client flags and the value that [`encode`] wrote; `None` when the payload is no such thing.
pub(super) fn decode(payload: &Bytes) -> Option<(u32, Bytes)> {
    let (body, checksum) = payload.split_last_chunk::<CHECKSUM_BYTES>()?;
    let content = body.strip_prefix(HEADER)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (flags, value) = content.split_first_chunk::<FLAGS_BYTES>()?;
    Some((u32::from_le_bytes(*flags), payload.slice_ref(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_reads_back() {
        for (flags, value) in [(0, &b""[..]), (7, b"v"), (u32::MAX, b"\r\nEND\r\n\0")] {
            assert_eq!(decode(&encode(flags, value)), Some((flags, Bytes::copy_from_slice(value))));
        }
    }

    #[test]
    fn payload_with_any_byte_changed_or_missing_is_refused() {
        let payload = encode(7, b"value");
        for index in 0..payload.len() {
            let mut changed = payload.to_vec();
            changed[index] ^= 1;
            assert_eq!(decode(&changed.into()), None, "byte {index} changed");
            assert_eq!(decode(&payload.slice(..index)), None, "cut at {index}");
        }
        let mut of_another_version = BytesMut::from(&b"mcd\x02\0\0\0\0v"[..]);
        of_another_version.put_u32_le(crc32fast::hash(b"mcd\x02\0\0\0\0v"));
        assert_eq!(decode(&of_another_version.freeze()), None);
    }
}
