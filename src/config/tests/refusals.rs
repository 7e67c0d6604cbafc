//! What is refused, and in which words.

use std::fmt::Write as _;

use super::*;
use crate::config::not_yet::{Section, TABLE};
use crate::config::words;

/// A job that has what it needs but for `line`.
fn job(line: &str) -> String {
    let schedule = ["on =", "after ="].iter().all(|key| !line.starts_with(key));
    let schedule = if schedule { "every = '1d'\n" } else { "" };
    format!("[jobs.a]\n{schedule}command = ['true']\n{line}\n")
}

/// A token `a` with these digits.
fn token(digits: &str) -> String {
    format!("[[server.tokens]]\nname = 'a'\nhash = 'sha256:{digits}'\nrole = 'admin'\n")
}

/// A configuration in which `line` stands in `section`.
fn with(section: Section, line: &str) -> String {
    match section {
        Section::Top => line.to_owned(),
        Section::Store => format!("[store]\n{line}"),
        Section::Node => format!("[node]\n{line}"),
        Section::Pool => format!("[pools.p]\n{line}"),
        Section::Job => job(line),
    }
}

#[test]
fn what_is_not_there_yet_is_refused_and_never_ignored() {
    for entry in TABLE.iter().filter(|entry| !entry.example.is_empty()) {
        let text = with(entry.section, &format!("{} = {}", entry.key, entry.example));
        let messages = messages(&text);
        assert_eq!(messages.len(), 1, "{text}\n{messages:#?}");
        let (key, said) = (entry.key, &messages[0]);
        assert!(said.starts_with(&format!("`{key}")), "{said}");
        assert!(said.contains("is not in this version yet ("), "{said}");
        assert!(said.ends_with("); remove it"), "{said}");
    }
}

#[test]
fn what_is_not_there_yet_is_refused_in_the_defaults_too() {
    for entry in TABLE
        .iter()
        .filter(|e| e.section == Section::Job && !e.example.is_empty())
    {
        let text = format!("[defaults]\n{} = {}\n", entry.key, entry.example);
        let found = messages(&text);
        assert_eq!(found.len(), 1, "{text}\n{found:#?}");
    }
}

#[test]
fn defaults_of_what_is_not_there_yet_are_taken() {
    for line in [
        "placement = 'any'",
        "on_lost = 'leave'",
        "queue_limit = 3",
        "limits = {}",
        "notify = { on = ['failed'], to = [] }",
    ] {
        valid(&job(line));
    }
    valid("[scheduler]\nwatch_config = false");
    valid("[node]\nlabels = []");
    valid("[pools.p]\nscope = 'node'");
    valid("notify = {}");
}

#[test]
fn a_slip_in_what_is_not_there_yet_is_told_as_such() {
    for (line, said) in [
        (
            "placement = 'all'",
            "`placement` is one of \"any\", \"each\"",
        ),
        (
            "on_lost = 'again'",
            "`on_lost` is one of \"leave\", \"rerun\"",
        ),
        (
            "ping = 'hc.example.org'",
            "`ping` is an address that begins with https:// or http://",
        ),
        (
            "notify = { on = ['fail'] }",
            "`on` is one of \"succeeded\", \"failed\", \"timed_out\", \
          \"cancelled\", \"skipped\", \"missed\", \"lost\", \"late\", \"recovered\"",
        ),
    ] {
        assert_eq!(messages(&job(line)), [said], "{line}");
    }
}

#[test]
fn the_reference_lists_what_is_not_there_yet() {
    let reference = include_str!("../../../config/reference.toml");
    let (_, block) = reference.split_once("# Not in this version yet.").unwrap();
    for entry in TABLE {
        let place = match entry.section {
            Section::Top => "top of the file",
            Section::Store => "[store]",
            Section::Node => "[node]",
            Section::Pool => "[pools.*]",
            Section::Job => "[jobs.*] and [defaults]",
        };
        let (_, listed) = block.split_once(&format!("{place}:")).unwrap();
        let listed = listed.split("#   [").next().unwrap();
        let words: Vec<_> = listed.split([' ', ',', '\n']).collect();
        assert!(words.contains(&entry.key), "{place} lacks {}", entry.key);
    }
    let keys = block.split_once('\n').unwrap().1;
    let named = keys.split(['#', ' ', ',', '\n']).filter(|word| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    });
    for word in named.filter(|word| !["top", "of", "the", "file", "and"].contains(word)) {
        assert!(
            TABLE.iter().any(|entry| entry.key == word),
            "{word} is no longer refused"
        );
    }
}

#[test]
fn the_words_of_others_lead_to_ours() {
    for (theirs, ours) in [
        ("misfire_grace_time", "starting_deadline"),
        ("startingDeadlineSeconds", "starting_deadline"),
        ("schedule", "cron"),
        ("OnCalendar", "cron"),
        ("max_instances", "max_concurrent"),
        ("concurrencyPolicy", "concurrency_policy"),
        ("coalesce", "catch_up"),
        ("Persistent", "catch_up"),
        ("backoffLimit", "retry"),
        ("cmd", "command"),
        ("exec", "command"),
        ("ExecStart", "command"),
        ("script", "shell"),
        ("cwd", "working_dir"),
        ("WorkingDirectory", "working_dir"),
        ("tz", "timezone"),
        ("interval", "every"),
        ("RandomizedDelaySec", "jitter"),
        ("suspend", "enabled"),
        ("workingdir", "working_dir"),
        ("tiemout", "timeout"),
    ] {
        let report = read(&job(&format!("{theirs} = 1"))).expect_err(theirs);
        let problem = &report.problems()[0];
        assert_eq!(
            problem.message,
            format!("unknown key `{theirs}` in [jobs.a]")
        );
        assert_eq!(
            problem.help.as_deref(),
            Some(&*format!("did you mean `{ours}`?")),
            "{theirs}"
        );
    }
    let far = read(&job("colour = 1")).expect_err("unknown").problems();
    assert!(
        far[0]
            .help
            .as_deref()
            .unwrap()
            .starts_with("what may stand there: `after`, ")
    );
    assert_eq!(words::suggestion(&"x".repeat(1_000_000), &["cron"]), None);
}

/// Lines of a job that cannot be, and what is said of them.
const IMPOSSIBLE: &[(&str, &str)] = &[
    ("cron = '* * * * *'", "`every` cannot stand beside `cron`"),
    ("shell = 'true'", "`shell` cannot stand beside `command`"),
    (
        "end = '2026-01-01T00:00:00Z'\nstart = '2027-01-01T00:00:00Z'",
        "`end` must be later than `start`",
    ),
    (
        "start = '2027-01-01T00:00:00'",
        "`start` is an instant with its offset from UTC",
    ),
    (
        "start = 2027-01-01",
        "`start` is an instant with its offset from UTC",
    ),
    (
        "success_exit_codes = []",
        "with no code in `success_exit_codes` no run could succeed",
    ),
    (
        "success_exit_codes = [256]",
        "`success_exit_codes` lies between 0 and 255",
    ),
    (
        "max_concurrent = 0",
        "`max_concurrent` lies between 1 and 100000",
    ),
    (
        "priority = 99999999999999999999999",
        "`priority` lies between -1000000 and 1000000",
    ),
    (
        "catch_up = 'last'",
        "`catch_up` is one of \"none\", \"latest\", \"all\"",
    ),
    ("timeout = '0s'", "`timeout` must be longer than nothing"),
    (
        "enabled = 'yes'",
        "`enabled` is true or false (without quotes), not a string",
    ),
    (
        "env = { PUNCTUAL_JOB = 'x' }",
        "`PUNCTUAL_JOB` is set by punctual itself, for every run",
    ),
    ("env = { '1A' = 'x' }", "\"1A\" is no variable's name"),
    (
        "env = { A = \"\\u0000\" }",
        "`A` holds a NUL character, which no program can be given",
    ),
    (
        "env = { A = { env = 'B', file = 'C' } }",
        "the secret `A` names exactly one source",
    ),
    (
        "env = { A = { credential = '../x' } }",
        "`credential` is a credential's name, which holds no '/'",
    ),
    ("env = 'A=B'", "`env` is a table, not a string"),
    ("pool = 'defualt'", "there is no pool \"defualt\""),
    (
        "params = { p = { pattern = '(' } }",
        "`pattern` is not a regular expression: found open group without closing ')'",
    ),
    (
        "params = { p = { pattern = 'a', default = 'b' } }",
        "`default` does not match the parameter's `pattern`",
    ),
    (
        "params = { p = {}, P = {} }",
        "two parameters would be PUNCTUAL_PARAM_P",
    ),
    ("output = { max_bytes = '1XB' }", "`max_bytes` is a size"),
    (
        "kill_signal = 'SIGFOO'",
        "`kill_signal` is one of SIGHUP, SIGINT, SIGQUIT, SIGKILL, \
          SIGUSR1, SIGUSR2, SIGALRM, SIGTERM",
    ),
    (
        "timezone = 'Mars/Olympus'",
        "\"Mars/Olympus\" is not a time zone",
    ),
    (
        "tags = ['']",
        "a tag has 1 to 64 characters, and a job at most 100 tags",
    ),
];

#[test]
fn jobs_that_cannot_be_are_refused() {
    for (line, said) in IMPOSSIBLE {
        assert_eq!(messages(&job(line)), [*said], "{line}");
    }
    assert_eq!(
        messages("[jobs.a]\nevery = '99ms'\nshell = 'x'"),
        ["`every` is at least \"100ms\""]
    );
    assert_eq!(
        messages("[jobs.a]\nevery = '1s'\ncommand = []"),
        ["`command` names no program"]
    );
    assert_eq!(
        messages("[jobs.a]\nevery = '1s'\nshell = ' '"),
        ["`shell` is a line of 1 to 131071 bytes"]
    );
    assert_eq!(
        messages("[jobs.a]\ncron = []\nshell = 'x'"),
        ["`cron` holds 1 to 64 expressions"]
    );
    assert_eq!(messages("jobs = 3"), ["`jobs` is a table, not a number"]);
    assert_eq!(
        messages("[[jobs]]\nname = 'a'"),
        ["`jobs` are tables keyed by name"]
    );
}

#[test]
fn sections_that_cannot_be_are_refused() {
    for (text, said) in [
        (
            "[server]\nauth = 'none'\nlisten = ['0.0.0.0:1']",
            "with `auth = \"none\"` the API may listen on loopback addresses only, and 0.0.0.0:1 is \
          not one",
        ),
        (
            "[server]\nlisten = ['localhost:1']",
            "`listen` is an IP address and a port",
        ),
        (
            "[server]\nlisten = ['[::1]:1', '[::1]:1']",
            "[::1]:1 stands here a second time",
        ),
        (
            "[server]\nunix_socket_mode = '1777'",
            "`unix_socket_mode` is a mode in octal digits, up to \"0777\"",
        ),
        (
            "[server]\nallowed_hosts = ['.']",
            "`allowed_hosts` are host names without scheme or port",
        ),
        (
            "[server]\nallowed_hosts = ['http://x']",
            "`allowed_hosts` are host names without scheme or port",
        ),
        ("[server]\ntokens = 3", "`tokens` is a list of tables"),
        (
            &token("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            "this is the hash of nothing, not of a token",
        ),
        (
            &format!(
                "{}{}",
                token(&"ab".repeat(32)),
                token(&"AB".repeat(32)).replace("'a'", "'b'")
            ),
            "a second token has this hash",
        ),
        (
            "[store]\nurl = 'mysql://x'",
            "`url` is \"sqlite:\" and the path of a file",
        ),
        (
            "[store]\nurl = 'sqlite::memory:'",
            "`url` is \"sqlite:\" and the path of a file",
        ),
        (
            "[scheduler]\nthreads = 0",
            "`threads` lies between 1 and 64",
        ),
        ("[node]\nname = ''", "a node's name has 1 to 64 characters"),
        (
            "[pools.p]\nslots = 'all'",
            "`slots` is a number, or \"cores\"",
        ),
        ("[pools.p]\nslots = 0", "`slots` lies between 1 and 1000000"),
    ] {
        assert_eq!(messages(text), [said], "{text}");
    }
    let long = format!("[server]\nunix_socket = '/{}'", "x".repeat(107));
    assert!(
        messages(&long)[0].contains("has 108 bytes; 107 are the most"),
        "{long}"
    );
}

#[test]
fn a_slip_in_the_defaults_is_told_once() {
    let mut text = String::from("[defaults]\ntimeout = 3600\n");
    for number in 0..100 {
        writeln!(text, "[jobs.j{number}]\nevery = '1h'\nshell = 'true'").unwrap();
    }
    assert_eq!(
        messages(&text),
        ["`timeout` is a duration in quotes, not a number"]
    );
}

#[test]
fn what_is_missing_is_not_told_of_a_file_with_syntax_errors() {
    let found = messages("[jobs.a]\nevery = '1h'\ncommand = [\n[jobs.b]\npool = 'x'\n");
    assert!(
        found
            .iter()
            .all(|said| !said.contains("has no") && !said.contains("nothing to do"))
    );
    assert!(found[0].starts_with("not TOML: "), "{found:?}");
}

/// The messages about a job under a daemon that runs as root.
#[track_caller]
fn messages_for_root(line: &str) -> Vec<String> {
    let root = Environment {
        euid: 0,
        egid: 0,
        may_change_ids: true,
        lowest_nice: -20,
        most_open_files: u64::MAX,
        ..ordinary()
    };
    match parse(Path::new("/etc/punctual/config.toml"), &job(line), &root) {
        Ok(_) => Vec::new(),
        Err(report) => {
            let problems = report.problems().into_iter();
            problems.map(|problem| problem.message).collect()
        }
    }
}

#[test]
fn a_user_or_group_that_cannot_be_had_is_refused() {
    for (line, said) in [
        (
            "user = 'bakcup'",
            "there is no user \"bakcup\" on this machine",
        ),
        ("user = '34'", "there is no user \"34\" on this machine"),
        ("user = 34", "`user` is a string, not a number"),
        (
            "group = 'disks'",
            "there is no group \"disks\" on this machine",
        ),
    ] {
        assert_eq!(messages(&job(line)), [said], "{line}");
        assert_eq!(messages_for_root(line), [said], "{line}");
    }
    for (line, said) in [
        (
            "user = 'backup'",
            "a job can run as \"backup\" only under a daemon that runs as root and may change its ids",
        ),
        (
            "group = 'disk'",
            "a job can run with the group \"disk\" only under a daemon that runs as root and may change its ids",
        ),
    ] {
        assert_eq!(messages(&job(line)), [said], "{line}");
        assert_eq!(messages_for_root(line), Vec::<String>::new(), "{line}");
    }
    // Its own it has already.
    valid(&job("user = 'ann'\ngroup = 'ann'"));
}

#[test]
fn what_only_root_may_give_is_refused_to_others() {
    for (line, said) in [
        (
            "nice = -1",
            "`nice` cannot be less than 0 under this daemon, which may not raise priorities",
        ),
        (
            "limits = { open_files = 5000 }",
            "`open_files` cannot be more than 4096, the daemon's own hard limit",
        ),
    ] {
        assert_eq!(messages(&job(line)), [said], "{line}");
        assert_eq!(messages_for_root(line), Vec::<String>::new(), "{line}");
    }
    for (line, said) in [
        ("nice = 20", "`nice` lies between -20 and 19"),
        (
            "limits = { open_files = 3 }",
            "`open_files` lies between 16 and 1048576",
        ),
        (
            "limits = { memory = '1KiB' }",
            "`memory` lies between 1MiB and 1024TiB",
        ),
        ("limits = { pids = 0 }", "`pids` lies between 1 and 4194304"),
        (
            "limits = { files = 3 }",
            "unknown key `files` in [jobs.a.limits]",
        ),
        ("limits = 5", "`limits` is a table, not a number"),
        (
            "nice = 'low'",
            "`nice` is a whole number without quotes, not a string",
        ),
        (
            "umask = '99'",
            "`umask` is a mode in octal digits, up to \"0777\"",
        ),
        ("umask = 77", "`umask` is a mode in quotes, not a number"),
    ] {
        assert_eq!(messages(&job(line)), [said], "{line}");
    }
    for share in [
        "0%", "1.5%", "-5%", "+5%", "150", "%", "", "100001%", "5 %", "5%%",
    ] {
        let said = messages(&job(&format!("limits = {{ cpu = '{share}' }}")));
        let wanted = "`cpu` is a whole share of one processor, from \"1%\" to \"100000%\"";
        assert_eq!(said, [wanted], "{share}");
    }
}

#[test]
fn a_limit_that_the_daemon_cannot_set_is_refused() {
    let lines = [
        (
            "memory",
            "'1GiB'",
            CanLimit {
                memory: false,
                ..CanLimit::ALL
            },
        ),
        (
            "cpu",
            "'150%'",
            CanLimit {
                cpu: false,
                ..CanLimit::ALL
            },
        ),
        (
            "pids",
            "200",
            CanLimit {
                pids: false,
                ..CanLimit::ALL
            },
        ),
    ];
    for (key, value, can_limit) in lines {
        let text = job(&format!("limits = {{ {key} = {value} }}"));
        valid(&text);
        let without = Environment {
            can_limit,
            ..ordinary()
        };
        let refused = parse(Path::new("/etc/punctual/config.toml"), &text, &without).unwrap_err();
        let said: Vec<_> = refused
            .problems()
            .into_iter()
            .map(|it| it.message)
            .collect();
        let wanted = format!(
            "`{key}` cannot be limited by this daemon, as it has no control group with that controller"
        );
        assert_eq!(said, [wanted]);
    }
}
