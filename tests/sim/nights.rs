//! The nights of 2026 on which a clock changes somewhere, with mixed jobs in every such zone.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::year;

/// How long before and after a change is looked at.
const AROUND: SignedDuration = SignedDuration::from_hours(26);

#[test]
fn every_night_on_which_clocks_change_is_accounted_for() {
    let zones = year::zones();
    assert!(zones.len() > 150, "only {} zones change", zones.len());
    // Zones that change on one day pass together.
    let mut nights: BTreeMap<Date, Vec<(Timestamp, &String)>> = BTreeMap::new();
    for (zone, changes) in &zones {
        for &change in changes {
            let day = change.to_zoned(TimeZone::UTC).date();
            nights.entry(day).or_default().push((change, zone));
        }
    }
    assert!(nights.len() > 10, "only {} nights", nights.len());
    let mut whole = year::Verdict::default();
    for (day, mut changes) in nights {
        changes.sort();
        let (first, last) = (changes[0].0, changes[changes.len() - 1].0);
        let plans = year::plans(changes.into_iter().map(|(_, zone)| zone));
        let machine = year::passed(plans, first - AROUND, last + AROUND);
        let verdict = machine.kept.audit(machine.now);
        assert_eq!(verdict.problems, Vec::<String>::new(), "around {day}");
        assert_eq!(verdict.ran, machine.starts, "around {day}");
        whole = whole.and(verdict);
    }
    println!("in {} zones: {whole:?}", zones.len());
    assert!(whole.ran > 60_000 && whole.excluded > 100, "{whole:?}");
}

/// The audit finds what is wrong, or a whole account would prove nothing.
#[test]
fn an_account_with_a_hole_is_found() {
    let zones = year::zones();
    let change = zones["Europe/Paris"][0];
    let plans = || year::plans(std::iter::once(&"Europe/Paris".to_owned()));
    let account = || year::passed(plans(), change - AROUND, change + AROUND);
    let now = change + AROUND;
    let place = |machine: &year::Passed, kind: &str| {
        let mut jobs = machine.kept.jobs.iter();
        jobs.position(|it| it.job.as_str() == format!("europe.paris-{kind}"))
            .unwrap()
    };
    let whole = account().kept.audit(now);
    assert_eq!((whole.wrong, whole.ran > 150), (0, true), "{whole:?}");
    for kind in ["nightly", "half-hourly", "steps", "interval"] {
        let mut machine = account();
        let job = place(&machine, kind);
        machine.kept.jobs[job].rows.remove(1);
        assert_eq!(machine.kept.audit(now).wrong, 1, "{kind}: a row is missing");
        let mut machine = account();
        let rows = &mut machine.kept.jobs[job].rows;
        rows.insert(1, rows[1]);
        assert_eq!(
            machine.kept.audit(now).wrong,
            1,
            "{kind}: a row is there twice"
        );
        let mut machine = account();
        machine.kept.jobs[job].rows.pop();
        assert_eq!(
            machine.kept.audit(now).wrong,
            1,
            "{kind}: the last row is missing"
        );
        assert_eq!(
            account().kept.audit(now + AROUND).wrong,
            12,
            "nobody decided since"
        );
    }
    let mut machine = account();
    let job = place(&machine, "nightly");
    let row = &mut machine.kept.jobs[job].rows[0];
    row.first += SignedDuration::from_mins(1);
    assert_eq!(machine.kept.audit(now).wrong, 1, "a row is elsewhere");
}
