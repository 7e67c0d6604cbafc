//! Who may write a configuration: what stands in it runs with the daemon's rights.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Mode { path, .. } => format!("chmod go-w {}", path.display()),
            Self::Owner { path, .. } => format!("chown root {}", path.display()),
            Self::Unknown { .. } => "check that it exists and may be read".to_owned(),
        }
    }
}

/// Refuses a file or folder that others than root may write, when `euid` is root.
///
/// For an ordinary user everything passes: the daemon can do no more than who started it. In a
/// sticky folder (`/tmp`) others may add files, but neither replace nor remove root's own.
pub fn check(path: &Path, euid: u32) -> Result<(), Untrusted> {
    if euid != 0 {
        return Ok(());
    }
    let path = path.to_owned();
    let metadata = match std::fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) => return Err(Untrusted::Unknown { path, error }),
    };
    let mode = metadata.mode() & 0o7777;
    match metadata.uid() {
        _ if mode & 0o022 != 0 && !(metadata.is_dir() && mode & 0o1000 != 0) => {
            Err(Untrusted::Mode { path, mode })
        }
        0 => Ok(()),
        owner => Err(Untrusted::Owner { path, owner }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn root_trusts_what_root_alone_may_write() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mode = |mode| {
            std::fs::set_permissions(file.path(), PermissionsExt::from_mode(mode)).unwrap();
        };
        for loose in [0o620, 0o602, 0o666, 0o777] {
            mode(loose);
            let error = check(file.path(), 0).unwrap_err();
            assert!(matches!(error, Untrusted::Mode { .. }), "{error}");
            assert!(error.help().starts_with("chmod go-w /"));
            assert!(check(file.path(), 1000).is_ok());
        }
        mode(0o644);
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o1777)).unwrap();
        assert!(
            !matches!(check(folder.path(), 0), Err(Untrusted::Mode { .. })),
            "sticky"
        );
        let own = std::fs::metadata(file.path()).unwrap().uid();
        match check(file.path(), 0) {
            Ok(()) => assert_eq!(own, 0),
            Err(error) => assert!(matches!(error, Untrusted::Owner { owner, .. } if owner == own)),
        }
    }
}
