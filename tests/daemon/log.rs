//! Who reads the log, and who does not.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use punctual::clock;
use rustix::io::ioctl_fionread;
use rustix::process::{Pid, Signal, kill_process};

use crate::daemon::{Place, assert_each_second_once, wait_until};
use crate::http::Door;

fn serve(place: &Place, format: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_punctual"));
    command
        .args(["serve", "--log-format", format, "--config"])
        .arg(place.path("config.toml"))
        .env("RUST_LOG", "info")
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    place.with_folders(&mut command);
    command
}

/// Killed when dropped, whatever the test came to.
struct Killed(Child);

impl Killed {
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.0.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_log_that_nobody_reads_delays_neither_fires_nor_answers() {
    let noise: Vec<_> = (0..10)
        .map(|n| format!("[jobs.noise{n}]\nevery = \"100ms\"\ncommand = [\"false\"]\n"))
        .collect();
    let noise = noise.concat();
    let place = Place::new(&format!(
        "{noise}[jobs.beat]\nevery = \"1s\"\ncommand = [\"true\"]\n"
    ));
    let mut child = serve(&place, "json").spawn().map(Killed).unwrap();
    let mut log = child.0.stderr.take().unwrap();
    let room = rustix::pipe::fcntl_setpipe_size(&log, 4_096).unwrap();
    let room = u64::try_from(room).unwrap();
    // The pipe is full when no further line fits.
    wait_until("a full pipe", || {
        (ioctl_fionread(&log).unwrap() + 1_000 > room).then_some(())
    });
    let stalled_at = clock::now().as_microsecond();
    let beats = wait_until("five fires after that", || {
        let mut rows = place.rows();
        rows.retain(|row| row.job == "beat" && row.scheduled_at > stalled_at);
        let ran = rows.iter().filter(|row| row.status == "succeeded").count();
        (ran >= 5).then_some(rows)
    });
    let door = Door::Unix(place.path("punctual.sock"));
    assert_eq!(door.get("/readyz").status(), 200);
    let mut late: Vec<_> = beats
        .iter()
        .filter_map(|row| Some(row.started_at? - row.scheduled_at))
        .collect();
    late.sort_unstable();
    assert!(
        late[late.len() / 2] < 250_000,
        "microseconds late: {late:?}"
    );
    child.signal(Signal::TERM);
    let end = wait_until("an end that waits for no reader", || {
        child.0.try_wait().unwrap()
    });
    assert!(end.success());
    assert_each_second_once(&place.rows(), "beat");
    let mut rest = Vec::new();
    log.read_to_end(&mut rest).unwrap();
}

#[test]
fn a_log_whose_reader_comes_back_is_read_on() {
    let place = Place::new("[jobs.noise]\nevery = \"100ms\"\ncommand = [\"false\"]\n");
    let mut child = serve(&place, "json").spawn().map(Killed).unwrap();
    let log = child.0.stderr.take().unwrap();
    let room = rustix::pipe::fcntl_setpipe_size(&log, 4_096).unwrap();
    let room = u64::try_from(room).unwrap();
    wait_until("a full pipe", || {
        (ioctl_fionread(&log).unwrap() + 1_000 > room).then_some(())
    });
    child.signal(Signal::TERM);
    let text = std::io::read_to_string(log).unwrap();
    assert!(child.0.wait().unwrap().success());
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("every line is whole");
        assert!(line["message"].is_string(), "{line}");
    }
    let last = text.lines().last().unwrap();
    assert!(last.contains("\"stopped\""), "{last}");
}

#[test]
fn without_a_journal_its_format_is_refused_and_auto_is_text() {
    if std::path::Path::new("/run/systemd/journal/socket").exists() {
        return;
    }
    let place = Place::new("");
    let refused = serve(&place, "journal").output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("--log-format text"), "{text}");

    let mut child = serve(&place, "auto").spawn().map(Killed).unwrap();
    let door = place.path("punctual.sock");
    wait_until("an answer", || {
        std::os::unix::net::UnixStream::connect(&door).ok()
    });
    // It listens to signals before it listens to anybody else.
    child.signal(Signal::TERM);
    let status = child.0.wait().unwrap();
    let text = std::io::read_to_string(child.0.stderr.take().unwrap()).unwrap();
    assert!(status.success(), "{status}: {text}");
    assert!(text.contains("INFO"), "{text}");
    assert!(!text.contains('{'), "{text}");
    assert!(
        !text.contains('\u{1b}'),
        "no colour but on a terminal: {text}"
    );
}
