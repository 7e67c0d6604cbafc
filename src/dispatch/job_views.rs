//! The jobs of a snapshot, copied in parts: what changed in one job costs one part, and not all jobs.

use std::iter::FlatMap;
use std::ops::Index;
use std::slice;
use std::sync::Arc;

use super::job_state::JobState;
use super::{Dispatcher, JobView};
use crate::job::JobName;

/// How many jobs one part has; the last has what is left.
const PART: usize = 64;

/// Jobs at one moment, by name. Cheap to clone: parts that did not change are shared.
#[derive(Debug, Clone, Default)]
pub struct JobViews {
    parts: Vec<Arc<Vec<JobView>>>,
}

/// The jobs of the last snapshot, and which of them are not like that any more.
#[derive(Debug, Default)]
pub(super) struct LastViews {
    /// None: there was none.
    shown: Option<JobViews>,
    changed: Vec<JobName>,
}

type Parts<'a> = slice::Iter<'a, Arc<Vec<JobView>>>;

impl JobViews {
    /// Of jobs that come by name.
    fn of(mut views: impl Iterator<Item = JobView>) -> Self {
        let part = || Some(views.by_ref().take(PART).collect::<Vec<_>>());
        let parts = std::iter::from_fn(part).take_while(|part| !part.is_empty());
        Self {
            parts: parts.map(Arc::new).collect(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// All of them, by name.
    pub fn iter(&self) -> <&Self as IntoIterator>::IntoIter {
        self.into_iter()
    }

    /// The job of this name.
    pub fn get(&self, name: &str) -> Option<&JobView> {
        let (part, at) = self.place(name)?;
        self.parts.get(part)?.get(at)
    }

    fn place(&self, name: &str) -> Option<(usize, usize)> {
        let begins = |part: &Arc<Vec<JobView>>| part.first().is_some_and(|it| it.name() <= name);
        let part = self.parts.partition_point(begins).checked_sub(1)?;
        let at = self
            .parts
            .get(part)?
            .binary_search_by(|it| it.name().cmp(name));
        at.ok().map(|at| (part, at))
    }

    /// Puts a view in the place of the one of the same job; none: there was no such job.
    fn replace(&mut self, view: JobView) -> Option<()> {
        let (part, at) = self.place(view.name())?;
        *Arc::make_mut(self.parts.get_mut(part)?).get_mut(at)? = view;
        Some(())
    }
}

impl<'a> IntoIterator for &'a JobViews {
    type Item = &'a JobView;
    type IntoIter = FlatMap<
        Parts<'a>,
        slice::Iter<'a, JobView>,
        fn(&'a Arc<Vec<JobView>>) -> slice::Iter<'a, JobView>,
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.parts.iter().flat_map(|part| part.iter())
    }
}

/// By its place in the order of names.
impl Index<usize> for JobViews {
    type Output = JobView;

    fn index(&self, at: usize) -> &JobView {
        &self.parts[at / PART][at % PART]
    }
}

impl JobView {
    fn name(&self) -> &str {
        self.plan.name.as_str()
    }
}

impl LastViews {
    /// A job is not as it was shown any more.
    pub(super) fn outdated(&mut self, job: &mut JobState) {
        if !std::mem::replace(&mut job.is_outdated, true) {
            self.changed.push(job.plan.name.clone());
        }
    }
}

impl Dispatcher {
    /// The jobs in the config as they are now.
    pub(super) fn job_views(&mut self) -> JobViews {
        let changed = std::mem::take(&mut self.last_views.changed);
        let renewed = self.last_views.shown.take().and_then(|mut views| {
            // A job that came or went moves all others.
            for name in &changed {
                match self.view_of(name) {
                    Some(view) => views.replace(view)?,
                    None if views.get(name.as_str()).is_none() => {}
                    None => return None,
                }
            }
            Some(views)
        });
        for name in &changed {
            if let Some(state) = self.jobs.get_mut(name) {
                state.is_outdated = false;
            }
        }
        let views = renewed.unwrap_or_else(|| {
            let in_config = self.jobs.values().filter(|state| !state.removed);
            JobViews::of(in_config.map(|state| self.job_view(state)))
        });
        self.last_views.shown = Some(views.clone());
        views
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;

    use super::*;
    use crate::config::{self, Config, Environment};
    use crate::dispatch::{Command, CommandId, Input, Memory, State};

    fn now() -> Timestamp {
        "2026-11-27T12:00:00Z".parse().unwrap()
    }

    fn config(jobs: impl Iterator<Item = usize>) -> Config {
        let job = |n| format!("[jobs.j{n:03}]\nevery = \"1h\"\ncommand = [\"true\"]\n");
        let text: String = jobs.map(job).collect();
        config::parse(Path::new("/x"), &text, &Environment::of_process()).unwrap()
    }

    fn dispatcher(jobs: usize) -> Dispatcher {
        let Config {
            jobs, pools, node, ..
        } = config(0..jobs);
        Dispatcher::recover(node.name, jobs, pools, Memory::default(), now()).0
    }

    fn names(views: &JobViews) -> Vec<&str> {
        views.iter().map(JobView::name).collect()
    }

    #[test]
    fn jobs_are_found_by_name_and_by_place() {
        for jobs in [0, 1, PART, PART + 1, 3 * PART + 5] {
            let views = dispatcher(jobs).snapshot(now()).jobs;
            assert_eq!((views.len(), views.is_empty()), (jobs, jobs == 0));
            for (at, name) in names(&views).into_iter().enumerate() {
                assert_eq!(name, format!("j{at:03}"));
                assert_eq!(views[at].name(), name);
                assert_eq!(views.get(name).map(JobView::name), Some(name));
            }
            for nobody in ["a", "j", "j0005", "z"] {
                assert!(views.get(nobody).is_none());
            }
        }
    }

    #[test]
    fn what_did_not_change_is_shared() {
        let mut daemon = dispatcher(3 * PART + 5);
        let before = daemon.snapshot(now()).jobs;
        let job = before[PART].plan.name.clone();
        let command = Command::Pause {
            job,
            until: None,
            reason: None,
        };
        let (id, by) = (CommandId(1), "me".to_owned());
        daemon.step(now(), Input::Command { id, by, command });
        let after = daemon.snapshot(now()).jobs;
        let states = [&before, &after].map(|views| views[PART].state);
        assert_eq!(states, [State::Active, State::Paused]);
        let parts = before.parts.iter().zip(&after.parts);
        let shared: Vec<bool> = parts.map(|(a, b)| Arc::ptr_eq(a, b)).collect();
        assert_eq!(shared, [true, false, true, true]);
    }

    #[test]
    fn jobs_that_come_and_go_are_shown() {
        let mut daemon = dispatcher(PART + 2);
        daemon.snapshot(now());
        for jobs in [5..PART + 2, 0..PART, 0..2 * PART] {
            let Config { jobs, pools, .. } = config(jobs);
            let wanted: Vec<String> = jobs.keys().map(ToString::to_string).collect();
            let plans = jobs;
            daemon.step(now(), Input::Reload { plans, pools });
            assert_eq!(names(&daemon.snapshot(now()).jobs), wanted);
        }
    }
}
