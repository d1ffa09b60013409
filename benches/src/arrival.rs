//! Requests as they reach a worker.

use bytes::BytesMut;
use dynomite_codec::{FrameLimits, Request, RequestFramer, classify};
use dynomite_replication::KeyRequest;

/// Copies of `requests` as a socket brings them: views of one buffer that has just been read, and so lies in the
/// processor's cache unless it is very large.
pub(crate) fn arrive<'a>(requests: impl Iterator<Item = &'a Request>) -> impl Iterator<Item = Request> {
    let mut buf = BytesMut::new();
    for request in requests {
        buf.extend_from_slice(request.raw());
    }
    let mut framer = RequestFramer::new(FrameLimits::default());
    std::iter::from_fn(move || framer.next(&mut buf).expect("they are requests"))
}

/// A command on one key.
pub(crate) fn recognised(request: Request) -> KeyRequest {
    let call = classify(&request).expect("the command is known");
    KeyRequest::new(call, request).expect("the command has a key")
}
