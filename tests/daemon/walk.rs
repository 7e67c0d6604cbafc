//! The manual, walked through as its readers do: the commands of the README's tour and of the tutorial, in
//! their order, by a shell that finds `punctual`. What needs a machine under systemd is walked through by
//! `tests/systemd`.

use std::process::{Command, Stdio};

use regex_lite::Regex;

use super::daemon::{Daemon, Place, wait_until};
use super::documents::{self, Shown, read, shown};
use super::examples::fits;
use super::http::Door;

/// The blocks of a language below a heading of a document, each with its lines.
fn blocks(document: &str, heading: &str, language: &str) -> Vec<Vec<String>> {
    let blocks = documents::blocks(&read(document)).into_iter();
    let found: Vec<_> = blocks
        .filter(|block| block.heading == heading && block.language == language)
        .map(|block| block.lines)
        .collect();
    assert!(
        !found.is_empty(),
        "{document}: no {language} below {heading}"
    );
    found
}

/// A reader in the folder of a place, who has `punctual` on the path.
struct Reader<'a> {
    place: &'a Place,
}

impl<'a> Reader<'a> {
    fn new(place: &'a Place) -> Self {
        std::fs::create_dir(place.path("bin")).unwrap();
        let program = env!("CARGO_BIN_EXE_punctual");
        std::os::unix::fs::symlink(program, place.path("bin/punctual")).unwrap();
        Self { place }
    }

    fn shell(&self, script: &str) -> Command {
        let place = self.place;
        let path = format!("{}:/usr/bin:/bin", place.path("bin").display());
        let mut command = Command::new("bash");
        command
            .args(["-c", script])
            .current_dir(place.folder.path())
            .env_clear()
            .env("PATH", path)
            .env("HOME", place.folder.path())
            .env("TZ", "UTC")
            // Where things of a daemon go that the document's config does not place.
            .env("RUNTIME_DIRECTORY", place.path("run"))
            .env("STATE_DIRECTORY", place.path("state"))
            // curl asks by the socket what the document asks at a port that others may have.
            .env("CURL_HOME", place.folder.path())
            // What a test that fails leaves running is found by this.
            .env("PLACE", place.folder.path());
        command
    }

    /// Runs a command to its end. It may leave a process in the background, so that what it prints goes to
    /// a file: the end of a pipe would come with the last that holds it.
    fn run(&self, script: &str) -> (Option<i32>, Vec<String>) {
        let printed = std::fs::File::create(self.place.path("printed")).unwrap();
        let status = self
            .shell(script)
            .stdin(Stdio::null())
            .stderr(printed.try_clone().unwrap())
            .stdout(printed)
            .status()
            .unwrap();
        (status.code(), self.place.lines("printed"))
    }

    /// Runs it; it must go well.
    fn does(&self, script: &str) -> Vec<String> {
        let (code, printed) = self.run(script);
        assert_eq!(code, Some(0), "{script}\n{}", printed.join("\n"));
        printed
    }

    fn serves(&self, script: &str) -> Daemon {
        let mut daemon = Daemon::spawn(self.shell(&format!("exec {script}")).stdin(Stdio::null()));
        daemon.wait_for_log("ready");
        daemon
    }
}

/// The text without what the pattern's first group stands for.
fn found<'t>(pattern: &str, text: &'t str) -> Option<&'t str> {
    let captures = Regex::new(pattern).unwrap().captures(text)?;
    Some(captures.get(1).unwrap().as_str())
}

const ID: &str = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";

#[test]
fn the_tour_of_the_readme_shows_what_a_reader_sees() {
    let place = Place::new("");
    let reader = Reader::new(&place);
    std::fs::create_dir(place.path("config")).unwrap();
    let config = read("config/config.toml").replace("127.0.0.1:7878\"]", "127.0.0.1:0\"]");
    std::fs::write(place.path("config/config.toml"), config).unwrap();
    std::fs::create_dir_all(place.path("target/release")).unwrap();
    std::fs::rename(
        place.path("bin/punctual"),
        place.path("target/release/punctual"),
    )
    .unwrap();
    std::os::unix::fs::symlink("../target/release/punctual", place.path("bin/punctual")).unwrap();
    let curlrc = format!(
        "unix-socket = {}",
        place.path("run/punctual.sock").display()
    );
    std::fs::write(place.path(".curlrc"), curlrc).unwrap();
    let door = Door::Unix(place.path("run/punctual.sock"));
    let daemon = reader.serves("target/release/punctual serve --config config/config.toml");
    // There are other daemons on a machine that tests.
    let pidof = format!("#!/bin/sh\nexec echo {}\n", daemon.pid());
    std::fs::write(place.path("bin/pidof"), pidof).unwrap();
    reader.does("chmod +x bin/pidof");
    wait_until("a heartbeat", || {
        let runs = door.get("/api/v1/jobs/heartbeat/runs").ok();
        runs["items"][0]["id"].is_string().then_some(())
    });

    let (mut run, mut missed) = (String::new(), String::new());
    let mut wrong = Vec::new();
    let tour = blocks("README.md", "A tour of a minute", "console");
    for Shown { command, lines } in tour.iter().flat_map(|block| shown(block)) {
        let command = Regex::new(ID).unwrap().replace(&command, &run).into_owned();
        let at = Regex::new("--at [^ ]+").unwrap();
        let command = at.replace(&command, format!("--at {missed}")).into_owned();
        let printed = reader.does(&command);
        if let Some(id) = found(&format!(r#""id":"({ID})"#), &printed.join("\n")) {
            id.clone_into(&mut run);
        }
        if let Some(time) = found(r#"\["([^"]+)","missed""#, &printed.join("\n")) {
            time.clone_into(&mut missed);
        }
        if !alike(&command, &lines, &printed) {
            wrong.push(format!("$ {command}\n{}", printed.join("\n")));
        }
    }
    assert!(
        wrong.is_empty(),
        "these print something else:\n{}",
        wrong.join("\n")
    );
    assert!(!run.is_empty() && !missed.is_empty());
}

/// Whether a reader would say that this is what was shown.
fn alike(command: &str, lines: &[String], printed: &[String]) -> bool {
    let kinds = |lines: &[String], of: fn(&str) -> String| {
        let mut kinds: Vec<_> = lines.iter().map(|line| of(line)).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    };
    if command.contains("/runs?limit=") {
        // How many there are of each depends on how fast somebody types.
        let how = |line: &str| line.split(',').skip(1).take(2).collect();
        return kinds(lines, how) == kinds(printed, how);
    }
    if command == "punctual jobs" {
        // When each is next, and was last, depends on the time of the day.
        let whose = |line: &str| line.split("  ").next().unwrap_or_default().to_owned();
        return kinds(lines, whose) == kinds(printed, whose);
    }
    if command.starts_with("punctual why ") {
        // On a terminal its sentences are in lines that fit.
        return fits(&[lines.join(" ")], &[printed.join(" ")]);
    }
    fits(lines, printed)
}

#[test]
fn the_tutorial_works_as_it_says() {
    let place = Place::new("");
    let reader = Reader::new(&place);
    // Its day is shorter here, and its port is not taken.
    let hello = blocks("docs/tutorial.md", "A job", "toml")
        .concat()
        .join("\n");
    let hello = hello.replace("\"10s\"", "\"1s\"").replace(":7878", ":0");
    std::fs::write(place.path("config.toml"), &hello).unwrap();
    let check = &blocks("docs/tutorial.md", "A job", "sh")
        .concat()
        .join("\n");
    let said = reader.does(check).join("\n");
    assert!(said.contains("is valid; it has 1 job"), "{said}");
    std::fs::write(place.path("config.toml"), hello.replace("every", "evry")).unwrap();
    let (code, said) = reader.run(check);
    let said = said.join("\n");
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("config.toml:7:1") && said.contains("`every`"),
        "{said}"
    );
    std::fs::write(place.path("config.toml"), &hello).unwrap();

    let [serve, look] = &blocks("docs/tutorial.md", "Run it", "sh")[..] else {
        panic!("two blocks are known");
    };
    let daemon = reader.serves(&serve.join("\n"));
    let runs = || reader.does("punctual runs --job hello").join("\n");
    wait_until("a run", || runs().contains("succeeded").then_some(()));
    let said = reader.does(&look.join("\n")).join("\n");
    assert!(said.contains("hello, it is 2"), "{said}");

    let fragile = blocks("docs/tutorial.md", "Change it while it runs", "toml").concat();
    let both = format!("{hello}\n{}", fragile.join("\n"));
    std::fs::write(place.path("config.toml"), &both).unwrap();
    let said = reader.does("punctual diff; punctual reload").join("\n");
    assert_eq!(said.matches("fragile").count(), 2, "{said}");
    std::fs::write(place.path("config.toml"), both.replace("cron", "corn")).unwrap();
    let (code, said) = reader.run("punctual reload");
    let said = said.join("\n");
    assert!(
        code == Some(2) && said.contains("`cron`"),
        "{code:?} {said}"
    );
    std::fs::write(place.path("config.toml"), &both).unwrap();

    let said = reader.does(
        &blocks("docs/tutorial.md", "Steer it", "sh")
            .concat()
            .join("\n"),
    );
    let said = said.join("\n");
    for part in ["hello, it is", "paused", "active"] {
        assert!(said.contains(part), "{part}: {said}");
    }

    daemon.signal(rustix::process::Signal::INT);
    daemon.wait();
    let stopped = punctual::clock::now();
    let while_down = std::time::Duration::from_secs(4);
    wait_until("some instants", || {
        (punctual::clock::now()
            .duration_since(stopped)
            .unsigned_abs()
            > while_down)
            .then_some(())
    });
    let _daemon = reader.serves(&serve.join("\n"));
    wait_until("what was missed", || {
        let runs = runs();
        (runs.contains("catch_up") && runs.contains("missed")).then_some(())
    });
    let said = reader.does("punctual audit").join("\n");
    assert!(said.contains("account whole"), "{said}");
}

#[test]
fn a_new_token_is_printed_with_lines_that_a_config_takes() {
    let place = Place::new("");
    let reader = Reader::new(&place);
    let make = blocks("docs/how-to.md", "Limit who may do what", "sh").concat();
    let printed = reader.does(&format!("{} 2>lines", make.join("\n")));
    assert!(printed[0].starts_with("punctual_"), "{printed:?}");
    let told = place.lines("lines").join("\n");
    let lines = &told[told.find("[[server.tokens]]").unwrap()..];
    let config =
        format!("[server]\nauth = \"token\"\n{lines}\n[jobs.a]\nevery = \"1d\"\nshell = \":\"\n");
    std::fs::write(place.path("config.toml"), config).unwrap();
    reader.does("punctual check --config config.toml");
}
