//! What a process finds: environment, descriptors, session, standard input.

use std::collections::BTreeSet;

use punctual::job::{AttemptEnd, Value};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::desk::{command, launch, run, shell};

#[test]
fn the_environment_is_clean_and_the_facts_are_in_it() {
    let mut process = command(&["/usr/bin/env"]);
    process.env = [("MINE".to_owned(), Value::Plain("a b=c".into()))].into();
    let running = launch(process);
    let text = running.end().text();
    let names: BTreeSet<&str> = text
        .lines()
        .map(|line| line.split('=').next().unwrap())
        .collect();
    let always = [
        "MINE",
        "PATH",
        "PUNCTUAL_ATTEMPT",
        "PUNCTUAL_JOB",
        "PUNCTUAL_RUN_ID",
        "PUNCTUAL_TRIGGER",
    ];
    let perhaps = ["HOME", "LANG", "TZ", "USER"]
        .into_iter()
        .filter(|name| std::env::var_os(name).is_some());
    assert_eq!(names, always.into_iter().chain(perhaps).collect());
    assert!(text.contains("MINE=a b=c\n"));
    assert!(text.contains(&format!("PUNCTUAL_RUN_ID={}\n", running.run)));
    assert!(text.contains("PUNCTUAL_ATTEMPT=1\n") && text.contains("PUNCTUAL_JOB=test\n"));
}

#[test]
fn env_goes_over_env_file_and_facts_over_both() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("env");
    std::fs::write(&file, "A=file\nB=\"from file\"\nPUNCTUAL_JOB=forged\n").unwrap();
    let mut process = shell("echo $A,$B,$PUNCTUAL_JOB");
    process.env = [("A".to_owned(), Value::Plain("env".into()))].into();
    process.env_file = Some(file.clone());
    assert_eq!(run(process.clone()).text(), "env,from file,test\n");
    std::fs::write(&file, "A=1\nmy secret\n").unwrap();
    let AttemptEnd::NotStarted(why) = run(process.clone()).end else {
        panic!("it started");
    };
    assert!(why.contains("line 2") && !why.contains("secret"), "{why}");
    // A key of several lines without quotes: its next line may look like a name.
    let key = "KEY=-----BEGIN PRIVATE KEY-----\nMIIEvgIB+Abc/k9==\n-----END PRIVATE KEY-----\n";
    std::fs::write(&file, key).unwrap();
    let AttemptEnd::NotStarted(why) = run(process.clone()).end else {
        panic!("it started");
    };
    assert!(
        why.contains("line 2") && why.contains("into quotes"),
        "{why}"
    );
    assert!(!why.contains("MII") && !why.contains("PRIVATE"), "{why}");
    drop(dir);
    let AttemptEnd::NotStarted(why) = run(process).end else {
        panic!("it started");
    };
    assert!(why.contains(file.to_str().unwrap()), "{why}");
    assert!(
        why.contains("create it or correct the path, or take env_file"),
        "{why}"
    );
}

#[test]
fn a_missing_secret_is_a_refusal_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (fifo, mode) = (FileType::Fifo, Mode::from_raw_mode(0o600));
    mknodat(CWD, at("pipe"), fifo, mode, 0).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    std::fs::write(at("large"), vec![b'x'; (1 << 20) + 1]).unwrap();
    let cases = [
        (
            Value::Env("PUNCTUAL_TEST_NO_SUCH".into()),
            "PUNCTUAL_TEST_NO_SUCH",
        ),
        (Value::File(at("gone")), "create it or correct the path"),
        (
            Value::File(dir.path().into()),
            "is a folder; name a file in it",
        ),
        (
            Value::File("/dev/zero".into()),
            "is a device and not a file; write",
        ),
        (Value::File(at("pipe")), "is a pipe and not a file; write"),
        (
            Value::File(at("socket")),
            "is a socket and not a file; write",
        ),
        (
            Value::File(at("large")),
            "is larger than 1 MiB, the most that is read; name",
        ),
        (Value::Credential("key".into()), "LoadCredential="),
        (Value::Credential("../key".into()), "file name"),
    ];
    for (value, says) in cases {
        let mut process = shell("echo ran");
        process.env = [("KEY".to_owned(), value)].into();
        let ended = run(process);
        let AttemptEnd::NotStarted(why) = ended.end else {
            panic!("it started");
        };
        assert!(why.contains(says) && why.contains("KEY"), "{why}");
        assert_eq!(
            why.contains("create it"),
            says.contains("create it"),
            "{why}"
        );
    }
}

#[test]
fn inherit_env_takes_everything_over() {
    let mut process = command(&["/usr/bin/env"]);
    process.inherit_env = true;
    let text = run(process).text();
    for (name, _) in std::env::vars() {
        assert!(text.contains(&format!("{name}=")), "{name}");
    }
}

#[test]
fn exactly_three_descriptors_are_open() {
    // A descriptor that any process would inherit.
    let open = std::fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let listing = run(command(&["/bin/ls", "/proc/self/fd"])).text();
    // The fourth is what `ls` reads the folder by.
    assert_eq!(
        listing.split_whitespace().collect::<Vec<_>>(),
        ["0", "1", "2", "3"]
    );
    let shown = run(shell(
        "for fd in 0 1 2 3 4; do [ -e /proc/$$/fd/$fd ] && echo $fd; done; :",
    ));
    assert_eq!(shown.text(), "0\n1\n2\n");
    assert_eq!(run(shell("readlink /proc/$$/fd/0")).text(), "/dev/null\n");
}

#[test]
fn it_leads_a_session_of_its_own_with_default_signals() {
    let ended = run(shell("echo $$; cut -d' ' -f1,5,6 /proc/$$/stat"));
    let text = ended.text();
    let pid = text.lines().next().unwrap();
    assert_eq!(text.lines().nth(1).unwrap(), format!("{pid} {pid} {pid}"));
    let status = run(command(&[
        "/bin/grep",
        "-E",
        "^Sig(Blk|Ign)",
        "/proc/self/status",
    ]))
    .text();
    let masks: Vec<u64> = status
        .split_whitespace()
        .filter_map(|word| u64::from_str_radix(word, 16).ok())
        .collect();
    // glibc keeps signals 32 and 33 for itself, and ignores them in whatever it spawns.
    let of_programs = !(0b11 << 31);
    assert_eq!(masks.len(), 2, "{status}");
    assert!(masks.iter().all(|mask| mask & of_programs == 0), "{status}");
}

#[test]
fn the_limit_on_open_files_is_what_the_daemon_was_given() {
    let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let text = run(shell("sleep 0.02; ulimit -Sn; ulimit -Hn")).text();
    let limits: Vec<&str> = text.lines().collect();
    assert_eq!(
        limits[1],
        hard.map_or("unlimited".into(), |hard| hard.to_string())
    );
}

#[test]
fn stdin_gives_the_text_and_then_ends() {
    let mut process = shell("cat; echo .");
    process.stdin = Some("line\n".repeat(100_000));
    process.output.max_bytes = 10 << 20;
    let text = run(process).text();
    assert_eq!(text.len(), 500_002);
    let mut ignored = shell("exit 0");
    ignored.stdin = Some("x".repeat(1 << 20));
    let end = run(ignored).end;
    assert_eq!(end, AttemptEnd::Exited { code: 0, ok: true });
    assert_eq!(run(shell("cat; echo .")).text(), ".\n");
}
