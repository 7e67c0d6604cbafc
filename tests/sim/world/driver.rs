//! What the daemon does with the effects of a step.

use std::sync::Arc;

use jiff::Timestamp;
use punctual::dispatch::{Answer, CommandId, Dispatcher, Effect, Input, JobView, Refusal};
use punctual::job::{EventKind, JobName};

use super::{Batch, World};

impl World {
    pub fn input(&mut self, input: Input) {
        let now = self.now();
        let Some(daemon) = &mut self.daemon else {
            return;
        };
        let effects = daemon.step(now, input);
        shows_what_is(daemon, now);
        self.perform(effects);
        self.leave_if_done();
    }

    pub(super) fn perform(&mut self, effects: Vec<Effect>) {
        let mut batch = Batch::default();
        for effect in effects {
            match effect {
                Effect::Write { writes, .. } => batch.writes = writes,
                Effect::Start(start) => self.spawn(&start),
                Effect::Stop {
                    run,
                    attempt,
                    cause,
                } => self.stop(run, attempt, cause),
                Effect::Arm { job, at } => self.arm(job, at),
                // It waits for the changes before it alone.
                Effect::Reply { command, answer } if batch.writes.is_empty() => {
                    self.reply(vec![(command, answer)]);
                }
                Effect::Reply { command, answer } => batch.replies.push((command, answer)),
                Effect::Emit(event) => self.hear(&event.kind),
                Effect::Drained => {
                    self.drained = true;
                }
            }
        }
        if !batch.writes.is_empty() {
            self.to_commit.push_back(batch);
            self.commit_next();
        }
    }

    pub(super) fn arm(&mut self, job: JobName, at: Option<Timestamp>) {
        if let Some(before) = self.armed.remove(&job) {
            self.wakes_to_come.remove(&(before, job.clone()));
        }
        if let Some(at) = at {
            assert!(!self.draining, "{job} is armed while draining");
            self.armed.insert(job.clone(), at);
            self.wakes_to_come.insert((at, job));
        }
    }

    pub(super) fn hear(&mut self, event: &EventKind) {
        let said = match event {
            EventKind::Warning { job, message } => format!("! {job}: {message}"),
            EventKind::ClockStepped { by_s } => format!("! the clock moved by {by_s:.1} s"),
            _ => return,
        };
        self.said.push((self.now(), said));
    }

    pub(super) fn reply(&mut self, replies: Vec<(CommandId, Result<Answer, Refusal>)>) {
        for (id, answer) in replies {
            let command = self.commands.remove(&id).expect("answered once");
            // Keep the place, so that ids stay unique.
            self.commands.insert(id, String::new());
            assert!(!command.is_empty(), "a command was answered twice");
            let answer = match answer {
                Ok(_) => "done".to_owned(),
                Err(refusal) => {
                    assert!(
                        matches!(refusal, Refusal::Decided(_)) || refusal.to_string().len() > 10
                    );
                    format!("refused: {}", hide_ids(&refusal))
                }
            };
            self.said
                .push((self.now(), format!("> {command}: {answer}")));
        }
    }

    /// Commands that nobody has answered.
    pub fn unanswered(&self) -> usize {
        self.commands.values().filter(|it| !it.is_empty()).count()
    }
}

/// A snapshot shows anew what a step changed, and nothing else is different.
fn shows_what_is(daemon: &mut Dispatcher, now: Timestamp) {
    for view in &daemon.snapshot(now).jobs {
        let job = &view.plan.name;
        let is = daemon.view_of(job).expect("it has not left the config");
        assert!(Arc::ptr_eq(&is.plan, &view.plan), "{job}");
        let figures = |view: &JobView| (view.state, view.next_fire, view.running, view.queued);
        assert_eq!(figures(&is), figures(view), "{job}");
        assert_eq!(is.flags, view.flags, "{job}");
    }
}

/// Ids say nothing to a reader of a scenario.
fn hide_ids(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotActive(_) => "not active".to_owned(),
        Refusal::OnlyScheduled(_) => "only scheduled".to_owned(),
        Refusal::Decided(_) => "decided".to_owned(),
        Refusal::KeyReused(_) => "key reused".to_owned(),
        other => other.to_string(),
    }
}
