//! The tour: each step does something, shows it, and checks that it showed what it claims.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;

use super::client::Client;
use super::cluster::Cluster;

/// How long a step may wait for what comes by itself: a write's arrival in the other datacenter, the detection of a dead
/// node.
const EVENTUALLY: Duration = Duration::from_secs(15);

/// Nodes by number: dc1 has 0 to 2, dc2 has 3 to 5.
const DC1_RACK1: u16 = 0;
const DC1_RACK2: u16 = 1;
const DC1_RACK3: u16 = 2;
const DC2_RACK1: u16 = 3;
const DC2_RACK3: u16 = 5;

/// Plays all steps; whether each showed what it claims.
pub(super) async fn play(cluster: &mut Cluster) -> Result<bool> {
    let mut tour = Tour { cluster, step: 0, failed: 0 };
    tour.ready().await?;

    tour.title("A write through one node is read through every other of its datacenter");
    tour.shows(DC1_RACK1, "SET greeting hello", "OK").await?;
    tour.shows(DC1_RACK2, "GET greeting", "\"hello\"").await?;
    tour.shows(DC1_RACK3, "GET greeting", "\"hello\"").await?;

    tour.title("It arrives in the other datacenter by itself");
    tour.comes_to_show(DC2_RACK3, "GET greeting", "\"hello\"").await?;

    tour.title("A counter has one order, whichever node is asked");
    tour.shows(DC1_RACK1, "INCR visits", "(integer) 1").await?;
    tour.shows(DC1_RACK2, "INCR visits", "(integer) 2").await?;
    tour.shows(DC1_RACK3, "INCR visits", "(integer) 3").await?;
    tour.comes_to_show(DC2_RACK1, "GET visits", "\"3\"").await?;

    tour.title("Only one of several SET NX wins");
    tour.shows(DC1_RACK2, "SET lock mine NX EX 60", "OK").await?;
    tour.shows(DC1_RACK3, "SET lock yours NX EX 60", "(nil)").await?;

    tour.title("Commands on many keys are split and put together again");
    tour.shows(DC1_RACK1, "MSET red 1 green 2 blue 3", "OK").await?;
    tour.shows(DC1_RACK3, "MGET red green blue none", "1) \"1\" 2) \"2\" 3) \"3\" 4) (nil)").await?;

    tour.title("A thousand pipelined commands come back in their places");
    tour.pipeline(DC1_RACK2, 1000).await?;

    tour.title("A write can wait for a majority in every datacenter");
    tour.each_datacenter(DC1_RACK1, DC2_RACK1).await?;

    tour.title("A rack is stopped: the others read and write on");
    let gone = tour.cluster.place(DC1_RACK1).name.clone();
    println!("      stopping {gone}");
    tour.cluster.stop_node(DC1_RACK1).await;
    tour.comes_to_show(DC1_RACK2, "GET greeting", "\"hello\"").await?;
    tour.shows(DC1_RACK2, "SET greeting goodbye", "OK").await?;
    tour.shows(DC1_RACK3, "GET greeting", "\"goodbye\"").await?;
    tour.comes_to_show(DC2_RACK1, "GET greeting", "\"goodbye\"").await?;

    Ok(tour.summary())
}

struct Tour<'a> {
    cluster: &'a mut Cluster,
    step: usize,
    failed: usize,
}

impl Tour<'_> {
    /// Waits until every node reaches all others, so that the tour shows a cluster and not its start.
    async fn ready(&mut self) -> Result<()> {
        for node in [DC1_RACK1, DC1_RACK2, DC1_RACK3, DC2_RACK1, 4, DC2_RACK3] {
            let deadline = Instant::now() + EVENTUALLY;
            loop {
                let ring = Client::connect(self.cluster.address(node)).await?.run("DYNOMITE RING").await?;
                if !ring.contains("\"down\"") || Instant::now() > deadline {
                    break;
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    fn title(&mut self, title: &str) {
        self.step += 1;
        println!("\n{}. {title}.", self.step);
    }

    /// Runs a command that must give `wanted` at once.
    async fn shows(&mut self, node: u16, line: &str, wanted: &str) -> Result<()> {
        let reply = self.run(node, line).await?;
        self.report(node, line, &reply, reply == wanted, wanted);
        Ok(())
    }

    /// Runs a command again and again until it gives `wanted`.
    async fn comes_to_show(&mut self, node: u16, line: &str, wanted: &str) -> Result<()> {
        let deadline = Instant::now() + EVENTUALLY;
        let mut reply = self.run(node, line).await?;
        while reply != wanted && Instant::now() < deadline {
            sleep(Duration::from_millis(5)).await;
            reply = self.run(node, line).await?;
        }
        self.report(node, line, &reply, reply == wanted, wanted);
        Ok(())
    }

    async fn pipeline(&mut self, node: u16, count: usize) -> Result<()> {
        let mut client = Client::connect(self.cluster.address(node)).await?;
        let sets: Vec<_> = (0..count).map(|n| format!("SET item:{n} value:{n}")).collect();
        let gets: Vec<_> = (0..count).map(|n| format!("GET item:{n}")).collect();
        let stored = client.pipeline(&sets).await?.iter().filter(|reply| *reply == "OK").count();
        let replies = client.pipeline(&gets).await?;
        let right =
            replies.iter().enumerate().filter(|(n, reply)| **reply == format!("\"value:{n}\"")).count();
        let line = format!("{count} x SET, then {count} x GET");
        let reply = format!("{stored} stored, {right} in their places");
        let wanted = format!("{count} stored, {count} in their places");
        self.report(node, &line, &reply, reply == wanted, &wanted);
        Ok(())
    }

    async fn each_datacenter(&mut self, writer: u16, reader: u16) -> Result<()> {
        let mut client = Client::connect(self.cluster.address(writer)).await?;
        for (line, wanted) in
            [("DYNOMITE CONSISTENCY WRITE DC_EACH_SAFE_QUORUM", "OK"), ("SET safe everywhere", "OK")]
        {
            let reply = client.run(line).await?;
            self.report(writer, line, &reply, reply == wanted, wanted);
        }
        self.shows(reader, "GET safe", "\"everywhere\"").await
    }

    async fn run(&self, node: u16, line: &str) -> Result<String> {
        Client::connect(self.cluster.address(node)).await?.run(line).await
    }

    fn report(&mut self, node: u16, line: &str, reply: &str, is_right: bool, wanted: &str) {
        let mark = if is_right { "ok" } else { "WRONG" };
        println!("  {mark:>5}  {:<11}> {line:<48} {reply}", self.cluster.place(node).name);
        if !is_right {
            println!("         wanted: {wanted}");
            self.failed += 1;
        }
    }

    fn summary(&self) -> bool {
        match self.failed {
            0 => println!("\nAll {} steps showed what they claim.", self.step),
            failed => println!("\n{failed} commands did not show what the tour claims."),
        }
        self.failed == 0
    }
}
