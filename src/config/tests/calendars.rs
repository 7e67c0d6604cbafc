//! `[calendars.NAME]` and `exclude`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use jiff::Timestamp;
use jiff::civil::date;

use super::*;

const ICS: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n\
    DTSTART;VALUE=DATE:20201225\r\nRRULE:FREQ=YEARLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// A folder with `config.toml` of this text, and `holidays.ics`.
fn folder(config: &str, ics: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.toml"), config).unwrap();
    fs::write(folder.path().join("holidays.ics"), ics).unwrap();
    folder
}

fn load_in(folder: &tempfile::TempDir) -> Result<Config, Report> {
    load(&folder.path().join("config.toml"), &ordinary())
}

/// The only problem of a configuration with this `holidays.ics`.
#[track_caller]
fn problem_of(ics: &[u8]) -> LocatedProblem {
    let folder = folder("[calendars.c]\nfile = 'holidays.ics'\n", ics);
    let problems = load_in(&folder).map(drop).unwrap_err().problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].clone()
}

fn t(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const JOB: &str = "shell = 'true'\ntimezone = 'America/New_York'\n";

#[test]
fn dates_and_files_make_one_calendar() {
    let folder = folder(
        &format!(
            "[calendars.both]\ndates = ['2026-12-25', 2027-01-01]\nfile = 'holidays.ics'\n\
             [calendars.dates]\ndates = ['2026-11-26']\n\
             [defaults]\nexclude = ['both']\n\
             [jobs.own]\nevery = '1h'\nexclude = ['dates', 'both']\n{JOB}\
             [jobs.inherits]\ncron = '0 12 * * *'\n{JOB}\
             [jobs.none]\nat = '2026-12-25T12:00:00Z'\nexclude = []\n{JOB}"
        ),
        ICS.as_bytes(),
    );
    let config = load_in(&folder).unwrap();
    assert!(config.warnings.is_empty(), "{}", config.warnings);
    assert_eq!(config.calendar_files, [folder.path().join("holidays.ics")]);
    let both = &config.calendars["both"];
    assert_eq!(both.day_count(), 181);
    assert!(both.contains(date(2027, 1, 1)) && both.contains(date(2199, 12, 25)));
    let by = |job: &str, at: &str| {
        let schedule = config.jobs[job].schedule().unwrap();
        schedule.excluded_by(t(at)).map(str::to_owned)
    };
    // New York's days begin at 05:00 UTC.
    assert_eq!(by("own", "2026-12-25T04:00:00Z"), None);
    assert_eq!(by("own", "2026-12-25T05:00:00Z").as_deref(), Some("both"));
    assert_eq!(by("own", "2026-11-26T12:00:00Z").as_deref(), Some("dates"));
    assert_eq!(by("inherits", "2026-11-26T12:00:00Z"), None);
    assert_eq!(
        by("inherits", "2026-12-25T17:00:00Z").as_deref(),
        Some("both")
    );
    assert_eq!(by("none", "2026-12-25T12:00:00Z"), None);
    assert_eq!(
        config.jobs["own"].shown["exclude"],
        serde_json::json!(["dates", "both"])
    );
}

#[test]
fn calendars_stand_in_any_file_and_paths_start_at_the_main_one() {
    let folder = folder(
        &format!("[jobs.a]\nevery = '1h'\nexclude = ['c']\n{JOB}"),
        ICS.as_bytes(),
    );
    fs::create_dir(folder.path().join("conf.d")).unwrap();
    let more = folder.path().join("conf.d/calendars.toml");
    fs::write(more, "[calendars.c]\nfile = 'holidays.ics'\n").unwrap();
    assert_eq!(load_in(&folder).unwrap().calendars["c"].day_count(), 180);
}

#[test]
fn calendars_that_cannot_be_are_refused() {
    for (text, said) in [
        ("calendars = 3", "`calendars` is a table, not a number"),
        (
            "[calendars]\nc = ['2026-12-25']",
            "a calendar is a table, not a list",
        ),
        ("[calendars.c]", "the calendar \"c\" has no days"),
        (
            "[calendars.C]\ndates = ['2026-12-25']",
            "a calendar's name starts with a lower-case letter or a digit, not with 'C'",
        ),
        ("[calendars.c]\ndates = []", "`dates` holds no day"),
        (
            "[calendars.c]\ndates = '2026-12-25'",
            "`dates` is a list of dates in quotes, not a string",
        ),
        (
            "[calendars.c]\ndates = [20261225]",
            "`dates` holds dates in quotes, not a number",
        ),
        (
            "[calendars.c]\ndates = ['2026-02-29']",
            "\"2026-02-29\" is not a date",
        ),
        (
            "[calendars.c]\ndates = ['25.12.2026']",
            "\"25.12.2026\" is not a date",
        ),
        (
            "[calendars.c]\ndates = ['20261225']",
            "\"20261225\" is not a date",
        ),
        (
            "[calendars.c]\ndates = ['2026-12-25T00:00:00Z']",
            "\"2026-12-25T00:00:00Z\" is not a date",
        ),
        (
            "[calendars.c]\ndates = [2026-12-25T00:00:00Z]",
            "\"2026-12-25T00:00:00Z\" is not a date",
        ),
        (
            "[calendars.c]\ndates = ['2026-12-25/2026-12-26']",
            "\"2026-12-25/2026-12-26\" is not a date",
        ),
        (
            "[calendars.c]\ndates = ['0206-12-25']",
            "a date lies between 1970 and 2199",
        ),
        (
            "[calendars.c]\ndates = ['2026-12-25', '2026-12-25']",
            "2026-12-25 stands here a second time",
        ),
        (
            "[calendars.c]\nholidays = ['2026-12-25']\ndates = ['2026-12-25']",
            "unknown key `holidays` in [calendars.c]",
        ),
        (
            "[calendars.c]\nfile = 3",
            "`file` is a string, not a number",
        ),
        (
            "[calendars.c]\nfile = '/nowhere/c.ics'",
            "the calendar /nowhere/c.ics: cannot read this file: No such file or directory (os error 2)",
        ),
        (
            "[calendars.c]\nfile = '/'",
            "the calendar /: this is not a file",
        ),
    ] {
        assert_eq!(messages(text), [said], "{text}");
    }
    let days = (1..=12).flat_map(|month| (1..=28).map(move |day| (month, day)));
    let year = |year: u16| {
        let dates = days
            .clone()
            .map(move |(month, day)| format!("'{year}-{month:02}-{day:02}'"));
        dates.collect::<Vec<_>>().join(", ")
    };
    let many = (1970..2050).map(year).collect::<Vec<_>>().join(", ");
    let text = format!("[calendars.c]\ndates = [{many}]");
    assert_eq!(messages(&text), ["a calendar has at most 25000 days"]);
}

#[test]
fn what_jobs_exclude_is_known_and_stands_once() {
    let with = |exclude: &str| {
        format!(
            "[calendars.holidays]\ndates = ['2026-12-25']\n[jobs.a]\nevery = '1h'\nexclude = {exclude}\n{JOB}"
        )
    };
    for (exclude, said, help) in [
        (
            "['holiday']",
            "there is no calendar \"holiday\"",
            "did you mean \"holidays\"?",
        ),
        (
            "['x']",
            "there is no calendar \"x\"",
            "define it: `[calendars.NAME]` with its `dates` or its `file`",
        ),
        (
            "'holidays'",
            "`exclude` is a list of strings, not a string",
            "put it in brackets: [\"holidays\"]",
        ),
    ] {
        let problems = read(&with(exclude)).map(drop).unwrap_err().problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(
            (problems[0].message.as_str(), problems[0].help.as_deref()),
            (said, Some(help))
        );
    }
    assert_eq!(
        messages(&with("['holidays', 'holidays']")),
        ["\"holidays\" stands here a second time"]
    );
    // Told in the defaults even if no job uses them, and once.
    let defaults = with("['holidays']").replace(
        "[jobs.a]",
        "[defaults]\nexclude = ['x']\n[jobs.b]\nevery = '1h'\nshell = 'true'\n[jobs.a]",
    );
    assert_eq!(messages(&defaults), ["there is no calendar \"x\""]);
    // A calendar that could not be read is no unknown one.
    let broken = with("['holidays']").replace("2026-12-25", "x");
    assert_eq!(messages(&broken), ["\"x\" is not a date"]);
    let names: Vec<_> = (0..33).map(|n| format!("c{n}")).collect();
    let tables: Vec<_> = names
        .iter()
        .map(|name| format!("[calendars.{name}]"))
        .collect();
    let text = tables.join("\ndates = ['2026-12-25']\n") + "\ndates = ['2026-12-25']\n";
    let text = format!("{text}[jobs.a]\nevery = '1h'\nexclude = {names:?}\n{JOB}");
    assert_eq!(messages(&text), ["a job excludes at most 32 calendars"]);
    for theirs in ["calendar", "holidays", "blackout", "excludes"] {
        let text = format!("[jobs.a]\nevery = '1h'\n{theirs} = ['x']\n{JOB}");
        let problems = read(&text).map(drop).unwrap_err().problems();
        assert_eq!(
            problems[0].help.as_deref(),
            Some("did you mean `exclude`?"),
            "{theirs}"
        );
    }
}

#[test]
fn a_file_is_refused_where_it_is_wrong() {
    let meeting = ICS.replace(";VALUE=DATE:20201225", ":20201225T100000Z");
    let problem = problem_of(meeting.as_bytes());
    assert!(problem.file.ends_with("holidays.ics"));
    assert_eq!((problem.line, problem.column), (Some(4), Some(1)));
    // With a mark of its encoding in front, and with texts in another one.
    let folder = folder("[calendars.c]\nfile = 'holidays.ics'\n", b"");
    let path = folder.path().join("holidays.ics");
    for bytes in [
        [b"\xef\xbb\xbf", ICS.as_bytes()].concat(),
        ICS.replace("DTSTART", "SUMMARY:@\r\nDTSTART")
            .replace('@', "Noel")
            .into_bytes(),
        ICS.replace("DTSTART", "SUMMARY:No@\r\nDTSTART")
            .bytes()
            .map(|byte| if byte == b'@' { 0xeb } else { byte })
            .collect(),
    ] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(load_in(&folder).unwrap().calendars["c"].day_count(), 180);
    }
    let wide: Vec<u8> = ICS.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let problem = problem_of(&wide);
    assert!(
        problem.message.starts_with("this is no iCalendar file"),
        "{problem:?}"
    );
    assert!(problem.help.unwrap().contains("UTF-8"));
    let problem = problem_of(&vec![b'\n'; (4 << 20) + 1]);
    assert!(
        problem
            .message
            .ends_with("this file is larger than 4 MiB, the most that is read")
    );
    assert!(problem.file.ends_with("config.toml"));
    // Files of calendars count as the configuration's own.
    let full = [ICS.as_bytes(), &vec![b'\n'; (4 << 20) - ICS.len()]].concat();
    let tables = ["a", "b", "c", "d"].map(|name| format!("[calendars.{name}]"));
    let text = tables.join("\nfile = 'holidays.ics'\n") + "\nfile = 'holidays.ics'\n";
    let folder = self::folder(&text, &full);
    let problems = load_in(&folder).map(drop).unwrap_err().problems();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].message.contains("larger than 16 MiB"),
        "{problems:?}"
    );
}

#[test]
fn what_is_odd_about_a_file_is_a_warning() {
    let text = "[calendars.c]\nfile = 'holidays.ics'\n";
    let empty = folder(text, b"BEGIN:VCALENDAR\nEND:VCALENDAR\n");
    let config = load_in(&empty).unwrap();
    let warned = config.warnings.problems();
    assert_eq!(config.calendars["c"].day_count(), 0);
    assert_eq!(warned.len(), 1);
    assert_eq!(
        warned[0].message,
        "no event of this file takes a day, so it excludes nothing"
    );
    assert!(warned[0].file.ends_with("holidays.ics"));
}

#[test]
fn root_refuses_calendars_that_others_may_write() {
    let text = "[calendars.c]\nfile = 'calendars/c.ics'\n";
    let folder = folder(text, b"");
    fs::create_dir(folder.path().join("calendars")).unwrap();
    fs::write(folder.path().join("calendars/c.ics"), ICS).unwrap();
    let root = Environment {
        euid: 0,
        ..ordinary()
    };
    let config = folder.path().join("config.toml");
    // Who runs the tests decides whether the files are root's.
    let foreign = load(&config, &root).is_err();
    for name in ["calendars", "calendars/c.ics"] {
        let path = folder.path().join(name);
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, PermissionsExt::from_mode(before.mode() | 0o020)).unwrap();
        let problems = load(&config, &root).map(drop).unwrap_err().problems();
        assert!(
            foreign || problems.iter().any(|problem| problem.file == path),
            "{name}: {problems:?}"
        );
        assert!(load(&config, &ordinary()).is_ok());
        fs::set_permissions(&path, before).unwrap();
    }
}

#[test]
fn what_lies_ahead_leaves_out_what_is_excluded() {
    let ahead = |dates: &str, job: &str| {
        let text =
            format!("[calendars.c]\ndates = [{dates}]\n[jobs.a]\nexclude = ['c']\n{job}\n{JOB}");
        let warnings = crate::config::outlook::ahead(&valid(&text), t("2026-02-01T00:00:00Z"));
        warnings
            .into_iter()
            .map(|warning| warning.message)
            .collect::<Vec<_>>()
    };
    let night = "cron = '30 2 8 3 *'";
    assert_eq!(
        ahead("'2026-03-09'", night),
        [
            "on 2026-03-08 the clocks of America/New_York skip 02:30: it runs at 03:00 instead, once; a time outside of 02:00 to 03:00 avoids that"
        ]
    );
    assert_eq!(ahead("'2026-03-08'", night), Vec::<String>::new());
    let night = "cron = '30 1 1 11 *'";
    assert_eq!(ahead("'2026-03-08'", night).len(), 1);
    assert_eq!(ahead("'2026-11-01'", night), Vec::<String>::new());
    assert_eq!(
        ahead("'2026-01-01', '2026-01-30'", "every = '1d'"),
        [
            "the calendar `c` has no day after 2026-01-30, so it excludes nothing any more: bring it up to date"
        ]
    );
    assert_eq!(ahead("'2026-01-31'", "every = '1d'"), Vec::<String>::new());
    assert_eq!(
        ahead("'2026-03-01'", "at = '2026-03-01T12:00:00Z'"),
        [
            "its calendars exclude all that its schedule names for 50 years; choose others in `exclude`"
        ]
    );
}
