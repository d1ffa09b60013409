//! Rules about the seeds, tokens and consistency levels.

use std::collections::{BTreeMap, HashMap};

use dynomite_ring::{NodeId, SLOT_COUNT, allocate_static};

use super::super::error::Problem;
use super::super::{Config, Member, PrefixLevels, Seed};
use super::{check_name, unreachable};

/// Most nodes of a cluster.
const NODES_MAX: usize = 4_096;
/// Most tokens of a node, given or allocated.
const TOKENS_MAX: usize = 1_024;
/// Exceptions per prefix; every request looks through them.
const PREFIXES_MAX: usize = 64;
const PREFIX_LEN_MAX: usize = 256;

pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    if config.seeds.len() > NODES_MAX {
        problems
            .push(Problem::new("seeds", format!("has {} nodes; at most {NODES_MAX}", config.seeds.len())));
        return;
    }
    // A hash with few values has room for few tokens; the allocator would silently give no more.
    let vnodes = usize::from(config.vnodes);
    let vnodes_max = allocate_static(config.hash.space(), &["any"], TOKENS_MAX)[0].len();
    if !(1..=vnodes_max).contains(&vnodes) {
        let message =
            format!("{vnodes} is not 1 to {vnodes_max}, which is what hash {} has room for", config.hash);
        problems.push(Problem::new("vnodes", message));
    }
    for (index, seed) in config.seeds.iter().enumerate() {
        check_seed(index, seed, problems);
    }
    check_own_seed(config, problems);
    check_identity(config, problems);
    check_tokens(config, problems);
    check_prefixes(config, problems);
}

fn check_seed(index: usize, seed: &Seed, problems: &mut Vec<Problem>) {
    check_name(&format!("seeds[{index}].name"), &seed.name, problems);
    check_name(&format!("seeds[{index}].datacenter"), &seed.datacenter, problems);
    check_name(&format!("seeds[{index}].rack"), &seed.rack, problems);
    if let Some(message) = unreachable(&seed.peer_address) {
        problems.push(Problem::new(format!("seeds[{index}].peer_address"), message));
    }
    if let Some(message) = seed.client_address.as_ref().and_then(unreachable) {
        problems.push(Problem::new(format!("seeds[{index}].client_address"), message));
    }
}

/// What the list says of this node is what the node says of itself.
fn check_own_seed(config: &Config, problems: &mut Vec<Problem>) {
    let Some(index) = config.seeds.iter().position(|seed| seed.name == config.name) else {
        return;
    };
    let seed = &config.seeds[index];
    let mut compare = |key: &str, own: Option<String>, listed: Option<String>| {
        if let (Some(own), Some(listed)) = (own, listed)
            && own != listed
        {
            let message = format!("this node has {key} = {own}, but its entry in the seeds says {listed}");
            problems.push(Problem::new(format!("seeds[{index}].{key}"), message));
        }
    };
    compare("datacenter", Some(config.datacenter.clone()), Some(seed.datacenter.clone()));
    compare("rack", Some(config.rack.clone()), Some(seed.rack.clone()));
    compare(
        "peer_address",
        config.peer_address.as_ref().map(ToString::to_string),
        Some(seed.peer_address.to_string()),
    );
    let [own, listed] =
        [&config.client_address, &seed.client_address].map(|given| given.as_ref().map(ToString::to_string));
    compare("client_address", own, listed);
    let [own, listed] =
        [&config.tokens, &seed.tokens].map(|given| given.as_ref().map(|tokens| format!("{tokens:?}")));
    compare("tokens", own, listed);
}

/// No two nodes share a name, an id or an address.
fn check_identity(config: &Config, problems: &mut Vec<Problem>) {
    let mut names: HashMap<&str, String> = HashMap::new();
    let mut ids: HashMap<NodeId, &str> = HashMap::new();
    let mut addresses: HashMap<String, &str> = HashMap::new();
    if config.own_seed().is_none() {
        ids.insert(NodeId::from_name(&config.name), &config.name);
        if let Some(address) = config.advertised_peer_address() {
            addresses.insert(address.to_string(), &config.name);
        }
    }
    for (index, seed) in config.seeds.iter().enumerate() {
        let key = format!("seeds[{index}].name");
        if let Some(first) = names.get(seed.name.as_str()) {
            problems.push(Problem::new(key, format!("`{}` is already the name of {first}", seed.name)));
            continue;
        }
        names.insert(&seed.name, format!("seeds[{index}]"));
        if let Some(other) = ids.insert(NodeId::from_name(&seed.name), &seed.name) {
            let message = format!("`{}` and `{other}` have the same node id; rename one of them", seed.name);
            problems.push(Problem::new(key, message));
        }
        if let Some(other) = addresses.insert(seed.peer_address.to_string(), &seed.name) {
            let message = format!("{} is already the address of `{other}`", seed.peer_address);
            problems.push(Problem::new(format!("seeds[{index}].peer_address"), message));
        }
    }
}

/// Each rack's tokens are all given or all allocated, differ from each other, and fit the hash.
fn check_tokens(config: &Config, problems: &mut Vec<Problem>) {
    let mut racks: BTreeMap<(String, String), Vec<Member>> = BTreeMap::new();
    for member in config.members() {
        racks.entry((member.datacenter.clone(), member.rack.clone())).or_default().push(member);
    }
    for nodes in racks.values() {
        let rack = &nodes[0].rack;
        let without = nodes.iter().find(|node| node.tokens.is_none());
        let with = nodes.iter().find(|node| node.tokens.is_some());
        match (with, without) {
            (Some(with), Some(without)) => {
                let message = format!(
                    "`{}` has tokens and `{}` has none; all nodes of {rack} have them, or none",
                    with.name, without.name
                );
                problems.push(Problem::new(token_key(config, &with.name), message));
            }
            (None, Some(_))
                if nodes.len() as u64 * u64::from(config.vnodes) > config.hash.space().count() =>
            {
                let message = format!(
                    "{} nodes with {} tokens each are more than hash {} has places for in {rack}",
                    nodes.len(),
                    config.vnodes,
                    config.hash
                );
                problems.push(Problem::new("vnodes", message));
            }
            (None, _) => {}
            (Some(_), None) => check_given_tokens(config, nodes, problems),
        }
    }
}

fn check_given_tokens(config: &Config, rack: &[Member], problems: &mut Vec<Problem>) {
    let step = config.hash.space().step();
    let mut owners: HashMap<u32, &str> = HashMap::new();
    for node in rack {
        let key = token_key(config, &node.name);
        let tokens = node.tokens.as_deref().unwrap_or_default();
        if !(1..=TOKENS_MAX).contains(&tokens.len()) {
            problems.push(Problem::new(
                key,
                format!("has {} tokens; 1 to {TOKENS_MAX} are allowed", tokens.len()),
            ));
            continue;
        }
        for (index, token) in tokens.iter().enumerate() {
            let key = format!("{key}[{index}]");
            if let Some(owner) = owners.insert(*token, &node.name) {
                let message = format!("token {token} is already one of `{owner}` in {}", node.rack);
                problems.push(Problem::new(key, message));
            } else if token % step != 0 {
                let message = format!(
                    "token {token} is no slot boundary: with hash redis-slot a token is its last slot (0 to {}) times {step}",
                    SLOT_COUNT - 1
                );
                problems.push(Problem::new(key, message));
            }
        }
    }
}

/// Where the tokens of a node are written.
fn token_key(config: &Config, name: &str) -> String {
    match config.seeds.iter().position(|seed| seed.name == name) {
        Some(index) if name != config.name || config.tokens.is_none() => format!("seeds[{index}].tokens"),
        _ => "tokens".to_owned(),
    }
}

fn check_prefixes(config: &Config, problems: &mut Vec<Problem>) {
    let prefixes = &config.consistency.prefixes;
    if prefixes.len() > PREFIXES_MAX {
        let message = format!("has {} entries; at most {PREFIXES_MAX}", prefixes.len());
        problems.push(Problem::new("consistency.prefix", message));
        return;
    }
    for (index, entry) in prefixes.iter().enumerate() {
        let key = format!("consistency.prefix[{index}].prefix");
        if !(1..=PREFIX_LEN_MAX).contains(&entry.prefix.len()) {
            problems.push(Problem::new(key, format!("is not 1 to {PREFIX_LEN_MAX} bytes long")));
        } else if prefixes[..index].iter().any(|earlier| earlier.prefix == entry.prefix) {
            problems.push(Problem::new(key, format!("`{}` has an entry already", entry.prefix)));
        } else if *entry == PrefixLevels::of(&entry.prefix) {
            let message = "has no effect: give `read`, `write`, `home` or `sequencing`";
            problems.push(Problem::new(key, message));
        }
        if let Some(home) = &entry.home
            && !config.members().iter().any(|member| member.datacenter == *home)
        {
            let message = format!("no node is in a datacenter `{home}`");
            problems.push(Problem::new(format!("consistency.prefix[{index}].home"), message));
        }
    }
}
