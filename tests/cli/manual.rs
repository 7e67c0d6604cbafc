//! Every command of the manual is one that the program has: its blocks of shell, and what stands in the
//! sentences between them.

use clap::error::ErrorKind;
use punctual::cli::understands;

use crate::docs::documents;
use crate::documents::{Block, blocks, root, shown};

/// What takes the place of `$(…)`: wherever the manual has one, a run's id will do.
const SUBSTITUTE: &str = "00000000-0000-8000-8000-000000000001";

/// A line of shell as far as the manual goes: quotes, comments, redirections, pipes, lists, `$(…)`.
/// Commands as lists of words, in no particular order.
fn commands_of(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut to_file = false;
    let mut rest = line.chars();
    loop {
        let next = rest.next();
        let ends_word =
            quote.is_none() && next.is_none_or(|c| c.is_whitespace() || "|&;()<>".contains(c));
        if ends_word {
            let done = word.take();
            let is_descriptor = matches!(next, Some('<' | '>'))
                && done
                    .as_deref()
                    .is_some_and(|word| word == "1" || word == "2");
            if let Some(done) = done.filter(|_| !is_descriptor)
                && !std::mem::take(&mut to_file)
                && let Some(command) = commands.last_mut()
            {
                command.push(done);
            }
        }
        match (next, quote) {
            (None, _) => break,
            (Some(c), Some(open)) if c == open => quote = None,
            (Some(c @ ('\'' | '"')), None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some('$'), None | Some('"')) if rest.as_str().starts_with('(') => {
                let inside = rest.as_str();
                let end = matching(inside);
                commands.splice(0..0, commands_of(&inside[1..end]));
                rest = inside[end + 1..].chars();
                word.get_or_insert_default().push_str(SUBSTITUTE);
            }
            (Some('#'), None) if word.is_none() => break,
            (Some('<' | '>'), None) => to_file = true,
            // `2>&1` names no file and begins no command.
            (Some('&'), None) if to_file => {
                to_file = false;
                rest.next();
            }
            (Some(c), None) if "|&;()".contains(c) => commands.push(Vec::new()),
            (Some(c), None) if c.is_whitespace() => {}
            (Some(c), _) => word.get_or_insert_default().push(c),
        }
    }
    commands
}

/// Where the parenthesis closes that a text begins with.
fn matching(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    panic!("{text}: it has no end");
}

/// The words from `punctual` on, where that is what a command starts.
fn of_punctual(command: Vec<String>) -> Option<Vec<String>> {
    let assigns = |word: &String| word.contains('=') && !word.starts_with('-');
    let words: Vec<String> = command
        .into_iter()
        .skip_while(|word| word == "sudo" || assigns(word))
        .collect();
    let program = words.first()?;
    (program == "punctual" || program.ends_with("/punctual")).then_some(words)
}

/// The lines of shell of a block.
fn shell(language: &str, lines: &[String]) -> Vec<String> {
    let text = lines.join("\n").replace("\\\n", " ");
    let of = |line: &str| match language {
        "console" => line.strip_prefix("$ ").map(str::to_owned),
        "sh" | "bash" => Some(line.to_owned()),
        "toml" => {
            let shell = line.strip_prefix("shell = '")?.strip_suffix('\'')?;
            Some(shell.to_owned())
        }
        "ini" => line.strip_prefix("ExecStart=").map(str::to_owned),
        _ => None,
    };
    text.lines().filter_map(of).collect()
}

#[test]
fn every_command_in_a_block_is_one_that_the_program_takes() {
    let mut known = 0;
    for (path, text) in documents() {
        for block in blocks(&text) {
            for line in shell(&block.language, &block.lines) {
                for words in commands_of(&line).into_iter().filter_map(of_punctual) {
                    if let Err(error) = understands(&words) {
                        panic!("{path}: {line}\n{error}");
                    }
                    known += 1;
                }
            }
        }
    }
    assert!(known > 40, "only {known} commands were found");
}

#[test]
fn every_command_in_a_sentence_has_a_name_and_options_that_the_program_has() {
    let mut known = 0;
    for (path, text) in documents() {
        let sentences: String = text.split("\n```").step_by(2).collect();
        for span in sentences.split('`').skip(1).step_by(2) {
            let span = span.replace('\n', " ");
            let commands = commands_of(&span).into_iter().filter_map(of_punctual);
            // That stands for any of them.
            let commands = commands.filter(|words| words.get(1).is_none_or(|it| it != "COMMAND"));
            for words in commands {
                let Err(error) = understands(&words) else {
                    known += 1;
                    continue;
                };
                // Part of a command is enough here, and JOB may stand for any job.
                let unknown = matches!(
                    error.kind(),
                    ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand
                );
                assert!(!unknown, "{path}: {span}\n{error}");
                known += 1;
            }
        }
    }
    assert!(known > 30, "only {known} commands were found");
}

/// Blocks that build and test the project itself, by their lines; they need no test to run them.
const OF_THE_PROJECT: [&str; 2] = [
    "cargo run --release -- serve --config config/config.toml",
    "tests/run",
];

/// All that runs blocks of the manual, as text with single spaces: the walks of `tests/daemon/walk.rs`, and
/// the steps on a machine under systemd.
fn runners() -> String {
    let steps = std::fs::read_dir(root().join("tests/systemd/steps")).expect("it is there");
    let steps = steps.map(|step| step.expect("it is there").path());
    let files = steps.chain([root().join("tests/daemon/walk.rs")]);
    let text: String = files
        .map(|file| std::fs::read_to_string(file).expect("it is there"))
        .collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a test runs a block, which is the so many-th of its language below its heading.
fn is_run(path: &str, block: &Block, number: usize, runners: &str) -> bool {
    let Block {
        heading, language, ..
    } = block;
    let printed = |command: &str| {
        ["punctual next ", "punctual check ", "punctual simulate "]
            .iter()
            .any(|known| command.starts_with(known))
    };
    // By docs.rs, and by tests/daemon/examples.rs.
    let is_shown = language == "console"
        && (path == "docs/api.md" || shown(&block.lines).iter().all(|it| printed(&it.command)));
    let walked = format!("(\"{path}\", \"{heading}\", \"{language}\")");
    let number = if number == 1 {
        String::new()
    } else {
        format!(" {number}")
    };
    let stepped = ["'", ""].map(|quote| {
        let call = format!("manual {path} {quote}{heading}{quote} {language}{number}");
        [')', ' '].map(|end| format!("{call}{end}"))
    });
    let followed = |call: &String| match runners.split_once(call.as_str()) {
        // A number behind it would be another block's.
        Some((_, rest)) => call.ends_with(')') || !rest.starts_with(|c: char| c.is_ascii_digit()),
        None => false,
    };
    OF_THE_PROJECT.contains(&block.lines.join("\n").as_str())
        || is_shown
        || runners.contains(&walked)
        || stepped.iter().flatten().any(followed)
}

#[test]
fn every_block_that_somebody_may_follow_is_run_by_a_test() {
    let runners = runners();
    let mut unrun = Vec::new();
    for (path, text) in documents() {
        let mut before: Vec<(String, String)> = Vec::new();
        for block in blocks(&text) {
            let kinds = ["sh", "bash", "console", "nginx", "yaml", "ini"];
            if !kinds.contains(&block.language.as_str()) {
                continue;
            }
            let kind = (block.heading.clone(), block.language.clone());
            before.push(kind.clone());
            let number = before.iter().filter(|it| **it == kind).count();
            if !is_run(&path, &block, number, &runners) {
                unrun.push(format!(
                    "{path}: {} ({}, {number})",
                    block.heading, block.language
                ));
            }
        }
    }
    assert!(
        unrun.is_empty(),
        "no test runs these:\n{}",
        unrun.join("\n")
    );
}

#[test]
fn commands_are_found_as_a_shell_has_them() {
    let found = |line| -> Vec<String> {
        let commands = commands_of(line).into_iter().filter_map(of_punctual);
        commands.map(|words| words.join("|")).collect()
    };
    let none: [&str; 0] = [];
    assert_eq!(found("install -o punctual x"), none);
    assert_eq!(
        found("a | punctual next '* *' --tz \"a b\" # c"),
        ["punctual|next|* *|--tz|a b"]
    );
    assert_eq!(
        found("A=b sudo /bin/punctual jobs > f 2>&1 && x"),
        ["/bin/punctual|jobs"]
    );
    assert_eq!(
        found("punctual logs $(punctual runs | jq '.[0]') -f"),
        [
            "punctual|runs".to_owned(),
            format!("punctual|logs|{SUBSTITUTE}|-f")
        ]
    );
}
