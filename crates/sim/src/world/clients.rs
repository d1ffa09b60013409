//! Clients: each has one connection to one node and one command in flight; when the connection is lost it moves on.

use std::collections::VecDeque;

use bytes::Bytes;
use dynomite_codec::classify;
use dynomite_replication::{ClientCommand, KeyRequest, Ticket};

use super::{REQUEST_TIMEOUT, World, events::Event};
use crate::{
    history::{Entry, Outcome},
    plan::{MS, Micros, Plan},
};

/// From a client to its node, at least and at most.
const WAY: (Micros, Micros) = (50, 400);
/// A client that hears nothing for so long gives its connection up: much later than its node must answer.
const PATIENCE: Micros = 3 * REQUEST_TIMEOUT;
/// A client tries so many nodes in turn before it gives a command up.
const TRIES_MAX: usize = 3;
/// How long clients take to try again, or to notice that a node is gone.
const NOTICE: Micros = MS;

/// What dice are asked about.
mod question {
    pub(super) const THERE: u64 = 30;
    pub(super) const BACK: u64 = 31;
    pub(super) const MOVE: u64 = 32;
}

pub(super) struct Clients {
    all: Vec<Client>,
}

struct Client {
    /// The node it is connected to.
    node: usize,
    /// Commands of the plan that wait until the one in flight is answered.
    waiting: VecDeque<usize>,
    /// Its entry in the history.
    in_flight: Option<usize>,
}

impl Clients {
    pub(super) fn new(plan: &Plan) -> Self {
        let count = plan.commands.iter().map(|command| command.client + 1).max().unwrap_or(0);
        let mut all: Vec<Client> =
            (0..count).map(|_| Client { node: 0, waiting: VecDeque::new(), in_flight: None }).collect();
        for command in &plan.commands {
            all[command.client].node = command.home;
        }
        Self { all }
    }

    pub(super) fn are_idle(&self) -> bool {
        self.all.iter().all(|client| client.in_flight.is_none() && client.waiting.is_empty())
    }
}

impl World {
    /// A client's command is due.
    pub(super) fn send_command(&mut self, command: usize) {
        let client = self.plan.commands[command].client;
        if self.clients.all[client].in_flight.is_some() {
            self.clients.all[client].waiting.push_back(command);
            return;
        }
        self.connect(client);
        let node = self.clients.all[client].node;
        let entry = self.history.entries.len();
        self.history.entries.push(Entry {
            client,
            node,
            dc: self.plan.topology.dc_of(node),
            command: self.plan.commands[command].command.clone(),
            invoked_at: self.now,
            ended_at: Micros::MAX,
            outcome: Outcome::Open,
            taken_at: None,
            answered_at: Vec::new(),
        });
        self.clients.all[client].in_flight = Some(entry);
        if self.nodes[node].is_down() {
            self.end_command(entry, Outcome::NotRun("refused: no node can be connected to".into()));
            return;
        }
        let incarnation = self.nodes[node].incarnation;
        let (at, tired_at) = (self.now + self.client_way(question::THERE, client), self.now + PATIENCE);
        self.events.push(at, Event::Command { entry, node, incarnation });
        self.events.push(tired_at, Event::ClientLost { entry, why: "no answer" });
    }

    /// Looks for a node that accepts connections, if the client's own does not.
    fn connect(&mut self, client: usize) {
        for _ in 0..TRIES_MAX {
            if !self.nodes[self.clients.all[client].node].is_down() {
                return;
            }
            self.move_client(client);
        }
    }

    /// Another node of the same datacenter.
    fn move_client(&mut self, client: usize) {
        let topology = self.plan.topology;
        let node = self.clients.all[client].node;
        let per_dc = topology.len() / topology.dc_count;
        let first = topology.dc_of(node) * per_dc;
        let mut random = self.dice.of([question::MOVE, client as u64, self.now ^ (node as u64) << 48]);
        if per_dc > 1 {
            let step = 1 + random.index(per_dc - 1);
            self.clients.all[client].node = first + (node - first + step) % per_dc;
        }
    }

    fn client_way(&self, question: u64, client: usize) -> Micros {
        let (least, most) = WAY;
        self.dice.of([question, client as u64, self.now]).between(least, most)
    }

    /// A command arrives at a node.
    pub(super) fn take_command(&mut self, entry: usize, node: usize, incarnation: u32) {
        if self.nodes[node].is_down() || self.nodes[node].incarnation != incarnation {
            self.events.push(self.now + NOTICE, Event::ClientLost { entry, why: "connection reset" });
            return;
        }
        let (level, request) = {
            let command = &self.history.entries[entry].command;
            (command.level, command.request())
        };
        let call = classify(&request).expect("clients send commands of the table");
        let command = KeyRequest::new(call, request).expect("clients send commands with a key");
        let token = self.ring.token(command.key());
        let deadline_ms = self.now_of(node).ms + REQUEST_TIMEOUT / MS;
        let command = ClientCommand { ticket: Ticket(entry as u64), command, token, level, deadline_ms };
        self.history.entries[entry].taken_at = Some(self.now);
        let worker = self.worker_of(token);
        self.feed(node, worker, |engine, now, out| engine.handle_command(now, command, out));
    }

    /// An engine answers a command.
    pub(super) fn answer_client(&mut self, node: usize, entry: usize, reply: Bytes) {
        self.history.entries[entry].answered_at.push(self.now);
        let at = self.now + self.client_way(question::BACK, self.history.entries[entry].client);
        self.trace.line(|| format!("    n{node} answers {entry}: {reply:?}"));
        self.events.push(at, Event::Reply { entry, reply });
    }

    /// A reply arrives at its client, which may have gone on.
    pub(super) fn take_reply(&mut self, entry: usize, reply: &Bytes) {
        let outcome = Outcome::of(&self.history.entries[entry].command, reply);
        self.end_command(entry, outcome);
    }

    /// A client's connection is gone with a command in flight.
    pub(super) fn lose_client(&mut self, entry: usize, why: &'static str) {
        let client = self.history.entries[entry].client;
        if self.clients.all[client].in_flight == Some(entry) {
            self.move_client(client);
            self.end_command(entry, Outcome::Unknown(why.to_owned()));
        }
    }

    /// All clients of a node lose their connections.
    pub(super) fn clients_lose_node(&mut self, node: usize) {
        for client in &self.clients.all {
            if let Some(entry) = client.in_flight.filter(|_| client.node == node) {
                self.events.push(self.now + NOTICE, Event::ClientLost { entry, why: "connection reset" });
            }
        }
    }

    fn end_command(&mut self, entry: usize, outcome: Outcome) {
        let client = self.history.entries[entry].client;
        if self.clients.all[client].in_flight != Some(entry) {
            return;
        }
        self.history.entries[entry].ended_at = self.now;
        self.history.entries[entry].outcome = outcome;
        self.clients.all[client].in_flight = None;
        if let Some(command) = self.clients.all[client].waiting.pop_front() {
            self.events.push(self.now + 1, Event::Send { command });
        }
    }
}
