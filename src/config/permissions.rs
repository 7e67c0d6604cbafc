//! Who may write a configuration: what stands in it runs with the daemon's rights.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// The most links that Linux follows on one path.
const MAX_LINKS: u32 = 40;

/// Why a file or folder is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// Its mode lets the group or everyone write.
    #[error(
        "{path} may be written by others (mode {mode:04o}); a daemon that runs as root would run \
         whatever they put there"
    )]
    Mode {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to somebody else, who may write it whatever its mode.
    #[error(
        "{path} belongs to user {owner}; a daemon that runs as root would run whatever that user \
         puts there"
    )]
    Owner {
        /// The file or folder.
        path: PathBuf,
        /// The user id it belongs to.
        owner: u32,
    },
    /// It is a link of somebody else, who may let it lead elsewhere.
    #[error(
        "{path} is a link of user {owner}; a daemon that runs as root would run whatever that user \
         lets it lead to"
    )]
    Link {
        /// The link.
        path: PathBuf,
        /// The user id it belongs to.
        owner: u32,
    },
    /// It could not be looked at.
    #[error("cannot look at {path}: {error}")]
    Unknown {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Untrusted {
    /// The file, folder or link.
    pub fn path(&self) -> &Path {
        match self {
            Self::Mode { path, .. }
            | Self::Owner { path, .. }
            | Self::Link { path, .. }
            | Self::Unknown { path, .. } => path,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Mode { path, .. } => format!("chmod go-w {}", path.display()),
            Self::Owner { path, .. } => format!(
                "chown root {}, or keep the configuration in a folder that is root's, such as \
                 /etc/punctual",
                path.display()
            ),
            Self::Link { path, .. } => format!("chown --no-dereference root {}", path.display()),
            Self::Unknown { .. } => "check that it exists and may be read".to_owned(),
        }
    }
}

/// What a new file of somebody else in a folder would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewFile {
    /// Nothing: the daemon opens a name that is there already.
    Ignored,
    /// It would be read.
    Read,
}

/// Refuses a way to a file or folder that others than root have in their hands, when `euid` is root:
/// each folder on it and each link.
///
/// For an ordinary user everything passes: the daemon can do no more than who started it. In a
/// sticky folder (`/tmp`) others may add files, but neither replace nor remove root's own; so one is
/// refused where a new file would be read, and where a link leads. What is not there is for whoever
/// opens it to tell, and the file itself is judged by [`check_opened`].
pub fn check_way(path: &Path, last_folder: NewFile, euid: u32) -> Result<(), Untrusted> {
    if euid != 0 {
        return Ok(());
    }
    let unknown = |path: &Path| {
        let path = path.to_owned();
        move |error| Untrusted::Unknown { path, error }
    };
    let mut left = steps(&std::path::absolute(path).map_err(unknown(path))?);
    let (mut links, mut folder) = (0, PathBuf::from("/"));
    check_folder(&folder, NewFile::Ignored)?;
    while let Some(step) = left.pop() {
        if step == ".." {
            folder.pop();
            continue;
        }
        let next = folder.join(step);
        let metadata = match std::fs::symlink_metadata(&next) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(unknown(&next)(error)),
        };
        if metadata.is_dir() {
            folder = next;
            check_folder(&folder, NewFile::Ignored)?;
        } else if metadata.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err(unknown(&next)(rustix::io::Errno::LOOP.into()));
            }
            if metadata.uid() != 0 {
                let owner = metadata.uid();
                return Err(Untrusted::Link { path: next, owner });
            }
            let target = std::fs::read_link(&next).map_err(unknown(&next))?;
            if target.is_absolute() {
                folder = PathBuf::from("/");
            }
            left.extend(steps(&target));
        } else {
            break;
        }
    }
    match links {
        0 => check_folder(&folder, last_folder),
        _ => check_folder(&folder, NewFile::Read),
    }
}

/// The names on a path, the first of them last.
fn steps(path: &Path) -> Vec<OsString> {
    let steps = path.components().rev().filter_map(|step| match step {
        Component::Normal(_) | Component::ParentDir => Some(step.as_os_str().to_owned()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    steps.collect()
}

fn check_folder(path: &Path, new_file: NewFile) -> Result<(), Untrusted> {
    let metadata = std::fs::symlink_metadata(path).map_err(|error| Untrusted::Unknown {
        path: path.to_owned(),
        error,
    })?;
    let is_kept_by_owners = new_file == NewFile::Ignored && metadata.mode() & 0o1000 != 0;
    check(path, &metadata, is_kept_by_owners)
}

/// Refuses a file that is open, when `euid` is root and others may write it: by what was opened, and
/// not by what its path leads to by now.
pub fn check_opened(path: &Path, opened: &Metadata, euid: u32) -> Result<(), Untrusted> {
    match euid {
        0 => check(path, opened, false),
        _ => Ok(()),
    }
}

fn check(path: &Path, metadata: &Metadata, any_mode: bool) -> Result<(), Untrusted> {
    let path = path.to_owned();
    let mode = metadata.mode() & 0o7777;
    match metadata.uid() {
        _ if mode & 0o022 != 0 && !any_mode => Err(Untrusted::Mode { path, mode }),
        0 => Ok(()),
        owner => Err(Untrusted::Owner { path, owner }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    /// Gives something to another user; where root does not run the tests, it is another's already.
    fn give_away(path: &Path) -> u32 {
        if rustix::process::geteuid().is_root() {
            lchown(path, Some(1234), None).unwrap();
        }
        fs::symlink_metadata(path).unwrap().uid()
    }

    fn way(path: &Path) -> Result<(), Untrusted> {
        check_way(path, NewFile::Ignored, 0)
    }

    #[test]
    fn root_trusts_what_root_alone_may_write() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let look = |euid| check_opened(file.path(), &file.as_file().metadata().unwrap(), euid);
        for loose in [0o620, 0o602, 0o666, 0o777] {
            set_mode(file.path(), loose);
            let error = look(0).unwrap_err();
            assert!(matches!(error, Untrusted::Mode { .. }), "{error}");
            assert!(error.help().starts_with("chmod go-w /"));
            assert!(look(1000).is_ok());
        }
        set_mode(file.path(), 0o644);
        let own = give_away(file.path());
        let error = look(0).unwrap_err();
        assert!(matches!(error, Untrusted::Owner { owner, .. } if owner == own));
    }

    #[test]
    fn what_is_open_counts_and_not_what_its_path_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, "").unwrap();
        set_mode(&path, 0o666);
        let opened = fs::File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        set_mode(&path, 0o600);
        let error = check_opened(&path, &opened.metadata().unwrap(), 0).unwrap_err();
        assert!(matches!(error, Untrusted::Mode { mode: 0o666, .. }));
    }

    #[test]
    fn a_sticky_folder_is_refused_where_a_new_file_would_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let refused = |new_file, mode| {
            set_mode(path, mode);
            let refused = check_way(path, new_file, 0);
            matches!(refused, Err(Untrusted::Mode { path: it, .. }) if it == path)
        };
        assert!(refused(NewFile::Ignored, 0o777));
        assert!(!refused(NewFile::Ignored, 0o1777));
        // Of another, it is refused for that.
        let own = rustix::process::geteuid().is_root();
        assert_eq!(refused(NewFile::Read, 0o1777), own);
        assert_eq!(refused(NewFile::Read, 0o1775), own);
        assert!(!refused(NewFile::Read, 0o1755));
        assert!(check_way(path, NewFile::Read, 1000).is_ok());
    }

    #[test]
    fn links_and_folders_on_the_way_are_no_other_users() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["own", "loose", "foreign"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("a.toml"), "").unwrap();
        }
        set_mode(&at("loose"), 0o1777);
        let foreign = give_away(&at("foreign"));
        for (link, target) in [
            ("good", "own/../own/a.toml"),
            ("far", "good"),
            ("to-loose", "loose/a.toml"),
            ("folder-of-another", "foreign/a.toml"),
            ("of-another", "own/a.toml"),
            ("by-another", "of-another"),
            ("round", "round"),
            ("nowhere", "own/none.toml"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        give_away(&at("of-another"));

        let error = way(&at("foreign/a.toml")).unwrap_err();
        if rustix::process::geteuid().is_root() {
            assert_eq!(error.path(), at("foreign"));
            for good in ["own/a.toml", "loose/a.toml", "good", "far", "nowhere"] {
                assert!(way(&at(good)).is_ok(), "{good}");
            }
            let refused = |link: &str| way(&at(link)).unwrap_err();
            let error = refused("to-loose");
            assert!(matches!(&error, Untrusted::Mode { path, .. } if *path == at("loose")));
            let error = refused("folder-of-another");
            assert!(matches!(&error, Untrusted::Owner { path, .. } if *path == at("foreign")));
            for link in ["of-another", "by-another"] {
                let error = refused(link);
                let theirs = matches!(error, Untrusted::Link { owner, .. } if owner == foreign);
                assert!(theirs && error.path() == at("of-another"), "{error}");
                assert!(error.help().starts_with("chown --no-dereference root /"));
            }
            let error = refused("round").to_string();
            assert!(error.contains("Too many levels"), "{error}");
        }
        assert!(check_way(&at("of-another"), NewFile::Read, 1000).is_ok());
    }
}
