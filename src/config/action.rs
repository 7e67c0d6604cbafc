//! What a job does: exactly one of `command`, `shell` and `http`, and how its process lives and ends.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Ground;
use super::fields::Fields;
use super::job::Wholeness;
use super::report::{Complaints, Problem};
use super::tree::{Node, Written};
use super::{http, secret, shape, value, words};
use crate::job::{Action, CommandLine, JobName, KeepOutput, OutputLimits, Process, Signal, Value};

/// The keys of which a job has exactly one.
pub(super) const KEYS: [&str; 3] = ["command", "shell", "http"];

/// The keys that say how a process lives and ends.
pub(super) const PROCESS_KEYS: [&str; 13] = [
    "working_dir",
    "env",
    "env_file",
    "inherit_env",
    "stdin",
    "success_exit_codes",
    "kill_signal",
    "kill_timeout",
    "user",
    "group",
    "umask",
    "nice",
    "limits",
];

/// The most arguments, and the most variables, of one job.
const MAX_LIST: usize = 10_000;

/// The longest text for standard input, and the longest argument (Linux takes no longer one).
const MAX_TEXT: usize = 128 * 1024 - 1;

/// The variables that the daemon itself sets for every process.
const OURS: [&str; 5] = [
    "PUNCTUAL_JOB",
    "PUNCTUAL_RUN_ID",
    "PUNCTUAL_ATTEMPT",
    "PUNCTUAL_TRIGGER",
    "PUNCTUAL_SCHEDULED_AT",
];

/// What was written of an action.
enum Found<'t> {
    Command(CommandLine),
    Http(&'t Node),
}

/// Reads it. A `lasting` action has no time limit unless one is written.
pub(super) fn read(
    name: &JobName,
    wholeness: Wholeness,
    lasting: bool,
    fields: &mut Fields<'_>,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> Option<Action> {
    let found = found(name, wholeness, fields, complaints);
    let limit = (!lasting).then_some(Duration::from_hours(1));
    let timeout = fields.limit("timeout", limit, complaints);
    let output = output(fields, complaints);
    let call = match found {
        Some(Found::Http(node)) => Some(http::read(node, timeout, output, ground, complaints)),
        _ => None,
    };
    if call.is_some() && wholeness == Wholeness::Job {
        http::refuse_process_keys(fields, complaints);
        return call?.map(|call| Action::Http(Arc::new(call)));
    }
    // Everything is read before anything is given up: all complaints at once.
    let process = process(timeout, output, fields, ground, complaints);
    match found? {
        Found::Command(command) => Some(Action::Process(Arc::new(Process { command, ..process }))),
        Found::Http(_) => call?.map(|call| Action::Http(Arc::new(call))),
    }
}

/// A process, whatever it executes.
fn process(
    timeout: Option<Duration>,
    output: OutputLimits,
    fields: &mut Fields<'_>,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> Process {
    let codes = fields.node("success_exit_codes");
    let codes = codes.and_then(|node| exit_codes(node, complaints));
    let env_file = path("env_file", fields, ground, complaints);
    let working_dir = path("working_dir", fields, ground, complaints);
    Process {
        command: CommandLine::Shell(String::new()),
        terms: super::terms::read(fields, ground.environment, complaints),
        working_dir,
        env: env(fields, ground, complaints),
        env_file,
        inherit_env: fields.flag("inherit_env", complaints).unwrap_or(false),
        stdin: stdin(fields, complaints),
        success_exit_codes: codes.unwrap_or_else(|| vec![0]),
        timeout,
        kill_signal: signal(fields, complaints).unwrap_or(Signal::TERM),
        kill_timeout: fields
            .duration("kill_timeout", complaints)
            .unwrap_or(Duration::from_secs(10)),
        output,
    }
}

fn found<'t>(
    name: &JobName,
    wholeness: Wholeness,
    fields: &mut Fields<'t>,
    complaints: &mut Complaints,
) -> Option<Found<'t>> {
    let found = fields.rivals(&KEYS);
    match found[..] {
        [("command", node)] => {
            let command = arguments(node, complaints).map(CommandLine::Command);
            command.map(Found::Command)
        }
        [("shell", node)] => {
            let line = shell(node, complaints).map(CommandLine::Shell);
            line.map(Found::Command)
        }
        [(_, node)] => Some(Found::Http(node)),
        [] => {
            if let (Wholeness::Job, Some(place)) = (wholeness, fields.place()) {
                complaints.doubtful(
                    Problem::at(place, format!("job `{name}` has nothing to do")).help(
                        "give it a `command = [\"program\", \"argument\"]`, a `shell = \"line\"` or \
                         `http = { url = … }`",
                    ),
                );
            }
            None
        }
        [(first, node), (second, other), ..] => {
            complaints.error(
                Problem::at(
                    other.key,
                    format!("`{second}` cannot stand beside `{first}`"),
                )
                .also(node.key, "the other action is here")
                .help("a job does exactly one thing: remove one of the two"),
            );
            None
        }
    }
}

fn arguments(node: &Node, complaints: &mut Complaints) -> Option<Vec<String>> {
    if let Written::Text(line) = &node.value {
        let list: Vec<_> = line
            .split_whitespace()
            .map(|word| format!("{word:?}"))
            .collect();
        let problem = Problem::at(
            node.place,
            "`command` is a list: the program and its arguments, each a string",
        );
        let plain = |c: char| c.is_alphanumeric() || " -_./:=,@%+".contains(c);
        let simple = line.len() <= 80 && line.chars().all(plain) && !list.is_empty();
        complaints.error(if simple {
            problem.help(format!(
                "write [{}], or `shell` for a line of shell",
                list.join(", ")
            ))
        } else {
            problem.help("for a line of shell write `shell` instead of `command`")
        });
        return None;
    }
    let arguments = value::texts("command", node, complaints)?;
    let words: Vec<_> = arguments
        .iter()
        .map(|(_, text)| (*text).to_owned())
        .collect();
    match arguments.first() {
        None => {
            complaints.error(Problem::at(node.place, "`command` names no program"));
            return None;
        }
        Some((first, "")) => {
            complaints.error(Problem::at(first.place, "the program's name is empty"));
            return None;
        }
        Some((first, program)) if words.len() == 1 && program.contains(' ') => complaints.warn(
            Problem::at(
                first.place,
                "this is the name of one program, spaces and all",
            )
            .help("write each argument as a string of its own, or use `shell`"),
        ),
        Some(_) => {}
    }
    for (item, text) in &arguments {
        if text.len() > MAX_TEXT {
            complaints.error(Problem::at(item.place, "an argument has at most 128 KiB"));
        }
    }
    if words.len() > MAX_LIST {
        let sentence = format!("`command` has at most {MAX_LIST} arguments");
        complaints.error(Problem::at(node.place, sentence));
    }
    Some(words)
}

fn shell(node: &Node, complaints: &mut Complaints) -> Option<String> {
    let line = value::text("shell", node, complaints)?;
    if line.trim().is_empty() || line.len() > MAX_TEXT {
        complaints.error(Problem::at(
            node.place,
            "`shell` is a line of 1 to 131071 bytes",
        ));
        return None;
    }
    Some(line.to_owned())
}

fn path(
    key: &'static str,
    fields: &mut Fields<'_>,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> Option<PathBuf> {
    let node = fields.node(key)?;
    let text = value::text(key, node, complaints)?;
    if text.is_empty() {
        complaints.error(Problem::at(
            node.place,
            format!("`{key}` must not be empty"),
        ));
        return None;
    }
    Some(ground.path(text))
}

fn env(
    fields: &mut Fields<'_>,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> BTreeMap<String, Value> {
    let Some(written) = fields.table("env", complaints) else {
        return BTreeMap::new();
    };
    let mut env = BTreeMap::new();
    for (name, node) in written.named().into_iter().take(MAX_LIST) {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let begins = !name.starts_with(|c: char| c.is_ascii_digit());
        if name.is_empty() || !begins || !name.chars().all(good) {
            complaints.error(
                Problem::at(
                    node.key,
                    format!("{} is no variable's name", words::quoted(name)),
                )
                .help("letters, digits and '_', not beginning with a digit"),
            );
        } else if OURS.contains(&name) || name.starts_with("PUNCTUAL_PARAM_") {
            let sentence = format!("`{name}` is set by punctual itself, for every run");
            complaints.error(Problem::at(node.key, sentence).help("choose another name"));
        } else if let Some(value) = secret::located(name, node, ground, complaints) {
            env.insert(name.to_owned(), value);
        }
    }
    env
}

fn stdin(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<String> {
    // Unlike an argument it may hold NUL, and TOML can write it.
    let node = fields.node("stdin")?;
    match &node.value {
        Written::Text(text) if text.len() <= 1 << 20 => Some(text.clone()),
        Written::Text(_) => {
            complaints.error(Problem::at(node.place, "`stdin` has at most 1 MiB"));
            None
        }
        _ => {
            value::mistaken(node, "`stdin` is the text itself", complaints);
            None
        }
    }
}

fn exit_codes(node: &Node, complaints: &mut Complaints) -> Option<Vec<i32>> {
    let codes = shape::numbers("success_exit_codes", 0, 255, node, complaints)?;
    if codes.is_empty() {
        let sentence = "with no code in `success_exit_codes` no run could succeed";
        complaints.error(Problem::at(node.place, sentence));
    }
    Some(
        codes
            .into_iter()
            .filter_map(|code| i32::try_from(code).ok())
            .collect(),
    )
}

fn signal(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Signal> {
    let name = fields.text("kill_signal", complaints)?;
    let signal = Signal::named(name);
    if signal.is_none()
        && let Some(node) = fields.node("kill_signal")
    {
        let list = Signal::names().collect::<Vec<_>>().join(", ");
        complaints.error(Problem::at(
            node.place,
            format!("`kill_signal` is one of {list}"),
        ));
    }
    signal
}

fn output(fields: &mut Fields<'_>, complaints: &mut Complaints) -> OutputLimits {
    let mut limits = OutputLimits {
        max_bytes: 1 << 20,
        keep: KeepOutput::Both,
    };
    let Some(mut fields) = fields.table("output", complaints) else {
        return limits;
    };
    if let Some(bytes) = fields.size("max_bytes", &(1..=256 << 20), complaints) {
        limits.max_bytes = bytes;
    }
    let parts = [
        ("tail", KeepOutput::Tail),
        ("head", KeepOutput::Head),
        ("both", KeepOutput::Both),
    ];
    if let Some(keep) = fields.choice("keep", &parts, complaints) {
        limits.keep = keep;
    }
    fields.finish(complaints);
    limits
}
