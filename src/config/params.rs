//! `params`: what a manual trigger may pass.

use std::collections::BTreeMap;

use regex_lite::Regex;

use super::fields::Fields;
use super::report::{Complaints, Problem};
use super::tree::{Node, Written};
use super::words;
use crate::job::Param;

/// The most parameters of a job.
const MAX_PARAMS: usize = 100;

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 1_000;

/// Compiles the pattern of a [`Param`], so that it matches whole values only.
pub fn pattern(pattern: &str) -> Result<Regex, regex_lite::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}

pub(super) fn read(
    fields: &mut Fields<'_>,
    complaints: &mut Complaints,
) -> BTreeMap<String, Param> {
    let Some(written) = fields.table("params", complaints) else {
        return BTreeMap::new();
    };
    let mut params = BTreeMap::new();
    let mut variables = BTreeMap::new();
    for (name, node) in written.named() {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(good) {
            complaints.error(
                Problem::at(
                    node.key,
                    format!("{} is no parameter's name", words::quoted(name)),
                )
                .help("1 to 64 letters, digits and '_': it becomes PUNCTUAL_PARAM_<NAME>"),
            );
            continue;
        }
        if params.len() >= MAX_PARAMS {
            let sentence = format!("a job has at most {MAX_PARAMS} parameters");
            complaints.error(Problem::at(node.key, sentence));
            break;
        }
        let variable = name.to_ascii_uppercase();
        if let Some(first) = variables.insert(variable.clone(), node.key) {
            complaints.error(
                Problem::at(
                    node.key,
                    format!("two parameters would be PUNCTUAL_PARAM_{variable}"),
                )
                .also(first, "the other is here")
                .help("parameters differ in more than upper and lower case"),
            );
        }
        if let Some(param) = param(name, node, complaints) {
            params.insert(name.to_owned(), param);
        }
    }
    params
}

fn param(name: &str, node: &Node, complaints: &mut Complaints) -> Option<Param> {
    let Written::Table(table) = &node.value else {
        let mut problem = Problem::at(
            node.place,
            format!(
                "the parameter `{name}` is a table, not {}",
                node.value.kind()
            ),
        );
        if let Written::Text(text) = &node.value
            && text.len() <= 60
        {
            problem = problem.help(format!("write {name} = {{ default = {text:?} }}"));
        }
        complaints.error(problem);
        return None;
    };
    let mut fields = Fields::over(vec![table]);
    let default = fields.text("default", complaints);
    let written = fields.text("pattern", complaints);
    if let (Some(written), Some(node)) = (written, fields.node("pattern")) {
        check(written, node, default, fields.node("default"), complaints);
    }
    fields.finish(complaints);
    Some(Param {
        default: default.map(str::to_owned),
        pattern: written.map(str::to_owned),
    })
}

fn check(
    written: &str,
    node: &Node,
    default: Option<&str>,
    default_node: Option<&Node>,
    complaints: &mut Complaints,
) {
    if written.len() > MAX_PATTERN {
        let sentence = format!("`pattern` has at most {MAX_PATTERN} bytes");
        complaints.error(Problem::at(node.place, sentence));
        return;
    }
    let compiled = match pattern(written) {
        Ok(compiled) => compiled,
        Err(error) => {
            let sentence = format!("`pattern` is not a regular expression: {error}");
            complaints.error(Problem::at(node.place, sentence));
            return;
        }
    };
    if let (Some(default), Some(default_node)) = (default, default_node)
        && !compiled.is_match(default)
    {
        complaints.error(
            Problem::at(
                default_node.place,
                "`default` does not match the parameter's `pattern`",
            )
            .also(node.place, "the pattern is here")
            .help("a pattern matches the whole value"),
        );
    }
}
