//! `dynoctl status`.

use anyhow::Result;

use crate::answer::{if_known, number, text};
use crate::connection::Connection;
use crate::members::Members;
use crate::table::{Table, plain, state};

pub(crate) fn run(connection: &mut Connection, is_json: bool, is_coloured: bool) -> Result<String> {
    let members = Members::ask(connection)?;
    if is_json { Ok(members.json()) } else { render(&members, is_coloured) }
}

fn render(members: &Members, is_coloured: bool) -> Result<String> {
    let headings =
        ["DATACENTER", "RACK", "NODE", "STATUS", "STATE", "DATASTORE", "OWNS", "KEYS", "HINTS", "CLIENTS"];
    let mut table = Table::new(&headings, is_coloured);
    // Each name once, so that the groups are seen.
    let mut group = (String::new(), String::new());
    for member in members.list()? {
        let place = (if_known(member, "datacenter"), if_known(member, "rack"));
        let is_new = [group.0 != place.0, group != place];
        let shown = |is_new: bool, text: &str| plain(if is_new { text } else { "" });
        table.row([
            shown(is_new[0], &place.0),
            shown(is_new[1], &place.1),
            plain(if_known(member, "name")),
            state(text(member, "status")?),
            plain(if_known(member, "state")),
            state(&if_known(member, "datastore")),
            plain(format!("{:.1} %", number(member, "ownership")? * 100.0)),
            plain(if_known(member, "keys")),
            plain(if_known(member, "hints")),
            plain(if_known(member, "client_address")),
        ]);
        group = place;
    }
    let mut shown = format!("{}\n{}\n", table.render(), members.summary()?);
    if members.rings()?.len() > 1 {
        shown.push_str("not all nodes have the same ring: `dynoctl describe` tells which have which\n");
    }
    Ok(shown)
}
