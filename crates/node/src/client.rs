//! One client connection: commands in, replies out in the same order.
//!
//! Invariants: every command that was taken gets its reply, in order, unless the connection breaks; nothing more is read
//! while the connection is over one of its limits; what is buffered for a client is counted in the node's total.

mod commands;
mod flow;
mod key_order;
mod replies;
mod session;
mod splitting;
mod window;

use std::net::SocketAddr;
use std::task::Waker;

use bytes::{Bytes, BytesMut};
use dynomite_backend::ReservedKeys;
use dynomite_codec::{Call, Class, FrameLimits, Request, RequestFramer, WriteQueue, classify, encode};
use dynomite_replication::{ClientCommand, KeyRequest, Level, Ticket};
use dynomite_ring::Token;
use tokio::net::TcpStream;

use crate::worker::Core;
use key_order::{KeyOrder, Way};
use replies::{Replies, Resp3};
pub(crate) use session::Session;
use splitting::Splitting;
use window::Window;

/// Above this, in bytes, the share of one client counts as large, when the buffers of all are over their limit.
const LARGE_BUFFERS: usize = 64 << 10;

/// A connection and all that is known of it. Its socket is read and written by `flow`.
pub(crate) struct Client {
    stream: TcpStream,
    /// Where this client's replies go: everything of a ticket but the sequence number.
    ticket_base: u64,
    session: Session,
    framer: RequestFramer,
    /// What was read and not yet taken.
    input: BytesMut,
    /// Whether what was read is no complete command: more input is wanted.
    is_starved: bool,
    /// A command of many keys whose parts are still being sent out.
    splitting: Option<Splitting>,
    replies: Replies,
    output: WriteQueue,
    key_order: KeyOrder,
    stage: Stage,
    window: Window,
    /// Whether the socket takes no more output for now.
    is_blocked: bool,
    /// When the client last took output, or had none to take.
    progress_at_ms: u64,
    /// What is counted for this client in the node's total.
    counted_bytes: usize,
    waker: Option<Waker>,
    /// Whether the task waits for nothing but to be woken.
    is_parked: bool,
    /// Whether it is in the worker's list of connections with output.
    pub(crate) is_dirty: bool,
    /// Whether it is in the worker's list of connections with input that has to wait.
    pub(crate) is_listed: bool,
}

/// How far the life of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Reads and writes.
    Open,
    /// The client will send no more; what it sent is still carried out.
    HalfClosed,
    /// Takes no more commands, and closes when all replies are out.
    Ending,
    /// Nothing can be written any more.
    Broken,
}

/// A command on one key that is ready to be run.
struct Ready {
    command: KeyRequest,
    token: Token,
    level: Level,
    /// Whether it is a part of the command that is being split.
    is_part: bool,
}

impl Ready {
    fn new(command: KeyRequest, is_part: bool, session: &Session, core: &Core) -> Self {
        let token = core.shared.token(command.key());
        let level = session.level(command.call().class, command.key(), &core.shared.levels);
        Self { command, token, level, is_part }
    }

    fn way(&self) -> Way {
        Way::of(self.command.call(), self.level)
    }
}

impl Client {
    pub(crate) fn new(
        stream: TcpStream,
        session: Session,
        ticket_base: u64,
        first_sequence: u32,
        core: &mut Core,
    ) -> Self {
        let limits = &core.shared.config.limits;
        let limits = FrameLimits {
            bulk_max: limits.bulk_max.bytes(),
            args_max: limits.args_max as usize,
            inline_max: limits.inline_max.bytes(),
            request_max: limits.request_max.bytes(),
        };
        Self {
            stream,
            ticket_base,
            session,
            framer: RequestFramer::new(limits),
            input: BytesMut::new(),
            is_starved: true,
            splitting: None,
            replies: Replies::new(first_sequence),
            output: WriteQueue::new(),
            key_order: KeyOrder::default(),
            stage: Stage::Open,
            window: Window::new(),
            is_blocked: false,
            progress_at_ms: core.now().ms,
            counted_bytes: 0,
            waker: None,
            is_parked: false,
            is_dirty: false,
            is_listed: false,
        }
    }

    /// The sequence number from which a successor under the same number has to count, so that no late reply fits it.
    pub(crate) fn next_sequence(&self) -> u32 {
        self.replies.next_sequence()
    }

    /// Where the client connects from.
    pub(crate) fn address(&self) -> SocketAddr {
        self.session.address
    }

    /// Takes commands off `input` as long as there are any and the connection is inside its limits.
    fn take_commands(&mut self, input: &mut BytesMut, core: &mut Core) {
        self.is_starved = false;
        while self.may_take(core) {
            if self.splitting.is_some() {
                self.continue_splitting(core);
            } else {
                match self.framer.next(input) {
                    Ok(Some(request)) => self.take(request, core),
                    Ok(None) => {
                        self.is_starved = true;
                        if self.stage == Stage::HalfClosed {
                            self.stage = Stage::Ending;
                        }
                        break;
                    }
                    Err(error) => {
                        core.counters.protocol_errors += 1;
                        tracing::debug!(client = %self.session.address, %error, "client sent no RESP");
                        self.refuse(&format!("ERR {error}"));
                        self.stage = Stage::Ending;
                    }
                }
            }
        }
        if matches!(self.stage, Stage::Ending | Stage::Broken) {
            input.clear();
        }
    }

    /// Whether another command may be taken now.
    fn may_take(&self, core: &Core) -> bool {
        let limits = &core.shared.config.limits;
        let waiting = self.replies.waiting();
        let held = self.output.len() + self.replies.ready_bytes() + self.replies.asked_bytes();
        matches!(self.stage, Stage::Open | Stage::HalfClosed)
            && waiting < limits.client_inflight_max as usize
            && self.window.has_room(waiting, held, limits.client_output_max.bytes())
            && core.has_room()
            && !(core.is_over_buffers() && self.is_large())
    }

    /// Whether the client's buffers, with the replies that are to come, are more than a small share.
    fn is_large(&self) -> bool {
        self.claimed_bytes() > LARGE_BUFFERS
    }

    fn take(&mut self, request: Request, core: &mut Core) {
        core.counters.commands += 1;
        let call = match classify(&request) {
            Ok(call) => call,
            Err(error) => {
                if !commands::answer_unlisted(self, &request, &error) {
                    self.refuse(&format!("ERR {error}"));
                }
                return;
            }
        };
        if call.class == Class::Connection {
            return commands::answer(self, call, &request, core);
        }
        if let Some(key) = call.keys(&request).find(|key| ReservedKeys::is_of_a_node(key)) {
            return self.refuse(&reserved(key));
        }
        match call.split(&request, core.shared.keys_together()) {
            Ok(None) => self.take_single(call, request, core),
            Ok(Some(parts)) => {
                self.replies.begin_gather(call, self.session.resp3(call, &request));
                self.splitting = Some(Splitting::new(parts));
            }
            Err(error) => self.refuse(&format!("ERR {error}")),
        }
    }

    fn take_single(&mut self, call: Call, request: Request, core: &mut Core) {
        let Some(command) = KeyRequest::new(call, request) else {
            return self.refuse(&format!("ERR Dynomite: '{}' names no key", call.command.name));
        };
        let ready = Ready::new(command, false, &self.session, core);
        self.run(ready, core);
    }

    /// Takes the reply's place and sends the command out, or lets it wait for earlier ones of this connection on its key.
    fn run(&mut self, ready: Ready, core: &mut Core) {
        let way = ready.way();
        let Ready { command, token, level, is_part } = ready;
        let awaited = core.shared.is_replicated().then_some((token, way));
        let asked_bytes = command.request().raw().len();
        let sequence = if is_part {
            self.replies.wait_for_part(asked_bytes, awaited)
        } else {
            self.replies.wait(asked_bytes, awaited, self.session.resp3(command.call(), command.request()))
        };
        let ticket = Ticket(self.ticket_base | u64::from(sequence));
        let deadline_ms = core.now().ms + core.shared.config.timeouts.request.as_millis() as u64;
        let command = ClientCommand { ticket, command, token, level, deadline_ms };
        let command = if awaited.is_some() { self.key_order.enter(way, command) } else { Some(command) };
        if let Some(command) = command {
            core.submit(command);
        }
    }

    /// Sends out what waited for commands that were answered. Whether there was any.
    fn run_released(&mut self, core: &mut Core) -> bool {
        let mut released = false;
        while let Some(command) = self.key_order.release() {
            released = true;
            if command.deadline_ms > core.now().ms {
                core.submit(command);
            } else {
                let late = "-ERR Dynomite: Timeout waiting for an earlier command of this connection on the key; not run\r\n";
                self.take_reply(command.ticket.0 as u32, Bytes::from_static(late.as_bytes()));
            }
        }
        released
    }

    /// Puts a reply of the node itself in its place.
    fn answer(&mut self, reply: Bytes) {
        self.replies.answer(reply, &mut self.output);
    }

    /// Answers with an error; `text` begins with its code.
    fn refuse(&mut self, text: &str) {
        let mut out = BytesMut::new();
        encode::error(&mut out, text);
        self.answer(out.freeze());
    }

    /// What is buffered, with the commands under way and the replies that are to come.
    fn claimed_bytes(&self) -> usize {
        let held = self.buffered_bytes() + self.replies.asked_bytes();
        held.saturating_add(self.window.expected_bytes(self.replies.waiting()))
    }

    fn buffered_bytes(&self) -> usize {
        self.input.capacity() + self.output.len() + self.replies.ready_bytes()
    }
}

/// What a client is told that names a key of the nodes.
fn reserved(key: &[u8]) -> String {
    let key = key.escape_ascii();
    format!(
        "ERR Dynomite: keys that begin with 'dynomite:{{' are the nodes' own, so '{key}' cannot be used; not run"
    )
}

/// What [`Session::resp3`] gives: `None` while the client speaks RESP2.
type Conversion = Option<Box<Resp3>>;
