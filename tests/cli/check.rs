//! `punctual check` as a person and a script meet it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use serde_json::Value;

/// Runs `punctual check` in a clean environment, `arguments` being those behind it.
fn check(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_punctual"))
        .arg("check")
        .args(arguments)
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("TZ", "Europe/Paris")
        .output()
        .expect("the binary runs")
}

/// A folder with one configuration.
fn folder(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("config.toml");
    fs::write(&path, text).expect("the file is written");
    let path = path.to_str().expect("its path is text").to_owned();
    (folder, path)
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("output is text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("output is text")
}

#[test]
fn a_good_config_is_shown_as_a_table() {
    let (_folder, path) = folder(
        "[jobs.once]\nat = '2100-01-01T00:00:00Z'\nshell = 'true'\n\
         [jobs.nightly]\ncron = '30 2 * * *'\nshell = 'true'\n\
         [jobs.off]\nevery = '1h'\nenabled = false\nshell = 'true'\n",
    );
    let output = check(&["--config", &path, "--next", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let lines: Vec<_> = text.lines().collect();
    let columns = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(columns(lines[0]), ["JOB", "SCHEDULE", "ZONE", "NEXT"]);
    let at = lines[0].find("NEXT").expect("a column of fires");
    assert!(
        lines[1].starts_with("nightly  at 02:30 every day"),
        "{text}"
    );
    for line in &lines[1..=2] {
        assert_eq!(
            line[at..].len(),
            "2026-03-29T02:30:00+02:00".len(),
            "{text}"
        );
        assert_eq!(&line[at + 10..at + 19], "T02:30:00", "{text}");
    }
    assert!(
        lines[3].starts_with("off") && lines[3].ends_with("disabled"),
        "{text}"
    );
    assert!(lines[4].ends_with("2100-01-01T01:00:00+01:00"), "{text}");
    assert!(
        text.ends_with("\nThe configuration is valid; it has 3 jobs.\n"),
        "{text}"
    );
}

#[test]
fn every_error_goes_to_standard_error_and_the_code_is_2() {
    let (_folder, path) = folder("[jobs.a]\nschedule = '* * * * *'\ncommand = 'x'\n[nod]\n");
    let output = check(&["--config", &path]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    let text = stderr(&output);
    for part in [
        &format!("--> {path}:2:1\n")[..],
        &format!("--> {path}:3:11\n"),
        &format!("--> {path}:4:2\n"),
        "help: did you mean `cron`?",
        "help: did you mean `node`?",
        "3 | command = 'x'\n  |           ^^^",
        "The configuration has 4 errors; nothing of it is used.",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn hashes_that_tell_nobody_apart_are_shown_where_they_stand() {
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let (_folder, path) = folder(&format!(
        "[server]\ntokens = [\n{{ name = 'a', role = 'admin', hash = 'sha256:{nothing}' }},\n\
         {{ name = 'b', role = 'admin', hash = 'sha256:{0}' }},\n\
         {{ name = 'c', role = 'viewer', hash = 'sha256:{0}' }},\n]\n",
        "ab".repeat(32)
    ));
    let output = check(&["--config", &path]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    for part in [
        "this is the hash of nothing, not of a token",
        &format!("--> {path}:3:38\n"),
        "help: $TOKEN was empty when it was made; make one with `punctual token new`",
        "a second token has this hash",
        &format!("--> {path}:5:39\n"),
        &format!("note: the first is here\n --> {path}:4:38\n"),
        "help: nothing tells the two apart: make another with `punctual token new`",
        "The configuration has 2 errors; nothing of it is used.",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn excluded_days_are_passed_over_and_counted() {
    let (folder, path) = folder(
        "[calendars.weekends]\nfile = 'weekends.ics'\n\
         [jobs.a]\ncron = '0 12 * * *'\ntimezone = 'UTC'\nexclude = ['weekends']\nshell = 'a'\n",
    );
    let weekends = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20200104\n\
                    RRULE:FREQ=WEEKLY;BYDAY=SA,SU\nEND:VEVENT\nEND:VCALENDAR\n";
    fs::write(folder.path().join("weekends.ics"), weekends).expect("the file is written");
    let output = check(&["--json", "--config", &path, "--next", "6"]);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let job = &answer["jobs"][0];
    assert_eq!(
        job["text"],
        "at 12:00 every day, except on days of weekends"
    );
    let fires = job["next_fires"].as_array().expect("fires").iter();
    let days: Vec<jiff::civil::Date> = fires
        .map(|fire| {
            fire.as_str()
                .and_then(|fire| fire[..10].parse().ok())
                .expect("a date")
        })
        .collect();
    assert_eq!(days.len(), 6);
    let weekday = |day: &jiff::civil::Date| day.weekday().to_monday_zero_offset() < 5;
    assert!(days.iter().all(weekday), "{days:?}");
    let excluded = job["excluded"].as_u64().expect("a number");
    assert!((2..=4).contains(&excluded), "{job}");
    let output = check(&["--config", &path, "--next", "6"]);
    let text = stdout(&output);
    assert!(
        text.contains(&format!("({excluded} before the last excluded)")),
        "{text}"
    );

    let all = weekends.replace("BYDAY=SA,SU", "BYDAY=MO,TU,WE,TH,FR,SA,SU;UNTIL=20850101");
    fs::write(folder.path().join("weekends.ics"), all).expect("the file is written");
    let output = check(&["--config", &path]);
    assert!(stdout(&output).contains("never"), "{}", stdout(&output));
    let warnings = stderr(&output);
    assert!(
        warnings.contains("warning: job `a`: its calendars exclude all"),
        "{warnings}"
    );
}

#[test]
fn json_holds_the_same() {
    let (_folder, good) = folder("[jobs.a]\ncron = '0 12 * * *'\ntimezone = 'UTC'\nshell = 'a'\n");
    let output = check(&["--json", "--config", &good, "--next", "5"]);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (output.status.code(), &answer["valid"]),
        (Some(0), &Value::Bool(true))
    );
    assert_eq!(answer["jobs"][0]["name"], "a");
    assert_eq!(answer["jobs"][0]["schedule"], "0 12 * * *");
    assert_eq!(
        answer["jobs"][0]["next_fires"].as_array().map(Vec::len),
        Some(5)
    );

    let (_folder, bad) = folder("\n  x = 1\n");
    let output = check(&["--json", "--config", &bad]);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (output.status.code(), &answer["valid"]),
        (Some(2), &Value::Bool(false))
    );
    let error = &answer["errors"][0];
    assert_eq!(error["file"], bad.as_str());
    assert_eq!(
        (&error["line"], &error["column"]),
        (&Value::from(2), &Value::from(3))
    );
    assert_eq!(error["message"], "unknown key `x` at the top of the file");
}

#[test]
fn what_is_worth_a_second_look_is_a_warning() {
    let mut text = String::from(
        "[jobs.slow]\nevery = '1m'\ntimeout = '5m'\nshell = 'true'\n\
         [jobs.dst]\ncron = '30 2 * * *'\nshell = 'true'\n\
         [jobs.every-hour]\ncron = '30 * * * *'\nshell = 'true'\n\
         [jobs.past]\nat = '2001-01-01T00:00:00Z'\nshell = 'true'\n",
    );
    for number in 0..150 {
        text.push_str("[jobs.herd-");
        text.push_str(&number.to_string());
        text.push_str("]\ncron = '0 12 * * *'\nshell = 'true'\n");
    }
    let (_folder, path) = folder(&text);
    let output = check(&["--config", &path]);
    assert_eq!(output.status.code(), Some(0));
    let warnings = stderr(&output);
    for part in [
        "warning: job `slow` may run for 5m but is due again after 1m",
        "skip 02:30: it runs at 03:00 instead, once",
        "show 02:30 twice: it runs the first time only",
        "warning: job `past`: its instant, 2001-01-01T00:00:00Z, is past",
        // The herd, and the job of every minute.
        "warning: 151 jobs are due in the second of ",
    ] {
        assert!(warnings.contains(part), "{part:?} is not in:\n{warnings}");
    }
    assert!(!warnings.contains("every-hour"), "{warnings}");
}

#[test]
fn without_a_config_it_says_where_it_looked() {
    let output = check(&[]);
    if std::path::Path::new("/etc/punctual/config.toml").exists() {
        return;
    }
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(
        text.contains("/etc/punctual/config.toml and /nonexistent/.config/punctual"),
        "{text}"
    );
}

#[test]
fn the_configs_of_the_project_are_good() {
    for name in ["config.toml", "reference.toml"] {
        let path = format!("{}/config/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(path).expect("the file is there");
        // A copy, so that the rights of the checkout do not matter when root runs the tests.
        let (_folder, copy) = folder(&text);
        let output = check(&["--config", &copy]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let warnings = stderr(&output);
        let other = warnings
            .lines()
            .filter(|line| !line.contains("the clocks of"));
        assert_eq!(other.count(), 0, "{warnings}");
    }
}

#[test]
fn the_jobs_of_the_sample_succeed() {
    let sample = fs::read_to_string(format!("{}/config/config.toml", env!("CARGO_MANIFEST_DIR")));
    let sample: toml::Table = sample.expect("the sample is there").parse().expect("TOML");
    let home = tempfile::tempdir().expect("a temporary folder");
    let config = format!("{}/config", env!("CARGO_MANIFEST_DIR"));
    let jobs = sample["jobs"].as_table().expect("jobs");
    // What asks the daemon is tried by `tests/daemon/requests.rs`, which has one.
    let processes = jobs.iter().filter(|(_, job)| job.get("http").is_none());
    for (name, job) in processes {
        let line = job.get("shell").and_then(toml::Value::as_str);
        let words = match job.get("command").and_then(toml::Value::as_array) {
            Some(words) => words.iter().filter_map(toml::Value::as_str).collect(),
            None => vec!["/bin/sh", "-c", line.expect("a command or a shell line")],
        };
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command
            .current_dir(&config)
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        // A full disk here is no fault of the sample.
        command
            .env("HOME", home.path())
            .env("PUNCTUAL_PARAM_LIMIT", "100");
        let output = command.output().expect("it starts");
        assert!(output.status.success(), "{name}: {}", stderr(&output));
    }
    let demo = home.path().join(".local/share/punctual-demo");
    assert_eq!(fs::read_dir(demo).expect("the backup is there").count(), 2);
}

/// Runs `punctual check` as a user without rights, if this one may become that.
fn check_as_nobody(path: &str) -> Option<Output> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT TESTED: what another user is told needs root");
        return None;
    }
    // A copy, since that user may not be let into the folder of the build.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rights = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), rights).expect("its rights are changed");
    let program = folder.path().join("punctual");
    fs::copy(env!("CARGO_BIN_EXE_punctual"), &program).expect("it is copied");
    let output = Command::new("setpriv")
        .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"])
        .arg(program)
        .args(["check", "--config", path])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", "/nonexistent")
        .output();
    Some(output.expect("setpriv is there (util-linux)"))
}

#[test]
fn what_needs_root_is_refused_to_others_with_its_place() {
    let (folder, path) = folder(
        "[jobs.a]\nevery = '1h'\nshell = ':'\nuser = 'daemon'\ngroup = 'daemon'\nnice = -5\n\
         [jobs.own]\nevery = '1h'\nshell = ':'\nuser = 'nobody'\ngroup = 'nogroup'\nnice = 5\n",
    );
    let rights = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), rights).expect("its rights are changed");
    let Some(refused) = check_as_nobody(&path) else {
        return;
    };
    assert_eq!(refused.status.code(), Some(2));
    let said = stderr(&refused);
    for (sentence, place) in [
        (
            "a job can run as \"daemon\" only under a daemon that runs as root and may change its ids",
            "config.toml:4:8",
        ),
        (
            "a job can run with the group \"daemon\" only under a daemon that runs as root and may change its ids",
            "config.toml:5:9",
        ),
        ("`nice` cannot be less than 0 under", "config.toml:6:8"),
    ] {
        assert!(said.contains(sentence) && said.contains(place), "{said}");
    }
    assert!(said.contains("has 3 errors"), "{said}");
    // Root may have all of it.
    let output = check(&["--config", &path]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// As in a container or under a sandbox: root by name alone.
#[test]
fn what_root_may_not_either_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (_folder, path) = folder(
        "[jobs.a]\nevery = '1h'\nshell = ':'\nuser = 'daemon'\nnice = -5\n\
         limits.open_files = 4000000000\n",
    );
    let less = "-setuid,-sys_nice,-sys_resource";
    let refused = Command::new("setpriv")
        .args(["--bounding-set", less, "--inh-caps", less])
        .arg(env!("CARGO_BIN_EXE_punctual"))
        .args(["check", "--config", &path])
        .output()
        .expect("setpriv is there (util-linux)");
    let said = stderr(&refused);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    for sentence in [
        "may change its ids",
        "`nice` cannot be less than",
        "open_files",
    ] {
        assert!(said.contains(sentence), "{said}");
    }
    assert!(said.contains("has 3 errors"), "{said}");
}

#[test]
fn a_user_that_is_not_there_is_told_with_its_place() {
    let (_folder, path) = folder(
        "[jobs.a]\nevery = '1h'\nshell = ':'\nuser = 'no-such-user'\ngroup = 'no-such-group'\n",
    );
    let refused = check(&["--config", &path]);
    assert_eq!(refused.status.code(), Some(2));
    let said = stderr(&refused);
    for (sentence, place) in [
        ("there is no user \"no-such-user\"", "config.toml:4:8"),
        ("there is no group \"no-such-group\"", "config.toml:5:9"),
    ] {
        assert!(said.contains(sentence) && said.contains(place), "{said}");
    }
}

#[test]
fn configs_of_earlier_versions_are_still_valid() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/configs");
    let files = fs::read_dir(folder).expect("there are configs");
    let mut versions = Vec::new();
    for file in files.map(|file| file.expect("the folder is read").path()) {
        let output = check(&["--config", file.to_str().expect("a plain name")]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stdout(&output).contains("it has 7 jobs"), "{file:?}");
        versions.push(file.file_stem().expect("it has a name").to_owned());
    }
    assert!(versions.contains(&"0.1.0".into()), "{versions:?}");
}
