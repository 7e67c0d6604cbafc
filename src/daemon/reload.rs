//! The config read again while everything runs: whole, or not at all.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};

use super::driver::Order;
use crate::clock;
use crate::config::{self, Changes, Config, Environment, Report, Server};
use crate::dispatch::Input;
use crate::job::CanLimit;
use crate::systemd::ServiceManager;

/// Reads the config again and has what changed take effect. One reload at a time.
pub struct Reloader {
    path: PathBuf,
    /// What the daemon was started with: some settings hold until the next start.
    started: Config,
    config: Mutex<Arc<Config>>,
    can_limit: CanLimit,
    last: Mutex<Option<LastReload>>,
    one_at_a_time: tokio::sync::Mutex<()>,
    orders: mpsc::Sender<Order>,
    manager: ServiceManager,
    server: watch::Sender<Arc<Server>>,
}

/// How the last reload went.
#[derive(Debug, Clone, Serialize)]
pub struct LastReload {
    /// When.
    pub at: Timestamp,
    /// Who asked.
    pub by: String,
    /// Whether the files were taken.
    pub ok: bool,
    /// How many errors they had.
    pub errors: usize,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The files have errors; the config in force stays.
    #[error("the configuration has {} and was not taken; what runs goes on as before", count(.0))]
    Config(Report),
    /// The daemon is about to end.
    #[error("the daemon is shutting down; the next start reads the configuration")]
    Gone,
}

fn count(report: &Report) -> String {
    match report.len() {
        1 => "an error".to_owned(),
        many => format!("{many} errors"),
    }
}

impl Reloader {
    pub(super) fn new(
        path: PathBuf,
        config: Config,
        can_limit: CanLimit,
        orders: mpsc::Sender<Order>,
        manager: ServiceManager,
    ) -> Self {
        Self {
            path,
            server: watch::Sender::new(Arc::new(config.server.clone())),
            config: Mutex::new(Arc::new(config.clone())),
            started: config,
            can_limit,
            last: Mutex::new(None),
            one_at_a_time: tokio::sync::Mutex::new(()),
            orders,
            manager,
        }
    }

    /// The config in force.
    pub fn config(&self) -> Arc<Config> {
        unpoisoned(&self.config).clone()
    }

    /// The API's settings, now and whenever they change.
    pub fn server(&self) -> watch::Receiver<Arc<Server>> {
        self.server.subscribe()
    }

    /// How the last reload went, if there was one.
    pub fn last(&self) -> Option<LastReload> {
        unpoisoned(&self.last).clone()
    }

    /// What a reload would change now.
    pub async fn changes(&self) -> Result<Changes, ReloadError> {
        let new = self.read().await?;
        Ok(self.against(&new))
    }

    fn against(&self, new: &Config) -> Changes {
        Changes::between(&self.started, &self.config(), new)
    }

    /// Reads the files and takes them, all or nothing. Returns once the change is durable; it goes
    /// on to its end even if whoever asked does not wait for that.
    pub async fn reload(self: &Arc<Self>, by: &str) -> Result<Changes, ReloadError> {
        let (this, by) = (self.clone(), by.to_owned());
        let reload = tokio::spawn(async move { this.reload_in_turn(&by).await });
        // A reload that died says so itself; nothing is known of what it changed.
        reload.await.unwrap_or(Err(ReloadError::Gone))
    }

    async fn reload_in_turn(&self, by: &str) -> Result<Changes, ReloadError> {
        let _turn = self.one_at_a_time.lock().await;
        self.manager.reloading();
        let outcome = self.take().await;
        self.manager.reloaded();
        let errors = match &outcome {
            Err(ReloadError::Config(report)) => report.len(),
            Ok(_) | Err(ReloadError::Gone) => 0,
        };
        let ok = outcome.is_ok();
        let last = LastReload {
            at: clock::now(),
            by: by.to_owned(),
            ok,
            errors,
        };
        *unpoisoned(&self.last) = Some(last);
        match &outcome {
            Ok(changes) => tell(by, changes),
            Err(error) => tracing::error!(by, "{error}{}", places(error)),
        }
        outcome
    }

    async fn take(&self) -> Result<Changes, ReloadError> {
        let new = Arc::new(self.read().await?);
        let changes = self.against(&new);
        let (applied, durable) = oneshot::channel();
        let input = Input::Reload {
            plans: new.jobs.clone(),
            pools: new.pools.clone(),
        };
        let order = Order {
            input,
            applied: Some(applied),
        };
        self.orders
            .send(order)
            .await
            .map_err(|_| ReloadError::Gone)?;
        durable.await.map_err(|_| ReloadError::Gone)?;
        self.server.send_replace(Arc::new(new.server.clone()));
        *unpoisoned(&self.config) = new;
        Ok(changes)
    }

    /// Reads the files, away from the threads that serve.
    async fn read(&self) -> Result<Config, ReloadError> {
        let (path, can_limit) = (self.path.clone(), self.can_limit);
        let reading = move || {
            let environment = Environment {
                can_limit,
                ..Environment::of_process()
            };
            config::load(&path, &environment)
        };
        match tokio::task::spawn_blocking(reading).await {
            Ok(loaded) => loaded.map_err(ReloadError::Config),
            Err(_) => Err(ReloadError::Gone),
        }
    }
}

/// A panic while one of these was held has left it whole: they are replaced, never edited.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell(by: &str, changes: &Changes) {
    let differing: Vec<_> = changes
        .changed
        .iter()
        .map(|change| change.job.as_str())
        .collect();
    tracing::info!(
        by,
        added = ?changes.added,
        removed = ?changes.removed,
        changed = ?differing,
        "configuration reloaded"
    );
    if !changes.restart_required.is_empty() {
        let keys = changes.restart_required.join(", ");
        tracing::warn!("these settings changed and take effect at the next start alone: {keys}");
    }
}

/// Where the errors are, a line each.
fn places(error: &ReloadError) -> String {
    let ReloadError::Config(report) = error else {
        return String::new();
    };
    let mut lines = String::new();
    for problem in report.problems() {
        let file = problem.file.display();
        let place = match (problem.line, problem.column) {
            (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
            _ => file.to_string(),
        };
        lines.push_str("\n  ");
        lines.push_str(&place);
        lines.push_str(": ");
        lines.push_str(&problem.message);
    }
    lines
}
