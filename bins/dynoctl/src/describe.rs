//! `dynoctl describe`.

use anyhow::Result;

use crate::answer::{if_known, shown, text};
use crate::connection::Connection;
use crate::members::Members;
use crate::table::{Colour, Table, plain, state};

pub(crate) fn run(connection: &mut Connection, is_json: bool, is_coloured: bool) -> Result<String> {
    let members = Members::ask(connection)?;
    if is_json { Ok(members.json()) } else { render(&members, is_coloured) }
}

fn render(members: &Members, is_coloured: bool) -> Result<String> {
    let digest = text(&members.all, "digest")?;
    let mut table = Table::new(&["NODE", "STATUS", "EPOCH", "RING", "VERSION"], is_coloured);
    for member in members.list()? {
        let theirs = if_known(member, "ring_digest");
        let colour = if theirs == digest || theirs == "-" { Colour::Plain } else { Colour::Red };
        table.row([
            plain(if_known(member, "name")),
            state(text(member, "status")?),
            plain(if_known(member, "ring_epoch")),
            (theirs, colour),
            plain(if_known(member, "program_version")),
        ]);
    }
    let mut verdict = String::new();
    match members.rings()?.as_slice() {
        [] | [_] => verdict.push_str("all nodes that tell theirs have the same ring\n"),
        rings => {
            verdict.push_str(
                "nodes have different rings, and those with different ones do not work together:\n",
            );
            for (ring, names) in rings {
                verdict.push_str(&format!("  {ring}: {}\n", names.join(", ")));
            }
        }
    }
    Ok(format!(
        "cluster {}, asked at {}\nhash {}, epoch {}, ring {digest}\n\n{}\n{verdict}",
        text(&members.all, "cluster")?,
        text(&members.all, "self")?,
        text(&members.all, "hash")?,
        shown(&members.all, "epoch")?,
        table.render(),
    ))
}
