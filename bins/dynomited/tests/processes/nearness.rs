//! A rack that is far away is read from after one that is near.

use std::time::Duration;

use dynomite_testkit::{Dynomited, Flow, PortLease, Redis, Relay, Way, eventually};

use crate::shapes::{BINARY, LONG, OK, bulk, timed};

/// One way to the far rack.
const DELAY: Duration = Duration::from_millis(300);
/// A read that does not go there.
const NEAR: Duration = Duration::from_millis(200);

#[test]
fn slow_rack_is_read_from_last() {
    let ports = [(); 3].map(|()| [PortLease::take(), PortLease::take()]);
    let relay = Relay::start(ports[1][1].address());
    let mut datastores = [(); 3].map(|()| Redis::start());
    let nodes = [0, 1, 2].map(|own| {
        let mut config = format!(
            "name = \"n{own}\"\nrack = \"rack{own}\"\nlisten = \"{}\"\npeer_listen = \"{}\"\nworkers = 2\n\
             timeouts.failover = \"1s\"\ntimeouts.connect = \"2s\"\n[datastore]\nurl = \"{}\"\n",
            ports[own][0].address(),
            ports[own][1].address(),
            datastores[own].url()
        );
        for (other, [_, peer]) in ports.iter().enumerate() {
            // The first node reaches the second through the relay.
            let address = if (own, other) == (0, 1) { relay.address() } else { peer.address() };
            config.push_str(&format!(
                "[[seeds]]\nname = \"n{other}\"\nrack = \"rack{other}\"\npeer_address = \"{address}\"\n"
            ));
        }
        Dynomited::start(BINARY, &config, ports[own][0].address())
    });
    let mut client = nodes[0].client();
    for number in 0..20 {
        // At first not all racks may take part.
        eventually(LONG, "a write", || client.command(&["SET", &format!("key:{number}"), "v"]) == OK);
    }
    for node in &nodes[1..] {
        let mut client = node.client();
        eventually(LONG, "all keys in all racks", || client.command(&["GET", "key:19"]) == bulk("v"));
    }
    relay.set(Way::Forth, Flow::Delayed(DELAY));
    // From now on the first node reads elsewhere: the second would come first, were it not so far.
    datastores[0].kill();
    eventually(LONG, "reads that do not go to the far rack", || {
        (0..20).all(|number| {
            let (reply, took) = timed(&mut client, &["GET", &format!("key:{number}")]);
            reply == bulk("v") && took < NEAR
        })
    });
}
