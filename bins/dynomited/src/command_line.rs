//! What the command line can say.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;
use dynomite_node::config::{Config, ConfigError, Overrides};

use crate::demo;

/// Names the configuration file when `--config` does not.
const CONFIG_VARIABLE: &str = "DYNOMITED_CONFIG";

const EXAMPLES: &str = "\
Examples:
  dynomited
      A single node on the memory store; clients connect to 127.0.0.1:8102.
  dynomited --config /etc/dynomited.toml
      A node as the file describes it.
  dynomited --set datastore.url=redis://127.0.0.1:6379 --set listen=0.0.0.0:8102
      A single node in front of a Redis server, without a file.
  dynomited --config /etc/dynomited.toml --seed 10.0.0.1 --seed dns:nodes.internal
      The same, with other nodes found at an address and by a name.
  dynomited check --config /etc/dynomited.toml
      Check a file and print what it amounts to.
  dynomited demo
      A cluster of several nodes in one process, to try things out.

Environment:
  DYNOMITED_CONFIG        The configuration file, when --config is not given.
  DYNOMITED_<KEY>         Sets one key: DYNOMITED_LIMITS_BULK_MAX=1MiB sets limits.bulk_max.
                          Over the file, under --set.

Signals:
  SIGTERM and SIGINT stop the node: requests in progress are answered first, for at most
  timeouts.drain. A second signal ends it at once.

Exit status:
  0    stopped, or the check succeeded
  1    the configuration is wrong, or the node cannot start
  2    the command line is wrong
  128+ the signal's number, when a signal ended it before it had stopped";

/// Puts a Dynamo-style layer in front of a Redis server: one node of a replicated, eventually consistent store that any
/// Redis client can use.
///
/// Without a command, runs the node. Without a configuration file, that is a single node on the memory store with
/// clients at 127.0.0.1:8102. All keys are described in docs/configuration.md.
#[derive(Parser)]
#[command(name = "dynomited", version, after_long_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) config: ConfigSource,
    #[command(subcommand)]
    pub(crate) subcommand: Option<Subcommand>,
}

#[derive(clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Check a configuration and print it with all its values, defaults too
    ///
    /// The output is a configuration file of the same meaning; only a password in the datastore's URL is shown as ***.
    /// Problems go to standard error, one a line, as file:line:column: key: what is wrong.
    Check(ConfigSource),
    /// Run a cluster of several nodes in this process, to try things out
    Demo(demo::Arguments),
}

/// Where the configuration comes from.
#[derive(clap::Args)]
pub(crate) struct ConfigSource {
    /// The configuration file (TOML)
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key, over the file and the environment; may be given many times
    ///
    /// The key is written with its section: --set limits.bulk_max=1MiB. Text needs no quotes; lists are TOML:
    /// --set 'tokens=[0, 262144]'.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Find other nodes by this address, name, file or URL too; may be given many times
    ///
    /// A host with or without a port (8101 unless given), dns:NAME, srv:_SERVICE._tcp.DOMAIN, file:/PATH or
    /// http://HOST/PATH, as in discovery.sources, to which it is added.
    #[arg(long = "seed", value_name = "HOST[:PORT]")]
    seeds: Vec<String>,
}

impl ConfigSource {
    /// Reads the configuration with everything that goes over the file.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        self.load_with_env(std::env::vars_os())
    }

    fn load_with_env(
        &self,
        vars: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Config, ConfigError> {
        // What is not UTF-8 is no variable of ours, or has a value that no key takes.
        let vars: Vec<(String, String)> = vars
            .into_iter()
            .filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
            })
            .collect();
        let variable = vars.iter().find(|(name, value)| name == CONFIG_VARIABLE && !value.is_empty());
        let file = self.config.clone().or_else(|| variable.map(|(_, value)| PathBuf::from(value)));
        let mut overrides = Overrides::default();
        overrides.add_env(vars)?;
        for set in &self.sets {
            overrides.set(set)?;
        }
        for seed in &self.seeds {
            overrides.add_seed(seed);
        }
        Config::load_with(file.as_deref(), &overrides)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<CommandLine, clap::Error> {
        CommandLine::try_parse_from([&["dynomited"], arguments].concat())
    }

    fn load(arguments: &[&str], vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let vars = vars.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        parse(arguments).unwrap_or_else(|error| panic!("{error}")).config.load_with_env(vars)
    }

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn nothing_at_all_runs_the_default() {
        assert_eq!(load(&[], &[]).expect("valid"), Config::single_node());
    }

    #[test]
    fn set_goes_over_the_environment_over_the_file() {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::io::Write::write_all(&mut file, b"rack = 'a'\ncluster = 'a'\nname = 'a'").expect("written");
        let path = file.path().to_str().expect("UTF-8");
        let vars = [("DYNOMITED_CONFIG", path), ("DYNOMITED_CLUSTER", "b"), ("DYNOMITED_NAME", "b")];
        let config = load(&["--set", "name=c"], &vars).expect("valid");
        assert_eq!((config.rack, config.cluster, config.name), ("a".into(), "b".into(), "c".into()));
        let error = load(&["--config", "/nonexistent"], &vars).expect_err("--config goes over the variable");
        assert!(error.to_string().starts_with("/nonexistent: "), "{error}");
    }

    #[test]
    fn seeds_are_added_to_those_of_the_file() {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        let text = "name = 'a'\npeer_listen = '10.0.0.1:8101'\n[discovery]\nsources = ['dns:x']";
        std::io::Write::write_all(&mut file, text.as_bytes()).expect("written");
        let path = file.path().to_str().expect("UTF-8");
        let sources = |arguments: &[&str]| {
            let config = load(&[&["--config", path], arguments].concat(), &[]).expect("valid");
            config.discovery.sources.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(sources(&["--seed", "[::1]", "--seed=file:/y"]), ["x:8101", "[::1]:8101", "file:/y"]);
        let replaced = ["--seed", "b:1", "--set", "discovery.sources=['c']"];
        assert_eq!(sources(&replaced), ["c:8101", "b:1"]);
        let error = load(&["--config", path, "--seed", "::1"], &[]).expect_err("no brackets").to_string();
        assert!(
            error.starts_with("--seed ::1: discovery.sources[1]: `::1`: an IPv6 address needs"),
            "{error}"
        );
        let error = load(&["--config", path, "--seed", "x"], &[]).expect_err("twice").to_string();
        assert!(error.starts_with("--seed x: discovery.sources[1]: `x:8101` is in the list"), "{error}");
    }

    #[test]
    fn options_that_a_command_does_not_use_are_refused() {
        for arguments in [
            &["--config", "x", "check"][..],
            &["demo", "--config", "x"],
            &["demo", "--set", "a=b"],
            &["demo", "--seed", "a"],
        ] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }
}
