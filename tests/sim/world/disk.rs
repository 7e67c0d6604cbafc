//! The ledger's disk: changes become durable in order, in their time, and not always at once.

use punctual::dispatch::Input;
use punctual::job::Write;

use super::{Batch, Commit, Happening, World};

impl World {
    pub(super) fn commit_next(&mut self) {
        if self.under_way.is_some() || self.to_commit.is_empty() {
            return;
        }
        let mut all = Batch::default();
        for batch in self.to_commit.drain(..) {
            all.writes.extend(batch.writes);
            all.replies.extend(batch.replies);
        }
        self.under_way = Some(all);
        self.begin_commit();
    }

    pub(super) fn begin_commit(&mut self) {
        let (Commit::Done(span) | Commit::Failed(span) | Commit::Unknown(span)) = self.fate();
        self.plan_in(span, Happening::Committed);
    }

    pub(super) fn fate(&self) -> Commit {
        self.commits[self.commit_turn % self.commits.len()]
    }

    pub(super) fn committed(&mut self) {
        let fate = self.fate();
        self.commit_turn += 1;
        let Some(batch) = self.under_way.take() else {
            return;
        };
        match fate {
            Commit::Done(_) => {}
            Commit::Failed(_) | Commit::Unknown(_) => {
                if let Commit::Unknown(_) = fate {
                    self.ledger.commit(&batch.writes);
                }
                self.under_way = Some(batch);
                self.begin_commit();
                return;
            }
        }
        let outcomes = self.ledger.commit(&batch.writes);
        if self.audit_each != 0 && self.commit_turn.is_multiple_of(self.audit_each) {
            self.check();
        }
        self.forget_marks(&batch.writes);
        self.booted = false;
        self.reply(batch.replies);
        self.commit_next();
        if !outcomes.is_empty() {
            self.input(Input::Claimed(outcomes));
        }
        self.leave_if_done();
    }

    /// A daemon that has drained goes once everything is durable.
    pub(super) fn leave_if_done(&mut self) {
        if self.drained
            && !self.handing_over
            && self.under_way.is_none()
            && self.to_commit.is_empty()
        {
            self.daemon = None;
            self.gone();
        }
    }

    /// A start mark goes when the end of its attempt is durable.
    pub(super) fn forget_marks(&mut self, writes: &[Write]) {
        for write in writes {
            if let Write::Attempt(attempt) = write
                && attempt.status.is_final()
            {
                self.marks.remove(&(attempt.run, attempt.number));
            }
        }
    }
}
