//! What can be wrong with bytes from a client or a datastore. Display gives the text to send after `-ERR `, in Redis
//! 7.0's own words where Redis has words for it.

use thiserror::Error;

/// Bytes that are no RESP, or more of it than the limits allow. The stream is out of step from here on: send the
/// error, then close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// An array's count is no number, or over the limit of arguments.
    #[error("Protocol error: invalid multibulk length")]
    InvalidMultibulkLength,
    /// A string's length is no number, negative, or over the limit.
    #[error("Protocol error: invalid bulk length")]
    InvalidBulkLength,
    /// An argument of a request is something else than a bulk string.
    #[error("Protocol error: expected '$', got '{}'", printable(*got))]
    ExpectedBulk {
        /// The byte in the place of `$`.
        got: u8,
    },
    /// The line with an array's count does not end.
    #[error("Protocol error: too big mbulk count string")]
    MultibulkLineTooLong,
    /// The line with a string's length does not end.
    #[error("Protocol error: too big bulk count string")]
    BulkLineTooLong,
    /// An inline command's line does not end.
    #[error("Protocol error: too big inline request")]
    InlineTooLong,
    /// An inline command has a quote without its partner, or text right after a closing quote.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// A line or a string is not followed by CR LF.
    #[error("Protocol error: expected CRLF")]
    ExpectedCrlf,
    /// A request's arguments are together over the limit.
    #[error("Protocol error: too big request")]
    RequestTooLarge,
    /// A reply begins with a byte that is no type of RESP2 or RESP3, or with a streamed type.
    #[error("Protocol error: unknown reply type '{}'", printable(*got))]
    UnknownType {
        /// The byte in the place of the type.
        got: u8,
    },
    /// A line of a reply does not hold what its type asks for.
    #[error("Protocol error: invalid '{}' reply", printable(*kind))]
    InvalidValue {
        /// The type byte of the line.
        kind: u8,
    },
    /// A line of a reply is over the limit.
    #[error("Protocol error: too big reply line")]
    ReplyLineTooLong,
    /// A reply's arrays lie deeper in each other than the limit.
    #[error("Protocol error: too deeply nested reply")]
    ReplyTooDeep,
    /// A whole reply is over the limit.
    #[error("Protocol error: too big reply")]
    ReplyTooLarge,
}

/// Keeps the error one line whatever byte was wrong; Redis does the same when it writes the error.
fn printable(byte: u8) -> char {
    match byte {
        b'\r' | b'\n' => ' ',
        0x20..=0x7e => char::from(byte),
        _ => '?',
    }
}
