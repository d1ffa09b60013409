//! Commands that are sent together, and what is expected of each.

use std::collections::HashMap;

use dynomite_testkit::request;

use crate::chaos::class::Class;
use crate::chaos::history::Micros;
use crate::chaos::ledger::Place;
use crate::chaos::random::Random;
use crate::chaos::run::Run;

use super::command;

/// How many of a hundred requests read.
const READ_PERCENT: u64 = 35;
/// How many of a hundred are an `ECHO`, whose answer shows whether answers are in their places.
const ECHO_PERCENT: u64 = 2;

pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) asked: Vec<Asked>,
    pub(super) begun_at: Micros,
}

pub(super) struct Asked {
    pub(super) what: What,
    /// How many commands of the batch on the same key have to be answered first, with this one: the deadline of each
    /// begins when the one before is answered.
    pub(super) turn: u32,
}

pub(super) enum What {
    Write { place: Place, write: usize },
    Read { place: Place },
    Echo { text: String },
}

impl Batch {
    /// So many commands for clients of a datacenter.
    pub(super) fn new(run: &Run, dc: u8, count: usize, random: &mut Random) -> Self {
        let mut batch = Self { bytes: Vec::new(), asked: Vec::new(), begun_at: run.clock.now() };
        let mut turns: HashMap<Place, u32> = HashMap::new();
        for _ in 0..count {
            let what = batch.ask(run, dc, random);
            let turn = match &what {
                What::Write { place, .. } | What::Read { place } => {
                    let turn = turns.entry(*place).or_default();
                    *turn += 1;
                    *turn
                }
                What::Echo { .. } => 1,
            };
            batch.asked.push(Asked { what, turn });
        }
        batch
    }

    fn ask(&mut self, run: &Run, dc: u8, random: &mut Random) -> What {
        if random.percent(ECHO_PERCENT) {
            let text = format!("echo {:x}", random.next());
            self.bytes.extend(request(&["ECHO", &text]));
            return What::Echo { text };
        }
        let class = class(random);
        if random.percent(READ_PERCENT) {
            let (place, name) = run.ledger.read(class, dc, random, |place, key| (place, key.name()));
            self.bytes.extend(request(&command::form(class).command(&name)));
            return What::Read { place };
        }
        let begun_at = self.begun_at;
        let (place, write, args) = run.ledger.write(class, dc, random, |place, key, random| {
            let (write, args) = command::begin_write(key, dc, begun_at, random);
            (place, write, args)
        });
        self.bytes.extend(request(&args));
        What::Write { place, write }
    }
}

/// One of the classes, each as often as its share says.
fn class(random: &mut Random) -> Class {
    let mut roll = random.between(0..100);
    for class in Class::ALL {
        if roll < class.share() {
            return class;
        }
        roll -= class.share();
    }
    Class::Overwrite
}
