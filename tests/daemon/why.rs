//! Why a job ran or did not run, asked of the real daemon by its API and its command.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::api::{Api, problem};
use super::cli::{ended, json, punctual, said};
use super::daemon::{Place, Row, wait_until};
use super::http::Door;

const BEAT: &str = "[jobs.beat]\nevery = \"1s\"\ncatch_up = \"none\"\nshell = ':'\n";

fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap()
}

/// The answer of the command about a time.
fn about(place: &Place, job: &str, at: Timestamp) -> Value {
    json(place, &["why", job, "--at", &at.to_string()])
}

fn sentences(why: &Value) -> Vec<&str> {
    let sentences = why["sentences"].as_array().unwrap().iter();
    sentences.map(|it| it.as_str().unwrap()).collect()
}

/// Waits for a row of this kind.
fn row(place: &Place, what: &str, wanted: impl Fn(&Row) -> bool) -> Row {
    wait_until(what, || place.rows().into_iter().find(&wanted))
}

#[test]
fn instants_that_ran_and_times_between_them() {
    let place = Place::new(BEAT);
    let _daemon = place.start();
    let ran = row(&place, "a run", |row| row.status == "succeeded");
    let at = time(ran.scheduled_at);
    let why = about(&place, "beat", at);
    assert_eq!(why["verdict"], "succeeded");
    assert_eq!(why["at"], format!("{at:.6}"));
    assert_eq!(why["instant"], why["at"]);
    assert_eq!(why["run"]["scheduled_at"], why["at"]);
    assert_eq!(why["schedule"]["text"], "every second");
    let id = why["run"]["id"].as_str().unwrap();
    let said = sentences(&why);
    assert!(
        said[0].starts_with("It ran: due ") && said[0].ends_with(&format!("(run {id}).")),
        "{said:?}"
    );

    let between = at + SignedDuration::from_millis(300);
    let why = about(&place, "beat", between);
    assert_eq!(why["verdict"], "not_an_instant");
    assert_eq!(why["run"]["id"], id, "what became of the one before");
    assert_eq!(why["before"], format!("{at:.6}"));
    assert_eq!(
        why["after"],
        format!("{:.6}", at + SignedDuration::from_secs(1))
    );
    let text = self::said(&place, &["why", "beat", "--at", &between.to_string()]);
    let shown: Vec<&str> = text.lines().collect();
    assert_eq!(
        shown[..3],
        sentences(&why)[..3],
        "the same in the same words"
    );
    assert!(shown[0].contains(" is not an instant of its schedule, every second."));
}

#[test]
fn now_and_instants_to_come() {
    let place = Place::new(
        "[jobs.beat]\ncron = \"30 2 1 1 *\"\ntimezone = \"Europe/Paris\"\nshell = ':'\n\
         [jobs.once]\nat = \"2020-01-01T00:00:00Z\"\nshell = ':'\n",
    );
    let _daemon = place.start();
    let why = json(&place, &["why", "beat"]);
    assert_eq!(
        (&why["verdict"], &why["at"]),
        (&"to_come".into(), &Value::Null)
    );
    let said = sentences(&why);
    assert!(
        said[0].starts_with("It has not run yet since the daemon first saw it, at "),
        "{said:?}"
    );
    assert!(
        said[1].contains("-01-01 02:30:00 +01:00, in ")
            && said[1].contains("its schedule is at 02:30 on day 1 of the month in January"),
        "{said:?}"
    );
    let next: Timestamp = why["next_fire"].as_str().unwrap().parse().unwrap();
    let why = about(&place, "beat", next);
    assert_eq!(
        (&why["verdict"], &why["run"]),
        (&"to_come".into(), &Value::Null)
    );
    punctual(&place, &["pause", "beat", "--reason", "too loud"]);
    let why = about(&place, "beat", next);
    let said = sentences(&why);
    assert!(
        said[1].contains("(\"too loud\"); `punctual resume beat` goes on."),
        "{said:?}"
    );
    assert_eq!(said[2], "As things stand it will not run.");
    let why = json(&place, &["why", "beat"]);
    assert_eq!(
        (&why["verdict"], &why["next_fire"]),
        (&"paused".into(), &Value::Null)
    );
    let why = json(&place, &["why", "once"]);
    assert_eq!(why["verdict"], "finished");
    assert!(
        sentences(&why)[1].contains("Wed 2020-01-01 00:00:00 +00:00, is over"),
        "{why}"
    );
    let why = about(&place, "beat", "2020-01-01T01:30:00Z".parse().unwrap());
    assert_eq!(why["verdict"], "before_account");
}

#[test]
fn instants_that_did_not_run() {
    let place = Place::new(BEAT);
    let daemon = place.start();
    row(&place, "a run", |row| row.status == "succeeded");
    punctual(&place, &["pause", "beat"]);
    let skipped = row(&place, "a span of three", |row| {
        row.status == "skipped" && row.count.is_some_and(|count| count >= 3)
    });
    let within = time(skipped.scheduled_at) + SignedDuration::from_secs(1);
    let why = about(&place, "beat", within);
    assert_eq!(
        (&why["verdict"], &why["run"]["reason"]),
        (&"skipped".into(), &"paused".into())
    );
    assert!(why["run"]["count"].as_u64().unwrap() >= 3);
    assert_eq!(why["instant"], why["at"]);
    let said = sentences(&why);
    assert!(said[0].starts_with("It did not run: the "), "{said:?}");
    assert!(
        said[1].ends_with("`punctual resume beat` goes on."),
        "{said:?}"
    );

    punctual(&place, &["resume", "beat"]);
    let after = skipped.last.unwrap();
    row(&place, "a run after it", |row| {
        row.status == "succeeded" && row.scheduled_at > after
    });
    daemon.kill9();
    let gone = punctual::clock::now().as_microsecond();
    wait_until("instants pass unwatched", || {
        (punctual::clock::now().as_microsecond() > gone + 8_000_000).then_some(())
    });
    let _daemon = place.start();
    let missed = row(&place, "missed ones", |row| row.status == "missed");
    let why = about(&place, "beat", time(missed.scheduled_at));
    assert_eq!(
        (&why["verdict"], &why["run"]["reason"]),
        (&"missed".into(), &"unwatched".into())
    );
    let said = sentences(&why);
    assert!(
        said[0].contains("nobody watched, as the daemon was down"),
        "{said:?}"
    );
    assert!(said[1].contains("`catch_up` is \"none\" now"), "{said:?}");
}

#[test]
fn a_run_in_the_way_is_named() {
    let place = Place::new(
        "[jobs.slow]\nevery = \"1s\"\nshell = 'while [ ! -e $PLACE/go ]; do sleep 0.05; done'",
    );
    let _daemon = place.start();
    let skipped = row(&place, "a skip", |row| row.status == "skipped");
    let why = about(&place, "slow", time(skipped.scheduled_at));
    let under_way = &why["under_way"][0];
    assert_eq!(under_way["status"], "running");
    let said = sentences(&why);
    let id = under_way["id"].as_str().unwrap();
    assert!(said.last().unwrap().contains(id), "{said:?}");
    let now = json(&place, &["why", "slow"]);
    assert_eq!(
        (&now["verdict"], &now["run"]["id"]),
        (&"running".into(), &id.into())
    );
    assert!(sentences(&now)[0].starts_with("It runs: due "), "{now}");
    std::fs::write(place.path("go"), "").unwrap();
}

#[test]
fn jobs_that_left_and_jobs_that_never_were() {
    let place = Place::new(BEAT);
    let mut daemon = place.start();
    let ran = row(&place, "a run", |row| row.status == "succeeded");
    place.configure("");
    daemon.signal(rustix::process::Signal::HUP);
    daemon.wait_for_log("configuration reloaded");
    let why = json(&place, &["why", "beat"]);
    assert_eq!(why["verdict"], "gone");
    assert!(
        sentences(&why)[0].contains("not in the config any more: its schedule ended at"),
        "{why}"
    );
    let why = about(&place, "beat", time(ran.scheduled_at));
    assert_eq!(why["verdict"], "succeeded");
    let far = "2200-01-01T00:00:00Z".parse().unwrap();
    let why = about(&place, "beat", far);
    assert!(
        sentences(&why)[0].contains("no schedule of it was in force"),
        "{why}"
    );

    let (code, stdout, stderr) = ended(&punctual(&place, &["why", "nothing"]));
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("there is no job nothing"), "{stderr}");
    let (code, _, stderr) = ended(&punctual(&place, &["why", "beat", "--at", "soon"]));
    assert_eq!(code, Some(2), "{stderr}");
    assert_eq!(punctual(&place, &["why"]).status.code(), Some(2));
    let door = Door::Unix(place.path("punctual.sock"));
    for query in [
        "?at=soon",
        "?at=",
        "?at=2026-12-01",
        "?when=2026-12-01T00:00:00Z",
    ] {
        let answer = door.get(&format!("/api/v1/jobs/beat/why{query}")).send();
        assert_eq!(
            (answer.status, problem(&answer).as_str()),
            (400, "bad-query"),
            "{query}"
        );
    }
    for at in [
        "9999-12-30T22:00:00Z",
        "-009999-01-02T01:59:59Z",
        "2026-12-01T00:00:00.123456789Z",
    ] {
        door.get(&format!("/api/v1/jobs/beat/why?at={at}")).ok();
    }
}

#[test]
fn a_token_for_some_jobs_is_told_nothing_of_others() {
    let api = Api::start("token");
    let some = |path: &str| api.tcp.get(path).token(Some("some-secret")).send();
    assert_eq!(some("/api/v1/jobs/talk/why").status, 200);
    let (hidden, unknown) = (some("/api/v1/jobs/beat/why"), some("/api/v1/jobs/none/why"));
    assert_eq!((hidden.status, unknown.status), (404, 404));
    assert_eq!(hidden.text().replace("beat", "none"), unknown.text());
}

#[test]
fn what_waits_and_for_what() {
    let by_hand = "cron = \"0 0 1 1 *\"\n";
    let place = Place::new(&format!(
        "[pools.narrow]\nslots = 1\n\
         [jobs.holder]\n{by_hand}pool = \"narrow\"\nshell = 'exec sleep 600'\n\
         [jobs.next]\n{by_hand}pool = \"narrow\"\nshell = ':'\n\
         [jobs.shaky]\n{by_hand}shell = 'exit 7'\n\
         retry = {{ max_retries = 2, initial_delay = \"5m\", max_delay = \"5m\" }}\n\
         [jobs.first]\n{by_hand}shell = ':'\n\
         [jobs.after]\nafter = [\"first\", \"holder\"]\nshell = ':'\n"
    ));
    let _daemon = place.start();
    for job in ["holder", "next", "shaky", "first"] {
        json(&place, &["trigger", job]);
        if job == "holder" {
            row(&place, "it holds the slot", |row| row.status == "running");
        }
    }
    // Snapshots and rows come a moment behind.
    let said = |job: &str, part: &str| {
        wait_until(part, || {
            let why = json(&place, &["why", job]);
            let told = sentences(&why).concat();
            told.contains(part).then(|| why["verdict"].clone())
        })
    };
    let slot = "for a slot of the pool narrow: its one slot is taken, and it alone waits for one.";
    assert_eq!(said("next", slot), "queued");
    assert_eq!(
        said("shaky", ", until attempt 2 of at most 3, at "),
        "queued"
    );
    assert_eq!(said("after", ") has, holder not yet."), "waiting");
}
