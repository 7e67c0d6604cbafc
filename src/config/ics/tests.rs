//! What iCalendar files mean, what is refused of them, and what they cost.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::civil::date;
use proptest::prelude::*;

use super::super::report::{Level, Report, Source};
use super::*;
use crate::clock::monotonic;

/// Days, and everything that was said, as `LINE: message`.
fn read(text: &str) -> (Vec<Date>, Vec<String>) {
    let mut complaints = Complaints::default();
    let days = days(0, text, &mut complaints);
    let source = Source {
        path: std::path::Path::new("a.ics").into(),
        text: text.into(),
    };
    let (Ok(report) | Err(report)) = complaints.verdict(&[source]);
    let said = report.problems().into_iter();
    let said = said.map(|problem| format!("{}: {}", problem.line.unwrap(), problem.message));
    (days.into_iter().collect(), said.collect())
}

/// A calendar of these events, each given by its lines.
fn calendar(events: &[&str]) -> String {
    let mut text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test\r\n".to_owned();
    for event in events {
        let _ = write!(
            text,
            "BEGIN:VEVENT\r\n{}\r\nEND:VEVENT\r\n",
            event.replace('\n', "\r\n")
        );
    }
    text.push_str("END:VCALENDAR\r\n");
    text
}

/// The days of a calendar about which nothing is said.
#[track_caller]
fn silent(events: &[&str]) -> Vec<String> {
    let (days, said) = read(&calendar(events));
    assert_eq!(said, Vec::<String>::new(), "{events:?}");
    days.iter().map(ToString::to_string).collect()
}

/// What is said of a calendar of one event, without the line, which must be that of `at`.
#[track_caller]
fn refusal(event: &str, at: &str) -> String {
    let text = calendar(&[event]);
    let (days, said) = read(&text);
    assert_eq!((days.len(), said.len()), (0, 1), "{event} {said:?}");
    let (line, message) = said[0].split_once(": ").unwrap();
    let line = text
        .lines()
        .nth(line.parse::<usize>().unwrap() - 1)
        .unwrap();
    assert!(line.starts_with(at), "{line}: {message}");
    message.to_owned()
}

#[test]
fn all_day_events_are_their_days() {
    for (event, days) in [
        ("DTSTART;VALUE=DATE:20261225", vec!["2026-12-25"]),
        ("DTSTART:20261225", vec!["2026-12-25"]),
        (
            "DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261227",
            vec!["2026-12-25", "2026-12-26"],
        ),
        (
            "DTSTART;VALUE=DATE:20261231\nDURATION:P2D",
            vec!["2026-12-31", "2027-01-01"],
        ),
        // Midnights of no zone.
        (
            "DTSTART:20261225T000000\nDTEND:20261226T000000",
            vec!["2026-12-25"],
        ),
        (
            "dtstart;value=date-time:20261225T000000\nduration:PT48H",
            vec!["2026-12-25", "2026-12-26"],
        ),
        // Holidays are no busy time in many calendars.
        (
            "DTSTART;VALUE=DATE:20261225\nTRANSP:TRANSPARENT\nSTATUS:TENTATIVE\nSUMMARY:Noël\\, ;:",
            vec!["2026-12-25"],
        ),
        // A zone means nothing to a date.
        (
            "DTSTART;TZID=Asia/Tokyo;VALUE=DATE:20261225",
            vec!["2026-12-25"],
        ),
        (
            "DTSTART;VALUE=DATE:20261225\nRDATE;VALUE=DATE:20270101,20270106\nEXDATE;VALUE=DATE:20270101",
            vec!["2026-12-25", "2027-01-06"],
        ),
        (
            "DTSTART;VALUE=DATE:19691231\nDTEND;VALUE=DATE:19700102",
            vec!["1970-01-01"],
        ),
        (
            "DTSTART;VALUE=DATE:20261225\nBEGIN:VALARM\nTRIGGER:-PT15M\nDTSTART:nonsense\nEND:VALARM",
            vec!["2026-12-25"],
        ),
    ] {
        assert_eq!(silent(&[event]), days, "{event}");
    }
    assert_eq!(
        silent(&[
            "DTSTART;VALUE=DATE:20261226",
            "DTSTART;VALUE=DATE:20261225\nDURATION:P1W"
        ])
        .len(),
        7
    );
}

#[test]
fn what_recurs_counts_each_time() {
    let yearly = silent(&[
        "DTSTART;VALUE=DATE:20251224\nDURATION:P3D\nRRULE:FREQ=YEARLY\nEXDATE;VALUE=DATE:20261224",
    ]);
    assert_eq!(yearly.len(), (2199 - 2025) * 3);
    assert_eq!(yearly[2..4], ["2025-12-26", "2027-12-24"]);
    assert_eq!(yearly.last().unwrap(), "2199-12-26");
    // The other days of an occurrence that begins on another day stay.
    let weekly = silent(&[
        "DTSTART;VALUE=DATE:20260101\nDURATION:P8D\nRRULE:FREQ=WEEKLY;COUNT=3\nEXDATE;VALUE=DATE:20260108",
    ]);
    assert_eq!(weekly.len(), 16);
    // Every weekend there may be.
    let weekends = silent(&["DTSTART;VALUE=DATE:19700103\nRRULE:FREQ=WEEKLY;BYDAY=SA,SU"]);
    assert_eq!(weekends.len(), 24_002);
}

#[test]
fn an_event_of_a_series_stands_in_its_place() {
    let series = "UID:a\nDTSTART;VALUE=DATE:20261225\nRRULE:FREQ=YEARLY;COUNT=3";
    let moved = "UID:a\nRECURRENCE-ID;VALUE=DATE:20271225\nDTSTART;VALUE=DATE:20271227";
    let gone =
        "UID:a\nRECURRENCE-ID;VALUE=DATE:20281225\nSTATUS:CANCELLED\nDTSTART;VALUE=DATE:20281225";
    assert_eq!(
        silent(&[series]),
        ["2026-12-25", "2027-12-25", "2028-12-25"]
    );
    assert_eq!(silent(&[moved, series, gone]), ["2026-12-25", "2027-12-27"]);
    assert_eq!(silent(&[moved]), ["2027-12-27"]);
    // Without a series of that name nothing is taken out.
    assert_eq!(silent(&[&series.replace("UID:a", "UID:b"), gone]).len(), 3);
    // What does not take place need not be understood.
    let (days, said) = read(&calendar(&[
        "STATUS:CANCELLED\nDTSTART:20261225T120000Z\nRRULE:FREQ=SECONDLY",
    ]));
    assert_eq!(days, []);
    assert_eq!(
        said,
        ["1: no event of this file takes a day, so it excludes nothing"]
    );
}

/// Events, the line of each that is refused, and why.
const REFUSED: &[(&str, &str, &str)] = &[
    ("SUMMARY:x", "BEGIN:VEVENT", "this event has no DTSTART"),
    (
        "DTSTART:20261225T120000Z",
        "DTSTART",
        "DTSTART has a time of day, and a calendar excludes whole days: only all-day events count",
    ),
    (
        "DTSTART:20261225T000000Z",
        "DTSTART",
        "DTSTART has a time of day, and a calendar excludes whole days: only all-day events count",
    ),
    (
        "DTSTART:20261225T000000",
        "DTSTART",
        "DTSTART has a time of day, and a calendar excludes whole days: only all-day events count",
    ),
    (
        "DTSTART;TZID=Europe/Paris:20261225T000000\nDURATION:P1D",
        "DTSTART",
        "DTSTART has a time of day, and a calendar excludes whole days: only all-day events count",
    ),
    (
        "DTSTART:20261225T000000\nDTEND:20261225T120000",
        "DTEND",
        "DTEND has a time of day, and a calendar excludes whole days: only all-day events count",
    ),
    (
        "DTSTART;VALUE=DATE:20261325",
        "DTSTART",
        "\"20261325\" in DTSTART is no date",
    ),
    (
        "DTSTART;VALUE=DATE:20261225T000000",
        "DTSTART",
        "\"20261225T000000\" in DTSTART is no date",
    ),
    (
        "DTSTART;VALUE=TEXT:20261225",
        "DTSTART",
        "\"20261225\" in DTSTART is no date",
    ),
    (
        "DTSTART;VALUE=DATE:2026-12-25",
        "DTSTART",
        "\"2026-12-25\" in DTSTART is no date",
    ),
    (
        "DTSTART;VALUE=DATE:２０２６1225",
        "DTSTART",
        "\"２０２６1225\" in DTSTART is no date",
    ),
    (
        "DTSTART;VALUE=DATE:22000101",
        "DTSTART",
        "2200-01-01 lies behind 2199-12-31, the last day that a calendar may have",
    ),
    (
        "DTSTART;VALUE=DATE:20261225\nDTSTART;VALUE=DATE:20261226",
        "DTSTART;VALUE=DATE:20261226",
        "this event has a second DTSTART",
    ),
    (
        "DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261225",
        "DTEND",
        "DTEND is the day after the last, so it must be later than DTSTART",
    ),
    (
        "DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261226\nDURATION:P1D",
        "DURATION",
        "this event has both DTEND and DURATION",
    ),
    (
        "DTSTART;VALUE=DATE:20261225\nDURATION:PT1H",
        "DURATION",
        "this DURATION is no number of whole days",
    ),
    (
        "DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=YEARLY;BYWEEKNO=1",
        "RRULE",
        "\"BYWEEKNO\" of this RRULE is not understood",
    ),
    (
        "DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=YEARLY\nRRULE:FREQ=DAILY",
        "RRULE:FREQ=DAILY",
        "this event has a second RRULE",
    ),
    (
        "DTSTART;VALUE=DATE:20261225\nEXRULE:FREQ=YEARLY",
        "EXRULE",
        "EXRULE is not understood",
    ),
    (
        "DTSTART;VALUE=DATE:20261225\nRDATE;VALUE=PERIOD:20261225T000000Z/P1D",
        "RDATE",
        "RDATE has a time of day, and a calendar excludes whole days: only all-day events count",
    ),
    (
        "DTSTART;VALUE=DATE:20261225\nEXDATE:20261225T120000Z",
        "EXDATE",
        "EXDATE has a time of day, and a calendar excludes whole days: only all-day events count",
    ),
    (
        "DTSTART;VALUE=DATE:20261225\nEXDATE;VALUE=DATE:20261225,",
        "EXDATE",
        "\"\" in EXDATE is no date",
    ),
    (
        "UID:a\nDTSTART;VALUE=DATE:20261225\nRECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20261225",
        "RECURRENCE-ID",
        "a change of this and all later times of a series is not understood",
    ),
    (
        "DTSTART;VALUE=DATE:20261225\nRECURRENCE-ID;VALUE=DATE:20261225",
        "RECURRENCE-ID",
        "this RECURRENCE-ID belongs to no series: the event has no UID",
    ),
    (
        "UID:a\nDTSTART;VALUE=DATE:20261225\nRRULE:FREQ=YEARLY\nRECURRENCE-ID;VALUE=DATE:20261225",
        "BEGIN:VEVENT",
        "an event with a RECURRENCE-ID is one of a series, and cannot recur itself",
    ),
    (
        "DTSTART;VALUE=DATE:20261225\nSTATUS:MAYBE",
        "STATUS",
        "the STATUS of an event is CONFIRMED, TENTATIVE or CANCELLED",
    ),
    (
        "DTSTART;VALUE=DATE:20261225\nthis line was broken",
        "this line",
        "this is no line of an iCalendar file",
    ),
    (
        "DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY",
        "RRULE",
        "this calendar has 63552 days, and may have 25000; this event has the most of them",
    ),
    (
        "DTSTART;VALUE=DATE:00010101\nDURATION:P999999999999D",
        "DTSTART",
        "this calendar has 84006 days, and may have 25000; this event has the most of them",
    ),
    (
        "DTSTART;VALUE=DATE:00010101\nRRULE:FREQ=DAILY",
        "RRULE",
        "up to here it takes more than 1000000 steps to follow all that recurs in this file, and no more are taken",
    ),
];

#[test]
fn what_is_not_understood_is_refused_where_it_stands() {
    for (event, at, said) in REFUSED {
        assert_eq!(refusal(event, at), *said, "{event}");
    }
    let twice = calendar(&["UID:a\nDTSTART;VALUE=DATE:20261225"; 2]);
    assert_eq!(
        read(&twice).1,
        ["9: a second event has this UID, and which one counts is not said"]
    );
}

#[test]
fn files_that_are_no_calendars_are_refused() {
    let event = "BEGIN:VEVENT\nDTSTART:20261225\nEND:VEVENT\n";
    let wrong = |text: &str, said: &str| {
        let (days, found) = read(text);
        assert_eq!((days, found), (vec![], vec![said.to_owned()]), "{text}");
    };
    let foreign = "1: this is no iCalendar file: it does not begin with BEGIN:VCALENDAR";
    wrong("", "1: this file is empty, and no iCalendar file");
    wrong("<html>\n<a href=\"x:y\">", foreign);
    wrong("A:B\nC:D\n", foreign);
    wrong(event, foreign);
    wrong(
        "BEGIN:VCALENDAR\n",
        "1: VCALENDAR does not end: the file is cut off",
    );
    wrong(
        &format!("BEGIN:VCALENDAR\n{event}"),
        "1: VCALENDAR does not end: the file is cut off",
    );
    wrong(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n",
        "3: END:\"VCALENDAR\" closes nothing: VEVENT is open",
    );
    wrong(
        "BEGIN:VCALENDAR\nEND:VCALENDAR\nEND:VCALENDAR\n",
        "3: this stands behind the end of the calendar",
    );
    for (line, said) in [
        (
            "VERSION:1.0",
            "2: VERSION \"1.0\" of a calendar is not understood, only 2.0",
        ),
        (
            "CALSCALE:HEBREW",
            "2: CALSCALE \"HEBREW\" of a calendar is not understood, only GREGORIAN",
        ),
        (
            "METHOD:CANCEL",
            "2: METHOD \"CANCEL\" of a calendar is not understood, only PUBLISH and REQUEST",
        ),
        (
            "BEGIN:VFREEBUSY\nEND:VFREEBUSY",
            "2: \"VFREEBUSY\" is not understood in a calendar of days",
        ),
    ] {
        wrong(
            &format!("BEGIN:VCALENDAR\n{line}\n{event}END:VCALENDAR"),
            said,
        );
    }
    // Other entries, several calendars in one file, and no line feed at the end.
    let other = "BEGIN:VTODO\nDTSTART:x\nEND:VTODO\nBEGIN:X-A\nBEGIN:VEVENT\nDTSTART:x\nEND:VEVENT\nEND:X-A\n";
    let two = format!(
        "BEGIN:VCALENDAR\nMETHOD:PUBLISH\n{other}{event}END:VCALENDAR\nBEGIN:VCALENDAR\nEND:VCALENDAR"
    );
    assert_eq!(read(&two), (vec![date(2026, 12, 25)], vec![]));
    // A few of many.
    let many = calendar(&["DTSTART:x"; 100]);
    assert_eq!(read(&many).1.len(), MAX_TOLD);
}

#[test]
fn a_first_day_that_is_none_of_the_rule_counts_and_is_told() {
    let text = calendar(&["DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=MONTHLY;BYDAY=1MO;COUNT=2"]);
    let (days, said) = read(&text);
    assert_eq!(days, [date(2026, 1, 1), date(2026, 1, 5)]);
    assert_eq!(
        said,
        [
            "6: DTSTART, 2026-01-01, is no day of this RRULE; it counts as the first one all the same"
        ]
    );
}

#[test]
fn recurrences_are_those_of_dateutil() {
    let cases = include_str!("../../../tests/fixtures/recurrences.jsonl");
    let mut seen = 0;
    for line in cases.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let repeat = rule::read(case["rule"].as_str().unwrap()).expect(line);
        let start = event::day_of(case["start"].as_str().unwrap()).unwrap();
        let starts = repeat.starts(start, &mut Budget(MAX_STEPS)).expect(line);
        assert!(starts.in_step, "{line}");
        let days: Vec<_> = starts
            .days
            .iter()
            .map(|day| day.strftime("%Y%m%d").to_string())
            .collect();
        let first: Vec<_> = case["first"]
            .as_array()
            .unwrap()
            .iter()
            .map(|day| day.as_str().unwrap())
            .collect();
        assert_eq!(days[..days.len().min(10)], first, "{line}");
        assert_eq!(days.len() as u64, case["count"].as_u64().unwrap(), "{line}");
        assert_eq!(
            days.last().unwrap(),
            case["last"].as_str().unwrap(),
            "{line}"
        );
        seen += 1;
    }
    assert_eq!(seen, 400);
}

/// The longest that any file may take. A build for tests is ten and more times slower than one for
/// use, and shares the machine with other tests; what has no bound takes minutes.
const LIMIT: Duration = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 1 });

/// Reads a text, which must take neither long nor the process down.
fn survive(text: &str) {
    let begun = monotonic();
    let mut complaints = Complaints::default();
    let days = days(0, text, &mut complaints);
    assert!(days.len() <= MAX_DAYS);
    let took = begun.elapsed();
    assert!(took < LIMIT, "{took:?} for {} bytes", text.len());
    let source = Source {
        path: std::path::Path::new("a.ics").into(),
        text: text.into(),
    };
    let (Ok(report) | Err(report)) = complaints.verdict(&[source]);
    let _ = (report.to_string(), report.problems());
}

const WHOLE: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:a\r\n\
    DTSTART;VALUE=DATE:20200101\r\nDTEND;VALUE=DATE:20200103\r\nSUMMARY:a\r\n b\r\n\
    RRULE:FREQ=YEARLY;INTERVAL=2;BYMONTH=1,2;BYMONTHDAY=1,-1;BYDAY=MO,TU;BYSETPOS=1;WKST=SU;UNTIL=20300101\r\n\
    RDATE;VALUE=DATE:20210101,20220101\r\nEXDATE;VALUE=DATE:20220101\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nUID:a\r\nRECURRENCE-ID;VALUE=DATE:20210101\r\nDTSTART:20210102T000000\r\n\
    DURATION:P1D\r\nSTATUS:CONFIRMED\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[test]
fn hostile_files_are_borne() {
    let size = if cfg!(debug_assertions) {
        1 << 19
    } else {
        4 << 20
    };
    let filled = |begin: &str, with: &str| {
        let text = begin.to_owned() + &with.repeat((size - begin.len()) / with.len());
        survive(&text);
    };
    filled("", "\n");
    filled("", "A:\n");
    filled("", "é");
    filled("A;B=", "\"x\",");
    filled("BEGIN:VCALENDAR\n", "A:\n");
    filled("BEGIN:VCALENDAR\n", " \n");
    filled("BEGIN:VCALENDAR\n", "BEGIN:A\n");
    filled(
        "BEGIN:VCALENDAR\n",
        "BEGIN:VEVENT\nDTSTART:20260101\nEND:VEVENT\n",
    );
    filled("BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "EXDATE:20260101\n");
    filled(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101\nRDATE:",
        "20260101,",
    );
    filled(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101\nRRULE:FREQ=YEARLY;BYMONTH=",
        "1,",
    );
    for rule in [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=4294967295",
        "FREQ=YEARLY;INTERVAL=4294967295",
        "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU",
        "FREQ=YEARLY;BYMONTHDAY=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21;BYSETPOS=1",
    ] {
        for start in ["00000101", "20260101", "99991231"] {
            survive(&calendar(&[&format!("DTSTART:{start}\nRRULE:{rule}")]));
        }
    }
    for rule in [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYDAY=MO,WE",
    ] {
        let event = format!("DTSTART:20260101\nRRULE:{rule}");
        survive(&calendar(&vec![event.as_str(); 1_000]));
    }
    let long = "DTSTART:19700101\nDURATION:P24999D";
    survive(&calendar(&vec![long; 10_000]));
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,400}") {
        survive(&text);
        survive(&format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{text}\nEND:VEVENT\nEND:VCALENDAR\n"));
    }

    #[test]
    fn bytes_of_a_valid_file_may_change(
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
    fn rules_of_all_kinds_are_borne(
        parts in prop::collection::vec(prop::sample::select(vec![
            "FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY", "INTERVAL=3", "INTERVAL=999999",
            "COUNT=7", "COUNT=4294967295", "UNTIL=99991231", "BYMONTH=2", "BYMONTHDAY=29,30,-31",
            "BYDAY=53MO,-53SU,5TU", "BYDAY=MO,SU", "BYSETPOS=-1,366", "WKST=WE",
        ]), 1..7),
        start in prop::sample::select(vec!["00000101", "00010101", "20240229", "21991231", "99991231"]),
        length in prop::sample::select(vec!["P1D", "P400D", "P7304484D", "P9223372036854775807D"]),
    ) {
        survive(&calendar(&[&format!("DTSTART:{start}\nDURATION:{length}\nRRULE:{}", parts.join(";"))]));
    }

    /// However the lines are folded, the file says the same.
    #[test]
    fn folds_change_nothing(places in prop::collection::vec(1..WHOLE.len(), 0..40)) {
        let mut text = WHOLE.to_owned();
        let mut places = places;
        places.sort_unstable();
        places.dedup();
        for place in places.into_iter().rev().filter(|&place| !WHOLE[..place].ends_with('\n') && !WHOLE[place..].starts_with('\n')) {
            text.insert_str(place, "\r\n\t");
        }
        let unfolded = read(WHOLE);
        prop_assert!(unfolded.1.is_empty() || unfolded.1[0].contains("DTSTART"), "{:?}", unfolded);
        prop_assert_eq!(read(&text).0, unfolded.0);
    }
}

#[test]
fn a_refusal_is_drawn_with_its_line() {
    let text = calendar(&["UID:1\nDTSTART;TZID=Europe/Paris:20261225T100000\nSUMMARY:Meeting"]);
    let mut complaints = Complaints::default();
    days(0, &text, &mut complaints);
    let source = Source {
        path: std::path::Path::new("holidays.ics").into(),
        text: text.as_str().into(),
    };
    let report: Report = complaints.verdict(&[source]).unwrap_err();
    assert_eq!(report.level, Level::Error);
    insta::assert_snapshot!("timed_event", report.to_string());
}
