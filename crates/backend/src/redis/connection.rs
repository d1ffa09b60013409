//! An open connection to a Redis server.

use bytes::{Bytes, BytesMut};
use dynomite_codec::ReplyFramer;

use crate::broken::Broken;
use crate::connection::Framer;

pub(super) type Connection = crate::connection::Connection<ReplyFramer>;

impl Framer for ReplyFramer {
    /// A reply tells by itself where it ends.
    type Shape = ();

    fn wanted(&self) -> usize {
        self.wanted()
    }

    fn next(&mut self, (): (), input: &mut BytesMut) -> Result<Option<Bytes>, Broken> {
        Ok(self.next(input)?)
    }
}
