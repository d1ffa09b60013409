//! What the records of one worker take, alone: `record_memory [KEYS]`. A replica writes every key once and then overwrites them in
//! random order; its log is kept in memory, as far as it is needed, and a new engine reads it.

use std::collections::VecDeque;
use std::env;
use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use dynomite_codec::{FrameLimits, Output, Request, RequestFramer, classify, encode};
use dynomite_replication::frame;
use dynomite_replication::{
    Engine, EngineConfig, KeyRequest, Now, Origin, Out, Recovery, RepairConfig, ReplicaRequest, RequestBody,
    SequencingRules, Stamper, StoreSeen, Version,
};
use dynomite_ring::{HashKind, KeyHasher, Node, NodeId, Ring, Token};
// For its allocator, which is that of `dynomited`.
use dynomite_benches as _;

/// Few enough for a glance; memory of each is to be judged with millions.
const KEYS: u64 = 100_000;
const KEY_BYTES: u64 = 16;
/// Requests that one turn of a worker brings.
const TURN: u64 = 128;
const VALUE: &[u8] = b"12345678";
/// Microseconds since the Unix epoch; any day will do.
const WALL_US: u64 = 1_700_000_000_000_000;
/// A version holds milliseconds above so many bits.
const CLOCK_FRACTION_BITS: u32 = 16;
/// Of a record that an overwrite left, in the log: what kind of item it is, the length of the key, the version.
const ITEM_BYTES: u64 = 2 + 1 + 12;
const NOW: Now = Now { ms: 0, wall_us: WALL_US };

fn main() -> Result<(), Box<dyn Error>> {
    let keys = env::args().nth(1).map_or(Ok(KEYS), |count| count.parse())?;
    let live_bytes = keys * (ITEM_BYTES + KEY_BYTES);
    let growth = |bytes: u64| bytes as f64 / live_bytes as f64;
    let ring = ring()?;

    let empty_bytes = resident_bytes()?;
    let mut replica = Replica::new(&ring, Kept::Sizes)?;
    let begun_at = Instant::now();
    replica.write(0..keys)?;
    report_rate("first writes", keys, begun_at);
    assert_eq!(replica.engine.stats().records, keys, "every key has a record");
    let bytes = (resident_bytes()? - empty_bytes) as f64 / keys as f64 - KEY_BYTES as f64;
    println!("resident, beside the key: {bytes:.1} bytes per record");
    println!("log: {:.2} times the live records", growth(replica.log.bytes));
    drop(replica);

    let mut replica = Replica::new(&ring, Kept::Frames)?;
    replica.write(0..keys)?;
    let begun_at = Instant::now();
    replica.log.most_bytes = 0;
    let mut numbers = Numbers(keys);
    replica.write((0..keys).map(|_| numbers.below(keys)))?;
    report_rate("overwrites", keys, begun_at);
    println!("log, meanwhile: at most {:.2} times the live records", growth(replica.log.most_bytes));
    let Replica { log, .. } = replica;

    let begun_at = Instant::now();
    let mut restarted = engine(&ring)?;
    for (_, kept) in &log.frames {
        let Frame::Whole(bytes) = kept else { return Err("the frames were kept".into()) };
        let frame = frame::first(bytes)?.ok_or("a frame")?;
        restarted.recover_frame(frame.payload, |_| true)?;
    }
    restarted.finish_recovery(NOW, Recovery::Log);
    println!("{} MB of log read: {:.2} s", log.bytes / 1_000_000, begun_at.elapsed().as_secs_f64());
    assert_eq!(restarted.stats().records, keys, "the log tells of every key");
    Ok(())
}

fn report_rate(what: &str, count: u64, begun_at: Instant) {
    println!("{what}: {:.0} ns each", begun_at.elapsed().as_secs_f64() * 1e9 / count as f64);
}

/// What is kept of the log beside the replica.
#[derive(Clone, Copy)]
enum Kept {
    /// Nothing, so that memory is the replica's.
    Sizes,
    Frames,
}

enum Frame {
    Size(usize),
    Whole(Box<[u8]>),
}

struct Replica {
    engine: Engine,
    ring: Arc<Ring>,
    out: Out,
    clock: u64,
    log: Log,
}

/// The frames that are needed, with their numbers.
struct Log {
    kept: Kept,
    frames: VecDeque<(u64, Frame)>,
    bytes: u64,
    most_bytes: u64,
}

fn ring() -> Result<Arc<Ring>, Box<dyn Error>> {
    let nodes = ["here", "there"].map(|name| Node::new(name, "dc", name, vec![Token(0)]));
    Ok(Arc::new(Ring::build(KeyHasher::new(HashKind::RedisSlot, None), 1, nodes.to_vec())?))
}

fn engine(ring: &Arc<Ring>) -> Result<Engine, Box<dyn Error>> {
    let config = EngineConfig {
        node: NodeId::from_name("here"),
        worker: 0,
        workers: 1,
        request_timeout_ms: 1000,
        failover_ms: 100,
        operations_max: 1 << 16,
        lane_window_max: 1 << 16,
        clock_ahead_max_ms: 60_000,
        keeps_log: true,
        marker_key: None,
        reserved_prefix: None,
        sequencing: SequencingRules::default(),
        hints_bytes_max: 1 << 20,
        hint_window_ms: 1000,
        handoff_max: 1,
        large_bytes_min: 1 << 20,
        repair: RepairConfig { compare_interval_ms: 0, ..RepairConfig::default() },
    };
    Ok(Engine::new(config, Arc::clone(ring))?)
}

impl Replica {
    fn new(ring: &Arc<Ring>, kept: Kept) -> Result<Self, Box<dyn Error>> {
        let (mut engine, mut out) = (engine(ring)?, Out::default());
        engine.finish_recovery(NOW, Recovery::Log);
        engine.handle_lane_up(NOW, StoreSeen { run_id: "1", marker: None }, &mut out);
        let clock = (WALL_US / 1000) << CLOCK_FRACTION_BITS;
        let log = Log { kept, frames: VecDeque::new(), bytes: 0, most_bytes: 0 };
        Ok(Self { engine, ring: Arc::clone(ring), out, clock, log })
    }

    /// Takes overwrites of these keys from another node, turn by turn, and logs them.
    fn write(&mut self, mut keys: impl Iterator<Item = u64>) -> Result<(), Box<dyn Error>> {
        let mut framer = RequestFramer::new(FrameLimits::default());
        let mut frame = Vec::new();
        loop {
            let turn: Vec<u64> = keys.by_ref().take(TURN as usize).collect();
            if turn.is_empty() {
                return Ok(());
            }
            let mut buf = BytesMut::new();
            for key in &turn {
                let key = format!("user:{key:011}");
                buf.extend_from_slice(Request::from_args([b"SET", key.as_bytes(), VALUE]).raw());
            }
            while let Some(request) = framer.next(&mut buf)? {
                self.overwrite(request)?;
            }
            frame.clear();
            if let Some(number) = self.engine.seal_log(&mut frame) {
                self.log.push(number, &frame);
            }
            self.run();
            self.log.drop_below(self.engine.log_floor());
        }
    }

    fn overwrite(&mut self, request: Request) -> Result<(), Box<dyn Error>> {
        self.clock += 1;
        let version = Version { clock: self.clock, node: NodeId::from_name("there") };
        let command = KeyRequest::new(classify(&request)?, request).ok_or("SET has a key")?;
        let token = self.ring.token(command.key());
        let body = RequestBody::Overwrite { version, command, stamper: Stamper::Local };
        let seats = self.engine.seats(token);
        let request = ReplicaRequest { id: self.clock, token, clock: self.clock, seats, body };
        self.engine.handle_request(NOW, Origin(0), request, &mut self.out);
        Ok(())
    }

    /// The datastore has done everything.
    fn run(&mut self) {
        let operation_count = self.out.lane.len();
        self.out.lane.clear();
        for _ in 0..operation_count {
            let reply = Output::Reply(Bytes::from_static(encode::OK));
            self.engine.handle_output(NOW, reply, &mut self.out);
        }
        self.out.responses.clear();
    }
}

impl Log {
    fn push(&mut self, number: u64, bytes: &[u8]) {
        let frame = match self.kept {
            Kept::Sizes => Frame::Size(bytes.len()),
            Kept::Frames => Frame::Whole(bytes.into()),
        };
        self.frames.push_back((number, frame));
        self.bytes += bytes.len() as u64;
        self.most_bytes = self.most_bytes.max(self.bytes);
    }

    fn drop_below(&mut self, floor: u64) {
        while let Some((_, frame)) = self.frames.pop_front_if(|(number, _)| *number < floor) {
            self.bytes -= frame.len() as u64;
        }
    }
}

impl Frame {
    fn len(&self) -> usize {
        match self {
            Self::Size(len) => *len,
            Self::Whole(bytes) => bytes.len(),
        }
    }
}

/// Numbers that look random and are the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) % bound
    }
}

fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    const BYTES_PER_KIB: u64 = 1024;
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * BYTES_PER_KIB)
}
