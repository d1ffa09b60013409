//! Why a command was refused, in the words of Redis 7.0. All of these are the client's fault and change nothing.

use std::borrow::Cow;

/// The text of an error reply, without the leading `-`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault(Cow<'static, str>);

/// What a command handler gives back; its reply is already written when it succeeded.
pub(crate) type Answer = Result<(), Fault>;

impl Fault {
    pub(crate) const WRONG_TYPE: Self =
        Self::new("WRONGTYPE Operation against a key holding the wrong kind of value");
    pub(crate) const SYNTAX: Self = Self::new("ERR syntax error");
    pub(crate) const NOT_INTEGER: Self = Self::new("ERR value is not an integer or out of range");
    pub(crate) const NOT_FLOAT: Self = Self::new("ERR value is not a valid float");
    pub(crate) const NOT_RANGE: Self = Self::new("ERR min or max is not a float");
    pub(crate) const NOT_LEX_RANGE: Self = Self::new("ERR min or max not valid string range item");
    pub(crate) const NOT_POSITIVE: Self = Self::new("ERR value is out of range, must be positive");
    pub(crate) const OUT_OF_RANGE: Self = Self::new("ERR value is out of range");
    pub(crate) const OUT_OF_LONG: Self = Self::new(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
    pub(crate) const NO_SUCH_KEY: Self = Self::new("ERR no such key");
    pub(crate) const INDEX: Self = Self::new("ERR index out of range");
    pub(crate) const OVERFLOW: Self = Self::new("ERR increment or decrement would overflow");
    pub(crate) const NAN_SUM: Self = Self::new("ERR increment would produce NaN or Infinity");
    pub(crate) const STRING_TOO_LONG: Self =
        Self::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    pub(crate) const BAD_PAYLOAD: Self = Self::new("ERR DUMP payload version or checksum are wrong");
    pub(crate) const OUT_OF_MEMORY: Self =
        Self::new("OOM command not allowed when used memory > 'maxmemory'.");

    pub(crate) const fn new(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    pub(crate) fn owned(text: String) -> Self {
        Self(Cow::Owned(text))
    }

    pub(crate) fn arity(command: &str) -> Self {
        Self::owned(format!("ERR wrong number of arguments for '{command}' command"))
    }

    pub(crate) fn expire_time(command: &str) -> Self {
        Self::owned(format!("ERR invalid expire time in '{command}' command"))
    }

    /// The start of an argument, to be quoted in an error: `max` bytes at most, up to the first NUL as Redis does, and what
    /// is no UTF-8 replaced.
    pub(crate) fn quote(arg: &[u8], max: usize) -> Cow<'_, str> {
        let end = arg.iter().position(|byte| *byte == 0).unwrap_or(arg.len());
        String::from_utf8_lossy(&arg[..end.min(max)])
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}
