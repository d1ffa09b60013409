//! The cluster's rings: what was decided, what is to be decided next, and what operators want of them.
//!
//! [`Topology`] belongs to the thread of the membership. It keeps this node's part in the decisions
//! (`dynomite_gossip::agreement`) on the disk, hands decided rings to the workers, and when this node is the one whose turn it
//! is, takes a change that is under way one step further. `value` is what is decided, `disk/decisions` where it is kept, `wanted` what
//! operators may ask for, `json` what they get to see.
//!
//! A change is itself decided: an epoch whose ring is the one before, and which names the nodes at which the cluster is to
//! end. So every node knows of it, and any of them can go on with it.
//!
//! Invariants: a ring is given to the workers only when it is on the disk. The next step is proposed only when all nodes
//! that are there work by the present ring and have no lost copies.

mod json;
mod value;
mod wanted;

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use dynomite_gossip::agreement::{Agreement, AgreementError, Config, Outcome, Output, Stored};
use dynomite_gossip::{Health, NodeId as MemberId, Status};
use dynomite_ring::{NodeId, Plan, PlanError, Ring, RingDescription};

use crate::disk::Store;
use crate::membership::{MemberView, View};
pub(crate) use json::{plan_json, status_json};
pub(crate) use value::{Decided, UnderWay};
pub(crate) use wanted::Wanted;

/// Epochs that are kept for nodes that were away.
const CHAIN_LEN_MAX: usize = 256;
/// The id of a node that keeps nothing and so must not vote: no node has it.
const NO_VOTER: MemberId = MemberId(u64::MAX);

/// What an operator orders, after having seen what it comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// Begin a change that was planned at this epoch.
    Commit { epoch: u64, wanted: Wanted },
    /// Go back to where the change under way began.
    Abort,
}

/// How a node stands to the present ring, as it tells the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    /// The ring that all its workers have.
    pub(crate) epoch: u64,
    /// Buckets with copies that are lost.
    pub(crate) lost: u64,
    /// Whether it votes on the next ring: it keeps its votes.
    pub(crate) votes: bool,
}

/// What a node that is not in the ring wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Newcomer {
    pub(crate) vnodes: u16,
    pub(crate) peer_address: String,
    /// The node whose place it takes; empty when it adds to its rack.
    pub(crate) replaces: String,
    /// Whether it is taken in without an operator's order.
    pub(crate) at_once: bool,
}

/// What was decided, and how far a change is, for operators.
#[derive(Debug, Clone, Default)]
pub(crate) struct TopologyView {
    pub(crate) change: Option<Change>,
    /// How the last order to this node, or the last step that it proposed, came out.
    pub(crate) last: Option<String>,
    /// Why this node does not take part.
    pub(crate) problem: Option<String>,
}

/// A change that is under way.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// What it is, for people.
    pub(crate) what: String,
    /// Rings to come.
    pub(crate) steps_left: usize,
    /// What the next one waits for.
    pub(crate) waits_for: Vec<String>,
    /// The node that proposes it.
    pub(crate) driver: Option<String>,
}

/// What is to be done by others.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) sends: Vec<(NodeId, Vec<u8>)>,
    /// Rings to be handed to the workers, in this order.
    pub(crate) rings: Vec<Arc<Ring>>,
}

/// See the module's documentation.
pub(crate) struct Topology {
    node: NodeId,
    store: Store,
    /// `None` after something could not be kept: who does not know what it has said must not speak.
    agreement: Option<Agreement>,
    current: Option<Arc<Current>>,
    /// What this node proposes at the moment, for people.
    proposed: Option<String>,
    outputs: Vec<Output>,
    effects: Effects,
    waits_for: Vec<String>,
    driver: Option<String>,
    last: Option<String>,
    problem: Option<String>,
}

/// What was decided last, and what follows from it.
#[derive(Debug)]
struct Current {
    ring: Arc<Ring>,
    change: Option<UnderWay>,
    /// Rings to come until the change is at its end.
    steps_left: usize,
    /// The next one; `None` when there is none, or why it cannot be made.
    following: Result<Option<Ring>, PlanError>,
}

impl Current {
    /// Reads a value; `None` when it is none.
    fn read(value: &[u8]) -> Option<Arc<Self>> {
        let decided = Decided::decode(value).ok()?;
        let ring = Arc::new(decided.ring().ok()?);
        let plan = decided.change.as_ref().map(|change| Plan::toward(&ring, change.goal.clone())).transpose();
        let steps_left = plan.as_ref().ok().and_then(Option::as_ref).map_or(0, |plan| plan.steps().len());
        let following = plan.and_then(|plan| {
            plan.and_then(|plan| plan.steps().first().map(|step| step.apply(&ring))).transpose()
        });
        Some(Arc::new(Self { ring, change: decided.change, steps_left, following }))
    }
}

impl Topology {
    /// The part of `node`. `known` is the first ring, for those that know it from their configuration; what was kept goes
    /// before.
    ///
    /// # Errors
    /// When what was kept cannot be used.
    pub(crate) fn new(
        node: NodeId,
        store: Store,
        stored: Stored,
        known: Option<&Ring>,
        seed: u64,
    ) -> Result<Self, AgreementError> {
        let mut stored = stored;
        if let (true, Some(ring)) = (stored.decided.is_empty(), known) {
            stored.decided.push((ring.epoch(), Decided::at_rest(ring).encode()));
        }
        let me = if store.is_durable() { member(node) } else { NO_VOTER };
        let config = Config { chain_len_max: CHAIN_LEN_MAX, ..Config::default() };
        let agreement = Agreement::new(me, value::voters, config, stored, seed)?;
        let current = agreement.last().and_then(|(_, value)| Current::read(value));
        Ok(Self {
            node,
            store,
            agreement: Some(agreement),
            current,
            proposed: None,
            outputs: Vec::new(),
            effects: Effects::default(),
            waits_for: Vec::new(),
            driver: None,
            last: None,
            problem: None,
        })
    }

    /// The last ring that was decided, as far as this node knows.
    pub(crate) fn ring(&self) -> Option<&Arc<Ring>> {
        self.current.as_ref().map(|current| &current.ring)
    }

    /// Whether this node votes.
    pub(crate) fn votes(&self) -> bool {
        self.store.is_durable() && self.agreement.is_some()
    }

    /// A message of another node's part.
    pub(crate) fn handle_message(&mut self, now: Duration, from: NodeId, bytes: &[u8]) {
        if let Some(agreement) = &mut self.agreement {
            agreement.handle_message(now, member(from), bytes, &mut self.outputs);
            self.carry_out();
        }
    }

    /// When [`Topology::handle_timeout`] wants to be called.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.agreement.as_ref().and_then(Agreement::next_deadline)
    }

    /// Time passed.
    pub(crate) fn handle_timeout(&mut self, now: Duration) {
        if let Some(agreement) = &mut self.agreement {
            agreement.handle_timeout(now, &mut self.outputs);
            self.carry_out();
        }
    }

    /// What is known of the members may have changed: asks those who know more, and goes on with a change if that is for this
    /// node to do.
    pub(crate) fn look(&mut self, now: Duration, view: &View) {
        let epoch = self.ring().map_or(0, |ring| ring.epoch());
        let ahead = view.members.iter().filter(|member| is_there(member));
        let ahead = ahead.filter_map(|member| Some((member.id, member.told.standing?.epoch)));
        if let Some((from, ahead)) = ahead.max_by_key(|(_, epoch)| *epoch).filter(|(_, ahead)| *ahead > epoch)
            && let Some(agreement) = &mut self.agreement
        {
            agreement.handle_epoch(now, member(from), ahead, &mut self.outputs);
            self.carry_out();
        }
        self.drive(now, view);
    }

    /// An operator orders something; how that comes out is in the [`TopologyView`].
    pub(crate) fn order(&mut self, now: Duration, order: Order, view: &View) {
        let done = match order {
            Order::Commit { epoch, wanted } => self.commit(now, epoch, &wanted, view),
            Order::Abort => self.abort(now),
        };
        if let Err(reason) = done {
            self.last = Some(format!("refused: {reason}"));
        }
    }

    /// What is to be done by others, once.
    pub(crate) fn take_effects(&mut self) -> Effects {
        mem::take(&mut self.effects)
    }

    /// For operators.
    pub(crate) fn view(&self) -> TopologyView {
        let change = self.current.as_ref().and_then(|current| {
            Some(Change {
                what: current.change.as_ref()?.what.clone(),
                steps_left: current.steps_left,
                waits_for: self.waits_for.clone(),
                driver: self.driver.clone(),
            })
        });
        TopologyView { change, last: self.last.clone(), problem: self.problem.clone() }
    }

    /// What this node is about: it comes, serves or goes.
    pub(crate) fn status(&self) -> Status {
        let Some(current) = &self.current else { return Status::Joining };
        let is_in = current.ring.index_of(self.node).is_some();
        let stays = match &current.change {
            Some(change) => change.goal.iter().any(|node| node.id == self.node),
            None => is_in,
        };
        match (is_in, stays) {
            (true, true) => Status::Normal,
            (true, false) => Status::Leaving,
            (false, _) => Status::Joining,
        }
    }

    fn commit(&mut self, now: Duration, epoch: u64, wanted: &Wanted, view: &View) -> Result<(), String> {
        let current = self.current.clone().ok_or("this node knows no ring yet; try again")?;
        let ring = &current.ring;
        if let Some(change) = &current.change {
            return Err(format!(
                "another change is under way ({}): wait for its end, or abort it",
                change.what
            ));
        }
        if ring.epoch() != epoch {
            return Err(format!(
                "the ring has changed to epoch {} since this was planned: plan again",
                ring.epoch()
            ));
        }
        let change = wanted.resolve(ring, view)?;
        let plan = Plan::new(ring, &change).map_err(|error| error.to_string())?;
        if plan.steps().is_empty() {
            return Err("the ring is like that already".to_owned());
        }
        let goal = plan.target().nodes().to_vec();
        let origin = ring.nodes().to_vec();
        let under_way = UnderWay { what: wanted.to_string(), origin, goal };
        self.propose(now, next(ring), Some(under_way), wanted.to_string())
    }

    fn abort(&mut self, now: Duration) -> Result<(), String> {
        let current = self.current.clone().ok_or("this node knows no ring yet; try again")?;
        let change = current.change.as_ref().ok_or("no change is under way")?;
        let what = format!("back from: {}", change.what);
        let (origin, goal) = (change.origin.clone(), change.origin.clone());
        let under_way = UnderWay { what: what.clone(), origin, goal };
        self.propose(now, next(&current.ring), Some(under_way), what)
    }

    /// Takes the change under way one step further, or begins one that a newcomer wants.
    fn drive(&mut self, now: Duration, view: &View) {
        let Some(current) = self.current.clone() else { return };
        let ring = &current.ring;
        let mut voters: Vec<&MemberView> = view.members.iter().filter(|member| is_there(member)).collect();
        voters.retain(|member| {
            ring.index_of(member.id).is_some() && member.told.standing.is_some_and(|standing| standing.votes)
        });
        let driver = voters.iter().min_by_key(|member| member.id);
        self.driver = driver.map(|member| name_of(ring, member));
        let is_driver = driver.is_some_and(|member| member.id == self.node);
        let Some(change) = &current.change else {
            self.waits_for.clear();
            if is_driver && self.proposed.is_none() {
                self.take_in_newcomer(now, ring, view);
            }
            return;
        };
        let following = match &current.following {
            Ok(following) => following.as_ref(),
            Err(error) => {
                self.waits_for = vec![format!("an operator: it cannot be gone on with ({error}); abort it")];
                return;
            }
        };
        self.waits_for = waits_for(ring, following, view);
        if !is_driver || !self.waits_for.is_empty() || self.proposed.is_some() {
            return;
        }
        let description = following.map_or_else(|| next(ring), RingDescription::of);
        let what = format!("{} (epoch {})", change.what, description.epoch);
        let rest = (current.steps_left > 1).then(|| change.clone());
        if let Err(reason) = self.propose(now, description, rest, what) {
            self.last = Some(reason);
        }
    }

    /// Begins to take in a node that wants to be, if there is one.
    fn take_in_newcomer(&mut self, now: Duration, ring: &Ring, view: &View) {
        let wants = |member: &&MemberView| {
            is_there(member)
                && member.status == Status::Joining
                && ring.index_of(member.id).is_none()
                && member.told.newcomer.as_ref().is_some_and(|newcomer| newcomer.at_once)
        };
        let Some(newcomer) = view.members.iter().filter(wants).min_by_key(|member| member.id) else { return };
        let Some(name) = newcomer.told.name.clone() else { return };
        let replaces = newcomer.told.newcomer.as_ref().map_or("", |newcomer| &newcomer.replaces);
        let wanted = match replaces {
            "" => Wanted::Join { name },
            dead => Wanted::Replace { dead: dead.to_owned(), by: name },
        };
        if let Err(reason) = self.commit(now, ring.epoch(), &wanted, view) {
            let reason = format!("{wanted}: refused: {reason}");
            if self.last.as_ref() != Some(&reason) {
                tracing::warn!("{reason}");
            }
            self.last = Some(reason);
        }
    }

    fn propose(
        &mut self,
        now: Duration,
        ring: RingDescription,
        change: Option<UnderWay>,
        what: String,
    ) -> Result<(), String> {
        if !self.store.is_durable() {
            return Err("this node has no data_dir, and cannot vote: ask another node".to_owned());
        }
        let agreement = self.agreement.as_mut().ok_or("this node takes no part any more; see its log")?;
        let value = Decided { ring, change }.encode();
        agreement.propose(now, value, &mut self.outputs).map_err(|error| error.to_string())?;
        self.last = Some(format!("{what}: proposed"));
        self.proposed = Some(what);
        self.carry_out();
        Ok(())
    }

    /// Does what the agreement wants, in its order.
    fn carry_out(&mut self) {
        for output in mem::take(&mut self.outputs) {
            let kept = match output {
                Output::PersistVote(vote) => self.store.keep_vote(&vote),
                Output::PersistDecided { epoch, value, oldest } => {
                    self.store.keep_decided(epoch, &value, oldest)
                }
                Output::Send { to, bytes } => {
                    self.effects.sends.push((NodeId(to.0 as u32), bytes));
                    Ok(())
                }
                Output::Decided { epoch, value } => {
                    self.decided(epoch, &value);
                    Ok(())
                }
                Output::Proposed { outcome, .. } => {
                    self.came_out(&outcome);
                    Ok(())
                }
                Output::Conflict { epoch, with } => {
                    self.has_problem(format!(
                        "this node and node {with} have different rings of epoch {epoch}: they were not started as one \
                         cluster, or with different configurations; start one of them anew with an empty data_dir"
                    ));
                    Ok(())
                }
            };
            if let Err(error) = kept {
                self.agreement = None;
                self.proposed = None;
                self.effects = Effects { sends: Vec::new(), rings: mem::take(&mut self.effects.rings) };
                return self
                    .has_problem(format!("{error}; this node votes on no ring until it is restarted"));
            }
        }
    }

    fn decided(&mut self, epoch: u64, value: &[u8]) {
        let Some(current) = Current::read(value).filter(|current| current.ring.epoch() == epoch) else {
            return self
                .has_problem(format!("what was decided for epoch {epoch} is no ring for this version"));
        };
        let before = self.current.as_ref().and_then(|before| before.change.as_ref());
        match (&current.change, before) {
            (Some(change), None) => tracing::info!(epoch, "the topology changes: {}", change.what),
            (None, Some(change)) => tracing::info!(epoch, "the topology is changed: {}", change.what),
            _ => tracing::info!(epoch, "the ring has changed"),
        }
        self.effects.rings.push(Arc::clone(&current.ring));
        self.current = Some(current);
    }

    fn came_out(&mut self, outcome: &Outcome) {
        let Some(what) = self.proposed.take() else { return };
        self.last = Some(match outcome {
            Outcome::Won => format!("{what}: decided"),
            Outcome::Other => format!("{what}: another change was decided before it"),
            Outcome::Unknown(cause) => format!("{what}: not decided yet: {cause}"),
        });
    }

    fn has_problem(&mut self, problem: String) {
        if self.problem.as_ref() != Some(&problem) {
            tracing::error!("{problem}");
            self.problem = Some(problem);
        }
    }
}

/// The same ring in the next epoch.
fn next(ring: &Ring) -> RingDescription {
    RingDescription { epoch: ring.epoch() + 1, ..RingDescription::of(ring) }
}

/// What the step from `ring` to `following` has to wait for: that all who are there work by the present ring and have all
/// their copies, that who is to get something is there, and that who leaves owes nobody anything.
fn waits_for(ring: &Ring, following: Option<&Ring>, view: &View) -> Vec<String> {
    let mut all = Vec::new();
    for node in ring.nodes() {
        let Some(member) = view.member(node.id).filter(|member| is_there(member)) else { continue };
        let standing = member.told.standing.unwrap_or_default();
        if standing.epoch != ring.epoch() {
            all.push(format!("node {} to take the ring of epoch {}", node.name, ring.epoch()));
        } else if standing.lost > 0 {
            all.push(format!("node {} to rebuild copies ({} buckets)", node.name, standing.lost));
        }
    }
    let Some(following) = following else { return all };
    for node in following.nodes() {
        let before = ring.index_of(node.id).map_or(0, |index| ring.node(index).tokens.len());
        let is_there = view.member(node.id).is_some_and(is_there);
        if node.tokens.len() > before && !is_there {
            all.push(format!("node {} to be there", node.name));
        }
    }
    for node in ring.nodes().iter().filter(|node| following.index_of(node.id).is_none()) {
        let member = view.member(node.id).filter(|member| is_there(member));
        let hints = member.and_then(|member| member.told.hints).unwrap_or(0);
        if hints > 0 {
            all.push(format!("node {} to hand over what others have missed ({hints} keys)", node.name));
        }
    }
    all
}

fn is_there(member: &MemberView) -> bool {
    matches!(member.health, Health::Alive | Health::Suspect)
}

fn name_of(ring: &Ring, member: &MemberView) -> String {
    ring.index_of(member.id).map_or_else(|| member.id.to_string(), |index| ring.node(index).name.clone())
}

fn member(node: NodeId) -> MemberId {
    MemberId(u64::from(node.0))
}
