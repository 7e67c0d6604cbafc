//! `limits` of a job: how much its processes may take.

use super::environment::Environment;
use super::fields::Fields;
use super::report::{Complaints, Problem};
use super::tree::{Node, Written};
use super::value;
use crate::job::{CanLimit, Limits};

/// With less not even a shell starts.
const LEAST_MEMORY: u64 = 1 << 20;
/// More than any machine has.
const MOST_MEMORY: u64 = 1 << 50;
/// A thousand processors, in hundredths of one.
const MOST_CPU: u32 = 100_000;
/// The kernel's own bound.
const MOST_PIDS: i64 = 4_194_304;

/// Reads them: how many files each process may have open, and what all together may take.
pub(super) fn read(
    fields: &mut Fields<'_>,
    environment: &Environment,
    complaints: &mut Complaints,
) -> (Option<u64>, Limits) {
    let Some(mut table) = fields.table("limits", complaints) else {
        return (None, Limits::default());
    };
    let keys = ["open_files", "memory", "cpu", "pids"];
    let [files, memory, cpu, pids] = keys.map(|key| table.node(key));
    table.finish(complaints);
    let can = environment.can_limit;
    let files = files.and_then(|node| open_files(node, environment, complaints));
    let limits = Limits {
        memory: memory.and_then(|node| bytes(node, can, complaints)),
        cpu_percent: cpu.and_then(|node| share(node, can, complaints)),
        pids: pids.and_then(|node| processes(node, can, complaints)),
    };
    (files, limits)
}

fn bytes(node: &Node, can: CanLimit, complaints: &mut Complaints) -> Option<u64> {
    let bytes = value::size("memory", &(LEAST_MEMORY..=MOST_MEMORY), node, complaints)?;
    possible(can.memory, "memory", node, complaints)?;
    Some(bytes)
}

fn share(node: &Node, can: CanLimit, complaints: &mut Complaints) -> Option<u32> {
    let text = match &node.value {
        Written::Text(text) => text.as_str(),
        _ => "",
    };
    let number = text
        .strip_suffix('%')
        .filter(|it| it.starts_with(|first: char| first.is_ascii_digit()));
    let percent = number.and_then(|number| number.parse().ok());
    let percent = percent.filter(|percent| (1..=MOST_CPU).contains(percent));
    if percent.is_none() {
        let sentence =
            format!("`cpu` is a whole share of one processor, from \"1%\" to \"{MOST_CPU}%\"");
        let help = "such as \"50%\" (half of one) or \"150%\" (one and a half)";
        complaints.error(Problem::at(node.place, sentence).help(help));
        return None;
    }
    possible(can.cpu, "cpu", node, complaints)?;
    percent
}

fn processes(node: &Node, can: CanLimit, complaints: &mut Complaints) -> Option<u32> {
    let pids = value::whole("pids", &(1..=MOST_PIDS), node, complaints)?;
    possible(can.pids, "pids", node, complaints)?;
    u32::try_from(pids).ok()
}

/// Nobody shall believe in a limit that is not there.
fn possible(can: bool, key: &str, node: &Node, complaints: &mut Complaints) -> Option<()> {
    if can {
        return Some(());
    }
    let sentence = format!(
        "`{key}` cannot be limited by this daemon, as it has no control group with that controller"
    );
    let help = "run it as a service with Delegate=yes on a machine with cgroup v2 (its log says at \
                the start what it can limit), or remove the limit";
    complaints.error(Problem::at(node.place, sentence).help(help));
    None
}

/// How many descriptors each of its processes may have open.
fn open_files(node: &Node, environment: &Environment, complaints: &mut Complaints) -> Option<u64> {
    // With fewer a shell does not work, and the loader hardly.
    let files = value::whole("open_files", &(16..=1_048_576), node, complaints)?;
    let files = u64::try_from(files).ok()?;
    if files > environment.most_open_files {
        let sentence = format!(
            "`open_files` cannot be more than {}, the daemon's own hard limit",
            environment.most_open_files
        );
        let help =
            "give the daemon a higher LimitNOFILE= in its unit (ulimit -Hn), or run it as root";
        complaints.error(Problem::at(node.place, sentence).help(help));
        return None;
    }
    Some(files)
}
