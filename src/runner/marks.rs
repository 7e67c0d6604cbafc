//! Start marks: which attempts were started, in a file that survives `kill -9`.
//!
//! A mark is written just before its process is started, so after a crash an attempt without a mark
//! is known not to have run, and one with a mark may have. The file is only for the death of the
//! daemon, not of the machine: nothing is synced, and its place is the run-time folder, best on a
//! tmpfs, where no disk can hold up a start. Its first line names the boot it belongs to.
//!
//! A crash in the middle of recovery must find the same marks again. So [`Marks::open`] only reads;
//! the old file stays where it is until [`Recovery::begin`], which the caller calls once the fate of
//! every old attempt is durable in the ledger, and which puts a fresh file in its place by `rename`.
//! Until then there is no [`Marks`], and so nothing can be started.
//!
//! For the same reason a mark outlives its process: it goes when the ledger holds the attempt's end
//! ([`Marks::settled`]) and no process of it is left. A record then says so, and reading passes the
//! mark over: its process id may name something else by now.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::tree::{Leader, Pipes};
use crate::job::RunId;

/// The file's name in the run-time folder.
const FILE: &str = "started";
/// The new file's name until it is whole.
const NEW_FILE: &str = "started.new";
/// The first word of the file.
const FORMAT: &str = "punctual-marks-1";
/// Ends the record of a mark that is needed no more. Without it the record was cut off, and its
/// number may be that of another attempt.
const GONE: &str = "gone";
/// Ends the record of an orphan. Without it the record was cut off, and its numbers may be another's.
const ADOPTED: &str = "adopted";
/// Ends the pipes of a mark. Without it the record was cut off, and they may be those of another.
const PIPES: &str = "pipes";
/// The file is rewritten when it is larger than this and than twice its size after the last time.
const COMPACT_AT: u64 = 1 << 20;
/// No mark file that the daemon wrote comes near this.
const MAX_FILE: u64 = 64 << 20;

/// Trouble with the mark file.
#[derive(Debug, thiserror::Error)]
#[error("the file of start marks {} cannot be {doing}: {why}; let the daemon's user read and write that folder, and make room in it", path.display())]
pub struct MarksError {
    path: PathBuf,
    doing: &'static str,
    why: io::Error,
}

/// One attempt that an earlier daemon started, or was about to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Its run.
    pub run: RunId,
    /// Its number, from 1.
    pub attempt: u32,
    /// Its main process, if the daemon lived to note it.
    pub leader: Option<Leader>,
    /// What took its output.
    pub pipes: Pipes,
}

/// What an earlier daemon left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Whether the marks are of this boot. If not (or if there is no file, or not a readable one),
    /// an attempt without a mark may have run all the same.
    pub same_boot: bool,
    /// Each marked attempt once, in the order of their starts.
    pub marks: Vec<Mark>,
    /// Processes of theirs that had come to the daemon as orphans. Whatever else tells whose a process
    /// is, these may have thrown away.
    pub adopted: Vec<Leader>,
}

/// The old marks, while recovery is not durable yet.
#[derive(Debug)]
pub struct Recovery {
    /// What the old file says.
    pub leftovers: Leftovers,
    /// Marks of attempts that go on.
    kept: Vec<Mark>,
    dir: PathBuf,
    boot: String,
}

/// The marks of this daemon. A cheap handle.
#[derive(Debug, Clone)]
pub struct Marks(Arc<Mutex<Log>>);

impl Marks {
    /// Reads the marks that an earlier daemon left in the run-time folder `dir`, changing nothing.
    pub fn open(dir: &Path) -> Result<Recovery, MarksError> {
        let boot_id = Path::new("/proc/sys/kernel/random/boot_id");
        let read = |path: &Path, doing, why| MarksError {
            path: path.into(),
            doing,
            why,
        };
        let boot = std::fs::read_to_string(boot_id)
            .map_err(|why| read(boot_id, "compared with this boot", why))?
            .trim()
            .to_owned();
        let path = dir.join(FILE);
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(file) => {
                file.take(MAX_FILE)
                    .read_to_end(&mut bytes)
                    .map_err(|why| read(&path, "read", why))?;
            }
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(read(&path, "read", why)),
        }
        Ok(Recovery {
            leftovers: parse(&String::from_utf8_lossy(&bytes), &boot),
            kept: Vec::new(),
            dir: dir.into(),
            boot,
        })
    }

    /// The ledger holds this attempt's end durably: its mark is needed no more once its last
    /// process is gone.
    pub fn settled(&self, run: RunId, attempt: u32) {
        self.release(run, attempt, |mark| mark.settled = true);
    }

    /// Writes the mark of an attempt that is about to be started.
    pub(super) fn start(&self, run: RunId, attempt: u32, pipes: Pipes) -> io::Result<()> {
        let mut log = self.lock();
        log.append(&start_record(run, attempt, pipes))?;
        let open = Open {
            pipes,
            ..Open::default()
        };
        log.open.insert((run, attempt), open);
        log.compact_if_large();
        Ok(())
    }

    /// Adds the main process to a mark.
    pub(super) fn leads(&self, run: RunId, attempt: u32, leader: Leader) {
        let mut log = self.lock();
        if let Some(mark) = log.open.get_mut(&(run, attempt)) {
            mark.leader = Some(leader);
            let Leader { pid, start_ticks } = leader;
            if let Err(why) = log.append(&format!("P {run} {attempt} {pid} {start_ticks}\n")) {
                // The environment of its processes still tells whose they are.
                tracing::warn!(%run, %why, "the process id could not be added to a start mark");
            }
        }
    }

    /// Adds the orphans that the daemon has now, as far as they are new. Those of before may be forgotten
    /// where they are not among them.
    pub(super) fn adopted(&self, orphans: BTreeSet<Leader>) {
        let mut log = self.lock();
        let new: String = orphans
            .difference(&log.adopted)
            .map(adopted_record)
            .collect();
        log.adopted = orphans;
        if new.is_empty() {
            return;
        }
        if let Err(why) = log.append(&new) {
            // Other things may still tell whose they are.
            tracing::warn!(%why, "orphans could not be added to the start marks");
        }
        log.compact_if_large();
    }

    /// No process of this attempt is left.
    pub(super) fn over(&self, run: RunId, attempt: u32) {
        self.release(run, attempt, |mark| mark.over = true);
    }

    fn release(&self, run: RunId, attempt: u32, change: impl FnOnce(&mut Open)) {
        let mut log = self.lock();
        if let Some(mark) = log.open.get_mut(&(run, attempt)) {
            change(mark);
            if mark.over && mark.settled {
                log.open.remove(&(run, attempt));
                if let Err(why) = log.append(&format!("G {run} {attempt} {GONE}\n")) {
                    // A mark too many is the safe side, until the next compaction.
                    tracing::warn!(%run, %why, "the end could not be added to a start mark");
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Log> {
        // A panic in between leaves at worst a mark too many, which is the safe side.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recovery {
    /// An earlier life of this very process handed these attempts over, and they go on: they are no
    /// leftovers, and neither are its orphans.
    pub fn keep(&mut self, marks: impl IntoIterator<Item = Mark>) {
        self.leftovers.adopted.clear();
        self.kept.extend(marks);
        let kept: BTreeSet<_> = self
            .kept
            .iter()
            .map(|mark| (mark.run, mark.attempt))
            .collect();
        let left = &mut self.leftovers.marks;
        left.retain(|mark| !kept.contains(&(mark.run, mark.attempt)));
    }

    /// Puts a fresh file in place of the old one. Call it when what became of every old attempt is
    /// durable: the old marks are gone after this.
    pub fn begin(self) -> Result<Marks, MarksError> {
        let Self {
            dir, boot, kept, ..
        } = self;
        let header = format!("{FORMAT} {boot}\n");
        let open = kept.iter().map(|mark| {
            let open = Open {
                pipes: mark.pipes,
                leader: mark.leader,
                ..Open::default()
            };
            ((mark.run, mark.attempt), open)
        });
        let open = open.collect();
        let text = whole(&header, &open, &BTreeSet::new());
        match replace(&dir, &text) {
            Ok(file) => Ok(Marks(Arc::new(Mutex::new(Log {
                dir,
                file,
                size: text.len() as u64,
                compact_at: COMPACT_AT,
                torn: false,
                header,
                open,
                adopted: BTreeSet::new(),
            })))),
            Err(why) => Err(MarksError {
                path: dir.join(NEW_FILE),
                doing: "written",
                why,
            }),
        }
    }
}

/// Writes a whole file beside the old one, then puts it in its place.
fn replace(dir: &Path, text: &str) -> io::Result<File> {
    let (new, path) = (dir.join(NEW_FILE), dir.join(FILE));
    match std::fs::remove_file(&new) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(&new, path)?;
    Ok(file)
}

#[derive(Debug)]
struct Log {
    dir: PathBuf,
    file: File,
    header: String,
    size: u64,
    compact_at: u64,
    /// A write failed, perhaps half-way: the next record begins on a line of its own.
    torn: bool,
    open: BTreeMap<(RunId, u32), Open>,
    adopted: BTreeSet<Leader>,
}

#[derive(Debug, Default)]
struct Open {
    pipes: Pipes,
    leader: Option<Leader>,
    over: bool,
    settled: bool,
}

impl Log {
    fn append(&mut self, record: &str) -> io::Result<()> {
        let written = if self.torn {
            self.file.write_all(format!("\n{record}").as_bytes())
        } else {
            self.file.write_all(record.as_bytes())
        };
        self.torn = written.is_err();
        self.size += record.len() as u64;
        written
    }

    fn compact_if_large(&mut self) {
        if self.size < self.compact_at {
            return;
        }
        let text = whole(&self.header, &self.open, &self.adopted);
        match replace(&self.dir, &text) {
            Ok(file) => {
                self.file = file;
                self.torn = false;
                self.size = text.len() as u64;
            }
            // The old file is still whole and in use.
            Err(why) => tracing::warn!(%why, "the file of start marks could not be compacted"),
        }
        self.compact_at = COMPACT_AT.max(self.size * 2);
    }
}

/// Says that an attempt is about to be started, and what its processes print to.
fn start_record(run: RunId, attempt: u32, [stdout, stderr]: Pipes) -> String {
    format!("S {run} {attempt} {stdout} {stderr} {PIPES}\n")
}

/// Says that a process has come to the daemon as an orphan.
fn adopted_record(Leader { pid, start_ticks }: &Leader) -> String {
    format!("O {pid} {start_ticks} {ADOPTED}\n")
}

/// A whole file of these marks.
fn whole(header: &str, open: &BTreeMap<(RunId, u32), Open>, adopted: &BTreeSet<Leader>) -> String {
    let mut text = header.to_owned();
    for ((run, attempt), mark) in open {
        text.push_str(&start_record(*run, *attempt, mark.pipes));
        if let Some(Leader { pid, start_ticks }) = mark.leader {
            let _ = writeln!(text, "P {run} {attempt} {pid} {start_ticks}");
        }
    }
    text.extend(adopted.iter().map(adopted_record));
    text
}

/// Reads a mark file. A record that was cut off, or is none, is passed over: a mark is whole before
/// its process starts.
fn parse(text: &str, boot: &str) -> Leftovers {
    let mut lines = text
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'));
    let header = lines.next().unwrap_or_default();
    let same_boot = header.split_once(' ') == Some((FORMAT, boot));
    // By the order of their starts; a mark that is gone leaves its place empty.
    let mut marks: Vec<Option<Mark>> = Vec::new();
    let mut places = BTreeMap::new();
    let mut adopted = Vec::new();
    for line in lines {
        let mut words = line.split(' ');
        if let Some(orphan) = adopted_of(words.clone()) {
            adopted.push(orphan);
            continue;
        }
        let (kind, run, attempt) = (words.next(), words.next(), words.next());
        let Some(run) = run.and_then(|word| word.parse::<RunId>().ok()) else {
            continue;
        };
        let Some(attempt) = attempt.and_then(|word| word.parse::<u32>().ok()) else {
            continue;
        };
        if kind == Some("G") {
            if words.next() == Some(GONE)
                && let Some(place) = places.remove(&(run, attempt))
            {
                marks[place] = None;
            }
            continue;
        }
        let place = *places.entry((run, attempt)).or_insert(marks.len());
        if place == marks.len() {
            marks.push(Some(Mark {
                run,
                attempt,
                leader: None,
                pipes: Pipes::default(),
            }));
        }
        if let Some(mark) = &mut marks[place] {
            add(mark, kind, words);
        }
    }
    let marks = marks.into_iter().flatten().collect();
    Leftovers {
        same_boot,
        marks,
        adopted,
    }
}

/// The process of an orphan's record.
fn adopted_of<'w>(mut words: impl Iterator<Item = &'w str>) -> Option<Leader> {
    if words.next() != Some("O") {
        return None;
    }
    let pid = words.next()?.parse().ok()?;
    let start_ticks = words.next()?.parse().ok()?;
    (words.next() == Some(ADOPTED)).then_some(Leader { pid, start_ticks })
}

/// Adds to a mark what the rest of a record says.
fn add<'w>(mark: &mut Mark, kind: Option<&str>, mut words: impl Iterator<Item = &'w str>) {
    let mut number = || words.next()?.parse::<u64>().ok();
    let (Some(first), Some(second)) = (number(), number()) else {
        return;
    };
    match (kind, u32::try_from(first)) {
        (Some("P"), Ok(pid)) => {
            mark.leader = Some(Leader {
                pid,
                start_ticks: second,
            });
        }
        (Some("S"), _) if words.next() == Some(PIPES) => mark.pipes = [first, second],
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::job::JobName;

    fn run(second: i64) -> RunId {
        let at = jiff::Timestamp::from_second(second).unwrap();
        RunId::of_fire(&JobName::new("a").unwrap(), at)
    }

    const LEADER: Leader = Leader {
        pid: 77,
        start_ticks: 1234,
    };

    const PIPES_OF: Pipes = [4_000_000_001, 22];

    #[test]
    fn orphans_are_found_again_but_for_those_that_were_handed_over() {
        let dir = tempfile::tempdir().unwrap();
        let marks = Marks::open(dir.path()).unwrap().begin().unwrap();
        let orphan = |pid| Leader { pid, ..LEADER };
        marks.adopted(BTreeSet::from([orphan(5)]));
        marks.adopted(BTreeSet::from([orphan(5), orphan(6)]));
        let found = || Marks::open(dir.path()).unwrap();
        assert_eq!(found().leftovers.adopted, [orphan(5), orphan(6)]);
        // The file is written anew without those that are gone.
        marks.adopted(BTreeSet::from([orphan(6)]));
        marks.lock().compact_at = 0;
        marks.start(run(1), 1, PIPES_OF).unwrap();
        assert_eq!(found().leftovers.adopted, [orphan(6)]);
        let mut handed = found();
        handed.keep([]);
        assert_eq!(handed.leftovers.adopted, []);
        // What was cut off is nobody.
        let cut = format!("{FORMAT} b\nO 7 12\nO 8 1234 adopte\nO 9 1234 {ADOPTED}\n");
        assert_eq!(parse(&cut, "b").adopted, [orphan(9)]);
    }

    #[test]
    fn marks_are_found_again_until_recovery_is_durable() {
        let dir = tempfile::tempdir().unwrap();
        let first = Marks::open(dir.path()).unwrap();
        assert_eq!(first.leftovers, Leftovers::default());
        let marks = first.begin().unwrap();
        marks.start(run(1), 1, PIPES_OF).unwrap();
        marks.leads(run(1), 1, LEADER);
        marks.start(run(2), 3, PIPES_OF).unwrap();
        for _ in 0..2 {
            // A crash during recovery: nothing was begun.
            let again = Marks::open(dir.path()).unwrap().leftovers;
            assert!(again.same_boot);
            let leaders: Vec<_> = again
                .marks
                .iter()
                .map(|m| (m.run, m.attempt, m.leader))
                .collect();
            assert_eq!(leaders, [(run(1), 1, Some(LEADER)), (run(2), 3, None)]);
            assert!(again.marks.iter().all(|mark| mark.pipes == PIPES_OF));
        }
        Marks::open(dir.path()).unwrap().begin().unwrap();
        let fresh = Marks::open(dir.path()).unwrap().leftovers;
        assert!(fresh.same_boot && fresh.marks.is_empty());
        let mode = std::fs::metadata(dir.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_torn_or_foreign_file_is_read_as_far_as_it_goes() {
        let (a, b) = (run(1), run(2));
        let text = format!("{FORMAT} boot\nS {a} 1 5 6 pipes\nP {a} 1 77 1234\nrubbish\nS {b} 1");
        let read = parse(&text, "boot");
        assert!(read.same_boot);
        assert_eq!(read.marks[0].pipes, [5, 6]);
        // What was cut off tells of no pipes, and an older version told of none.
        for torn in ["", " 5", " 5 6", " 5 6 pip"] {
            let read = parse(&format!("{FORMAT} boot\nS {a} 1{torn}\n"), "boot");
            assert_eq!((read.marks.len(), read.marks[0].pipes), (1, [0, 0]));
        }
        assert_eq!(read.marks.len(), 1, "the last record has no end");
        for cut in 0..text.len() {
            let read = parse(&text[..cut], "boot");
            assert!(read.marks.len() <= 1);
            assert!(read.marks.iter().all(|mark| mark.run == a));
        }
        let gone = parse(&format!("{text} 1\nG {b} 1 gone\nG {b} 2 gone\n"), "boot");
        assert_eq!(gone.marks.len(), 1, "what is gone twice or was never there");
        assert!(!parse(&text, "other boot").same_boot);
        assert!(!parse("", "").same_boot);
        assert_eq!(parse("\u{fffd}\n\n S \n", "boot"), Leftovers::default());
    }

    #[test]
    fn a_mark_is_gone_when_its_attempt_is_over_and_settled_in_either_order() {
        let dir = tempfile::tempdir().unwrap();
        let marks = Marks::open(dir.path()).unwrap().begin().unwrap();
        let left = || -> Vec<RunId> {
            let left = Marks::open(dir.path()).unwrap().leftovers.marks;
            left.iter().map(|mark| mark.run).collect()
        };
        for second in 1..=3 {
            marks.start(run(second), 1, PIPES_OF).unwrap();
            marks.leads(run(second), 1, LEADER);
        }
        marks.over(run(1), 1);
        marks.settled(run(2), 1);
        assert_eq!(left(), [run(1), run(2), run(3)]);
        marks.settled(run(1), 1);
        assert_eq!(left(), [run(2), run(3)]);
        marks.over(run(2), 1);
        assert_eq!(left(), [run(3)]);
        marks.over(run(3), 1);
        marks.settled(run(3), 1);
        assert!(left().is_empty());
        marks.start(run(3), 2, PIPES_OF).unwrap();
        assert_eq!(left(), [run(3)], "another attempt is another mark");
    }

    #[test]
    fn the_end_of_another_attempt_that_was_cut_off_drops_nothing() {
        let (a, b) = (run(1), run(2));
        let text = format!("{FORMAT} boot\nS {a} 1\nS {a} 12\nS {b} 1\nG {a} 12 gone\n");
        assert_eq!(parse(&text, "boot").marks.len(), 2);
        let whole = text.len();
        for cut in whole - " gone\n".len() - 1..whole - 1 {
            // What is written after a torn record begins with the end of its line.
            let torn = format!("{}\nS {b} 1\n", &text[..cut]);
            let left = parse(&torn, "boot").marks.len();
            let all = if torn.contains(" gone\n") { 2 } else { 3 };
            assert_eq!(left, all, "{torn}");
        }
    }

    #[test]
    fn compaction_drops_what_is_settled_and_over_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let marks = Marks::open(dir.path()).unwrap().begin().unwrap();
        marks.start(run(0), 1, PIPES_OF).unwrap();
        marks.leads(run(0), 1, LEADER);
        marks.start(run(-1), 1, PIPES_OF).unwrap();
        marks.over(run(-1), 1);
        for second in 1..40_000 {
            marks.start(run(second), 1, PIPES_OF).unwrap();
            marks.settled(run(second), 1);
            marks.over(run(second), 1);
        }
        let size = std::fs::metadata(dir.path().join(FILE)).unwrap().len();
        assert!(size < COMPACT_AT + 4096, "{size}");
        let left = Marks::open(dir.path()).unwrap().leftovers.marks;
        let of = |second| left.iter().find(|mark| mark.run == run(second));
        assert_eq!(of(0).unwrap().leader, Some(LEADER));
        assert!(
            of(-1).is_some(),
            "over, but the ledger does not have its end"
        );
        assert!(of(1).is_none());
    }
}
