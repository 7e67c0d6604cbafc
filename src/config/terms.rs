//! `user`, `group`, `umask`, `nice` and `limits`: what a process has otherwise than the daemon.

use super::accounts::Member;
use super::environment::Environment;
use super::fields::Fields;
use super::report::{Complaints, Problem};
use super::tree::Node;
use super::{limits, shape, value, words};
use crate::job::{Ids, Terms};

/// Reads them.
pub(super) fn read(
    fields: &mut Fields<'_>,
    environment: &Environment,
    complaints: &mut Complaints,
) -> Terms {
    let user = fields.node("user");
    let member = user.and_then(|node| user_of(node, environment, complaints));
    let group = fields.node("group");
    let group = group.and_then(|node| group_of(node, environment, complaints));
    let umask = fields.node("umask");
    let umask = umask.and_then(|node| shape::mode("umask", 0o777, node, complaints));
    let nice = fields.node("nice");
    let nice = nice.and_then(|node| niceness(node, environment, complaints));
    let (open_files, limits) = limits::read(fields, environment, complaints);
    Terms {
        ids: ids(member.as_ref(), group, environment),
        user: member.map(|member| member.account),
        umask,
        nice,
        open_files,
        limits,
    }
}

fn user_of(node: &Node, environment: &Environment, complaints: &mut Complaints) -> Option<Member> {
    let name = value::text("user", node, complaints)?;
    let member = match environment.accounts.user(name) {
        Ok(Some(member)) => member,
        Ok(None) => {
            let sentence = format!("there is no user {} on this machine", words::quoted(name));
            let help = "create the user, or correct the name; numbers are not looked up";
            complaints.error(Problem::at(node.place, sentence).help(help));
            return None;
        }
        Err(why) => {
            complaints.error(not_looked_up("user", name, &why, node));
            return None;
        }
    };
    if !environment.may_change_ids && environment.euid != member.id {
        let sentence = format!(
            "a job can run as {} only under a daemon that runs as root and may change its ids",
            words::quoted(name)
        );
        let help = "run the daemon as root with CAP_SETUID and CAP_SETGID, or as that user, or remove `user`";
        complaints.error(Problem::at(node.place, sentence).help(help));
        return None;
    }
    Some(member)
}

fn group_of(node: &Node, environment: &Environment, complaints: &mut Complaints) -> Option<u32> {
    let name = value::text("group", node, complaints)?;
    let group = match environment.accounts.group(name) {
        Ok(Some(group)) => group,
        Ok(None) => {
            let sentence = format!("there is no group {} on this machine", words::quoted(name));
            let help = "create the group, or correct the name; numbers are not looked up";
            complaints.error(Problem::at(node.place, sentence).help(help));
            return None;
        }
        Err(why) => {
            complaints.error(not_looked_up("group", name, &why, node));
            return None;
        }
    };
    if !environment.may_change_ids && environment.egid != group {
        let sentence = format!(
            "a job can run with the group {} only under a daemon that runs as root and may change its ids",
            words::quoted(name)
        );
        let help = "run the daemon as root with CAP_SETUID and CAP_SETGID, or with that group, or remove `group`";
        complaints.error(Problem::at(node.place, sentence).help(help));
        return None;
    }
    Some(group)
}

fn not_looked_up(what: &str, name: &str, why: &std::io::Error, node: &Node) -> Problem {
    let sentence = format!(
        "the {what} {} cannot be looked up: {why}",
        words::quoted(name)
    );
    Problem::at(node.place, sentence).help("look at the machine's user database and try again")
}

/// The ids to run under. A daemon that may not change them has them already, as was made sure of.
fn ids(member: Option<&Member>, group: Option<u32>, environment: &Environment) -> Option<Ids> {
    if !environment.may_change_ids {
        return None;
    }
    match (member, group) {
        (None, None) => None,
        (Some(member), group) => Some(Ids {
            user: member.id,
            group: group.unwrap_or(member.group),
            groups: member.groups.clone(),
        }),
        // Root with another group, and with nothing of the groups that the daemon is in.
        (None, Some(group)) => Some(Ids {
            user: environment.euid,
            group,
            groups: vec![group],
        }),
    }
}

fn niceness(node: &Node, environment: &Environment, complaints: &mut Complaints) -> Option<i32> {
    let nice = value::whole("nice", &(-20..=19), node, complaints)?;
    let nice = i32::try_from(nice).ok()?;
    if nice < environment.lowest_nice {
        let sentence = format!(
            "`nice` cannot be less than {} under this daemon, which may not raise priorities",
            environment.lowest_nice
        );
        let help = "run the daemon as root with CAP_SYS_NICE, or give it LimitNICE= in its unit";
        complaints.error(Problem::at(node.place, sentence).help(help));
        return None;
    }
    Some(nice)
}
