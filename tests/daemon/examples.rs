//! The examples of `docs/api.md`, run in order against a daemon with the sample configuration: each
//! command works, and its answer has the names, the order and the form that are shown.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use regex_lite::Regex;

use super::daemon::{Daemon, Place, wait_until};
use super::documents::{Block, Shown, blocks, read, shown};
use super::http::Door;

/// What a document has in one block: the commands, and what they print.
struct Example {
    commands: Vec<String>,
    shown: Vec<String>,
}

fn examples(text: &str) -> Vec<Example> {
    let blocks = blocks(text).into_iter();
    let blocks = blocks.filter(|block| block.language == "console");
    let example = |block: Block| {
        let mut example = Example {
            commands: Vec::new(),
            shown: Vec::new(),
        };
        for Shown { command, lines } in shown(&block.lines) {
            example.commands.push(command);
            example.shown.extend(lines);
        }
        example
    };
    blocks.map(example).collect()
}

/// The sample configuration, listening at a port of its own and keeping everything in the folder.
fn sample(folder: &Path) -> String {
    let text = read("config/config.toml");
    let folder = folder.display();
    let text = text.replace("127.0.0.1:7878\"]", "127.0.0.1:0\"]");
    let text = text.replacen(
        "\nauth = \"none\"\n",
        &format!("\nauth = \"none\"\nunix_socket = \"{folder}/punctual.sock\"\n"),
        1,
    );
    format!("{text}\n[store]\nurl = \"sqlite:{folder}/state/punctual.db\"\n")
}

/// A line without what is another one each time: times, ids, numbers, and the values of keys.
fn form(line: &str) -> String {
    let replaced = [
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", "TIME"),
        (
            r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [0-9-]{10} [0-9:.]+ [+-][0-9:]+",
            "TIME",
        ),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
        (
            r#"":\s?("([^"\\]|\\.)*"|-?[0-9.]+(e-?[0-9]+)?|null|true|false)"#,
            "\": VALUE",
        ),
        (r#"^(\s+)"([^"\\]|\\.)*"(,?)$"#, "${1}TEXT${3}"),
        (r"^(date|content-length|location|etag): .*", "${1}: VALUE"),
        (r"[0-9]+(\.[0-9]+)?", "N"),
    ];
    let line = line.trim_end().to_owned();
    replaced.iter().fold(line, |line, (pattern, with)| {
        let pattern = Regex::new(pattern).unwrap();
        pattern.replace_all(&line, *with).into_owned()
    })
}

/// Whether what was printed has the form of what is shown, in which `…` stands for what was left out.
pub fn fits(shown: &[String], printed: &[String]) -> bool {
    let Some((first, rest)) = shown.split_first() else {
        return printed.is_empty();
    };
    if first.trim() == "…" {
        return (0..=printed.len()).any(|left_out| fits(rest, &printed[left_out..]));
    }
    let Some((line, more)) = printed.split_first() else {
        return false;
    };
    match first.split_once('…') {
        None => form(first) == form(line) && fits(rest, more),
        Some((before, _)) => {
            // What is shown on one line may be laid out on several.
            let key = before.split('{').next().unwrap();
            line.starts_with(key) && (0..=more.len()).any(|skip| fits(rest, &more[skip..]))
        }
    }
}

/// Runs the commands of an example as a reader would; of a stream that goes on, the lines that are
/// shown.
fn run(example: &Example, address: &str, id: &str, folder: &Path) -> Vec<String> {
    let script = example.commands.join("\n");
    let script = script.replace("localhost:7878", address);
    let streams = script.starts_with("curl -sN");
    let script = if streams {
        format!("exec {script}")
    } else {
        script
    };
    let mut child = Command::new("bash")
        .args(["-c", &script])
        .env("RUN", id)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let wanted = if streams {
        example.shown.len()
    } else {
        usize::MAX
    };
    let printed = lines.take(wanted).map(Result::unwrap).collect();
    if streams {
        child.kill().unwrap();
    }
    child.wait().unwrap();
    printed
}

fn listens(daemon: &mut Daemon) -> String {
    let line = daemon.wait_for_log("the API listens");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    line["address"].as_str().unwrap().to_owned()
}

#[test]
fn every_example_of_the_api_works_as_shown() {
    let document = read("docs/api.md");
    let place = Place::new("");
    std::fs::write(place.path("config.toml"), sample(place.folder.path())).unwrap();
    let mut daemon = place.spawn();
    let address = listens(&mut daemon);
    let door = Door::Unix(place.path("punctual.sock"));
    wait_until("a run of the sample job", || {
        let runs = door.get("/api/v1/jobs/heartbeat/runs").ok();
        runs["items"][0]["id"].is_string().then_some(())
    });
    let mut id = String::new();
    let mut ran = 0;
    let mut wrong = Vec::new();
    for example in examples(&document) {
        if example
            .commands
            .iter()
            .any(|command| command.contains("/config/diff"))
        {
            let config = std::fs::read_to_string(place.path("config.toml")).unwrap();
            let changed = config.replace("every = \"5s\"", "every = \"7s\"");
            assert_ne!(config, changed);
            std::fs::write(place.path("config.toml"), changed).unwrap();
        }
        let printed = run(&example, &address, &id, place.folder.path());
        if !fits(&example.shown, &printed) {
            wrong.push(format!(
                "$ {}\n{}",
                example.commands.join("\n"),
                printed.join("\n")
            ));
        }
        let triggered = Regex::new(r#""run_id":"([0-9a-f-]+)""#).unwrap();
        if let Some(found) = triggered.captures(&printed.join("\n")) {
            found[1].clone_into(&mut id);
        }
        ran += 1;
    }
    assert!(
        wrong.is_empty(),
        "these print something else:\n{}",
        wrong.join("\n")
    );
    assert!(ran > 25, "{ran}");
}

#[test]
fn a_wrong_example_would_be_noticed() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let printed = lines("{\n  \"a\": 1,\n  \"b\": {\n    \"c\": \"x\"\n  }\n}");
    assert!(fits(
        &lines("{\n  \"a\": 2,\n  \"b\": {\n    \"c\": null\n  }\n}"),
        &printed
    ));
    assert!(fits(&lines("{\n  \"a\": 2,\n  \"b\": { … }\n}"), &printed));
    assert!(fits(&lines("{\n  …\n}"), &printed));
    assert!(!fits(&lines("{\n  \"a\": 2\n}"), &printed));
    assert!(!fits(&lines("{\n  \"z\": 2,\n  …\n}"), &printed));
    assert!(!fits(&lines("{\"a\":1}"), &lines("{\"b\":1}")));
}
