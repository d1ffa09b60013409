//! A parsed configuration that still knows where each value came from.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::error::{ConfigError, Origin, Problem};
use super::keys::{self, PathKind};
use super::overrides::{Override, Overrides};
use super::schema::RawConfig;
use super::suggest::nearest;

/// The tables of the file with the overrides put into them.
pub(super) struct Document<'a> {
    sources: Sources<'a>,
    table: Spanned<DeTable<'a>>,
    /// Every value's path and span, parents before children.
    places: Vec<(String, Range<usize>)>,
}

/// What spans mean: below the length of the text a position in it, above it the number of an override.
#[derive(Clone, Copy)]
struct Sources<'a> {
    name: &'a str,
    text: &'a str,
    overrides: &'a [Override],
}

impl<'a> Document<'a> {
    /// Parses the text, puts the overrides over it and refuses keys that do not exist.
    pub(super) fn parse(text: &'a str, name: &'a str, overrides: &'a Overrides) -> Result<Self, ConfigError> {
        let sources = Sources { name, text, overrides: overrides.entries() };
        let mut table = DeTable::parse(text).map_err(|error| {
            let origin = sources.origin(error.span().unwrap_or(0..0).start);
            ConfigError::new(vec![Problem {
                origin,
                key: String::new(),
                message: error.message().to_owned(),
            }])
        })?;
        for (index, entry) in sources.overrides.iter().enumerate() {
            // The position just behind the text is taken: an error at the end of the file has it.
            let span = text.len() + 1 + index..text.len() + 2 + index;
            let value = respan(entry.parse(), &span);
            if entry.is_element {
                append(table.get_mut(), entry.key.path, value, &span);
            } else {
                insert(table.get_mut(), entry.key.path, value, &span);
            }
        }
        let mut document = Self { sources, table, places: Vec::new() };
        let mut problems = Vec::new();
        let (places, root) = (&mut document.places, document.table.get_ref());
        walk(root, "", "", places, &mut |key, span, message| {
            problems.push(Problem { origin: sources.origin(span.start), key, message });
        });
        if problems.is_empty() { Ok(document) } else { Err(ConfigError::new(problems)) }
    }

    /// Reads the tables into the schema.
    pub(super) fn read(&self) -> Result<RawConfig, ConfigError> {
        RawConfig::deserialize(toml::de::Deserializer::from(self.table.clone())).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let key = self.path_of(&span);
            let origin = self.sources.origin(span.start);
            ConfigError::new(vec![Problem { origin, key, message: error.message().trim_end().to_owned() }])
        })
    }

    /// Gives each problem the position of its key, or of the nearest table around it that the file has.
    pub(super) fn locate(&self, mut problems: Vec<Problem>) -> ConfigError {
        for problem in &mut problems {
            problem.origin = match self.span_of(&problem.key) {
                Some(span) => self.sources.origin(span.start),
                None => Origin::File(self.sources.name.to_owned()),
            };
        }
        ConfigError::new(problems)
    }

    fn span_of(&self, path: &str) -> Option<&Range<usize>> {
        let mut path = path;
        loop {
            if let Some((_, span)) = self.places.iter().find(|(known, _)| known == path) {
                return Some(span);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// The path of the innermost value that encloses `span`; all of an override has one span.
    fn path_of(&self, span: &Range<usize>) -> String {
        if let Some(entry) = self.sources.override_at(span.start) {
            return entry.key.path.to_owned();
        }
        let enclosing =
            self.places.iter().filter(|(_, known)| known.start <= span.start && span.end <= known.end);
        let innermost =
            enclosing.min_by_key(|(path, known)| (known.end - known.start, std::cmp::Reverse(path.len())));
        innermost.map(|(path, _)| path.clone()).unwrap_or_default()
    }
}

impl Sources<'_> {
    fn override_at(&self, offset: usize) -> Option<&Override> {
        self.overrides.get(offset.checked_sub(self.text.len() + 1)?)
    }

    fn origin(self, offset: usize) -> Origin {
        if let Some(entry) = self.override_at(offset) {
            return Origin::Override(entry.label.clone());
        }
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Origin::Position {
            file: self.name.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl Override {
    /// Text is taken as it is unless it is quoted; for the rest, what is no TOML is text (`64MiB`, `auto`).
    fn parse(&self) -> DeValue<'_> {
        let text = || DeValue::String(self.value.as_str().into());
        if self.is_element || (self.key.is_text && !self.value.starts_with(['"', '\''])) {
            return text();
        }
        DeValue::parse(&self.value).map_or_else(|_| text(), Spanned::into_inner)
    }
}

/// Gives a value and all that is in it one span.
fn respan<'a>(value: DeValue<'a>, span: &Range<usize>) -> Spanned<DeValue<'a>> {
    let value = match value {
        DeValue::Array(array) => {
            let elements = array.into_iter().map(|element| respan(element.into_inner(), span));
            DeValue::Array(elements.collect::<DeArray<'_>>())
        }
        DeValue::Table(table) => {
            let entries = table.into_iter().map(|(name, value)| {
                (Spanned::new(span.clone(), name.into_inner()), respan(value.into_inner(), span))
            });
            DeValue::Table(entries.collect())
        }
        scalar => scalar,
    };
    Spanned::new(span.clone(), value)
}

/// Puts `value` at `path`, making the tables on the way. What stands there as something else stays: the schema tells.
fn insert<'a>(table: &mut DeTable<'a>, path: &'static str, value: Spanned<DeValue<'a>>, span: &Range<usize>) {
    let Some((name, rest)) = path.split_once('.') else {
        table.remove(path);
        table.insert(Spanned::new(span.clone(), path.into()), value);
        return;
    };
    if !table.contains_key(name) {
        let empty = Spanned::new(span.clone(), DeValue::Table(DeTable::new()));
        table.insert(Spanned::new(span.clone(), name.into()), empty);
    }
    if let Some(DeValue::Table(inner)) = table.get_mut(name).map(Spanned::get_mut) {
        insert(inner, rest, value, span);
    }
}

/// Puts `value` behind the others of the list at `path`, making what is not there. What stands there as something else stays.
fn append<'a>(table: &mut DeTable<'a>, path: &'static str, value: Spanned<DeValue<'a>>, span: &Range<usize>) {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let list = match parent {
        "" => table.get_mut(name),
        parent => match table.get_mut(parent).map(Spanned::get_mut) {
            Some(DeValue::Table(inner)) => inner.get_mut(name),
            _ => None,
        },
    };
    match list.map(Spanned::get_mut) {
        Some(DeValue::Array(elements)) => elements.push(value),
        Some(_) => {}
        None => {
            let elements = std::iter::once(value).collect::<DeArray<'_>>();
            insert(table, path, Spanned::new(span.clone(), DeValue::Array(elements)), span);
        }
    }
}

/// Notes the places of all values below `table`, and tells of keys that do not exist. `path` has the numbers of list
/// elements where `schema_path` has `[]`.
fn walk(
    table: &DeTable<'_>,
    path: &str,
    schema_path: &str,
    places: &mut Vec<(String, Range<usize>)>,
    refuse: &mut impl FnMut(String, Range<usize>, String),
) {
    for (name, value) in table {
        let here = join(path, name.get_ref());
        let schema_here = join(schema_path, name.get_ref());
        places.push((here.clone(), value.span()));
        match (keys::kind(&schema_here), value.get_ref()) {
            (PathKind::Unknown, _) => refuse(here, name.span(), unknown(name.get_ref(), schema_path)),
            (PathKind::Table, DeValue::Table(inner)) => walk(inner, &here, &schema_here, places, refuse),
            (PathKind::TableList, DeValue::Array(elements)) => {
                for (index, element) in elements.iter().enumerate() {
                    let here = format!("{here}[{index}]");
                    places.push((here.clone(), element.span()));
                    if let DeValue::Table(inner) = element.get_ref() {
                        walk(inner, &here, &format!("{schema_here}[]"), places, refuse);
                    }
                }
            }
            (PathKind::Leaf(_), DeValue::Array(elements)) => {
                let elements = elements.iter().enumerate();
                places.extend(elements.map(|(index, element)| (format!("{here}[{index}]"), element.span())));
            }
            // Right, or of the wrong type: the schema tells.
            _ => {}
        }
    }
}

fn unknown(name: &str, parent: &str) -> String {
    let siblings = keys::children(parent);
    if let Some(similar) = nearest(name, siblings.iter().copied()) {
        return format!("unknown key; did you mean `{similar}`?");
    }
    let elsewhere = keys::KEYS.iter().find(|key| key.path.rsplit('.').next() == Some(name));
    if let Some(key) = elsewhere {
        return format!("unknown key here; did you mean `{}`?", key.path);
    }
    format!("unknown key; allowed here are {}", siblings.join(", "))
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}
