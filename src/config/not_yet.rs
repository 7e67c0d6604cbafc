//! What the contract names and this version does not do: one table, each line of which is deleted
//! when its effect comes.
//!
//! Such a key is read and checked as any other, and then refused in a sentence, so that nobody
//! believes in a time limit or a notification that is not there. Its default is taken silently.

use super::fields::Fields;
use super::report::{Complaints, Problem};
use super::shape::{self, Shape, Wants};
use super::tree::Written;

/// A key, or some values of a key, without effect in this version.
#[derive(Debug)]
pub(super) struct NotYet {
    /// The table it stands in, as in the contract.
    pub section: Section,
    /// The key.
    pub key: &'static str,
    /// An example of what is refused, as it stands behind `key =`.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests write it into a config"))]
    pub example: &'static str,
    /// What its values look like, and which of them ask for an effect.
    pub shape: Shape,
    /// What is so instead, for the sentence.
    pub instead: &'static str,
}

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// At the top.
    Top,
    /// `[store]`
    Store,
    /// `[node]`
    Node,
    /// `[pools.*]`
    Pool,
    /// `[jobs.*]` and `[defaults]`
    Job,
}

const fn not_yet(
    section: Section,
    key: &'static str,
    example: &'static str,
    shape: Shape,
    instead: &'static str,
) -> NotYet {
    NotYet {
        section,
        key,
        example,
        shape,
        instead,
    }
}

/// The table.
#[rustfmt::skip]
pub(super) const TABLE: &[NotYet] = {
    use Section::{Job, Node, Pool, Store, Top};
    &[
        not_yet(Top, "notify", "{ ops = { command = [\"tell-ops\"] } }", shape::channels, "nobody is told"),
        not_yet(Store, "url", "\"postgres://db/punctual\"", shape::fleet_url, "a store for a fleet is missing; only sqlite:PATH works"),
        not_yet(Node, "labels", "[\"db\"]", shape::some_texts, "a fleet is missing, which labels would choose from"),
        not_yet(Pool, "scope", "\"fleet\"", shape::fleet_scope, "a pool counts on its own node"),
        not_yet(Job, "placement", "\"each\"", shape::placement, "there is one node"),
        not_yet(Job, "on_lost", "\"rerun\"", shape::on_lost, "a lost run is not run again"),
        not_yet(Job, "notify", "{ on = [\"failed\"], to = [\"ops\"] }", shape::news, "nobody is told"),
        not_yet(Job, "alert_if_late", "\"5m\"", shape::any_duration, "nobody is told"),
        not_yet(Job, "alert_if_no_success", "\"26h\"", shape::any_duration, "nobody is told"),
        not_yet(Job, "ping", "\"https://hc.example.org/ping/uuid\"", shape::web_address, "no service is told"),
    ]
};

/// Reads the keys of a section that have no effect yet, and refuses those that ask for one.
pub(super) fn refuse(section: Section, fields: &mut Fields<'_>, complaints: &mut Complaints) {
    for entry in TABLE.iter().filter(|entry| entry.section == section) {
        let Some(node) = fields.node(entry.key) else {
            continue;
        };
        let (place, named) = match (entry.shape)(entry.key, node, complaints) {
            Wants::Nothing => continue,
            Wants::Key => (node.key, entry.key.to_owned()),
            Wants::Value => (
                node.place,
                format!("{} = {}", entry.key, short(&node.value)),
            ),
        };
        let instead = entry.instead;
        let sentence = format!("`{named}` is not in this version yet ({instead}); remove it");
        complaints.error(Problem::at(place, sentence));
    }
}

/// The value, unless it is too long for a sentence (a URL may hold a password besides).
fn short(value: &Written) -> String {
    match value {
        Written::Text(text) if text.len() <= 16 => format!("{text:?}"),
        _ => "…".to_owned(),
    }
}
