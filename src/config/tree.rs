//! The configuration as written: values with their places, nothing decided yet.

use std::collections::BTreeMap;

use super::report::Place;

/// A table as written.
#[derive(Debug)]
pub(super) struct Table {
    /// Its path for people, `jobs.backup`; empty for the whole file.
    pub name: String,
    /// Where it begins.
    pub place: Place,
    /// Its keys.
    pub entries: BTreeMap<String, Node>,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Node {
    /// Where the key stands; for an item of a list, where the item stands.
    pub key: Place,
    /// Where the value stands.
    pub place: Place,
    /// The value.
    pub value: Written,
}

/// A value as written.
#[derive(Debug)]
pub(super) enum Written {
    /// A string.
    Text(String),
    /// A number without a fraction; none: beyond 64 bits.
    Whole(Option<i64>),
    /// A number with a fraction.
    Fraction(f64),
    /// `true` or `false`.
    Flag(bool),
    /// A date, a time or both, as text.
    Moment(String),
    /// `[…]`, or `[[…]]`.
    List(Vec<Node>),
    /// `{…}`, or `[…]`.
    Table(Table),
}

impl Written {
    /// What it is, for a sentence that says what it should have been.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Whole(_) | Self::Fraction(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Moment(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// The same as JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) | Self::Moment(text) => text.clone().into(),
            Self::Whole(number) => (*number).into(),
            Self::Fraction(number) => (*number).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::List(items) => items.iter().map(|item| item.value.json()).collect(),
            Self::Table(table) => table.json().into(),
        }
    }
}

impl Table {
    /// The same as JSON.
    fn json(&self) -> serde_json::Map<String, serde_json::Value> {
        let entries = self.entries.iter();
        entries
            .map(|(key, node)| (key.clone(), node.value.json()))
            .collect()
    }
}
