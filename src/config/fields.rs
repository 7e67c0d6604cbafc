//! Reads the keys of a table, one after another, and at the end complains about those that nobody
//! asked for.

use std::collections::BTreeSet;

use super::report::{Complaints, Place, Problem};
use super::tree::{Node, Table, Written};
use super::words;

/// A table being read: one or more layers, the first of which wins key by key (a job over
/// `[defaults]`, or a section over the files it is spread over).
#[derive(Debug)]
pub(super) struct Fields<'t> {
    layers: Vec<&'t Table>,
    asked: Vec<&'static str>,
}

impl<'t> Fields<'t> {
    /// Over tables, the first wins.
    pub(super) fn over(layers: Vec<&'t Table>) -> Self {
        Self {
            layers,
            asked: Vec::new(),
        }
    }

    /// Where the table begins, for complaints about what is not there.
    pub(super) fn place(&self) -> Option<Place> {
        self.layers.first().map(|table| table.place)
    }

    /// The value of a key.
    pub(super) fn node(&mut self, key: &'static str) -> Option<&'t Node> {
        self.asked.push(key);
        self.layers.iter().find_map(|table| table.entries.get(key))
    }

    /// The value of a key if it stands in the first layer: what a job says of itself, not what the
    /// defaults say of all.
    pub(super) fn own(&mut self, key: &'static str) -> Option<&'t Node> {
        self.asked.push(key);
        self.layers.first()?.entries.get(key)
    }

    /// Those of `keys` that stand in the first layer that has any of them: keys of which one
    /// replaces the other.
    pub(super) fn rivals(&mut self, keys: &[&'static str]) -> Vec<(&'static str, &'t Node)> {
        self.asked.extend(keys);
        let present = |table: &&'t Table| {
            let found = keys
                .iter()
                .filter_map(|key| Some((*key, table.entries.get(*key)?)));
            let found: Vec<_> = found.collect();
            (!found.is_empty()).then_some(found)
        };
        self.layers.iter().find_map(present).unwrap_or_default()
    }

    /// A table within, its layers merged key by key.
    pub(super) fn table(
        &mut self,
        key: &'static str,
        complaints: &mut Complaints,
    ) -> Option<Fields<'t>> {
        self.asked.push(key);
        let mut layers = Vec::new();
        for node in self
            .layers
            .iter()
            .filter_map(|table| table.entries.get(key))
        {
            match &node.value {
                Written::Table(table) => layers.push(table),
                other => complaints.error(
                    Problem::at(
                        node.place,
                        format!("`{key}` is a table, not {}", other.kind()),
                    )
                    .help(format!(
                        "write `{key} = {{ … }}`, or a `[…]` section of its own"
                    )),
                ),
            }
        }
        (!layers.is_empty()).then(|| Fields::over(layers))
    }

    /// All keys with their values, for tables whose keys are names.
    pub(super) fn named(self) -> Vec<(&'t str, &'t Node)> {
        let mut seen = BTreeSet::new();
        let entries = self.layers.into_iter().flat_map(|table| &table.entries);
        entries
            .filter(|(key, _)| seen.insert(key.as_str()))
            .map(|(key, node)| (key.as_str(), node))
            .collect()
    }

    /// Complains about keys that nobody asked for.
    pub(super) fn finish(self, complaints: &mut Complaints) {
        for table in &self.layers {
            for (key, node) in &table.entries {
                if self.asked.contains(&key.as_str()) {
                    continue;
                }
                let problem = self.unknown(table, key, node.key);
                if table.name.is_empty() {
                    // Perhaps its `[table]` line above is the one that is broken.
                    complaints.doubtful(problem);
                } else {
                    complaints.error(problem);
                }
            }
        }
    }

    fn unknown(&self, table: &Table, key: &str, place: Place) -> Problem {
        let place_name = match table.name.as_str() {
            "" => "at the top of the file".to_owned(),
            name => format!("in [{name}]"),
        };
        let problem = Problem::at(place, format!("unknown key `{key}` {place_name}"));
        if let Some(ours) = words::suggestion(key, &self.asked) {
            return problem.help(format!("did you mean `{ours}`?"));
        }
        let known = self.asked.iter().collect::<BTreeSet<_>>();
        let known: Vec<_> = known.into_iter().map(|key| format!("`{key}`")).collect();
        problem.help(format!("what may stand there: {}", known.join(", ")))
    }
}
