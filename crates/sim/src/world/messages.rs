//! Messages between engines. Everything goes through its bytes.

use bytes::{Bytes, BytesMut};
use dynomite_replication::{Failure, Origin, ReplicaRequest, ReplicaResponse};
use dynomite_ring::NodeId;

use super::{
    World,
    events::{Event, LinkId},
    network::{self, Parcel},
};

/// Most messages fit.
const MESSAGE_BYTES: usize = 192;

impl World {
    /// A request arrives at the node that was asked.
    pub(super) fn take_request(&mut self, link: LinkId, generation: u32, number: u64, bytes: Bytes) {
        let incarnation = self.nodes[link.to].incarnation;
        if self.nodes[link.to].is_down()
            || !self.network.accepts_request(link, generation, number, incarnation)
        {
            return;
        }
        if self.network.is_swallowing(link.from, link.to) {
            self.network.hold(link, Parcel::Request { generation, number, bytes });
            return;
        }
        match ReplicaRequest::decode(bytes) {
            Ok(request) => {
                self.trace.line(|| format!("    n{} <- n{}: {:?}", link.to, link.from, request));
                let worker = self.worker_of(request.token);
                let origin = Origin(network::origin(link, generation));
                self.feed(link.to, worker, |engine, now, out| {
                    engine.handle_request(now, origin, request, out);
                });
            }
            Err(error) => self.undecoded.push(error.to_string()),
        }
    }

    /// An answer arrives at the node that asked.
    pub(super) fn take_response(&mut self, link: LinkId, generation: u32, number: u64, bytes: Bytes) {
        if !self.network.accepts_response(link, generation, number) {
            return;
        }
        if self.network.is_swallowing(link.to, link.from) {
            self.network.hold(link, Parcel::Response { generation, number, bytes });
            return;
        }
        match ReplicaResponse::decode(bytes) {
            Ok(response) => {
                self.trace.line(|| format!("    n{} <- n{}: {:?}", link.from, link.to, response));
                self.feed(link.from, link.worker, |engine, now, out| {
                    engine.handle_response(now, response, out);
                });
            }
            Err(error) => self.undecoded.push(error.to_string()),
        }
    }

    /// An engine answers another node.
    pub(super) fn send_response(&mut self, node: usize, origin: Origin, response: &ReplicaResponse) {
        let Some((link, generation)) = network::link_of(origin.0, node) else { return };
        let mut head = BytesMut::with_capacity(MESSAGE_BYTES);
        let tail = response.encode(&mut head);
        head.extend_from_slice(&tail);
        let slow_us = self.nodes[node].slow_us + self.nodes[link.from].slow_us;
        let Some((at, number)) = self.network.send_response(self.dice, link, generation, self.now, slow_us)
        else {
            return;
        };
        let event = Event::Response { link, generation, number, bytes: head.freeze() };
        if self.network.is_echoing(node, link.from) {
            self.events.push(at, event.clone());
        }
        self.events.push(at, event);
    }

    /// An engine asks another node. What cannot be sent is given back to it.
    pub(super) fn send_request(
        &mut self,
        node: usize,
        worker: usize,
        to: NodeId,
        request: &ReplicaRequest,
    ) -> Result<(), Failure> {
        let number = self.ids.iter().position(|id| *id == to).expect("an engine asks nodes that there are");
        let link = LinkId { from: node, worker, to: number };
        let slow_us = self.nodes[node].slow_us + self.nodes[link.to].slow_us;
        let (generation, at, number) = self.network.send_request(self.dice, link, self.now, slow_us)?;
        let mut head = BytesMut::with_capacity(MESSAGE_BYTES);
        let tail = request.encode(&mut head);
        head.extend_from_slice(&tail);
        self.events.push(at, Event::Request { link, generation, number, bytes: head.freeze() });
        Ok(())
    }
}
