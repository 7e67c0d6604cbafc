//! `watch_config = true`: the config is read again when its files change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use inotify::{EventOwned, EventStream, Inotify, WatchMask};
use tokio_stream::StreamExt;

use super::fingerprint::Fingerprint;
use super::reload::Reloader;
use crate::clock;
use crate::config::Config;

/// Editors write in several steps (a new file, a rename, a mode); this long after the last of them
/// the files are read.
const SETTLED: Duration = Duration::from_millis(250);

/// The longest that steps which never end are waited for.
const AT_MOST: Duration = Duration::from_secs(2);

/// Folders are watched, not files: an editor that replaces a file leaves a watch on the old one.
const CHANGES: WatchMask = WatchMask::CLOSE_WRITE
    .union(WatchMask::CREATE)
    .union(WatchMask::DELETE)
    .union(WatchMask::MOVED_FROM)
    .union(WatchMask::MOVED_TO)
    .union(WatchMask::ATTRIB);

/// The folder of the config and `conf.d` in it, watched from now on, and the folders of the files
/// that calendars come from.
pub(super) struct Watch {
    path: PathBuf,
    changes: EventStream<Vec<u8>>,
}

/// What a burst of events may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Burst {
    /// Another config.
    Concerns,
    /// Another config only if its files are others than before.
    Unclear,
    /// Nothing comes any more.
    Over,
}

impl Watch {
    /// Begins to watch. Without it the daemon works, so an error is told and no more.
    pub(super) fn start(path: PathBuf) -> Option<Self> {
        match start(&path) {
            Ok(changes) => Some(Self { path, changes }),
            Err(error) => {
                tracing::error!(
                    %error,
                    "the config's folder cannot be watched; use `punctual reload` or SIGHUP"
                );
                None
            }
        }
    }

    /// Reloads after each change; at once if the files changed since they were read.
    pub(super) async fn run(mut self, reloader: Arc<Reloader>) {
        watch_calendars(&self.changes, &reloader.config());
        // Each is taken before the files are read, so that no change falls between.
        let mut before = self.fingerprint(&reloader.config()).await;
        if reloader
            .changes()
            .await
            .is_ok_and(|changes| !changes.is_empty())
        {
            reload(&reloader).await;
        }
        loop {
            let burst = self.burst(&reloader.config()).await;
            if burst == Burst::Over {
                return;
            }
            let now = self.fingerprint(&reloader.config()).await;
            if burst == Burst::Concerns || now != before {
                watch_jobs_folder(&self.changes, &self.path);
                reload(&reloader).await;
                watch_calendars(&self.changes, &reloader.config());
            }
            before = now;
        }
    }

    /// Waits for events and until those that concern the config have settled. Others hold nothing up,
    /// however many there are.
    async fn burst(&mut self, config: &Config) -> Burst {
        let mut burst = Burst::Unclear;
        let mut event = self.changes.next().await;
        let began = clock::monotonic();
        let mut quiet_since = began;
        loop {
            match &event {
                None => return Burst::Over,
                Some(event) if concerns(event, &self.path, config) => {
                    burst = Burst::Concerns;
                    quiet_since = clock::monotonic();
                }
                Some(_) => {}
            }
            let settled = SETTLED.saturating_sub(quiet_since.elapsed());
            let left = settled.min(AT_MOST.saturating_sub(began.elapsed()));
            if left.is_zero() {
                return burst;
            }
            tokio::select! {
                next = self.changes.next() => event = next,
                () = clock::elapse(left) => return burst,
            }
        }
    }

    /// Of the files as they are now, away from the threads that serve; none: the daemon ends.
    async fn fingerprint(&self, config: &Config) -> Option<Fingerprint> {
        let (path, calendars) = (self.path.clone(), config.calendar_files.clone());
        let jobs = jobs_folder(&path);
        let taking = move || Fingerprint::take(&path, &jobs, &calendars);
        tokio::task::spawn_blocking(taking).await.ok()
    }
}

/// How it went is in the log: nobody waits for an answer to a change of a file.
async fn reload(reloader: &Arc<Reloader>) {
    let _ = reloader.reload("watch_config").await;
}

fn start(path: &Path) -> std::io::Result<EventStream<Vec<u8>>> {
    let inotify = Inotify::init()?;
    inotify.watches().add(folder(path), CHANGES)?;
    let changes = inotify.into_event_stream(vec![0; 16 * 1024])?;
    watch_jobs_folder(&changes, path);
    Ok(changes)
}

/// `conf.d` may come later, and may be replaced by another folder; watching it again is harmless.
fn watch_jobs_folder(changes: &EventStream<Vec<u8>>, path: &Path) {
    let jobs = jobs_folder(path);
    match changes.watches().add(&jobs, CHANGES | WatchMask::ONLYDIR) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, folder = %jobs.display(), "cannot be watched"),
    }
}

/// Calendars may come from files in other folders. Watching a folder again is harmless; a file that
/// changed just before its folder was watched is taken with the next reload.
fn watch_calendars(changes: &EventStream<Vec<u8>>, config: &Config) {
    let folders: BTreeSet<_> = config
        .calendar_files
        .iter()
        .map(|file| folder(file))
        .collect();
    for folder in folders {
        if let Err(error) = changes.watches().add(folder, CHANGES) {
            tracing::warn!(%error, folder = %folder.display(), "cannot be watched");
        }
    }
}

/// Whether a change may mean another config: files named `*.toml`, the config itself and the files
/// of calendars whatever their names, `conf.d`, or so many changes that the kernel lost some.
fn concerns(event: &std::io::Result<EventOwned>, path: &Path, config: &Config) -> bool {
    let Ok(event) = event else { return true };
    let Some(name) = &event.name else { return true };
    let name = Path::new(name);
    name.extension()
        .is_some_and(|extension| extension == "toml")
        || path.file_name().is_some_and(|own| own == name)
        || is_calendar(name, config)
        || name == Path::new("conf.d")
}

fn is_calendar(name: &Path, config: &Config) -> bool {
    let mut names = config
        .calendar_files
        .iter()
        .filter_map(|file| file.file_name());
    names.any(|own| own == name)
}

fn jobs_folder(path: &Path) -> PathBuf {
    folder(path).join("conf.d")
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
