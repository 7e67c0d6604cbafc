//! What has happened lately, for whoever looks: the newest events by number, and how late fires
//! start. Readers come and go at their own pace and hold nobody back.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};

use super::lateness::{Lateness, LatenessLog};
use super::ring::{Entry, Ring, Room};
use crate::job::Event;

/// How much is kept.
const ROOM: Room = Room {
    entries: 10_000,
    bytes: 32 << 20,
};

/// How many events are taken in before readers are told.
const AT_ONCE: usize = 1_024;

/// A place in the stream of events: behind the one that has this number, in this life of the
/// daemon. As text `LIFE-NUMBER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    life: i64,
    number: u64,
}

/// A text that is not a [`Place`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the id of an event: pass one as it came")]
pub struct NoPlace(String);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.life, self.number)
    }
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let parts = text.split_once('-');
        let place = parts.and_then(|(life, number)| {
            Some(Self {
                life: life.parse().ok()?,
                number: number.parse().ok()?,
            })
        });
        place.ok_or_else(|| NoPlace(text.to_owned()))
    }
}

/// What a look at the events found.
#[derive(Debug)]
pub struct Seen {
    /// The events, each with the place behind it.
    pub events: Vec<(Place, Arc<Event>)>,
    /// Where to look on from.
    pub place: Place,
    /// Whether there is more to see already.
    pub more: bool,
    /// Why events are missing before these, if some are.
    pub gap: Option<Gap>,
}

/// Why events are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// The place is of another life of the daemon.
    Restarted,
    /// More has happened since than is kept.
    TooOld,
    /// The daemon was too busy to keep them.
    Lost,
}

/// The newest events and figures.
#[derive(Debug)]
pub struct Live {
    life: i64,
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
}

#[derive(Debug)]
struct Kept {
    ring: Ring,
    lateness: LatenessLog,
}

impl Live {
    /// Listens from now on, until there are no more events. The daemon started then.
    pub fn begin(started_at: Timestamp, events: broadcast::Receiver<Arc<Event>>) -> Arc<Self> {
        let live = Arc::new(Self::new(started_at));
        tokio::spawn(live.clone().listen(events));
        live
    }

    fn new(started_at: Timestamp) -> Self {
        Self {
            life: started_at.as_microsecond(),
            kept: Mutex::new(Kept {
                ring: Ring::new(ROOM),
                lateness: LatenessLog::default(),
            }),
            newest: watch::Sender::new(0),
        }
    }

    async fn listen(self: Arc<Self>, mut events: broadcast::Receiver<Arc<Event>>) {
        loop {
            let first = match events.recv().await {
                Ok(event) => Entry::Event(event),
                Err(RecvError::Lagged(lost)) => lagged(lost),
                Err(RecvError::Closed) => return,
            };
            let mut entries = vec![first];
            while entries.len() < AT_ONCE {
                match events.try_recv() {
                    Ok(event) => entries.push(Entry::Event(event)),
                    Err(TryRecvError::Lagged(lost)) => entries.push(lagged(lost)),
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            self.take(entries);
        }
    }

    fn take(&self, entries: Vec<Entry>) {
        let mut kept = self.kept();
        for entry in entries {
            if let Entry::Event(event) = &entry {
                kept.lateness.hear(event);
            }
            kept.ring.push(entry);
        }
        let newest = kept.ring.newest();
        drop(kept);
        self.newest.send_replace(newest);
    }

    /// The place behind all that has happened.
    pub fn here(&self) -> Place {
        self.at(self.kept().ring.newest())
    }

    /// Changes with every event.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// What has happened since `place`, as far as it is `wanted`, at most `most` of it.
    pub fn since(&self, place: Place, most: usize, wanted: impl Fn(&Event) -> bool) -> Seen {
        let kept = self.kept();
        let newest = kept.ring.newest();
        let entries = Some(place.number)
            .filter(|_| place.life == self.life)
            .and_then(|seen| kept.ring.after(seen));
        let mut seen = Seen {
            events: Vec::new(),
            place: self.at(place.number),
            more: false,
            gap: None,
        };
        let Some(entries) = entries else {
            let restarted = place.life != self.life || place.number > newest;
            seen.gap = Some(if restarted {
                Gap::Restarted
            } else {
                Gap::TooOld
            });
            seen.place = self.at(newest);
            return seen;
        };
        for (number, entry) in entries {
            match entry {
                Entry::Event(event) if wanted(event) => {
                    seen.events.push((self.at(number), event.clone()));
                }
                Entry::Event(_) => {}
                // What came before it goes first.
                Entry::Lost if seen.events.is_empty() => seen.gap = Some(Gap::Lost),
                Entry::Lost => {
                    seen.more = true;
                    return seen;
                }
            }
            seen.place = self.at(number);
            if seen.events.len() == most {
                seen.more = number < newest;
                break;
            }
        }
        seen
    }

    /// How late the newest fires started.
    pub fn lateness(&self) -> Option<Lateness> {
        self.kept().lateness.figures()
    }

    fn at(&self, number: u64) -> Place {
        Place {
            life: self.life,
            number,
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Every change leaves it whole, so a panic elsewhere does too.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lagged(lost: u64) -> Entry {
    tracing::warn!(
        lost,
        "the event stream does not keep up; events are in the ledger, not in the stream"
    );
    Entry::Lost
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{EventKind, JobName};

    fn event(job: &str) -> Entry {
        Entry::Event(Arc::new(Event {
            at: Timestamp::UNIX_EPOCH,
            kind: EventKind::Warning {
                job: JobName::new(job).unwrap(),
                message: String::new(),
            },
        }))
    }

    fn job(event: &Event) -> &str {
        let EventKind::Warning { job, .. } = &event.kind else {
            panic!("{event:?}")
        };
        job.as_str()
    }

    fn jobs(seen: &Seen) -> Vec<&str> {
        seen.events.iter().map(|(_, event)| job(event)).collect()
    }

    #[test]
    fn a_reader_goes_on_where_it_was_in_parts_of_its_size() {
        let live = Live::new(Timestamp::UNIX_EPOCH);
        let begin = live.here();
        live.take(vec![event("a"), event("b"), event("a"), event("c")]);
        let first = live.since(begin, 2, |_| true);
        assert_eq!((jobs(&first), first.more), (vec!["a", "b"], true));
        assert_eq!(first.place, first.events[1].0);
        let rest = live.since(first.place, 2, |_| true);
        assert_eq!((jobs(&rest), rest.more), (vec!["a", "c"], false));
        assert_eq!(rest.place, live.here());
        let only_b = live.since(begin, 9, |event| job(event) == "b");
        assert_eq!(jobs(&only_b), ["b"]);
        assert_eq!(only_b.place, live.here(), "what is not wanted is seen too");
        assert_eq!(first.gap.or(rest.gap).or(only_b.gap), None);
    }

    #[test]
    fn what_is_missing_is_said() {
        let live = Live::new(Timestamp::from_second(5).unwrap());
        let begin = live.here();
        live.take(vec![event("a"), Entry::Lost, event("b")]);
        let before = live.since(begin, 9, |_| true);
        assert_eq!((jobs(&before), before.gap), (vec!["a"], None));
        assert!(before.more);
        let behind = live.since(before.place, 9, |_| true);
        assert_eq!((jobs(&behind), behind.gap), (vec!["b"], Some(Gap::Lost)));
        for gap in ["4000000-1", "5000000-4"] {
            let seen = live.since(gap.parse().unwrap(), 9, |_| true);
            assert_eq!((seen.gap, seen.place), (Some(Gap::Restarted), live.here()));
        }
        live.take((0..ROOM.entries).map(|_| event("c")).collect());
        let seen = live.since(begin, 9, |_| true);
        assert_eq!((seen.gap, seen.place), (Some(Gap::TooOld), live.here()));
    }

    #[test]
    fn places_are_read_as_they_are_written() {
        let place = Live::new(Timestamp::from_second(5).unwrap()).here();
        assert_eq!(place.to_string(), "5000000-0");
        assert_eq!("5000000-0".parse(), Ok(place));
        for text in ["", "-", "5", "5-", "-5", "5-x", "5--1", "a-1", "5-1-1"] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_crowd_of_events_is_taken_in_and_told() {
        let live = Arc::new(Live::new(Timestamp::UNIX_EPOCH));
        let (sender, events) = broadcast::channel(16);
        let mut news = live.news();
        let listening = tokio::spawn(live.clone().listen(events));
        let begin = live.here();
        for _ in 0..100 {
            let Entry::Event(event) = event("a") else {
                unreachable!()
            };
            sender.send(event).unwrap();
        }
        drop(sender);
        listening.await.unwrap();
        assert!(news.has_changed().is_ok_and(|changed| changed));
        let seen = live.since(begin, 99, |_| true);
        assert_eq!((seen.events.len(), seen.gap), (16, Some(Gap::Lost)));
        assert_eq!(*news.borrow_and_update(), 17);
    }
}
