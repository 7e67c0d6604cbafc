//! A job as the API shows it: its table as written, over the defaults.
//!
//! Secrets are shown as where they are; what they are was never read.

use serde_json::{Map, Value};

use super::action;
use super::rule;
use super::tree::{Table, Written};

/// Merges layers as [`Fields`](super::fields::Fields) reads them: the first wins key by key, tables
/// are merged one level deep, and of rivals the first layer's replaces those below.
pub(super) fn merged(layers: &Vec<&Table>) -> Value {
    let mut shown = Map::new();
    for table in layers {
        let hidden = hidden(&shown);
        for (key, node) in &table.entries {
            if hidden.contains(&key.as_str()) {
                continue;
            }
            match (shown.get_mut(key), &node.value) {
                (None, written) => {
                    shown.insert(key.clone(), written.json());
                }
                (Some(Value::Object(above)), Written::Table(below)) => {
                    for (key, node) in &below.entries {
                        if !above.contains_key(key) {
                            above.insert(key.clone(), node.value.json());
                        }
                    }
                }
                (Some(_), _) => {}
            }
        }
    }
    Value::Object(shown)
}

/// The rivals of keys that are there already, and of a request all that is about processes.
fn hidden(shown: &Map<String, Value>) -> Vec<&'static str> {
    let groups: [&[&'static str]; 2] = [&rule::KEYS, &action::KEYS];
    let decided = groups
        .into_iter()
        .filter(|keys| keys.iter().any(|key| shown.contains_key(*key)));
    let mut hidden: Vec<_> = decided.flatten().copied().collect();
    if shown.contains_key("http") {
        hidden.extend(action::PROCESS_KEYS);
    }
    hidden
}
