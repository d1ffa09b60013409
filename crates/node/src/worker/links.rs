//! The links of a worker: one to every other node, and those that other nodes' workers have to it.

mod dialing;
mod listening;

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use dynomite_replication::{Failure, Origin, ReplicaRequest, ReplicaResponse};
use dynomite_ring::{NodeId, Ring};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::Core;
use crate::config::Compression;
use crate::link::{Closed, Connection, Hello, Kind, Settings};
use crate::slots::Slots;

pub(super) use dialing::link_to_all;
pub(super) use listening::{accept_peers, take_in};

/// A connection's number takes 24 bits of an origin, its generation the 32 below, the worker the 8 above.
const NUMBER_SHIFT: u32 = 32;
const WORKER_SHIFT: u32 = 56;
const NUMBER_MASK: u32 = (1 << (WORKER_SHIFT - NUMBER_SHIFT)) - 1;
/// A reply of the datastore is at most 512 MiB; what is around it in a message is smaller than this.
const REPLY_MAX: usize = (512 << 20) + (32 << 20);

/// The links, and which of them have output.
pub(crate) struct Links {
    /// By the number of the peer, which it keeps.
    outgoing: Vec<Outgoing>,
    /// The numbers of all nodes that were ever dialled, by node.
    numbers: Vec<(NodeId, u32)>,
    /// Beside `outgoing`: ends the wait before the next attempt to dial.
    dial_now: Vec<Rc<Notify>>,
    incoming: Slots<Incoming>,
    next_generation: u32,
    dirty_outgoing: Vec<u32>,
    dirty_incoming: Vec<u32>,
    /// Requests that could not be sent.
    failed: Vec<(u64, Failure)>,
    /// Where messages are encoded.
    scratch: BytesMut,
}

/// The link to one node.
struct Outgoing {
    node: NodeId,
    /// Who dials, and where; it ends with its link.
    dialler: Option<(String, AbortHandle)>,
    connection: Option<Connection>,
    /// Requests sent and not answered.
    in_flight: usize,
    /// Whether the node said goodbye: it gets nothing new, and the link ends with its last answer.
    is_leaving: bool,
}

impl Outgoing {
    /// No link yet.
    fn to(node: NodeId) -> Self {
        Self { node, dialler: None, connection: None, in_flight: 0, is_leaving: false }
    }
}

/// The link of another node's worker to this one.
struct Incoming {
    connection: Connection,
    generation: u32,
    peer: NodeId,
    peer_worker: u32,
}

impl Links {
    pub(super) fn new() -> Self {
        Self {
            outgoing: Vec::new(),
            numbers: Vec::new(),
            dial_now: Vec::new(),
            incoming: Slots::default(),
            next_generation: 0,
            dirty_outgoing: Vec::new(),
            dirty_incoming: Vec::new(),
            failed: Vec::new(),
            scratch: BytesMut::new(),
        }
    }

    /// The worker that an origin belongs to.
    pub(super) fn worker_of(origin: Origin) -> usize {
        (origin.0 >> WORKER_SHIFT) as usize
    }

    /// Queues the engine's requests; tells it which could not be. Whether there were any.
    pub(super) fn send_requests(&mut self, core: &mut Core) -> bool {
        if core.out.requests.is_empty() {
            return false;
        }
        let Core { out, shared, .. } = core;
        let numbers = &self.numbers;
        let limits = &shared.config.limits;
        for (node, request) in out.requests.drain(..) {
            let number = find(numbers, node).unwrap_or(u32::MAX);
            let sent = match self.outgoing.get_mut(number as usize) {
                Some(Outgoing { connection: Some(connection), in_flight, is_leaving: false, .. }) => {
                    let is_full = *in_flight >= limits.link_window as usize
                        || connection.queued_bytes() >= limits.link_bytes_max.bytes();
                    if is_full {
                        Err(Failure::Overloaded)
                    } else {
                        *in_flight += 1;
                        put_request(connection, &mut self.scratch, &request);
                        note(connection, &mut self.dirty_outgoing, number);
                        Ok(())
                    }
                }
                _ => Err(Failure::Unreachable),
            };
            if let Err(failure) = sent {
                self.failed.push((request.id, failure));
            }
        }
        let now = core.now();
        for (id, failure) in self.failed.drain(..) {
            core.engine.handle_send_failed(now, id, failure, &mut core.out);
        }
        true
    }

    /// Queues an answer to another node's request, if the link on which it came still stands.
    pub(super) fn send_response(&mut self, origin: Origin, response: &ReplicaResponse) {
        let number = (origin.0 >> NUMBER_SHIFT) as u32 & NUMBER_MASK;
        if let Some(incoming) = self.incoming.get_mut(number)
            && incoming.generation == origin.0 as u32
        {
            self.scratch.clear();
            let tail = response.encode(&mut self.scratch);
            incoming.connection.push(Kind::Response, None, &self.scratch, tail);
            note(&mut incoming.connection, &mut self.dirty_incoming, number);
        }
    }

    /// Writes to all links for which there is something new.
    pub(super) fn flush(&mut self, core: &mut Core) {
        if self.dirty_outgoing.is_empty() && self.dirty_incoming.is_empty() {
            return;
        }
        let now_ms = core.now().ms;
        for number in self.dirty_outgoing.drain(..) {
            if let Some(Outgoing { connection: Some(connection), .. }) =
                self.outgoing.get_mut(number as usize)
            {
                connection.is_dirty = false;
                connection.flush(now_ms);
            }
        }
        for number in self.dirty_incoming.drain(..) {
            if let Some(Incoming { connection, .. }) = self.incoming.get_mut(number) {
                connection.is_dirty = false;
                connection.flush(now_ms);
            }
        }
    }

    /// Time passed: heartbeats out, silent peers dropped.
    pub(super) fn tick(&mut self, core: &mut Core) {
        let now_ms = core.now().ms;
        for (number, link) in self.outgoing.iter_mut().enumerate() {
            if let Some(connection) = &mut link.connection
                && connection.tick(now_ms) | connection.measure(now_ms)
            {
                note(connection, &mut self.dirty_outgoing, number as u32);
            }
        }
        for (number, Incoming { connection, .. }) in self.incoming.iter_mut() {
            if connection.tick(now_ms) {
                note(connection, &mut self.dirty_incoming, number);
            }
        }
    }

    /// A node is said to be there: it is dialled now, if there is no link to it.
    pub(super) fn dial_now(&mut self, node: NodeId) {
        if let Some(number) = find(&self.numbers, node)
            && self.outgoing[number as usize].connection.is_none()
        {
            self.dial_now[number as usize].notify_waiters();
        }
    }

    /// A node is said to be down: the link to it is closed, unless there were signs of life on it.
    pub(super) fn doubt(&mut self, node: NodeId) {
        let Some(number) = find(&self.numbers, node) else { return };
        if let Some(connection) = &mut self.outgoing[number as usize].connection
            && !connection.is_heard()
        {
            connection.cut();
        }
    }

    /// Ends the wait before the next attempt to dial a node.
    fn waker_of(&self, peer: u32) -> Rc<Notify> {
        Rc::clone(&self.dial_now[peer as usize])
    }

    /// Tells all nodes that have links here to send no more.
    pub(super) fn say_goodbye(&mut self) {
        for (number, Incoming { connection, .. }) in self.incoming.iter_mut() {
            put_goodbye(connection, &mut self.dirty_incoming, number);
        }
    }

    /// Tells the node behind one link to send no more.
    fn say_goodbye_to(&mut self, number: u32) {
        if let Some(Incoming { connection, .. }) = self.incoming.get_mut(number) {
            put_goodbye(connection, &mut self.dirty_incoming, number);
        }
    }

    /// Whether no node has a link here, and all that was asked of others is answered: a write that has its quorum may still
    /// be on its way to further replicas, and would be lost with the connection.
    pub(super) fn are_idle(&self) -> bool {
        self.incoming.is_empty() && self.outgoing.iter().all(|link| link.in_flight == 0)
    }

    /// The number of a node to which there is or will be a link.
    fn number(&mut self, node: NodeId) -> u32 {
        match self.numbers.binary_search_by_key(&node, |(known, _)| *known) {
            Ok(at) => self.numbers[at].1,
            Err(at) => {
                let number = self.outgoing.len() as u32;
                self.outgoing.push(Outgoing::to(node));
                self.dial_now.push(Rc::default());
                self.numbers.insert(at, (node, number));
                number
            }
        }
    }

    /// Whether somebody dials the peer at this address.
    fn is_dialled(&self, peer: u32, address: &str) -> bool {
        let link = self.outgoing.get(peer as usize);
        link.and_then(|link| link.dialler.as_ref()).is_some_and(|(dialled, _)| dialled == address)
    }

    /// The link to a node is up: it may be asked.
    fn set_up(&mut self, peer: u32, stream: TcpStream, hello: &Hello, core: &mut Core) {
        let now_ms = core.now().ms;
        if let Some(link) = self.outgoing.get_mut(peer as usize) {
            let connection = Connection::new(stream, settings(core, hello), now_ms);
            let dialler = link.dialler.take();
            *link = Outgoing { dialler, connection: Some(connection), ..Outgoing::to(link.node) };
            core.shared.links_up.count(link.node, true);
            core.engine.handle_peer_up(link.node);
        }
    }

    /// The link to a node is gone.
    fn take_down(&mut self, peer: u32, core: &mut Core) {
        let now = core.now();
        if let Some(link) = self.outgoing.get_mut(peer as usize) {
            let node = link.node;
            *link = Outgoing { dialler: link.dialler.take(), ..Outgoing::to(node) };
            core.shared.links_up.count(node, false);
            // What was answered before is answered.
            core.run_inputs();
            // What was never sent has failed for certain, and is not among what the loss of the link leaves unknown.
            self.send_requests(core);
            core.engine.handle_peer_down(now, node, &mut core.out);
            core.wake_turn();
        }
    }

    /// Nobody dials the peer any more, and what link there is to it ends.
    pub(super) fn end_link(&mut self, peer: u32, core: &mut Core) {
        let Some(link) = self.outgoing.get_mut(peer as usize) else { return };
        if let Some((_, dialler)) = link.dialler.take() {
            dialler.abort();
            if link.connection.is_some() {
                self.take_down(peer, core);
            }
        }
    }

    pub(super) fn dialled_by(&mut self, peer: u32, address: &str, dialler: AbortHandle) {
        if let Some(link) = self.outgoing.get_mut(peer as usize) {
            link.dialler = Some((address.to_owned(), dialler));
        }
    }

    /// Nothing new is sent to nodes that `ring` does not have any more. Their links end with the last answers.
    fn part_from_others(&mut self, ring: &Ring) {
        for link in self.outgoing.iter_mut().filter(|link| ring.index_of(link.node).is_none()) {
            link.is_leaving = true;
        }
    }

    /// Nobody dials the peer any more.
    fn forget_dialler(&mut self, peer: u32) {
        if let Some(link) = self.outgoing.get_mut(peer as usize) {
            link.dialler = None;
        }
    }

    fn poll_outgoing(&mut self, peer: u32, core: &mut Core, cx: &mut Context<'_>) -> Poll<Closed> {
        let Some(link) = self.outgoing.get_mut(peer as usize) else { return Poll::Ready(Closed::Unwanted) };
        let Outgoing { node, connection: Some(connection), in_flight, is_leaving, .. } = link else {
            return Poll::Ready(Closed::Unwanted);
        };
        let polled = connection.poll(cx, |message| match message.kind {
            Kind::Response => {
                let response = ReplicaResponse::decode(message.body).map_err(|error| error.to_string())?;
                *in_flight = in_flight.saturating_sub(1);
                core.take_response(response);
                Ok(())
            }
            Kind::Goodbye => {
                *is_leaving = true;
                Ok(())
            }
            other => Err(format!("unexpected message {other:?}")),
        });
        if let Some(latency) = connection.take_latency() {
            core.engine.handle_latency(*node, latency.as_micros() as u64);
            core.shared.links_up.set_latency(*node, core.engine.latency_us(*node).unwrap_or(0));
        }
        if *is_leaving && *in_flight == 0 && polled.is_pending() {
            return Poll::Ready(Closed::ByPeer);
        }
        polled
    }

    fn poll_incoming(&mut self, number: u32, core: &mut Core, cx: &mut Context<'_>) -> Poll<Closed> {
        let Some(incoming) = self.incoming.get_mut(number) else { return Poll::Ready(Closed::Unwanted) };
        let origin = (core.index as u64) << WORKER_SHIFT
            | u64::from(number) << NUMBER_SHIFT
            | u64::from(incoming.generation);
        core.time_has_passed();
        incoming.connection.poll(cx, |message| match message.kind {
            Kind::Request => {
                let request = ReplicaRequest::decode(message.body).map_err(|error| error.to_string())?;
                core.take_request(Origin(origin), request);
                Ok(())
            }
            other => Err(format!("unexpected message {other:?}")),
        })
    }

    fn add_incoming(&mut self, stream: TcpStream, hello: &Hello, core: &mut Core) -> u32 {
        let now_ms = core.now().ms;
        let (peer, peer_worker) = (hello.node_id(), hello.worker);
        // What is left on an earlier link of the same worker is older than what comes on this one, and must not be
        // taken after it.
        for (_, old) in self.incoming.iter_mut() {
            if old.peer == peer && old.peer_worker == peer_worker {
                old.connection.cut();
            }
        }
        self.next_generation = self.next_generation.wrapping_add(1);
        let connection = Connection::new(stream, settings(core, hello), now_ms);
        self.incoming.insert(Incoming { connection, generation: self.next_generation, peer, peer_worker })
    }
}

/// The number of a node to which there is or was a link.
fn find(numbers: &[(NodeId, u32)], node: NodeId) -> Option<u32> {
    let at = numbers.binary_search_by_key(&node, |(known, _)| *known).ok()?;
    Some(numbers[at].1)
}

fn put_request(connection: &mut Connection, scratch: &mut BytesMut, request: &ReplicaRequest) {
    scratch.clear();
    let tail = request.encode(scratch);
    connection.push(Kind::Request, Some(request.token), scratch, tail);
}

fn put_goodbye(connection: &mut Connection, dirty: &mut Vec<u32>, number: u32) {
    connection.push(Kind::Goodbye, None, &[], Bytes::new());
    note(connection, dirty, number);
}

fn note(connection: &mut Connection, dirty: &mut Vec<u32>, number: u32) {
    if !connection.is_dirty {
        connection.is_dirty = true;
        dirty.push(number);
    }
}

fn settings(core: &Core, peer: &Hello) -> Settings {
    let config = &core.shared.config;
    // A request travels with eight bytes for each argument.
    let around = config.limits.args_max as usize * 8 + 1024;
    Settings {
        message_max: config.limits.request_max.bytes().saturating_add(around).max(REPLY_MAX),
        queued_max: config.limits.link_bytes_max.bytes(),
        heartbeat: config.timeouts.heartbeat,
        compresses: config.cross_dc.compression == Compression::Lz4
            && peer.datacenter != config.datacenter
            && peer.reads_compressed(),
    }
}
