//! Texts that nobody should write, and everybody may.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

#[test]
fn ten_thousand_jobs_are_read() {
    let mut text = String::from("[defaults]\ntimeout = '1m'\n");
    for number in 0..10_000 {
        let seconds = number % 60 + 1;
        writeln!(
            text,
            "[jobs.job-{number}]\nevery = '{seconds}s'\ncommand = ['echo', '{number}']"
        )
        .unwrap();
    }
    assert_eq!(valid(&text).jobs.len(), 10_000);
}

#[test]
fn too_many_jobs_are_refused() {
    let mut text = String::from("[jobs]\n");
    for number in 0..=100_000 {
        writeln!(text, "a{number}={{}}").unwrap();
    }
    let report = read(&text).map(drop).expect_err("too many");
    assert!(report.len() <= 2_001);
    assert!(report.render(Style::Plain).len() < 1 << 20);
}

#[test]
fn depth_is_bounded() {
    for bomb in [
        format!("x = {}", "[".repeat(100_000)),
        format!("x = {}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("x = {}", "{a=".repeat(100_000)),
        format!("{}x = 1", "a.".repeat(100_000)),
        format!("[{}x]", "a.".repeat(100_000)),
    ] {
        let report = read(&bomb).map(drop).expect_err("a bomb");
        assert!(report.render(Style::Plain).len() < 100_000);
    }
}

#[test]
fn garbage_by_the_megabyte_is_refused_briefly() {
    for garbage in ["a\n", "=\n", "\"", "[[", "\u{7f}", "é=\n", "a.a.", "a=1\n"] {
        let text = garbage.repeat((1 << 19) / garbage.len());
        let report = read(&text).map(drop).expect_err("garbage");
        assert!(report.render(Style::Plain).len() < 1 << 20, "{garbage:?}");
    }
}

#[test]
fn huge_strings_are_refused_and_drawn_in_part() {
    let long = "x".repeat(1 << 20);
    for line in [
        format!("timezone = '{long}'"),
        format!("{long} = 1"),
        format!("pool = '{long}'"),
        format!("shell = '{long}'"),
        format!("tags = ['{long}']"),
        format!("description = '{long}'"),
        format!("catch_up = '{long}'"),
        format!("env = {{ '{long}=' = 'x' }}"),
        format!("params = {{ p = {{ pattern = '{long}' }} }}"),
        format!("timeout = '{long}'"),
        format!("start = '{long}'"),
        format!("env = {{ A = 'x', B = 'y', C = 'z', D = 1, E = '{long}' }}"),
    ] {
        let report = read(&format!("[jobs.a]\nevery = '1h'\n{line}\n"));
        let report = report.map(drop).expect_err(&line[..20]);
        let drawn = report.render(Style::Plain);
        assert!(
            drawn.len() < 3_000,
            "{} bytes for {}",
            drawn.len(),
            &line[..20]
        );
    }
    let report = read(&format!("[jobs.{long}]\n"))
        .map(drop)
        .expect_err("long name");
    assert!(report.render(Style::Plain).len() < 3_000);
}

#[test]
fn places_are_right_with_tabs_wide_letters_crlf_and_a_mark() {
    let place = |text: &str| {
        let problem = &read(text).map(drop).expect_err(text).problems()[0];
        (problem.line.unwrap(), problem.column.unwrap())
    };
    assert_eq!(place("[server]\n\tlisen = 1\n"), (2, 2));
    assert_eq!(place("[server]\r\nauth = 'token'\r\nlisen = 1\r\n"), (3, 1));
    assert_eq!(place("node = { 'é' = 1, x = 2 }"), (1, 10));
    assert_eq!(place("node = { name = '日本', x = 2 }"), (1, 23));
    let drawn = read("[server]\r\n\tlisen = 1\r\n")
        .map(drop)
        .expect_err("x")
        .to_string();
    assert!(!drawn.contains('\r'), "{drawn:?}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, "\u{feff}x = 1\n").unwrap();
    let problem = &load(&path, &ordinary())
        .map(drop)
        .expect_err("x")
        .problems()[0];
    assert_eq!((problem.line, problem.column), (Some(1), Some(1)));
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    for text in [
        "x = '\u{1b}[31m'",
        "\"\\u001b[31m\" = 1",
        "[jobs.\"\\u001b[31m\"]\n",
        "[pools.\"\\u001bc\"]\n",
    ] {
        let drawn = read(text).map(drop).expect_err(text).render(Style::Plain);
        assert!(!drawn.contains('\u{1b}'), "{drawn:?}");
    }
    // NUL is no TOML.
    assert!(messages("x = '\0'")[0].starts_with("not TOML"));
}

/// A valid configuration with something of everything.
const WHOLE: &str = r#"
[server]
listen = ["127.0.0.1:1"]
[[server.tokens]]
name = "deploy"
hash = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
role = "operator"
[pools.cpu]
slots = "cores"
[defaults]
timeout = "1m"
[jobs.a]
every = "15s"
command = ["echo", "é"]
env = { A = { env = "B" }, C = "d" }
params = { p = { default = "x", pattern = "x+" } }
[jobs.b]
at = 2030-01-01T00:00:00Z
shell = '''
true
'''
"#;

/// Draws whatever comes out, so that drawing is tried too.
fn survive(text: &str) {
    match read(text) {
        Ok(config) => drop(config.warnings.render(Style::Coloured)),
        Err(report) => {
            assert!(!report.is_empty());
            assert_eq!(report.problems().len(), report.len());
            drop(report.render(Style::Plain));
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_borne(text in "\\PC{0,200}|[\\x00-\\x7f]{0,200}") {
        survive(&text);
    }

    #[test]
    fn toml_like_text_is_borne(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "[", "]", "[[", "]]", "{", "}", "=", ",", "\n", "\r\n", "\"", "'''", "\"\"\"", ".",
                "jobs", "a", "defaults", "server", "tokens", "pools", "every", "cron", "command",
                "env", "params", "notify", "store", "retention", "1", "1.5", "true", "inf", "nan",
                "'1h'", "2030-01-01", "#", "\t", " ", "é", "0x", "\\u0000", "http", "retry", "on",
            ]),
            0..60,
        )
    ) {
        survive(&parts.concat());
    }

    #[test]
    fn bytes_of_a_valid_text_may_change(
        changes in prop::collection::vec((0..WHOLE.len(), any::<u8>()), 1..6),
        cut in 0..WHOLE.len(),
    ) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        survive(&String::from_utf8_lossy(&bytes));
        bytes.truncate(cut);
        survive(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn values_of_a_valid_text_may_change(
        line in 0..40_usize,
        value in prop::sample::select(vec![
            "1", "-1", "9223372036854775807", "99999999999999999999", "1e400", "nan", "true", "''",
            "'x'", "[]", "[1]", "['']", "{}", "{ a = 1 }", "[{}]", "1979-05-27", "07:32:00", "[[]]",
        ]),
    ) {
        let changed: Vec<String> = WHOLE.lines().enumerate().map(|(number, text)| {
            match text.split_once(" = ") {
                Some((key, _)) if number == line => format!("{key} = {value}"),
                _ => text.to_owned(),
            }
        }).collect();
        survive(&changed.join("\n"));
    }
}
