//! What the values of keys look like that have no effect in this version: checked all the same, so
//! that a slip in them is told as such.

use super::fields::Fields;
use super::report::{Complaints, Problem};
use super::tree::{Node, Written};
use super::value;

/// Checks one value, complains if it is malformed, and says what it asks for.
pub(super) type Shape = fn(&'static str, &Node, &mut Complaints) -> Wants;

/// What a value asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// Nothing beyond the default; or it is malformed, and that was told.
    Nothing,
    /// An effect that the whole key is about.
    Key,
    /// An effect that other values of the key do not ask for.
    Value,
}

fn wants_if_read<T>(read: Option<T>) -> Wants {
    read.map_or(Wants::Nothing, |_| Wants::Key)
}

pub(super) fn any_duration(key: &'static str, node: &Node, complaints: &mut Complaints) -> Wants {
    wants_if_read(value::positive(key, node, complaints))
}

/// A list of strings; an empty one asks for nothing.
pub(super) fn some_texts(key: &'static str, node: &Node, complaints: &mut Complaints) -> Wants {
    let texts = value::texts(key, node, complaints);
    wants_if_read(texts.filter(|texts| !texts.is_empty()))
}

fn wish(
    key: &'static str,
    words: &[(&str, Wants)],
    node: &Node,
    complaints: &mut Complaints,
) -> Wants {
    value::choice(key, words, node, complaints).unwrap_or(Wants::Nothing)
}

pub(super) fn on_lost(key: &'static str, node: &Node, complaints: &mut Complaints) -> Wants {
    wish(
        key,
        &[("leave", Wants::Nothing), ("rerun", Wants::Value)],
        node,
        complaints,
    )
}

pub(super) fn fleet_scope(key: &'static str, node: &Node, complaints: &mut Complaints) -> Wants {
    wish(
        key,
        &[("node", Wants::Nothing), ("fleet", Wants::Value)],
        node,
        complaints,
    )
}

/// Leaves to the reader of the key whatever works.
pub(super) fn fleet_url(_: &'static str, node: &Node, _: &mut Complaints) -> Wants {
    match &node.value {
        Written::Text(url) if is_fleet_url(url) => Wants::Value,
        _ => Wants::Nothing,
    }
}

/// Whether a store's URL names a database server.
pub(super) fn is_fleet_url(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

/// Permission bits in octal digits, at most `most`.
pub(super) fn mode(key: &str, most: u32, node: &Node, complaints: &mut Complaints) -> Option<u32> {
    let text = match &node.value {
        Written::Text(text) => text,
        other => {
            let sentence = format!("`{key}` is a mode in quotes, not {}", other.kind());
            complaints.error(Problem::at(node.place, sentence).help("such as \"0660\""));
            return None;
        }
    };
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let mode = u32::from_str_radix(text, 8)
        .ok()
        .filter(|&mode| digits && mode <= most);
    if mode.is_none() {
        let sentence = format!("`{key}` is a mode in octal digits, up to \"{most:04o}\"");
        complaints.error(Problem::at(node.place, sentence));
    }
    mode
}

pub(super) fn web_address(key: &'static str, node: &Node, complaints: &mut Complaints) -> Wants {
    if let Written::Table(_) = node.value {
        return wants_if_read(super::secret::read(key, node, complaints));
    }
    let Some(text) = value::text(key, node, complaints) else {
        return Wants::Nothing;
    };
    if text.starts_with("https://") || text.starts_with("http://") {
        return Wants::Key;
    }
    let sentence = format!("`{key}` is an address that begins with https:// or http://");
    complaints.error(Problem::at(node.place, sentence));
    Wants::Nothing
}

/// The table that a value is, for reading it key by key.
fn table<'t>(key: &str, node: &'t Node, complaints: &mut Complaints) -> Option<Fields<'t>> {
    if let Written::Table(table) = &node.value {
        return Some(Fields::over(vec![table]));
    }
    value::mistaken(node, &format!("`{key}` is a table"), complaints);
    None
}

/// Names, each with a table that `read` reads.
fn named_tables(
    key: &'static str,
    node: &Node,
    complaints: &mut Complaints,
    read: fn(&mut Fields<'_>, &mut Complaints),
) -> Wants {
    let Some(fields) = table(key, node, complaints) else {
        return Wants::Nothing;
    };
    let named = fields.named();
    for (name, node) in &named {
        if let Some(mut fields) = table(name, node, complaints) {
            read(&mut fields, complaints);
            fields.finish(complaints);
        }
    }
    wants_if_read((!named.is_empty()).then_some(()))
}

pub(super) fn channels(key: &'static str, node: &Node, complaints: &mut Complaints) -> Wants {
    named_tables(key, node, complaints, |fields, complaints| {
        if let Some(mut webhook) = fields.table("webhook", complaints) {
            if let Some(node) = webhook.node("url") {
                web_address("url", node, complaints);
            }
            webhook.choice("format", &[("json", ()), ("slack", ())], complaints);
            webhook.finish(complaints);
        }
        if let Some(mut email) = fields.table("email", complaints) {
            email.texts("to", complaints);
            email.text("from", complaints);
            email.text("smtp", complaints);
            email.finish(complaints);
        }
        fields.texts("command", complaints);
    })
}

/// A list of whole numbers within bounds.
pub(super) fn numbers(
    key: &str,
    low: i64,
    high: i64,
    node: &Node,
    complaints: &mut Complaints,
) -> Option<Vec<i64>> {
    let Written::List(items) = &node.value else {
        value::mistaken(node, &format!("`{key}` is a list of numbers"), complaints);
        return None;
    };
    let read = |item| value::whole(key, &(low..=high), item, complaints);
    let numbers: Vec<_> = items.iter().filter_map(read).collect();
    (numbers.len() == items.len()).then_some(numbers)
}

pub(super) fn placement(key: &'static str, node: &Node, complaints: &mut Complaints) -> Wants {
    if let Written::Table(table) = &node.value {
        let mut fields = Fields::over(vec![table]);
        let label = fields.text("label", complaints);
        fields.finish(complaints);
        return wants_if_read(label);
    }
    wish(
        key,
        &[("any", Wants::Nothing), ("each", Wants::Value)],
        node,
        complaints,
    )
}

/// The ends of a run that other jobs and notifications may wait for.
const ENDS: [(&str, ()); 7] = [
    ("succeeded", ()),
    ("failed", ()),
    ("timed_out", ()),
    ("cancelled", ()),
    ("skipped", ()),
    ("missed", ()),
    ("lost", ()),
];

pub(super) fn news(key: &'static str, node: &Node, complaints: &mut Complaints) -> Wants {
    let Some(mut fields) = table(key, node, complaints) else {
        return Wants::Nothing;
    };
    let mut events = ENDS.to_vec();
    events.extend([("late", ()), ("recovered", ())]);
    if let Some(Written::List(items)) = fields.node("on").map(|node| &node.value) {
        for item in items {
            value::choice("on", &events, item, complaints);
        }
    }
    let to = fields.texts("to", complaints);
    fields.finish(complaints);
    wants_if_read(to.filter(|to| !to.is_empty()))
}
