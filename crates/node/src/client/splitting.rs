//! A command of many keys on its way: its parts are sent out as the connection's limits allow.

use bytes::BytesMut;
use dynomite_codec::command::Parts;
use dynomite_codec::{Call, Request, encode};
use dynomite_replication::KeyRequest;

use super::{Client, Ready, Session};
use crate::worker::Core;

/// The parts that are still to be sent out.
pub(super) struct Splitting {
    call: Call,
    parts: std::vec::IntoIter<Request>,
}

impl Splitting {
    pub(super) fn new(parts: Parts) -> Self {
        Self { call: parts.call, parts: parts.requests.into_iter() }
    }

    fn next(&mut self, session: &Session, core: &Core) -> Option<Ready> {
        let command = KeyRequest::new(self.call, self.parts.next()?)?;
        Some(Ready::new(command, true, session, core))
    }
}

impl Client {
    /// Sends out the next part, or ends the command when there is none.
    pub(super) fn continue_splitting(&mut self, core: &mut Core) {
        let Some(splitting) = &mut self.splitting else { return };
        let Some(ready) = splitting.next(&self.session, core) else {
            self.splitting = None;
            self.replies.end_gather(&mut self.output);
            return;
        };
        self.run(ready, core);
    }

    /// Ends a command whose replies are so many that it alone is over the limit of output: nothing else would make
    /// room for it. The parts that were not sent are not.
    pub(super) fn give_up_splitting(&mut self, core: &Core) {
        let limit = core.shared.config.limits.client_output_max;
        if self.splitting.is_none()
            || self.replies.waiting() > 0
            || !self.output.is_empty()
            || self.replies.ready_bytes() < limit.bytes()
        {
            return;
        }
        self.splitting = None;
        let mut error = BytesMut::new();
        let text = format!(
            "ERR Dynomite: the reply would be over limits.client_output_max = {limit}; ask for fewer keys"
        );
        encode::error(&mut error, &text);
        self.replies.fail_gather(error.freeze(), &mut self.output);
    }
}
