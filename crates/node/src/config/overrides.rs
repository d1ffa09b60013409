//! Values from the command line and the environment, which go over those of the file.

use super::error::{ConfigError, Origin, Problem};
use super::keys::{Key, overridable};
use super::suggest::nearest;

const ENV_PREFIX: &str = "DYNOMITED_";
/// The variable that names the configuration file; it is no key.
const ENV_FILE: &str = "DYNOMITED_CONFIG";

/// Values that go over those of a configuration file. Later ones win.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    entries: Vec<Override>,
}

/// One value, not yet parsed.
#[derive(Debug, Clone)]
pub(super) struct Override {
    /// How the operator wrote it, for errors: `--set hash` or `DYNOMITED_HASH`.
    pub(super) label: String,
    pub(super) key: Key,
    pub(super) value: String,
    /// Whether it is one more element of a list, and not the key's whole value.
    pub(super) is_element: bool,
}

/// What [`Overrides::add_seed`] adds to.
const SOURCES: Key = Key { path: "discovery.sources", is_text: false };

impl Overrides {
    /// Takes `key.path=value`, as in `--set limits.bulk_max=1MiB`. Text needs no quotes; anything else is TOML.
    ///
    /// # Errors
    /// When the form is wrong or no key has that path.
    pub fn set(&mut self, assignment: &str) -> Result<(), ConfigError> {
        let Some((path, value)) = assignment.split_once('=') else {
            let message = "the form is --set key=value, such as --set limits.bulk_max=1MiB";
            return Err(refused(format!("--set {assignment}"), message.to_owned()));
        };
        let path = path.trim();
        let label = format!("--set {path}");
        let Some(key) = overridable().find(|key| key.path == path) else {
            let message = match nearest(path, overridable().map(|key| key.path)) {
                Some(similar) => format!("there is no such key; did you mean `{similar}`?"),
                None => "there is no such key".to_owned(),
            };
            return Err(refused(label, message));
        };
        let value = value.trim().to_owned();
        self.entries.push(Override { label, key, value, is_element: false });
        Ok(())
    }

    /// Takes one more source of seeds, as in `--seed 10.0.0.1`, beside those of the file and of earlier overrides.
    pub fn add_seed(&mut self, source: &str) {
        let (label, value) = (format!("--seed {source}"), source.to_owned());
        self.entries.push(Override { label, key: SOURCES, value, is_element: true });
    }

    /// Takes every `DYNOMITED_…` variable: `DYNOMITED_LIMITS_BULK_MAX=1MiB` sets `limits.bulk_max`. Variables that
    /// Kubernetes makes for a service called `dynomited` are passed over, and so is `DYNOMITED_CONFIG`.
    ///
    /// # Errors
    /// When no key belongs to one of them.
    pub fn add_env(&mut self, vars: impl IntoIterator<Item = (String, String)>) -> Result<(), ConfigError> {
        let names: Vec<(String, Key)> = overridable().map(|key| (env_name(key), key)).collect();
        for (name, value) in vars {
            if !name.starts_with(ENV_PREFIX) || name == ENV_FILE || is_service_variable(&name) {
                continue;
            }
            let Some((_, key)) = names.iter().find(|(known, _)| *known == name) else {
                let message = match nearest(&name, names.iter().map(|(known, _)| known.as_str())) {
                    Some(similar) => format!("no key belongs to this variable; did you mean {similar}?"),
                    None => "no key belongs to this variable".to_owned(),
                };
                return Err(refused(name, message));
            };
            self.entries.push(Override { label: name, key: *key, value, is_element: false });
        }
        Ok(())
    }

    pub(super) fn entries(&self) -> &[Override] {
        &self.entries
    }
}

fn env_name(key: Key) -> String {
    format!("{ENV_PREFIX}{}", key.path.replace('.', "_").to_ascii_uppercase())
}

/// `DYNOMITED_SERVICE_HOST`, `DYNOMITED_PORT`, `DYNOMITED_PORT_8102_TCP_ADDR` and their like.
fn is_service_variable(name: &str) -> bool {
    let rest = name.strip_prefix(ENV_PREFIX).unwrap_or(name);
    rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_")
}

fn refused(label: String, message: String) -> ConfigError {
    ConfigError::new(vec![Problem { origin: Origin::Override(label), key: String::new(), message }])
}
