//! How numbers are written in JSON for operators.

/// A digest, as people compare it.
pub(crate) fn hex(digest: u64) -> String {
    format!("{digest:016x}")
}

/// A share of something, 0 to 1, to the millionth.
pub(crate) fn share(share: f64) -> f64 {
    (share * 1e6).round() / 1e6
}
