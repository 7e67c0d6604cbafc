//! One daemon right after the other: processes go on, and their news waits for the next one.

use std::collections::BTreeMap;
use std::time::Duration;

use punctual::dispatch::Input;

use super::{Happening, World};

impl World {
    /// The daemon hands over, and the next one is up after `takes`.
    pub fn upgrade(&mut self, takes: Duration) {
        if self.daemon.is_none() || self.draining {
            return;
        }
        self.handing_over = true;
        self.input(Input::HandOver);
        while !self.is_handed_over() {
            let at = self.next_at().expect("it ticks");
            self.elapsed = self.elapsed.max(at);
            self.happen();
        }
        let Some(daemon) = self.daemon.take() else {
            return;
        };
        let mut memory = self.ledger.memory(&self.marks, true);
        let handed_over = daemon.handed_over();
        let underway = handed_over.underway.iter();
        let underway = underway.map(|it| (it.run.id, it.run.attempts));
        let processes = self.processes.iter().map(|(run, it)| (*run, it.attempt));
        assert_eq!(
            underway.collect::<BTreeMap<_, _>>(),
            processes.collect::<BTreeMap<_, _>>(),
            "what is handed over is what runs"
        );
        memory.handed_over = Some(handed_over);
        self.elapsed += takes;
        self.only_news_is_left();
        self.check();
        self.begin(memory);
    }

    /// Nothing waits for the disk, and no process has just started.
    fn is_handed_over(&self) -> bool {
        let starting = |it: &Happening| matches!(it, Happening::News(Input::Started { .. }));
        self.drained
            && self.under_way.is_none()
            && self.to_commit.is_empty()
            && !self.agenda.values().any(starting)
    }

    /// What the old daemon had asked for is gone with it.
    fn only_news_is_left(&mut self) {
        let now = self.elapsed;
        let agenda = std::mem::take(&mut self.agenda);
        let news = agenda
            .into_iter()
            .filter(|(_, it)| matches!(it, Happening::News(_)));
        self.agenda = news.map(|((at, n), it)| ((at.max(now), n), it)).collect();
        self.armed.clear();
        self.wakes_to_come.clear();
        self.lost_wakes.clear();
        self.drained = false;
        self.handing_over = false;
    }
}
