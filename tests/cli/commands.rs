//! `docs/commands.md` is what the program says of itself. `PUNCTUAL_BLESS=1` writes it anew.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const HEAD: &str = "\
# Commands

What `punctual COMMAND --help` prints, for each. Exit codes: 0 done; 1 the operation failed; 2 wrong
usage, configuration or expression; 3 the daemon is not reachable; 4 not authorised; `trigger --wait`
ends with the code of the job.
";

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_punctual"))
        .args(arguments)
        .arg("--help")
        .env_clear()
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(str::trim_end);
    lines.collect::<Vec<_>>().join("\n")
}

/// The commands that a help names, `help` itself aside.
fn commands(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        return Vec::new();
    };
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn describe(page: &mut String, arguments: &[&str]) {
    let text = help(arguments);
    let title = arguments.join(" ");
    let level = "#".repeat(arguments.len() + 1);
    write!(page, "\n{level} punctual {title}\n\n```text\n{text}\n```\n").unwrap();
    for name in commands(&text) {
        describe(page, &[arguments, &[name.as_str()]].concat());
    }
}

#[test]
fn the_page_of_commands_is_what_the_program_says() {
    let mut page = HEAD.to_owned();
    for name in commands(&help(&[])) {
        describe(&mut page, &[&name]);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    if std::env::var_os("PUNCTUAL_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/commands.md is not what the commands say; PUNCTUAL_BLESS=1 writes it anew"
    );
}
