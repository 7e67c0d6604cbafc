//! Where this process is among the control groups, and whether that place is its own to divide.
//!
//! Two managers in one group would undo each other's work. So it is taken only if the one above says
//! so (`Delegate=yes` of systemd, which marks the group), or if nobody else is in it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// The child group that a daemon lives in, so that the group itself may have controllers: one with
/// processes in it may not.
pub(super) const DAEMON: &str = "daemon";

/// The child group that has the groups of the attempts.
pub(super) const JOBS: &str = "jobs";

/// Finds the group that is to be divided, or says why there is none.
pub(super) fn find() -> Result<PathBuf, String> {
    let cannot_read =
        |what: &str, why: &dyn std::fmt::Display| format!("{what} cannot be read: {why}");
    let mounts = fs::read("/proc/self/mountinfo")
        .map_err(|why| cannot_read("/proc/self/mountinfo", &why))?;
    let own =
        fs::read("/proc/self/cgroup").map_err(|why| cannot_read("/proc/self/cgroup", &why))?;
    let mounts = mounts_of_cgroup2(&mounts);
    if mounts.is_empty() {
        return Err("no cgroup v2 is mounted here".to_owned());
    }
    let own = own_path(&own).ok_or("it is in no group of cgroup v2")?;
    let folders = mounts.iter().filter_map(|mount| mount.folder_of(&own));
    // What is mounted may be another part of the tree, so the kernel is asked.
    let group = folders
        .into_iter()
        .find(|folder| holds_this_process(folder));
    let group = group.ok_or_else(|| {
        format!(
            "its own group {} is not in what is mounted here",
            own.display()
        )
    })?;
    let top = to_divide(&group);
    may_divide(&top)?;
    Ok(top)
}

/// A mount of cgroup v2.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    /// The group that is seen at its top, as this process names groups.
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// Where a group is found; none if it is not below this mount.
    fn folder_of(&self, group: &Path) -> Option<PathBuf> {
        // Names with `..` are those of groups outside of this process's namespace.
        let is_outside = |path: &Path| path.components().any(|part| part == Component::ParentDir);
        if is_outside(&self.root) || is_outside(group) {
            return None;
        }
        Some(self.point.join(group.strip_prefix(&self.root).ok()?))
    }
}

/// The lines of `/proc/self/mountinfo` that are about cgroup v2; on a hybrid machine it is mounted
/// beside the old groups.
fn mounts_of_cgroup2(mountinfo: &[u8]) -> Vec<Mount> {
    let lines = mountinfo.split(|&byte| byte == b'\n');
    lines
        .filter_map(|line| {
            let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
            // Fields without a fixed number stand before the dash.
            let dash = fields.iter().position(|field| *field == b"-")?;
            (*fields.get(dash + 1)? == b"cgroup2").then(|| {
                Some(Mount {
                    root: unescaped(fields.get(3)?),
                    point: unescaped(fields.get(4)?),
                })
            })?
        })
        .collect()
}

/// A path in which blanks and the like stand as three octal digits behind a backslash.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|_| first == b'\\');
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        (bytes, rest) = match code {
            Some(byte) => ([bytes, vec![byte]].concat(), &behind[3..]),
            None => ([bytes, vec![first]].concat(), behind),
        };
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}

/// The group that `/proc/self/cgroup` names for cgroup v2.
fn own_path(cgroup: &[u8]) -> Option<PathBuf> {
    let mut lines = cgroup.split(|&byte| byte == b'\n');
    let path = lines.find_map(|line| line.strip_prefix(b"0::"))?;
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

fn holds_this_process(group: &Path) -> bool {
    processes_in(group).is_ok_and(|pids| pids.contains(&std::process::id()))
}

/// The processes of a group, without those of its children.
pub(super) fn processes_in(group: &Path) -> std::io::Result<Vec<u32>> {
    let text = fs::read_to_string(group.join("cgroup.procs"))?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// The group above, if this is the child that a daemon before this one moved itself to, or that
/// `DelegateSubgroup=` of systemd made for it.
fn to_divide(group: &Path) -> PathBuf {
    match group.parent() {
        Some(above)
            if group.file_name() == Some(OsStr::new(DAEMON))
                && (above.join(JOBS).is_dir() || is_delegated(above) == Some(true)) =>
        {
            above.to_owned()
        }
        _ => group.to_owned(),
    }
}

fn may_divide(top: &Path) -> Result<(), String> {
    let named = top.display();
    // The machine's own root has no such file, and is never anybody's.
    if !top.join("cgroup.events").exists() {
        return Err("it is in the machine's root group".to_owned());
    }
    match is_delegated(top) {
        Some(true) => return Ok(()),
        Some(false) => {
            return Err(format!(
                "{named} is not delegated to it (Delegate=yes in its unit does that)"
            ));
        }
        None => {}
    }
    let access = rustix::fs::Access::WRITE_OK;
    let writable = ["", "cgroup.procs", "cgroup.subtree_control"];
    let is_writable = |name: &&str| rustix::fs::access(top.join(name), access).is_ok();
    if !writable.iter().all(is_writable) {
        return Err(format!("it may not write in its own group {named}"));
    }
    match others_in(top) {
        Ok(false) => Ok(()),
        Ok(true) => Err(format!("it is not alone in its own group {named}")),
        Err(why) => Err(format!("{named} cannot be read: {why}")),
    }
}

/// What a service manager says of a group; none if it is not a service manager's.
fn is_delegated(group: &Path) -> Option<bool> {
    let has = |name: &str| {
        // The first needs no privilege to be read, older versions have only the second.
        ["user", "trusted"].iter().find_map(|space| {
            let mut value = [0; 64];
            let name = format!("{space}.{name}");
            let length = rustix::fs::getxattr(group, name, &mut value).ok()?;
            Some(value[..length.min(64)].to_vec())
        })
    };
    match (has("delegate"), has("invocation_id")) {
        (Some(value), _) => Some(value == b"1"),
        (None, Some(_)) => Some(false),
        (None, None) => None,
    }
}

/// Whether somebody else is in the group, or in a child group that no daemon made.
fn others_in(top: &Path) -> std::io::Result<bool> {
    let own = std::process::id();
    if processes_in(top)?.iter().any(|&pid| pid != own) {
        return Ok(true);
    }
    for child in children_of(top)? {
        let name = child.file_name();
        let of_a_daemon = [DAEMON, JOBS]
            .iter()
            .any(|ours| name == Some(OsStr::new(ours)));
        if !of_a_daemon && super::group::is_populated(&child)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The groups right below one.
pub(super) fn children_of(group: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut children = Vec::new();
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            children.push(entry.path());
        }
    }
    Ok(children)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &[u8] = b"\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:5 - cgroup cgroup rw,memory\n\
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:6 master:7 - cgroup2 cgroup2 rw\n\
42 31 0:38 /a\\040b /mnt/my\\134groups rw - cgroup2 cgroup2 rw\n\
43 31 0:38 /../.. /mnt/above rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn mounts_are_found_beside_the_old_groups() {
        let found = mounts_of_cgroup2(HYBRID);
        let mount = |root: &str, point: &str| Mount {
            root: root.into(),
            point: point.into(),
        };
        assert_eq!(
            found,
            [
                mount("/", "/sys/fs/cgroup/unified"),
                mount("/a b", "/mnt/my\\groups"),
                mount("/../..", "/mnt/above"),
            ]
        );
        let folders = |group: &str| -> Vec<_> {
            let folders = found.iter().map(|mount| mount.folder_of(group.as_ref()));
            folders.collect()
        };
        let at = |path: &str| Some(PathBuf::from(path));
        let outside = [None, None, None];
        assert_eq!(
            folders("/x/y"),
            [at("/sys/fs/cgroup/unified/x/y"), None, None]
        );
        assert_eq!(
            folders("/a b/c"),
            [
                at("/sys/fs/cgroup/unified/a b/c"),
                at("/mnt/my\\groups/c"),
                None
            ]
        );
        assert_eq!(folders("/../../x"), outside);
        assert_eq!(folders("/a bc").get(1), Some(&None));
    }

    #[test]
    fn the_own_group_is_that_of_the_line_with_the_number_zero() {
        let own = own_path(b"9:name=systemd:/\n4:memory:/x\n0::/system.slice/a b.service\n");
        assert_eq!(own, Some("/system.slice/a b.service".into()));
        assert_eq!(own_path(b"4:memory:/x\n"), None);
    }
}
