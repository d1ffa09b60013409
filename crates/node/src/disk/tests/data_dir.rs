use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn it_is_made_for_the_node_alone_and_says_whose_it_is() {
    let place = Place::new();
    let (dir, _logs) = place.logs(2);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(names(place.path()), ["lock", "node.toml", "records"]);
    assert_eq!(mode(place.path().to_owned()), 0o700);
    assert_eq!(mode(place.path().join("records/1-for-2-workers")), 0o700);
    for file in ["lock", "node.toml", "records/1-for-2-workers/records-001-00000001.log"] {
        assert_eq!(mode(place.path().join(file)), 0o600, "{file}");
    }
    let identity = fs::read_to_string(dir.path().join("node.toml")).unwrap();
    let id = place.settings.identity.node_id();
    assert_eq!(
        identity,
        format!(
            "# Whose data directory this is. Written by the node; do not edit.\nformat = 1\ncluster = \"shop\"\n\
             name = \"a1\"\ndatacenter = \"dc1\"\nrack = \"rack1\"\nnode_id = \"{id}\"\nlogs = [\"records\"]\n"
        )
    );
}

#[test]
fn one_process_at_a_time_uses_it() {
    let place = Place::new();
    let (dir, log) = place.log();
    let refused = || DataDir::open(place.settings.clone()).expect_err("it is in use").to_string();
    let text = refused();
    assert!(text.contains(&format!("(process {}, ", std::process::id())), "{text}");
    assert!(text.contains("another node with the same data_dir"), "{text}");
    // A log that lives on keeps it.
    drop(dir);
    assert!(refused().contains("in use"));
    drop(log);
    place.open();
}

#[test]
fn a_directory_of_another_node_is_refused_and_left_as_it_is() {
    type Change = fn(&mut Identity);
    let place = Place::new();
    drop(place.log());
    let before = fs::read_to_string(place.path().join("node.toml")).unwrap();
    let changes: [(Change, &str); 5] = [
        (|identity| identity.cluster = "other".to_owned(), "set cluster = \"shop\" in the configuration"),
        (|identity| identity.name = "a2".to_owned(), "set name = \"a1\" in the configuration"),
        (|identity| identity.datacenter = "dc2".to_owned(), "set datacenter = \"dc1\" in the configuration"),
        (|identity| identity.rack = "rack2".to_owned(), "set rack = \"rack1\" in the configuration"),
        (
            |identity| (identity.name, identity.rack) = ("a2".to_owned(), "rack2".to_owned()),
            "set name = \"a1\", rack = \"rack1\" in the configuration",
        ),
    ];
    for (change, correction) in changes {
        let mut settings = place.settings.clone();
        change(&mut settings.identity);
        let ours = settings.identity.to_string();
        let error = DataDir::open(settings).expect_err("another node's").to_string();
        let theirs = "belongs to node a1 in dc1/rack1 of cluster shop";
        assert!(error.contains(theirs) && error.contains(&ours) && error.contains(correction), "{error}");
        assert!(error.contains("give this node a directory of its own"), "{error}");
    }
    assert_eq!(fs::read_to_string(place.path().join("node.toml")).unwrap(), before);
    place.open();
}

#[test]
fn an_identity_that_cannot_be_trusted_is_refused() {
    let place = Place::new();
    drop(place.open());
    let path = place.path().join("node.toml");
    let good = fs::read_to_string(&path).unwrap();
    for (bad, expected) in [
        (String::new(), "missing field `format`"),
        (good.replace("format = 1", "format = 2"), "has format 2, and this version knows formats up to 1"),
        (good.replace("rack = \"rack1\"\n", ""), "missing field `rack`"),
        (good.replace("name = \"a1\"", "name = \"a2\""), "node a2 has id"),
        (good.replace("logs = []", "logs = [\"letters\"]"), "unknown kind of log `letters`"),
        (format!("{good}more = 1\n"), "unknown field `more`"),
    ] {
        fs::write(&path, bad).unwrap();
        let error = DataDir::open(place.settings.clone()).expect_err(expected).to_string();
        assert!(error.contains(expected) && error.contains("node.toml"), "{error}");
    }
    fs::write(&path, good).unwrap();
    place.open();
}

#[test]
fn a_directory_with_something_else_in_it_is_refused_and_left_as_it_is() {
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    fs::create_dir(place.path().join("lost+found")).unwrap();
    fs::write(place.path().join("letters.txt"), "dear").unwrap();
    let error = DataDir::open(place.settings.clone()).expect_err("somebody's letters").to_string();
    assert!(error.contains("holds letters.txt but no node.toml"), "{error}");
    assert_eq!(names(place.path()), ["letters.txt", "lost+found"]);
    fs::remove_file(place.path().join("letters.txt")).unwrap();
    place.open();
}

#[test]
fn logs_without_their_identity_are_refused() {
    let place = Place::new();
    drop(place.log());
    fs::remove_file(place.path().join("node.toml")).unwrap();
    let error = DataDir::open(place.settings.clone()).expect_err("whose?").to_string();
    assert!(error.contains("holds records but no node.toml"), "{error}");
}

#[test]
fn a_start_that_was_cut_short_is_no_obstacle() {
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    fs::write(place.path().join("lock"), "123").unwrap();
    fs::write(place.path().join("node.toml.new"), "format = ").unwrap();
    place.open();
    assert_eq!(names(place.path()), ["lock", "node.toml"]);
}

#[test]
fn what_the_system_refuses_is_told_with_the_path() {
    let mut place = Place::new();
    place.settings.path = place.directory.path().join("file/data");
    fs::write(place.directory.path().join("file"), "").unwrap();
    let error = DataDir::open(place.settings.clone()).expect_err("a file is in the way").to_string();
    assert!(error.starts_with("cannot make the directory ") && error.contains("/file/data: "), "{error}");
}

#[test]
fn settings_follow_the_configuration() {
    use crate::config::{ByteSize, Config};
    let mut config = Config { name: "n1".to_owned(), ..Config::default() };
    assert_eq!(DiskSettings::of(&config), None);
    config.data_dir = Some("/d".into());
    config.limits.log_segment = ByteSize::mib(2);
    config.timeouts.log_sync = Duration::ZERO;
    let settings = DiskSettings::of(&config).expect("a directory is set");
    assert_eq!((settings.segment_bytes, settings.sync_interval), (2 << 20, Duration::ZERO));
    assert_eq!((settings.path.to_str(), settings.identity), (Some("/d"), Identity::of(&config)));
}
