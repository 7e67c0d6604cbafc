//! How complaints look: read the snapshots as a person would.

use super::*;

#[test]
fn complaints_read_well() {
    for (name, text) in [
        (
            "unknown_key",
            "[jobs.backup]\nevery = \"1h\"\ncommand = [\"restic\"]\nmax_instances = 1\n",
        ),
        ("no_idea_what_was_meant", "[node]\nflavour = \"vanilla\"\n"),
        ("number_for_duration", "[defaults]\ntimeout = 3600\n"),
        ("unit_missing", "[defaults]\ntimeout = \"15x\"\n"),
        (
            "two_schedules",
            "[jobs.a]\ncron = \"30 2 * * *\"\nshell = \"true\"\nevery = \"1h\"\n",
        ),
        (
            "no_schedule_no_action",
            "[jobs.a]\ndescription = \"what for?\"\n",
        ),
        (
            "calendar_with_a_slip",
            "[calendars.holidays]\ndates = [\"2026-12-25\"]\n\n[jobs.a]\nevery = \"1h\"\nshell = \"true\"\nexclude = [\"holydays\"]\n",
        ),
        (
            "calendar_without_days",
            "[calendars.holidays]\n\n[calendars.freeze]\ndates = [\"2026-12-32\"]\n\n[calendars.school]\nfile = \"/nowhere/school.ics\"\n",
        ),
        (
            "command_as_a_line",
            "[jobs.a]\nevery = \"1h\"\ncommand = \"restic backup /srv\"\n",
        ),
        (
            "not_in_this_version",
            "[jobs.a]\nevery = \"1h\"\ncommand = [\"a\"]\nping = \"https://hc.example.org/x\"\nplacement = \"each\"\n",
        ),
        (
            "limits",
            "[jobs.a]\nevery = \"1h\"\ncommand = [\"a\"]\nlimits = { memory = \"64KiB\", cpu = 1.5, pids = \"many\" }\n\n[jobs.b]\nevery = \"1h\"\ncommand = [\"b\"]\nlimits = { cpu = \"1.5\", disk = \"1GiB\" }\n",
        ),
        (
            "open_to_the_world",
            "[server]\nlisten = [\"127.0.0.1:80\", \"0.0.0.0:80\"]\nauth = \"none\"\n",
        ),
        (
            "zone_with_a_slip",
            "[scheduler]\ntimezone = \"Europe/Pari\"\n",
        ),
        (
            "syntax",
            "[jobs.a]\nevery = 1h\ncommand = [\"a\" \"b\"]\n[jobs.b\nshell = \"true\"\n",
        ),
        (
            "the_same_job_twice",
            "[jobs.a]\nevery = \"1h\"\nshell = \"true\"\n\n[jobs.b]\nevery = \"1h\"\nshell = \"true\"\n\n[jobs.a]\nevery = \"2h\"\nshell = \"true\"\n",
        ),
        (
            "the_same_key_twice",
            "[jobs.a]\nevery = \"1h\"\nshell = \"true\"\nevery = \"2h\"\n",
        ),
        (
            "job_name",
            "[jobs.\"Nightly Backup\"]\nevery = \"1h\"\nshell = \"true\"\n",
        ),
        (
            "jobs_as_a_list",
            "[[jobs]]\nname = \"a\"\nschedule = \"* * * * *\"\n",
        ),
        (
            "secret_with_two_sources",
            "[jobs.a]\nevery = \"1h\"\nshell = \"true\"\nenv = { TOKEN = { file = \"/a\", env = \"B\" }, PORT = 8080 }\n",
        ),
        (
            "cron_one_of_several",
            "[jobs.a]\ncron = [\"0 6 * * *\", \"61 * * * *\"]\nshell = \"true\"\n",
        ),
        (
            "cron_that_never_matches",
            "[jobs.a]\ncron = \"0 0 30 2 *\"\nshell = \"true\"\n",
        ),
        (
            "long_line",
            &format!(
                "[jobs.a]\nevery = \"1h\"\nshell = \"true\"\nparams = {{ a = {{ default = \"{}\" }}, b = 5, c = {{ default = \"{}\" }} }}\n",
                "x".repeat(300),
                "y".repeat(300)
            ),
        ),
    ] {
        let report = read(text).map(drop).expect_err(name);
        insta::assert_snapshot!(name, report.render(Style::Plain));
    }
}

#[test]
fn a_file_that_is_not_there_reads_well() {
    let report = load(Path::new("/nowhere/config.toml"), &ordinary())
        .map(drop)
        .unwrap_err();
    insta::assert_snapshot!("no_such_file", report.render(Style::Plain));
}

#[test]
fn colours_come_when_asked_for() {
    let report = read("x = 1").map(drop).unwrap_err();
    assert!(!report.render(Style::Plain).contains('\u{1b}'));
    assert!(report.render(Style::Coloured).contains("\u{1b}["));
}
