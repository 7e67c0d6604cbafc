//! What tells that the config's files changed, whichever name an event has: what each path leads to
//! by now, and that file's identity, size and time.
//!
//! A folder that many links lead through may be replaced as a whole (`..data` of a Kubernetes
//! ConfigMap): no event names any of the files then.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The most files of `conf.d` that are looked at: with more of them the config is refused.
const MAX_FILES: usize = 4_097;

/// How the files are; two that are alike are of the same files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprint(Vec<(PathBuf, Option<Seen>)>);

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    /// Where it is, without links.
    path: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Fingerprint {
    /// Of the config at `path`, `conf.d` beside it, and the files of calendars.
    pub(super) fn take(path: &Path, jobs: &Path, calendars: &[PathBuf]) -> Self {
        let mut paths: Vec<_> = std::fs::read_dir(jobs)
            .into_iter()
            .flatten()
            .take(MAX_FILES)
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|end| end == "toml"))
            .collect();
        paths.sort();
        paths.push(path.to_owned());
        paths.extend_from_slice(calendars);
        let seen = |path: PathBuf| {
            let file = Seen::at(&path);
            (path, file)
        };
        Self(paths.into_iter().map(seen).collect())
    }
}

impl Seen {
    /// None: it cannot be looked at, or is not there.
    fn at(path: &Path) -> Option<Self> {
        let path = path.canonicalize().ok()?;
        let metadata: Metadata = path.metadata().ok()?;
        Some(Self {
            path,
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_change_of_a_file_shows_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["1", "2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("config.toml"), "").unwrap();
        }
        fs::create_dir(at("conf.d")).unwrap();
        symlink("1", at("data")).unwrap();
        symlink("data/config.toml", at("config.toml")).unwrap();
        let take = || Fingerprint::take(&at("config.toml"), &at("conf.d"), &[at("a.ics")]);
        let mut last = take();
        let mut changed = || {
            let now = take();
            std::mem::replace(&mut last, now.clone()) != now
        };
        assert!(!changed());
        fs::write(at("beside.txt"), "x").unwrap();
        fs::write(at("conf.d/notes.txt"), "x").unwrap();
        assert!(!changed());
        symlink("2", at("new")).unwrap();
        fs::rename(at("new"), at("data")).unwrap();
        assert!(changed());
        fs::write(at("2/config.toml"), "x").unwrap();
        assert!(changed());
        fs::write(at("conf.d/a.toml"), "").unwrap();
        assert!(changed());
        fs::write(at("a.ics"), "").unwrap();
        assert!(changed());
        fs::remove_file(at("conf.d/a.toml")).unwrap();
        assert!(changed() && !changed());
    }
}
