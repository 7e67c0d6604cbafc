//! Values that may be secrets: written out, or a table that says where they are.

use super::Ground;
use super::fields::Fields;
use super::report::{Complaints, Problem};
use super::tree::{Node, Written};
use super::value;
use crate::job::Value;

/// Reads a string, or `{ env = … }`, `{ file = … }`, `{ credential = … }`. Relative files are left
/// as they stand.
pub(super) fn read(key: &str, node: &Node, complaints: &mut Complaints) -> Option<Value> {
    let Written::Table(table) = &node.value else {
        return value::text(key, node, complaints).map(|text| Value::Plain(text.to_owned()));
    };
    let mut fields = Fields::over(vec![table]);
    let found = fields.rivals(&["env", "file", "credential"]);
    fields.finish(complaints);
    let [(source, node)] = found[..] else {
        complaints.error(
            Problem::at(
                node.place,
                format!("the secret `{key}` names exactly one source"),
            )
            .help("write { env = \"NAME\" }, { file = \"/path\" } or { credential = \"NAME\" }"),
        );
        return None;
    };
    let text = value::text(source, node, complaints)?;
    let sentence = match source {
        _ if text.is_empty() => "must not be empty",
        "env" if text.contains('=') => "is a variable's name, which holds no '='",
        "credential" if text.contains('/') => "is a credential's name, which holds no '/'",
        "env" => return Some(Value::Env(text.to_owned())),
        "credential" => return Some(Value::Credential(text.to_owned())),
        _ => return Some(Value::File(text.into())),
    };
    complaints.error(Problem::at(node.place, format!("`{source}` {sentence}")));
    None
}

/// The same, relative files at the folder of the config.
pub(super) fn located(
    key: &str,
    node: &Node,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> Option<Value> {
    Some(match read(key, node, complaints)? {
        Value::File(file) => Value::File(ground.folder.join(file)),
        other => other,
    })
}
