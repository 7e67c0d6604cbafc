//! Processes, and what must be true whenever one is started.

use std::time::Duration;

use jiff::SignedDuration;
use punctual::dispatch::{Input, Start};
use punctual::job::{AttemptEnd, ConcurrencyPolicy, Figures, RunId, StopCause, Trigger};

use super::{Behaviour, Happening, Process, World};

impl World {
    pub(super) fn spawn(&mut self, start: &Start) {
        let (run, plan) = (&start.run, &start.plan);
        let row = self.ledger.runs.get(&run.id);
        assert!(
            row.is_some_and(|row| !row.status.is_final()),
            "started without a durable row: {run:?}, row {row:?}"
        );
        assert!(!self.draining, "started while draining: {run:?}");
        assert!(
            self.started.insert((run.id, start.attempt)),
            "started twice: {run:?}"
        );
        assert!(
            !self.processes.contains_key(&run.id),
            "two attempts at once: {run:?}"
        );
        // One that is caught up may start beside it, between its request and its start.
        let mine = self.processes.values();
        let mine = mine.filter(|it| it.job == run.job && it.trigger != Trigger::CatchUp);
        assert!(
            plan.concurrency_policy == ConcurrencyPolicy::Allow
                || run.trigger == Trigger::CatchUp
                || mine.count() < plan.max_concurrent as usize,
            "more than max_concurrent of {run:?}"
        );
        let in_pool = self.processes.values().filter(|it| it.pool == plan.pool);
        let slots = self.slots.get(&plan.pool).copied().unwrap_or_default();
        assert!(
            in_pool.count() < slots as usize,
            "more than {slots} in pool {}: {run:?}",
            plan.pool
        );
        if let Some(view) = self.daemon.as_ref().and_then(|it| it.view_of(&run.job)) {
            let since = view.flags.paused_at.filter(|_| view.flags.paused);
            assert!(
                run.trigger != Trigger::Schedule
                    || run.queued_at.is_some()
                    || since.is_none_or(|since| run.scheduled_at <= since),
                "a fire of after the pause started: {run:?}"
            );
        }
        self.starts += 1;
        self.marks.insert((run.id, start.attempt));
        let behaviour = self.behaviours.get(&run.job).cloned().unwrap_or_default();
        let process = Process {
            job: run.job.clone(),
            pool: plan.pool.clone(),
            trigger: run.trigger,
            attempt: start.attempt,
        };
        self.processes.insert(run.id, process);
        self.let_it_run(run.id, start.attempt, &behaviour);
    }

    pub(super) fn let_it_run(&mut self, run: RunId, attempt: u32, behaviour: &Behaviour) {
        let at = self.now();
        let spawned = Duration::from_micros(500);
        let (end, lasts) = if behaviour.starts {
            let started = Input::Started {
                run,
                attempt,
                pid: Some(1),
                at,
            };
            self.plan_in(spawned, Happening::News(started));
            let code = behaviour.code(attempt);
            let ok = code == 0;
            match behaviour.timeout.filter(|limit| *limit < behaviour.lasts) {
                Some(limit) => {
                    let (code, signal) = (None, Some(15));
                    (AttemptEnd::TimedOut { code, signal }, limit)
                }
                None => (AttemptEnd::Exited { code, ok }, behaviour.lasts),
            }
        } else {
            let why = "no such program".to_owned();
            (AttemptEnd::NotStarted(why), Duration::ZERO)
        };
        self.plan_end(run, attempt, end, spawned + lasts);
    }

    pub(super) fn plan_end(&mut self, run: RunId, attempt: u32, end: AttemptEnd, after: Duration) {
        let at = self.now() + SignedDuration::try_from(after).unwrap();
        let ended = Input::Ended {
            run,
            attempt,
            end,
            figures: Figures::default(),
            at,
        };
        self.plan_in(after, Happening::News(ended));
    }

    pub(super) fn stop(&mut self, id: RunId, attempt: u32, cause: StopCause) {
        // What has just ended, and whose end is being told, may be told to stop in the same step.
        let Some(process) = self.processes.get(&id) else {
            assert!(self.started.contains(&(id, attempt)), "{id} never started");
            return;
        };
        assert_eq!(process.attempt, attempt);
        self.agenda.retain(|_, what| match what {
            Happening::News(Input::Ended { run, .. }) => *run != id,
            _ => true,
        });
        let end = AttemptEnd::Stopped {
            cause,
            code: None,
            signal: Some(15),
        };
        let behaviour = self.behaviours.get(&process.job);
        let dies_in = behaviour.map_or(Duration::ZERO, |it| it.dies_in);
        self.plan_end(id, attempt, end, dies_in);
    }
}
