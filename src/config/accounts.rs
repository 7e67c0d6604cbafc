//! The users and groups that a machine knows.

use std::ffi::CString;
use std::io;

use nix::unistd::{Gid, Group, User, getgrouplist};

use crate::job::Account;

/// Where users and groups are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accounts {
    /// In the system's databases: `/etc/passwd`, or whatever `/etc/nsswitch.conf` says.
    System,
    /// Among these, and by names and numbers for groups.
    Listed {
        /// The users.
        users: Vec<Member>,
        /// The groups.
        groups: Vec<(String, u32)>,
    },
}

/// A user with the numbers that belong to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub account: Account,
    /// Their number.
    pub id: u32,
    /// The number of their own group.
    pub group: u32,
    /// The groups that they are in, their own among them.
    pub groups: Vec<u32>,
}

impl Accounts {
    /// The user of this name, if there is one.
    pub fn user(&self, name: &str) -> io::Result<Option<Member>> {
        match self {
            Self::System => system_user(name),
            Self::Listed { users, .. } => Ok(users
                .iter()
                .find(|member| member.account.name == name)
                .cloned()),
        }
    }

    /// The number of the group of this name, if there is one.
    pub fn group(&self, name: &str) -> io::Result<Option<u32>> {
        match self {
            Self::System => Ok(Group::from_name(name)?.map(|group| group.gid.as_raw())),
            Self::Listed { groups, .. } => Ok(groups
                .iter()
                .find(|(known, _)| known == name)
                .map(|&(_, id)| id)),
        }
    }
}

fn system_user(name: &str) -> io::Result<Option<Member>> {
    let Some(user) = User::from_name(name)? else {
        return Ok(None);
    };
    let groups = getgrouplist(&CString::new(name)?, user.gid)?;
    Ok(Some(Member {
        account: Account {
            name: user.name,
            home: user.dir,
            shell: user.shell,
        },
        id: user.uid.as_raw(),
        group: user.gid.as_raw(),
        groups: groups.into_iter().map(Gid::as_raw).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_knows_root_and_nobody_else_of_no_name() {
        let root = Accounts::System.user("root").unwrap().unwrap();
        assert_eq!((root.id, root.group), (0, 0));
        assert!(root.groups.contains(&0));
        assert!(root.account.home.is_absolute());
        assert_eq!(Accounts::System.group("root").unwrap(), Some(0));
        assert_eq!(Accounts::System.user("no-such-user").unwrap(), None);
        assert_eq!(Accounts::System.group("no-such-group").unwrap(), None);
    }
}
