//! What a node says of a repair, and how that reads.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde_json::Value;

use crate::answer::{flag, number, text};

/// How far a node is, or how the last repair ended.
#[derive(Debug, Clone)]
pub(super) struct Status {
    /// As the node gave it.
    pub(super) json: Value,
    pub(super) node: String,
    /// Grows with each repair; 0 when there was none since the node started.
    pub(super) number: u64,
    state: String,
    phase: String,
    is_preview: bool,
    seconds: f64,
    buckets_done: u64,
    buckets_total: u64,
    keys_compared: u64,
    keys_differing: u64,
    keys_healed: u64,
    keys_failed: u64,
    peers_failed: u64,
    /// In seconds since the Unix epoch.
    compared_upto: Option<u64>,
}

impl Status {
    pub(super) fn of(json: Value) -> Result<Self> {
        let count = |field| Ok::<u64, anyhow::Error>(number(&json, field)? as u64);
        Ok(Self {
            node: text(&json, "node")?.to_owned(),
            number: count("repair")?,
            state: text(&json, "state")?.to_owned(),
            phase: text(&json, "phase")?.to_owned(),
            is_preview: flag(&json, "preview")?,
            seconds: number(&json, "seconds")?,
            buckets_done: count("buckets_done")?,
            buckets_total: count("buckets_total")?,
            keys_compared: count("keys_compared")?,
            keys_differing: count("keys_differing")?,
            keys_healed: count("keys_healed")?,
            keys_failed: count("keys_failed")?,
            peers_failed: count("peers_failed")?,
            compared_upto: json["compared_upto"].as_u64(),
            json,
        })
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == "running"
    }

    /// Whether everything was compared, and no difference is left.
    pub(super) fn has_equal_copies(&self) -> bool {
        self.state == "done"
            && self.is_complete()
            && self.keys_failed == 0
            && !(self.is_preview && self.keys_differing > 0)
    }

    fn is_complete(&self) -> bool {
        self.buckets_total > 0 && self.buckets_done >= self.buckets_total && self.peers_failed == 0
    }

    /// 0 to 99 while it runs.
    pub(super) fn percent(&self) -> u64 {
        (self.buckets_done * 100).checked_div(self.buckets_total).unwrap_or(0).min(99)
    }

    /// One line while it runs.
    pub(super) fn progress(&self) -> String {
        format!(
            "{}: {:2} %, {}, {}/{} buckets, {}, {} healed, {} not healed, {} failed, {:.0} keys/s, {}",
            self.node,
            self.percent(),
            self.phase,
            self.buckets_done,
            self.buckets_total,
            counted(self.keys_differing, "difference", "differences"),
            self.keys_healed,
            self.keys_failed,
            counted(self.peers_failed, "node", "nodes"),
            self.keys_compared as f64 / self.seconds.max(0.001),
            self.time_left()
        )
    }

    /// Some lines when it is over, without the last end of line.
    pub(super) fn outcome(&self) -> String {
        if self.number == 0 {
            return format!("{}: no repair was asked for since the node started", self.node);
        }
        if self.is_running() {
            return self.progress();
        }
        let mut text = format!(
            "{}: {} in {}: {} of {} buckets compared, {}",
            self.node,
            self.state,
            duration(self.seconds),
            self.buckets_done,
            self.buckets_total,
            counted(self.keys_differing, "difference", "differences")
        );
        match self.is_preview {
            true => text.push_str("; a preview, nothing was changed"),
            false => text.push_str(&format!(
                ", {}, {} not healed",
                counted(self.keys_healed, "key healed", "keys healed"),
                self.keys_failed
            )),
        }
        if let Some(age) = self.age() {
            text.push_str(&format!("; what was written in the {age} before now is not looked at"));
        }
        for advice in self.advice() {
            text.push_str(&format!("\n{}: {advice}", self.node));
        }
        text
    }

    /// What is left, and the way out.
    fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        if self.state == "stopped" {
            advice.push("an operator stopped it; the rest was not compared".to_owned());
        }
        if self.peers_failed > 0 {
            advice.push(format!(
                "{} could not be compared with; `dynoctl ring` shows who is down; run it again when they are back",
                counted(self.peers_failed, "node", "nodes")
            ));
        } else if self.state == "done" && !self.is_complete() {
            advice.push(
                "not everything was compared: copies are being rebuilt, here or elsewhere (`buckets_lost` in INFO); run \
                 it again when they are"
                    .to_owned(),
            );
        }
        if self.keys_failed > 0 {
            advice.push(format!(
                "{} could not be healed, most often because too few racks could be reached; run it again",
                counted(self.keys_failed, "key", "keys")
            ));
        }
        if self.is_preview && self.keys_differing > 0 {
            advice.push("the same without --preview heals them".to_owned());
        }
        advice
    }

    /// How old the newest writes are that were compared.
    fn age(&self) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        Some(duration(now.saturating_sub(self.compared_upto?) as f64))
    }

    fn time_left(&self) -> String {
        if self.buckets_done == 0 {
            return "time left not known yet".to_owned();
        }
        let left = self.buckets_total.saturating_sub(self.buckets_done) as f64 / self.buckets_done as f64;
        format!("{} left", duration(self.seconds * left))
    }
}

fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

fn duration(seconds: f64) -> String {
    match seconds.round() as u64 {
        0 => "1 s".to_owned(),
        seconds @ 1..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(changes: &[(&str, Value)]) -> Status {
        let mut json = json!({
            "node": "a1", "repair": 3, "state": "done", "phase": "idle", "preview": false, "seconds": 4.0,
            "buckets_done": 8192, "buckets_total": 8192, "keys_compared": 1000, "keys_differing": 0,
            "keys_healed": 0, "keys_failed": 0, "peers_failed": 0, "compared_upto": null,
        });
        changes.iter().for_each(|(field, value)| json[*field] = value.clone());
        Status::of(json).expect("all fields")
    }

    #[test]
    fn a_line_of_progress_has_all_that_one_waits_for() {
        let running =
            [("state", json!("running")), ("phase", json!("comparing")), ("buckets_done", json!(2048))];
        let more = [("keys_differing", json!(1)), ("peers_failed", json!(2))];
        let status = status(&[&running[..], &more[..]].concat());
        assert_eq!(
            status.progress(),
            "a1: 25 %, comparing, 2048/8192 buckets, 1 difference, 0 healed, 0 not healed, 2 nodes failed, 250 keys/s, 12 s left"
        );
    }

    #[test]
    fn copies_count_as_equal_only_if_everything_was_compared_and_healed() {
        let is_equal = |changes: &[(&str, Value)]| status(changes).has_equal_copies();
        assert!(is_equal(&[]));
        assert!(is_equal(&[("keys_differing", json!(5)), ("keys_healed", json!(5))]));
        for change in [
            ("state", json!("stopped")),
            ("buckets_done", json!(8191)),
            ("buckets_total", json!(0)),
            ("keys_failed", json!(1)),
            ("peers_failed", json!(1)),
        ] {
            assert!(!is_equal(std::slice::from_ref(&change)), "{change:?}");
        }
        assert!(!is_equal(&[("preview", json!(true)), ("keys_differing", json!(1))]));
        assert!(is_equal(&[("preview", json!(true))]));
    }

    #[test]
    fn every_shortcoming_comes_with_its_way_out() {
        for (change, wanted) in [
            (("state", json!("stopped")), "the rest was not compared"),
            (("peers_failed", json!(1)), "`dynoctl ring` shows who is down"),
            (("buckets_done", json!(10)), "`buckets_lost` in INFO"),
            (("keys_failed", json!(2)), "2 keys could not be healed"),
        ] {
            let text = status(&[change]).outcome();
            assert!(text.contains(wanted), "{text}");
        }
        let preview = status(&[("preview", json!(true)), ("keys_differing", json!(7))]).outcome();
        assert!(preview.contains("7 differences; a preview, nothing was changed"), "{preview}");
        assert!(preview.ends_with("the same without --preview heals them"), "{preview}");
    }
}
