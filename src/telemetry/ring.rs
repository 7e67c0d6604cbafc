//! The newest events, numbered, within bounds. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::job::{Event, EventKind};

/// What an event takes at least, in bytes, roughly.
const WEIGHT: usize = 512;

/// How much a ring holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// So many entries.
    pub(super) entries: usize,
    /// So many bytes, roughly.
    pub(super) bytes: usize,
}

/// What stands in the ring under a number.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// An event.
    Event(Arc<Event>),
    /// Events that the ring itself did not get.
    Lost,
}

/// Numbers entries from 1 on and keeps the newest.
#[derive(Debug)]
pub(super) struct Ring {
    room: Room,
    entries: VecDeque<Entry>,
    /// The number of the entry that comes next.
    next: u64,
    bytes: usize,
}

impl Ring {
    pub(super) fn new(room: Room) -> Self {
        Self {
            room,
            entries: VecDeque::new(),
            next: 1,
            bytes: 0,
        }
    }

    /// The number of the newest entry; 0 before the first.
    pub(super) fn newest(&self) -> u64 {
        self.next - 1
    }

    /// Takes an entry, and lets the oldest go where there is no room.
    pub(super) fn push(&mut self, entry: Entry) {
        self.bytes += weight(&entry);
        self.entries.push_back(entry);
        self.next += 1;
        while self.entries.len() > self.room.entries || self.bytes > self.room.bytes {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.bytes -= weight(&oldest);
        }
    }

    /// The entries after the one numbered `seen`, with their numbers; none if some of them are gone
    /// or `seen` is yet to come.
    pub(super) fn after(&self, seen: u64) -> Option<impl Iterator<Item = (u64, &Entry)>> {
        let newest = self.newest();
        let wanted = usize::try_from(newest.checked_sub(seen)?).ok()?;
        let skip = self.entries.len().checked_sub(wanted)?;
        Some((seen + 1..).zip(self.entries.range(skip..)))
    }
}

fn weight(entry: &Entry) -> usize {
    let Entry::Event(event) = entry else {
        return WEIGHT;
    };
    let extra = match &event.kind {
        EventKind::Run(run) => {
            let params = run.params.iter();
            let params: usize = params.map(|(name, value)| name.len() + value.len()).sum();
            params + run.reason.as_ref().map_or(0, |reason| reason.0.len())
        }
        EventKind::Warning { message, .. } => message.len(),
        EventKind::JobPaused { .. }
        | EventKind::SchedulerPaused { .. }
        | EventKind::Reloaded
        | EventKind::ClockStepped { .. } => 0,
    };
    WEIGHT + extra
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobName;
    use jiff::Timestamp;

    const ROOM: Room = Room {
        entries: 3,
        bytes: 1 << 20,
    };

    fn event(message: &str) -> Entry {
        Entry::Event(Arc::new(Event {
            at: Timestamp::UNIX_EPOCH,
            kind: EventKind::Warning {
                job: JobName::new("a").unwrap(),
                message: message.to_owned(),
            },
        }))
    }

    fn numbers(ring: &Ring, seen: u64) -> Option<Vec<u64>> {
        Some(ring.after(seen)?.map(|(number, _)| number).collect())
    }

    #[test]
    fn the_newest_are_kept_and_what_is_gone_is_said() {
        let mut ring = Ring::new(ROOM);
        assert_eq!(numbers(&ring, 0), Some(vec![]));
        assert_eq!(numbers(&ring, 1), None);
        for number in 1..=5 {
            ring.push(event(&number.to_string()));
        }
        assert_eq!(ring.newest(), 5);
        assert_eq!(numbers(&ring, 5), Some(vec![]));
        assert_eq!(numbers(&ring, 4), Some(vec![5]));
        assert_eq!(numbers(&ring, 2), Some(vec![3, 4, 5]));
        assert_eq!(numbers(&ring, 1), None);
        assert_eq!(numbers(&ring, 6), None);
        assert_eq!(numbers(&ring, u64::MAX), None);
        let (number, entry) = ring.after(3).unwrap().next().unwrap();
        let Entry::Event(event) = entry else {
            panic!("{entry:?}")
        };
        assert!(matches!(&event.kind, EventKind::Warning { message, .. } if *message == "4"));
        assert_eq!(number, 4);
    }

    #[test]
    fn large_events_take_more_room() {
        let mut ring = Ring::new(Room {
            entries: 100,
            bytes: 5_000,
        });
        for _ in 0..20 {
            ring.push(event(&"x".repeat(1_000)));
        }
        assert_eq!(numbers(&ring, 17), Some(vec![18, 19, 20]));
        assert_eq!(numbers(&ring, 16), None);
        ring.push(event(&"x".repeat(10_000)));
        assert_eq!(numbers(&ring, 20), None, "larger than all the room");
        ring.push(event("small"));
        assert_eq!(numbers(&ring, 21), Some(vec![22]));
    }
}
