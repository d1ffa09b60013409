//! Processes that find each other, show who is there, and notice a kill.
//!
//! `cargo run -p dynomite-examples --example embed_gossip` starts three processes of itself, shows what each sees of the
//! others, kills one, has another leave, and ends after some ten seconds; its exit code is 1 when something was not seen.
//! With arguments it is one node, which leaves when its input ends:
//!
//! ```text
//! embed_gossip --name a --listen 127.0.0.1:7001
//! embed_gossip --name b --listen 127.0.0.1:7002 --seed 127.0.0.1:7001
//! ```

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use dynomite_gossip::udp::{Snapshot, UdpGossip, UdpOptions};
use dynomite_gossip::{Health, Item, NodeId};
use tokio::sync::oneshot;

const NAMES: [&str; 3] = ["ada", "bob", "cyd"];
/// For each thing to be seen; it takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    let result = if std::env::args().len() > 1 { be_a_node() } else { show_three() };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("FAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What a node tells the others of itself.
struct Name(String);

impl Item for Name {
    fn key(&self) -> u16 {
        1
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.0.as_bytes());
    }

    fn decode(key: u16, bytes: &[u8]) -> Option<Self> {
        if key == 1 { Some(Self(String::from_utf8(bytes.to_vec()).ok()?)) } else { None }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn be_a_node() -> Result<()> {
    let (mut name, mut listen, mut seeds) = (None, None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--name" => name = Some(value),
            "--listen" => listen = Some(value.parse::<SocketAddr>()?),
            "--seed" => seeds.push(value.parse::<SocketAddr>()?),
            _ => bail!("{argument}? There are --name NAME, --listen ADDRESS, --seed ADDRESS"),
        }
    }
    let name = name.context("--name is needed")?;
    let listen = listen.context("--listen is needed")?;

    // Any number that is the node's own; here made of its name.
    let id = name.bytes().fold(7u64, |id, byte| id.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let options = UdpOptions { seeds, ..UdpOptions::new(NodeId(id), listen, "example") };
    let gossip = UdpGossip::start(options).await?;
    gossip.set(&Name(name)).await?;

    let mut members = gossip.watch_members();
    let (ended, mut end) = oneshot::channel();
    thread::spawn(move || {
        // However the input ends, it has ended.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    loop {
        say(&members.borrow_and_update())?;
        tokio::select! {
            changed = members.changed() => changed?,
            _ = &mut end => break,
        }
    }
    gossip.leave().await?;
    Ok(())
}

/// One line for each picture of the members.
fn say(members: &Snapshot) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for member in members.iter() {
        let name = member.item(1).map_or_else(|| member.identity.id.to_string(), |Name(name)| name);
        write!(out, "{name}={} ", word(member.health))?;
    }
    writeln!(out)?;
    Ok(out.flush()?)
}

fn word(health: Health) -> &'static str {
    match health {
        Health::Alive => "alive",
        Health::Suspect => "suspect",
        Health::Down => "DOWN",
        Health::Gone => "left",
    }
}

/// Three nodes and what each sees.
struct Three {
    started_at: Instant,
    children: Vec<Child>,
    lines: Receiver<(usize, String)>,
    /// By the place of who sees, and the name of who is seen.
    seen: [BTreeMap<String, String>; 3],
}

fn show_three() -> Result<()> {
    let mut three = Three::start()?;
    println!("  time  seen by   {}", NAMES.map(|name| format!("{name:9}")).concat());
    let all_alive = |seen: &BTreeMap<_, _>| NAMES.iter().all(|name| is(seen, name, "alive"));
    let took = three.wait("all see three members", &[0, 1, 2], all_alive)?;
    println!("-- all three see each other after {took:.1?}; {} is killed", NAMES[2]);
    three.children[2].kill()?;
    let took = three.wait("the kill is noticed", &[0, 1], |seen| is(seen, NAMES[2], "DOWN"))?;
    println!("-- both noticed it after {took:.1?}; {} leaves", NAMES[1]);
    drop(three.children[1].stdin.take());
    let took = three.wait("the departure is noticed", &[0], |seen| is(seen, NAMES[1], "left"))?;
    println!("-- known after {took:.1?}; that was all");
    Ok(())
}

fn is(seen: &BTreeMap<String, String>, name: &str, what: &str) -> bool {
    seen.get(name).is_some_and(|seen| seen == what)
}

impl Three {
    fn start() -> Result<Self> {
        let program = std::env::current_exe()?;
        let addrs = free_addrs()?;
        let (sender, lines) = channel();
        let mut three = Self {
            started_at: Instant::now(),
            children: Vec::new(),
            lines,
            seen: [const { BTreeMap::new() }; 3],
        };
        for (place, name) in NAMES.iter().enumerate() {
            let mut command = Command::new(&program);
            command.args(["--name", name, "--listen", &addrs[place].to_string()]);
            if place > 0 {
                command.args(["--seed", &addrs[0].to_string()]);
            }
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let output = child.stdout.take().context("it has an output")?;
            three.children.push(child);
            let sender: Sender<(usize, String)> = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    // The other end is there until the program ends.
                    let _ = sender.send((place, line));
                }
            });
        }
        Ok(three)
    }

    /// Shows what comes in until these see it so; how long that took.
    fn wait(
        &mut self,
        what: &str,
        who: &[usize],
        is_so: impl Fn(&BTreeMap<String, String>) -> bool,
    ) -> Result<Duration> {
        let began = Instant::now();
        while !who.iter().all(|place| is_so(&self.seen[*place])) {
            let left = PATIENCE.saturating_sub(began.elapsed());
            let Ok((place, line)) = self.lines.recv_timeout(left) else {
                bail!("not seen in {PATIENCE:?}: {what}");
            };
            let pairs = line.split_whitespace().filter_map(|pair| pair.split_once('='));
            let seen: BTreeMap<String, String> =
                pairs.map(|(name, health)| (name.to_owned(), health.to_owned())).collect();
            if self.seen[place] != seen {
                self.seen[place] = seen;
                self.show(place);
            }
        }
        Ok(began.elapsed())
    }

    fn show(&self, place: usize) {
        let time = self.started_at.elapsed().as_secs_f64();
        let cells = NAMES.map(|name| {
            let health = self.seen[place].get(name).map_or("-", String::as_str);
            format!("{health:9}")
        });
        println!("{time:5.1}s  {:8}  {}", NAMES[place], cells.concat().trim_end());
    }
}

impl Drop for Three {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Some have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Free ports, all different: each socket is held until all are known.
fn free_addrs() -> Result<Vec<SocketAddr>> {
    let sockets =
        NAMES.iter().map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<std::io::Result<Vec<_>>>()?;
    Ok(sockets.iter().map(UdpSocket::local_addr).collect::<std::io::Result<_>>()?)
}
