//! What becomes of output that cannot be written, and what shells and manual pages are told.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

fn punctual(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_punctual"));
    command.args(arguments).stdin(Stdio::null());
    command
}

#[test]
fn a_full_disk_is_told_and_fails() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/config/config.toml");
    let ledger = tempfile::tempdir().unwrap();
    let crontab = ledger.path().join("crontab");
    std::fs::write(&crontab, "1 1 * * * a\n").unwrap();
    for arguments in [
        &["import", "crontab", crontab.to_str().unwrap()][..],
        &["--help"],
        &["-h"],
        &["--version"],
        &["help", "next"],
        &["jobs", "--help"],
        &["man"],
        &["completions", "bash"],
        &["check", "--config", config],
        &["check", "--json", "--config", config],
        &["check", "--json", "--config", "/dev/null/none"],
        &["next", "@daily"],
        &["token", "new", "--name", "a", "--role", "viewer"],
        &["token", "new", "--name", "a", "--role", "viewer", "--json"],
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = punctual(arguments).stdout(full).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(
            told.contains("the output cannot be written"),
            "{arguments:?}: {told}"
        );
    }
}

fn printed(arguments: &[&str]) -> String {
    let output = punctual(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_page_of_the_program_tells_of_codes_variables_and_files() {
    let folder = tempfile::tempdir().unwrap();
    printed(&["man", "--folder", folder.path().to_str().unwrap()]);
    let file = std::fs::read_to_string(folder.path().join("punctual.1")).unwrap();
    assert_eq!(file, printed(&["man"]));
    for part in [
        ".SH \"EXIT STATUS\"",
        ".SH ENVIRONMENT",
        "PUNCTUAL_SERVER",
        "PUNCTUAL_TOKEN",
        ".SH FILES",
    ] {
        assert!(file.contains(part), "{part}");
    }
    let other = std::fs::read_to_string(folder.path().join("punctual-next.1"));
    assert!(!other.unwrap().contains(".SH FILES"));
    assert!(!folder.path().join("punctual-could-take-over.1").exists());
}

#[test]
fn shells_are_not_offered_what_is_not_for_people() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("simulate"), "{shell}");
        assert!(!script.contains("could-take-over"), "{shell}");
    }
}
