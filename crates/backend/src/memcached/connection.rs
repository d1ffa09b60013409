//! An open connection to a memcached server.

use bytes::{Bytes, BytesMut};

use super::framer::{ReplyFramer, Shape};
use crate::broken::Broken;
use crate::connection::Framer;

pub(super) type Connection = crate::connection::Connection<ReplyFramer>;

impl Framer for ReplyFramer {
    type Shape = Shape;

    fn wanted(&self) -> usize {
        self.wanted()
    }

    fn next(&mut self, shape: Shape, input: &mut BytesMut) -> Result<Option<Bytes>, Broken> {
        self.next(shape, input)
    }
}
