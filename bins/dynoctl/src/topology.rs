//! Changes of the topology: what one comes to, its commit, how far it is, and the way back.

mod follow;
mod plan;
mod status;

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use crate::answer::parse;
use crate::command_line::{ChangeOptions, Subcommand};
use crate::connection::Connection;
use crate::form::{Form, write};
use follow::Follower;
use status::Status;

/// How often a node is asked how far it is.
const INTERVAL: Duration = Duration::from_millis(250);
/// How often a table is shown again.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Within this the nodes decide on a change, or there is no majority of them.
const DECIDED_WITHIN: Duration = Duration::from_secs(20);
/// A node takes an order at once: after this, what it says of its last order is about this one.
const TAKEN_WITHIN: Duration = Duration::from_secs(1);
/// The node that is asked unless another one is named.
const NODE_DEFAULT: &str = "127.0.0.1:8102";

/// A change, as operators order it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Join { node: String },
    Leave { node: String },
    Replace { dead: String, by: String },
    Move { node: String, tokens: Vec<u32> },
    Rebalance { datacenter: String, rack: String },
}

impl Change {
    /// The change that a subcommand is about, if it is about one.
    pub(crate) fn of(subcommand: &Subcommand) -> Option<(Self, ChangeOptions)> {
        Some(match subcommand {
            Subcommand::Join { name, options } => (Self::Join { node: name.clone() }, *options),
            Subcommand::Leave { name, options } => (Self::Leave { node: name.clone() }, *options),
            Subcommand::Replace { dead, by, options } => {
                (Self::Replace { dead: dead.clone(), by: by.clone() }, *options)
            }
            Subcommand::Move { name, tokens, options } => {
                (Self::Move { node: name.clone(), tokens: tokens.clone() }, *options)
            }
            Subcommand::Rebalance { datacenter, rack, options } => {
                (Self::Rebalance { datacenter: datacenter.clone(), rack: rack.clone() }, *options)
            }
            _ => return None,
        })
    }

    /// As nodes and the command line take it.
    fn words(&self) -> Vec<String> {
        let word = str::to_owned;
        match self {
            Self::Join { node } => vec![word("join"), node.clone()],
            Self::Leave { node } => vec![word("leave"), node.clone()],
            Self::Replace { dead, by } => vec![word("replace"), dead.clone(), by.clone()],
            Self::Move { node, tokens } => {
                let tokens = tokens.iter().map(u32::to_string);
                [word("move"), node.clone()].into_iter().chain(tokens).collect()
            }
            Self::Rebalance { datacenter, rack } => vec![word("rebalance"), datacenter.clone(), rack.clone()],
        }
    }

    /// Whether the nodes of the ring are as they are after it, as far as their names tell.
    fn is_done(&self, status: &Status) -> bool {
        match self {
            Self::Join { node } => status.has_node(node),
            Self::Leave { node } => !status.has_node(node),
            Self::Replace { dead, by } => status.has_node(by) && !status.has_node(dead),
            Self::Move { .. } | Self::Rebalance { .. } => true,
        }
    }
}

/// Shows what a change comes to, and commits it if that is wanted. Prints as it goes.
pub(crate) fn change(
    mut connection: Connection,
    change: &Change,
    options: ChangeOptions,
    is_json: bool,
    is_coloured: bool,
) -> Result<()> {
    let form = Form::of_output(is_json);
    let words = change.words();
    let planned = order(&mut connection, &["PLAN"], &words)?;
    let plan = parse(&planned)?;
    match form {
        Form::Json => write(&format!("{}\n", String::from_utf8_lossy(&planned)))?,
        Form::Terminal | Form::Lines => write(&plan::render(&plan, is_coloured)?)?,
    }
    let plan = plan::Head::of(&plan)?;
    let say = |text: &str| if form == Form::Json { Ok(()) } else { write(text) };
    if plan.steps == 0 {
        say("\nthe ring is like that already: there is nothing to commit\n")?;
        return Ok(());
    }
    if !options.commit {
        say(&format!("\nnothing was changed; to do it: {}\n", commit_line(connection.node(), &words)))?;
        return Ok(());
    }
    let before = ask(&mut connection)?;
    order(&mut connection, &["COMMIT", &plan.epoch.to_string()], &words)?;
    let status = await_decision(&mut connection, &before, &plan.what, |status| {
        status.epoch > plan.epoch && (status.is_about(&plan.what) || status.last_is_about(&plan.what))
    })?;
    say(&format!("\n{}: decided\n", plan.what))?;
    if !options.wait {
        if form == Form::Json {
            write(&format!("{}\n", status.json))?;
        } else {
            say("it goes on by itself: `dynoctl transfers` tells how far it is\n")?;
        }
        return Ok(());
    }
    let status = Follower::new(connection, form, Some(plan.steps)).follow(&plan.what)?;
    if !change.is_done(&status) {
        bail!(
            "{}: it is over, and the ring is not as it was to be; it was taken back, maybe by somebody else: \
             `dynoctl transfers` tells what was ordered last",
            plan.what
        );
    }
    Ok(())
}

/// Takes the change under way back.
pub(crate) fn abort(mut connection: Connection, wait: bool, form: Form) -> Result<()> {
    let before = ask(&mut connection)?;
    let Some(change) = &before.change else { bail!("no change is under way: there is nothing to abort") };
    let what = format!("back from: {}", change.what);
    order(&mut connection, &["ABORT"], &[])?;
    let status = await_decision(&mut connection, &before, &what, |status| {
        status.epoch > before.epoch && (status.is_about(&what) || status.last_is_about(&what))
    })?;
    if form != Form::Json {
        write(&format!("{what}: decided\n"))?;
    }
    if wait {
        Follower::new(connection, form, None).follow(&what)?;
    } else if form == Form::Json {
        write(&format!("{}\n", status.json))?;
    } else {
        write("what was moved goes back by itself: `dynoctl transfers` tells how far it is\n")?;
    }
    Ok(())
}

/// Shows how far the change under way is.
pub(crate) fn transfers(
    mut connection: Connection,
    watch: bool,
    form: Form,
    is_coloured: bool,
) -> Result<()> {
    const HOME_AND_CLEAR: &str = "\x1b[H\x1b[2J";
    loop {
        let status = ask(&mut connection)?;
        let text = match form {
            Form::Json => format!("{}\n", status.json),
            Form::Terminal if watch => format!("{HOME_AND_CLEAR}{}", status.render(is_coloured)?),
            Form::Terminal | Form::Lines => status.render(is_coloured)?,
        };
        write(&text)?;
        if !watch || status.change.is_none() {
            return Ok(());
        }
        if form == Form::Lines {
            write("\n")?;
        }
        sleep(WATCH_INTERVAL);
    }
}

/// Asks until the order is decided on. `is_decided` is given how the node stands.
fn await_decision(
    connection: &mut Connection,
    before: &Status,
    what: &str,
    is_decided: impl Fn(&Status) -> bool,
) -> Result<Status> {
    let ordered_at = Instant::now();
    loop {
        sleep(INTERVAL);
        let status = ask(connection)?;
        if is_decided(&status) {
            return Ok(status);
        }
        let is_news = status.last != before.last || ordered_at.elapsed() > TAKEN_WITHIN;
        let last = status.last.as_deref().filter(|_| is_news).unwrap_or("no answer yet");
        if let Some(reason) = last.strip_prefix("refused: ") {
            bail!("{what}: {}", with_way_out(last_words(reason)));
        }
        if last.contains("another change was decided before it") {
            bail!(
                "{what}: another change was decided before it: `dynoctl transfers` shows that; try again when it is over"
            );
        }
        if let Some(problem) = &status.problem {
            bail!("{what}: not decided, as {} takes no part: {problem}", connection.node());
        }
        if ordered_at.elapsed() > DECIDED_WITHIN {
            bail!(
                "{what}: not decided within {} s ({last}). A majority of all nodes must be up: `dynoctl status` tells who is. \
                 It may be decided yet: `dynoctl transfers` tells",
                DECIDED_WITHIN.as_secs()
            );
        }
    }
}

fn last_words(reason: &str) -> &str {
    reason.strip_prefix("ERR ").unwrap_or(reason)
}

fn ask(connection: &mut Connection) -> Result<Status> {
    Status::of(parse(&connection.ask(&["DYNOMITE", "TOPOLOGY"])?)?)
}

/// Sends a command about the topology.
fn order(connection: &mut Connection, verb: &[&str], words: &[String]) -> Result<bytes::Bytes> {
    let mut command = vec!["DYNOMITE", "TOPOLOGY"];
    command.extend(verb);
    command.extend(words.iter().map(String::as_str));
    connection.ask(&command).map_err(|error| anyhow!(with_way_out(&format!("{error:#}"))))
}

/// What a node says about an order that it does not take, and what to do about it with this program.
fn with_way_out(reason: &str) -> String {
    let advice = [
        ("no node of the ring is called", "`dynoctl ring` lists all nodes"),
        ("waits to be taken in", "`dynoctl transfers` lists those that wait"),
        ("another change is under way", "`dynoctl transfers` shows it, `dynoctl abort` takes it back"),
        ("no data_dir", "`dynoctl transfers` tells which nodes vote, --node HOST:PORT names one"),
        ("the ring has no rack", "`dynoctl ring` lists all racks"),
        ("is up: stop it first", "`dynoctl leave` lets it leave"),
    ];
    match advice.iter().find(|(sign, _)| reason.contains(sign)) {
        Some((_, advice)) => format!("{reason}; {advice}"),
        None => reason.to_owned(),
    }
}

/// The command line that commits a change.
fn commit_line(node: &str, words: &[String]) -> String {
    let node = if node == NODE_DEFAULT { String::new() } else { format!("--node {node} ") };
    format!("dynoctl {node}{} --commit", words.join(" "))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::command_line::CommandLine;

    #[test]
    fn changes_are_said_as_nodes_take_them() {
        let change = Change::Move { node: "a1".to_owned(), tokens: vec![1, u32::MAX] };
        assert_eq!(change.words(), ["move", "a1", "1", "4294967295"]);
        let change = Change::Rebalance { datacenter: "dc1".to_owned(), rack: "r2".to_owned() };
        assert_eq!(change.words(), ["rebalance", "dc1", "r2"]);
    }

    #[test]
    fn a_change_and_the_node_that_is_asked_are_two_things() {
        for line in
            ["leave n4", "--node h:1 move n4 1 2", "replace n3 n4 --node h:1", "join n4 --commit --wait"]
        {
            let line =
                CommandLine::try_parse_from(std::iter::once("dynoctl").chain(line.split(' '))).unwrap();
            assert!(["127.0.0.1:8102", "h:1"].contains(&line.node.as_str()), "{}", line.node);
            let (change, _) = Change::of(&line.subcommand).unwrap();
            assert!(change.words().contains(&"n4".to_owned()), "{change:?}");
        }
        assert!(
            CommandLine::try_parse_from(["dynoctl", "leave", "n4", "--wait"]).is_err(),
            "nothing to wait for"
        );
    }

    #[test]
    fn the_line_that_commits_names_the_node_that_was_asked() {
        let words = ["join".to_owned(), "n4".to_owned()];
        assert_eq!(commit_line(NODE_DEFAULT, &words), "dynoctl join n4 --commit");
        assert_eq!(commit_line("10.0.0.1:7", &words), "dynoctl --node 10.0.0.1:7 join n4 --commit");
    }

    #[test]
    fn refusals_come_with_a_way_out() {
        for (reason, advice) in [
            ("no node of the ring is called \"x\": check the name", "`dynoctl ring`"),
            ("no node called x waits to be taken in: start it", "`dynoctl transfers`"),
            ("another change is under way (n4 joins): wait for its end, or abort it", "`dynoctl abort`"),
            ("this node has no data_dir, and cannot vote: ask another node", "--node HOST:PORT"),
        ] {
            assert!(with_way_out(reason).contains(advice), "{reason}");
        }
        assert_eq!(with_way_out("something else"), "something else");
    }
}
