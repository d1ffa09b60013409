//! What the systems are asked to do.

use std::fmt;

/// Client connections of every load.
pub(crate) const CONNECTION_COUNT: u32 = 50;
/// Of them, those that write in [`Operation::Mixed`]: one request in five.
pub(crate) const MIXED_WRITER_COUNT: u32 = 10;
/// Keys that one MGET reads.
pub(crate) const MGET_KEY_COUNT: usize = 10;

const KEY_COUNT: u32 = 100_000;
/// Values of this size and above have a tenth of the keys, so that every datastore's copy fits into memory.
const LARGE_VALUE_BYTES: usize = 16 * 1024;
const LARGE_KEY_COUNT: u32 = 10_000;

/// The size of values that everything is measured with.
pub(crate) const SMALL_VALUE_BYTES: usize = 32;
const VALUE_SIZES: [usize; 3] = [SMALL_VALUE_BYTES, 1024, LARGE_VALUE_BYTES];
/// Lengths of pipelines.
pub(crate) const DEPTHS: [u32; 3] = [1, 16, 64];
/// The deepest pipelines that are measured with larger values unless everything is.
const LARGER_VALUES_DEPTH_MAX: u32 = 16;
/// The deepest pipelines of a quick run.
const QUICK_DEPTH_MAX: u32 = 16;

/// A command, or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Set,
    /// Ten keys each.
    Mget,
    /// Four GETs to one SET, on connections of their own.
    Mixed,
}

impl Operation {
    const ALL: [Self; 4] = [Self::Get, Self::Set, Self::Mget, Self::Mixed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Set => "SET",
            Self::Mget => "MGET",
            Self::Mixed => "mixed",
        }
    }
}

/// One way to put a system under load: always [`CONNECTION_COUNT`] connections and random keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) operation: Operation,
    pub(crate) value_bytes: usize,
    /// Requests that a connection sends before it waits for their replies.
    pub(crate) depth: u32,
}

impl Load {
    /// How many different keys there are.
    pub(crate) fn key_count(&self) -> u32 {
        if self.value_bytes >= LARGE_VALUE_BYTES { LARGE_KEY_COUNT } else { KEY_COUNT }
    }

    /// Bytes of the values that one request reads or writes.
    pub(crate) fn request_bytes(&self) -> u64 {
        let value_count = if self.operation == Operation::Mget { MGET_KEY_COUNT } else { 1 };
        (self.value_bytes * value_count) as u64
    }

    /// Whether every word of `text` is one of this load's: `get p16` for instance.
    fn is_called(&self, text: &str) -> bool {
        let name = self.to_string().to_ascii_lowercase();
        text.to_ascii_lowercase().split_whitespace().all(|word| name.split(' ').any(|own| own == word))
    }
}

/// `GET 32B P16`
impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} P{}", self.operation.name(), size(self.value_bytes), self.depth)
    }
}

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Small values, short pipelines.
    Quick,
    /// Small values in all ways, larger ones with single commands.
    Usual,
    /// Everything with everything.
    Full,
}

impl Extent {
    fn holds(self, load: &Load) -> bool {
        let is_small = load.value_bytes == SMALL_VALUE_BYTES;
        match self {
            Self::Quick => is_small && load.depth <= QUICK_DEPTH_MAX,
            Self::Usual => {
                let is_single = matches!(load.operation, Operation::Get | Operation::Set);
                is_small || (is_single && load.depth <= LARGER_VALUES_DEPTH_MAX)
            }
            Self::Full => true,
        }
    }
}

/// The loads to measure, those of one value size one after the other; `case` leaves only those that have all its words.
pub(crate) fn selection(extent: Extent, case: Option<&str>) -> Vec<Load> {
    let mut loads = Vec::new();
    for value_bytes in VALUE_SIZES {
        for operation in Operation::ALL {
            loads.extend(DEPTHS.map(|depth| Load { operation, value_bytes, depth }));
        }
    }
    loads.retain(|load| extent.holds(load) && case.is_none_or(|case| load.is_called(case)));
    loads
}

/// `32B`, `16KB`
pub(crate) fn size(bytes: usize) -> String {
    const KB: usize = 1024;
    if bytes >= KB { format!("{}KB", bytes / KB) } else { format!("{bytes}B") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(extent: Extent, case: &str) -> Vec<String> {
        selection(extent, Some(case)).iter().map(Load::to_string).collect()
    }

    #[test]
    fn a_case_is_named_by_whole_words_in_any_order_and_case() {
        assert_eq!(names(Extent::Usual, "32b p1 GET"), ["GET 32B P1"]);
        assert_eq!(names(Extent::Usual, "1kb"), ["GET 1KB P1", "GET 1KB P16", "SET 1KB P1", "SET 1KB P16"]);
        assert!(names(Extent::Usual, "p6").is_empty());
    }

    #[test]
    fn extents_grow() {
        let counts = [Extent::Quick, Extent::Usual, Extent::Full].map(|extent| selection(extent, None).len());
        assert_eq!(counts, [4 * 2, 4 * 3 + 2 * 2 * 2, 4 * 3 * 3]);
    }

    #[test]
    fn large_values_have_fewer_keys() {
        let keys = |value_bytes| Load { operation: Operation::Get, value_bytes, depth: 1 }.key_count();
        assert_eq!([keys(32), keys(1024), keys(16 * 1024)], [100_000, 100_000, 10_000]);
    }
}
