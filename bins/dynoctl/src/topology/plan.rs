//! What a change comes to, as tables.

use anyhow::Result;
use serde_json::Value;

use crate::answer::{if_known, list, number, text};
use crate::table::{Colour, Table, plain};

/// What a plan is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) what: String,
    /// The ring that it was made from.
    pub(super) epoch: u64,
    pub(super) steps: u64,
}

impl Head {
    pub(super) fn of(plan: &Value) -> Result<Self> {
        let count = |field| Ok::<u64, anyhow::Error>(number(plan, field)? as u64);
        Ok(Self { what: text(plan, "what")?.to_owned(), epoch: count("epoch")?, steps: count("steps")? })
    }
}

/// The plan for people.
pub(super) fn render(plan: &Value, is_coloured: bool) -> Result<String> {
    let Head { what, epoch, steps } = Head::of(plan)?;
    let steps = if steps == 1 { "1 step".to_owned() } else { format!("{steps} steps") };
    Ok(format!(
        "{what}: {steps} from epoch {epoch}\n\n{}\n{}",
        loads(plan, is_coloured)?,
        transfers(plan, is_coloured)?
    ))
}

/// What every node has before and after. What changes is bold.
fn loads(plan: &Value, is_coloured: bool) -> Result<String> {
    let headings = ["DATACENTER", "RACK", "NODE", "TOKENS", "AFTER", "OWNS", "AFTER"];
    let mut table = Table::new(&headings, is_coloured);
    for load in list(plan, "loads")? {
        let before = (number(load, "tokens_before")?, number(load, "ownership_before")?);
        let after = (number(load, "tokens_after")?, number(load, "ownership_after")?);
        let colour = if before == after { Colour::Plain } else { Colour::Bold };
        table.row([
            plain(text(load, "datacenter")?),
            plain(text(load, "rack")?),
            plain(text(load, "node")?),
            plain(before.0.to_string()),
            (after.0.to_string(), colour),
            plain(percent(before.1)),
            (percent(after.1), colour),
        ]);
    }
    Ok(table.render())
}

/// Who hands how much to whom.
fn transfers(plan: &Value, is_coloured: bool) -> Result<String> {
    let transfers = list(plan, "transfers")?;
    if transfers.is_empty() {
        return Ok("no keys move\n".to_owned());
    }
    let mut table =
        Table::new(&["DATACENTER", "RACK", "FROM", "TO", "RANGES", "OF RACK", "KEYS"], is_coloured);
    for transfer in transfers {
        let keys = match transfer["keys"].as_u64() {
            Some(keys) => format!("about {keys}"),
            None => "-".to_owned(),
        };
        table.row([
            plain(text(transfer, "datacenter")?),
            plain(text(transfer, "rack")?),
            plain(if_known(transfer, "from")),
            plain(if_known(transfer, "to")),
            plain(number(transfer, "ranges")?.to_string()),
            plain(percent(number(transfer, "share")?)),
            plain(keys),
        ]);
    }
    Ok(table.render())
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan() -> Value {
        json!({
            "what": "n4 joins", "epoch": 1, "steps": 16,
            "loads": [
                {"datacenter": "dc1", "rack": "r1", "node": "n1", "tokens_before": 16, "tokens_after": 16,
                 "ownership_before": 1.0, "ownership_after": 0.500244},
                {"datacenter": "dc1", "rack": "r1", "node": "n4", "tokens_before": 0, "tokens_after": 16,
                 "ownership_before": 0.0, "ownership_after": 0.499756},
                {"datacenter": "dc1", "rack": "r2", "node": "n2", "tokens_before": 16, "tokens_after": 16,
                 "ownership_before": 1.0, "ownership_after": 1.0}
            ],
            "transfers": [
                {"datacenter": "dc1", "rack": "r1", "from": "n1", "to": "n4", "ranges": 14, "share": 0.499756, "keys": 2498}
            ],
        })
    }

    #[test]
    fn a_plan_tells_who_has_what_before_and_after_and_what_moves() {
        let expected = "\
n4 joins: 16 steps from epoch 1

DATACENTER  RACK  NODE  TOKENS  AFTER  OWNS     AFTER
dc1         r1    n1    16      16     100.0 %  50.0 %
dc1         r1    n4    0       16     0.0 %    50.0 %
dc1         r2    n2    16      16     100.0 %  100.0 %

DATACENTER  RACK  FROM  TO  RANGES  OF RACK  KEYS
dc1         r1    n1    n4  14      50.0 %   about 2498
";
        assert_eq!(render(&plan(), false).unwrap(), expected);
    }

    #[test]
    fn what_changes_is_seen() {
        let text = render(&plan(), true).unwrap();
        assert!(text.contains("\x1b[1m50.0 %\x1b[0m") && !text.contains("\x1b[1m100.0 %"), "{text}");
    }

    #[test]
    fn a_new_rack_comes_from_nobody_and_unknown_keys_are_not_counted() {
        let mut plan = plan();
        plan["transfers"][0]["from"] = Value::Null;
        plan["transfers"][0]["keys"] = Value::Null;
        let text = render(&plan, false).unwrap();
        assert!(text.contains("dc1         r1    -     n4  14      50.0 %   -\n"), "{text}");
        plan["transfers"] = json!([]);
        assert!(render(&plan, false).unwrap().ends_with("\n\nno keys move\n"));
    }

    #[test]
    fn a_missing_field_is_named() {
        let mut plan = plan();
        plan["loads"][1]["tokens_after"] = Value::Null;
        let error = render(&plan, false).unwrap_err().to_string();
        assert!(error.contains("`tokens_after`"), "{error}");
    }
}
