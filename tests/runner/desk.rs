//! One runner for all tests of this binary: launches go in, and each test gets its own reports.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::time::Duration;

use punctual::clock;
use punctual::job::{
    Action, AttemptEnd, CommandLine, Figures, JobName, KeepOutput, OutputLimits, Process, RunId,
    Signal, Terms,
};
use punctual::runner::{CapturedOutput, Groups, Handed, Launch, Marks, Report, Runner, Stage};

/// Far longer than anything takes here; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Desk {
    pub runner: Runner,
    waiting: Arc<Mutex<BTreeMap<RunId, mpsc::Sender<Report>>>>,
}

static DESK: LazyLock<Desk> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap().keep();
    let marks = Marks::open(&dir).unwrap().begin().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let stage = Stage::at(Path::new(env!("CARGO_BIN_EXE_punctual"))).unwrap();
    let (send, mut reports) = tokio::sync::mpsc::channel(64);
    let runner = Runner::start_with_stage(
        stage,
        marks,
        send,
        runtime.handle().clone(),
        Handed::default(),
        &Groups::none(),
    )
    .unwrap();
    let waiting: Arc<Mutex<BTreeMap<RunId, mpsc::Sender<Report>>>> = Arc::default();
    let desk = Desk {
        runner,
        waiting: Arc::clone(&waiting),
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            while let Some(report) = reports.recv().await {
                let (Report::Started { run, .. } | Report::Ended { run, .. }) = report;
                if let Some(test) = waiting.lock().unwrap().get(&run) {
                    let _ = test.send(report);
                }
            }
        });
    });
    desk
});

pub fn desk() -> &'static Desk {
    &DESK
}

/// A process that runs the line in a shell, with short time-outs and everything else plain.
pub fn shell(line: &str) -> Process {
    process(CommandLine::Shell(line.into()))
}

pub fn command(words: &[&str]) -> Process {
    process(CommandLine::Command(
        words.iter().map(|&word| word.into()).collect(),
    ))
}

fn process(command: CommandLine) -> Process {
    Process {
        command,
        terms: Terms::default(),
        working_dir: None,
        env: BTreeMap::new(),
        env_file: None,
        inherit_env: false,
        stdin: None,
        success_exit_codes: vec![0],
        timeout: None,
        kill_signal: Signal::TERM,
        kill_timeout: Duration::from_millis(200),
        output: OutputLimits {
            max_bytes: 1 << 20,
            keep: KeepOutput::Both,
        },
    }
}

/// A launched attempt.
pub struct Running {
    pub run: RunId,
    reports: mpsc::Receiver<Report>,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    pub end: AttemptEnd,
    pub figures: Figures,
    pub output: CapturedOutput,
    pub started: bool,
}

impl Ended {
    pub fn text(&self) -> String {
        String::from_utf8(self.output.render(None)).unwrap()
    }
}

/// A run that no other has, in this process or in those of other tests: processes are found, and
/// killed, by their run's id wherever they are.
pub fn new_run() -> RunId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let in_process = NEXT.fetch_add(1, Ordering::Relaxed);
    let sequence = u64::from(std::process::id()) << 32 | in_process;
    RunId::of_manual(&JobName::new("test").unwrap(), clock::now(), sequence)
}

pub fn launch(process: Process) -> Running {
    begin(Action::Process(Arc::new(process)))
}

/// Launches whatever a job does.
pub fn begin(action: Action) -> Running {
    let run = new_run();
    let (send, reports) = mpsc::channel();
    desk().waiting.lock().unwrap().insert(run, send);
    desk().runner.launch(Launch {
        run,
        attempt: 1,
        job: JobName::new("test").unwrap(),
        action,
        facts: vec![("PUNCTUAL_TRIGGER".into(), "manual".into())],
    });
    Running { run, reports }
}

impl Running {
    /// The process id of the main process, once it runs.
    pub fn pid(&self) -> u32 {
        match self.reports.recv_timeout(PATIENCE).unwrap() {
            Report::Started { pid, .. } => pid.unwrap(),
            other @ Report::Ended { .. } => panic!("not started: {other:?}"),
        }
    }

    pub fn end(&self) -> Ended {
        let mut seen_start = false;
        loop {
            match self.reports.recv_timeout(PATIENCE).unwrap() {
                Report::Started { .. } => seen_start = true,
                Report::Ended {
                    end,
                    figures,
                    output,
                    started_at,
                    at,
                    ..
                } => {
                    assert!(started_at.is_none_or(|started| started <= at));
                    assert!(!seen_start || started_at.is_some());
                    let started = started_at.is_some();
                    return Ended {
                        end,
                        figures,
                        output,
                        started,
                    };
                }
            }
        }
    }

    /// Waits for a text in the output so far.
    pub fn says(&self, text: &str) -> String {
        let mut shown = String::new();
        until(&format!("{text:?} in the output"), || {
            if let Some(output) = desk().runner.live_output(self.run, 1) {
                shown = String::from_utf8_lossy(&output.render(None)).into_owned();
            }
            shown.contains(text)
        });
        shown
    }
}

pub fn run(process: Process) -> Ended {
    launch(process).end()
}

/// Waits for a level, bounded.
pub fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let begun = clock::monotonic();
    while !reached() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        pause();
    }
}

fn pause() {
    static TIMER: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .unwrap()
    });
    TIMER.block_on(clock::elapse(Duration::from_millis(2)));
}

/// Whether a process of this number is there and not a zombie.
pub fn lives(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let state = stat.rsplit_once(") ").unwrap().1;
    !state.starts_with('Z') && !state.starts_with('X')
}

/// Every living process that carries the run in its environment.
pub fn alive_of(run: RunId) -> Vec<u32> {
    let mark = format!("PUNCTUAL_RUN_ID={run}");
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
                environ
                    .split(|&byte| byte == 0)
                    .any(|variable| variable == mark.as_bytes())
            })
        })
        .filter(|&pid| lives(pid))
        .collect()
}

/// The numbers behind `name=` in a text.
pub fn numbers(text: &str, name: &str) -> Vec<u32> {
    text.lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        .collect()
}
