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
