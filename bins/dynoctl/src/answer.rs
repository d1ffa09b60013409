//! The JSON that a node answers with, read field by field.

use anyhow::{Context, Result};
use serde_json::Value;

/// Parses an answer.
pub(crate) fn parse(text: &[u8]) -> Result<Value> {
    serde_json::from_slice(text)
        .context("the node's answer is no JSON; it may be of another version than dynoctl")
}

/// A field of text.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value[field].as_str().with_context(|| missing(field))
}

/// A field that is printed as it is: numbers, and text without its quotes.
pub(crate) fn shown(value: &Value, field: &str) -> Result<String> {
    match &value[field] {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(anyhow::anyhow!(missing(field))),
    }
}

/// A field as [`shown`] gives it, or a dash for one that is not known.
pub(crate) fn if_known(value: &Value, field: &str) -> String {
    shown(value, field).unwrap_or_else(|_| "-".to_owned())
}

/// A field that is a number.
pub(crate) fn number(value: &Value, field: &str) -> Result<f64> {
    value[field].as_f64().with_context(|| missing(field))
}

/// A field that is true or false.
pub(crate) fn flag(value: &Value, field: &str) -> Result<bool> {
    value[field].as_bool().with_context(|| missing(field))
}

/// A field that is a list.
pub(crate) fn list<'a>(value: &'a Value, field: &str) -> Result<&'a [Value]> {
    value[field].as_array().map(Vec::as_slice).with_context(|| missing(field))
}

fn missing(field: &str) -> String {
    format!("the node's answer has no proper field `{field}`; it may be of another version than dynoctl")
}
