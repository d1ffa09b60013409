//! What a node says of the change under way, and how that reads.

use anyhow::Result;
use serde_json::Value;

use crate::answer::{if_known, list, number, text};
use crate::table::{Colour, Table, plain};

/// The ring, the change under way, and how the nodes stand to it.
#[derive(Debug, Clone)]
pub(super) struct Status {
    /// As the node gave it.
    pub(super) json: Value,
    pub(super) epoch: u64,
    pub(super) change: Option<UnderWay>,
    /// How the last order to the node came out.
    pub(super) last: Option<String>,
    /// Why the node takes no part.
    pub(super) problem: Option<String>,
}

/// A change that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnderWay {
    pub(super) what: String,
    pub(super) steps_left: u64,
    pub(super) waits_for: Vec<String>,
    driver: Option<String>,
}

impl Status {
    pub(super) fn of(json: Value) -> Result<Self> {
        let change = match &json["change"] {
            Value::Null => None,
            change => Some(UnderWay {
                what: text(change, "what")?.to_owned(),
                steps_left: number(change, "steps_left")? as u64,
                waits_for: list(change, "waits_for")?
                    .iter()
                    .filter_map(|one| one.as_str().map(str::to_owned))
                    .collect(),
                driver: change["driver"].as_str().map(str::to_owned),
            }),
        };
        let known = |field: &str| json[field].as_str().map(str::to_owned);
        Ok(Self {
            epoch: number(&json, "epoch")? as u64,
            change,
            last: known("last"),
            problem: known("problem"),
            json,
        })
    }

    /// Whether this is the change under way.
    pub(super) fn is_about(&self, what: &str) -> bool {
        self.change.as_ref().is_some_and(|change| change.what == what)
    }

    /// Whether the node's last word was that this was decided, or a step of it proposed.
    pub(super) fn last_is_about(&self, what: &str) -> bool {
        let rest = self.last.as_deref().and_then(|last| last.strip_prefix(what));
        rest.is_some_and(|rest| rest == ": decided" || rest.starts_with(" (epoch "))
    }

    pub(super) fn has_node(&self, name: &str) -> bool {
        self.json["nodes"].as_array().is_some_and(|nodes| nodes.iter().any(|node| node["node"] == name))
    }

    /// One line for the change under way; `steps` are those of its plan.
    pub(super) fn progress(&self, steps: Option<u64>) -> String {
        let Some(change) = &self.change else {
            return format!("epoch {}: no change is under way", self.epoch);
        };
        let left = match steps {
            Some(steps) => {
                format!("{} of {steps} steps done", steps.saturating_sub(change.steps_left))
            }
            None => format!("{} steps left", change.steps_left),
        };
        format!("{}: {left}, epoch {}{}", change.what, self.epoch, change.waiting())
    }

    /// All of it for people.
    pub(super) fn render(&self, is_coloured: bool) -> Result<String> {
        let mut text = format!("epoch {}, ring {}\n", self.epoch, if_known(&self.json, "digest"));
        match &self.change {
            None => text.push_str("no change is under way\n"),
            Some(change) => {
                let driver = match &change.driver {
                    Some(driver) => format!("{driver} takes the next"),
                    None => "nobody who votes is there to take the next".to_owned(),
                };
                text.push_str(&format!("{}: {} steps left; {driver}\n", change.what, change.steps_left));
                change.waits_for.iter().for_each(|one| text.push_str(&format!("waits for {one}\n")));
            }
        }
        text.push_str(&format!("\n{}", self.nodes(is_coloured)?));
        let newcomers = list(&self.json, "newcomers")?;
        if !newcomers.is_empty() {
            text.push('\n');
        }
        for newcomer in newcomers {
            text.push_str(&format!(
                "{} waits to be taken in, in rack {} of {}: `dynoctl join {0}`\n",
                if_known(newcomer, "node"),
                if_known(newcomer, "rack"),
                if_known(newcomer, "datacenter"),
            ));
        }
        if let Some(last) = &self.last {
            text.push_str(&format!("\nlast at this node: {last}\n"));
        }
        if let Some(problem) = &self.problem {
            text.push_str(&format!("\nthis node takes no part: {problem}\n"));
        }
        Ok(text)
    }

    /// How each node stands to the ring. Who is behind or rebuilds is yellow.
    fn nodes(&self, is_coloured: bool) -> Result<String> {
        let headings = ["DATACENTER", "RACK", "NODE", "EPOCH", "TO REBUILD", "HINTS", "KEYS", "VOTES"];
        let mut table = Table::new(&headings, is_coloured);
        let unless = |is_fine: bool| if is_fine { Colour::Plain } else { Colour::Yellow };
        for node in list(&self.json, "nodes")? {
            let lost = match node["buckets_lost"].as_u64() {
                Some(lost) => format!("{lost} buckets"),
                None => "-".to_owned(),
            };
            let votes = match node["votes"].as_bool() {
                Some(true) => "yes",
                Some(false) => "no",
                None => "-",
            };
            table.row([
                plain(text(node, "datacenter")?),
                plain(text(node, "rack")?),
                plain(text(node, "node")?),
                (if_known(node, "epoch"), unless(node["epoch"].as_u64() == Some(self.epoch))),
                (lost, unless(node["buckets_lost"].as_u64() == Some(0))),
                plain(if_known(node, "hints")),
                plain(if_known(node, "keys")),
                (votes.to_owned(), unless(votes == "yes")),
            ]);
        }
        Ok(table.render())
    }
}

impl UnderWay {
    /// Why it cannot be gone on with, when only an operator can help.
    pub(super) fn is_stuck(&self) -> Option<&str> {
        self.waits_for.iter().find_map(|one| one.strip_prefix("an operator: "))
    }

    fn waiting(&self) -> String {
        match self.waits_for.as_slice() {
            [] => String::new(),
            [one] => format!("; waits for {one}"),
            [one, others @ ..] => format!("; waits for {one}, and {} more", others.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(changes: &[(&str, Value)]) -> Status {
        let mut json = json!({
            "epoch": 7, "digest": "00ff", "last": null, "problem": null, "newcomers": [],
            "change": {"what": "n4 joins", "steps_left": 9, "driver": "n2", "waits_for":
                ["node n4 to rebuild copies (312 buckets)", "node n1 to take the ring of epoch 7"]},
            "nodes": [
                {"datacenter": "dc1", "rack": "r1", "node": "n1", "epoch": 6, "buckets_lost": 0, "hints": 0, "keys": 5000, "votes": true},
                {"datacenter": "dc1", "rack": "r1", "node": "n4", "epoch": 7, "buckets_lost": 312, "hints": 0, "keys": 90, "votes": true},
                {"datacenter": "dc1", "rack": "r2", "node": "n2", "epoch": null, "buckets_lost": null, "hints": null, "keys": null, "votes": null}
            ],
        });
        changes.iter().for_each(|(field, value)| json[*field] = value.clone());
        Status::of(json).unwrap()
    }

    #[test]
    fn all_that_one_waits_for_is_told() {
        let expected = "\
epoch 7, ring 00ff
n4 joins: 9 steps left; n2 takes the next
waits for node n4 to rebuild copies (312 buckets)
waits for node n1 to take the ring of epoch 7

DATACENTER  RACK  NODE  EPOCH  TO REBUILD   HINTS  KEYS  VOTES
dc1         r1    n1    6      0 buckets    0      5000  yes
dc1         r1    n4    7      312 buckets  0      90    yes
dc1         r2    n2    -      -            -      -     -
";
        assert_eq!(status(&[]).render(false).unwrap(), expected);
    }

    #[test]
    fn newcomers_outcomes_and_problems_are_told() {
        let newcomers = json!([{"node": "n5", "rack": "r2", "datacenter": "dc1"}]);
        let text = status(&[
            ("change", Value::Null),
            ("newcomers", newcomers),
            ("last", json!("n4 leaves: decided")),
            ("problem", json!("the disk is full")),
        ]);
        let text = text.render(false).unwrap();
        for wanted in [
            "no change is under way\n",
            "n5 waits to be taken in, in rack r2 of dc1: `dynoctl join n5`\n",
            "last at this node: n4 leaves: decided\n",
            "this node takes no part: the disk is full\n",
        ] {
            assert!(text.contains(wanted), "{text}");
        }
    }

    #[test]
    fn a_line_of_progress_counts_the_steps_of_the_plan() {
        let rest = "epoch 7; waits for node n4 to rebuild copies (312 buckets), and 1 more";
        assert_eq!(status(&[]).progress(Some(16)), format!("n4 joins: 7 of 16 steps done, {rest}"));
        assert_eq!(status(&[]).progress(None), format!("n4 joins: 9 steps left, {rest}"));
        let over = status(&[("change", Value::Null)]);
        assert_eq!(over.progress(Some(16)), "epoch 7: no change is under way");
    }

    #[test]
    fn a_later_step_tells_too_that_the_change_was_decided() {
        let is_about = |last: &str| status(&[("last", json!(last))]).last_is_about("n4 joins");
        assert!(is_about("n4 joins: decided") && is_about("n4 joins (epoch 9): proposed"));
        assert!(!is_about("n4 joins: proposed") && !is_about("n44 joins: decided"));
        assert!(status(&[]).is_about("n4 joins") && !status(&[]).is_about("n5 joins"));
    }

    #[test]
    fn only_an_operator_can_help_with_what_cannot_be_gone_on_with() {
        let change =
            |waits: &str| json!({"what": "x", "steps_left": 1, "driver": null, "waits_for": [waits]});
        let stuck = status(&[("change", change("an operator: it cannot be gone on with (y); abort it"))]);
        assert_eq!(stuck.change.unwrap().is_stuck(), Some("it cannot be gone on with (y); abort it"));
        assert_eq!(status(&[("change", change("node n4 to be there"))]).change.unwrap().is_stuck(), None);
    }
}
