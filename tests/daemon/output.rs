//! The output of a run, followed while it comes.

use super::daemon::{Daemon, Place};
use super::http::{Door, Opened};

const JOBS: &str = r#"
    [scheduler]
    shutdown_grace = "200ms"
    [jobs.slow]
    every = "1000d"
    shell = 'echo one; while [ ! -e "$PLACE/go" ]; do sleep 0.02; done; printf "two \\377\n" >&2; exit 3'
    [jobs.much]
    every = "1000d"
    shell = 'head -c 300000 /dev/zero | tr "\\0" x'
    output = { max_bytes = "100KB", keep = "both" }
    [jobs.twice]
    every = "1000d"
    shell = 'echo $PUNCTUAL_ATTEMPT; while [ ! -e "$PLACE/$PUNCTUAL_ATTEMPT" ]; do sleep 0.02; done; exit 7'
    retry = { max_retries = 2, initial_delay = "10ms" }
"#;

fn start() -> (Place, Daemon, Door) {
    let place = Place::new(JOBS);
    let daemon = place.start();
    let door = Door::Unix(place.path("punctual.sock"));
    (place, daemon, door)
}

fn trigger(door: &Door, job: &str) -> String {
    format!("{}/output", door.trigger(job))
}

fn follow(door: &Door, path: &str, from: Option<&str>) -> Opened {
    let ask = door.get(path).header("Accept", "text/event-stream");
    let ask = match from {
        Some(id) => ask.with("Last-Event-ID", id),
        None => ask,
    };
    let opened = ask.open();
    assert_eq!(opened.head.status, 200);
    opened
}

/// The rest of a stream: what was said on which stream, and how the run ended.
fn rest(stream: &mut Opened) -> (Vec<(String, String)>, String) {
    let mut said = Vec::new();
    loop {
        let event = stream.next().unwrap();
        if event.kind == "end" {
            assert!(stream.next().is_none(), "nothing comes behind the end");
            return (said, event.data["status"].as_str().unwrap().to_owned());
        }
        said.push((event.kind, event.data.to_string()));
    }
}

#[test]
fn output_is_told_as_it_comes_and_to_its_end() {
    let (place, _daemon, door) = start();
    let path = trigger(&door, "slow");
    let mut stream = follow(&door, &path, None);
    let one = stream.next().unwrap();
    assert_eq!((one.kind.as_str(), one.id.as_str()), ("stdout", "1:4"));
    assert_eq!(one.data["text"], "one\n");
    let mut again = follow(&door, &path, Some(&one.id));
    std::fs::write(place.path("go"), "").unwrap();
    let line = |kind: &str, data: &str| (kind.to_owned(), data.to_owned());
    let two = [
        line("stderr", r#"{"text":"two "}"#),
        line("stderr", r#"{"base64":"/wo="}"#),
    ];
    assert_eq!(rest(&mut stream), (two.to_vec(), "failed".to_owned()));
    assert_eq!(rest(&mut again), (two.to_vec(), "failed".to_owned()));

    // Of a run that is over, the same comes at once.
    let (said, end) = rest(&mut follow(&door, &path, None));
    assert_eq!(said[0], line("stdout", r#"{"text":"one\n"}"#));
    assert_eq!((&said[1..], end.as_str()), (&two[..], "failed"));
    let only = format!("{path}?stream=stderr");
    assert_eq!(rest(&mut follow(&door, &only, None)).0, two);
    let at_end = rest(&mut follow(&door, &path, Some("1:99"))).0;
    assert_eq!(at_end, []);
}

#[test]
fn what_was_not_kept_is_said_to_be_missing() {
    let (_place, _daemon, door) = start();
    let path = trigger(&door, "much");
    let mut stream = follow(&door, &path, None);
    let (mut told, mut left_out) = (0, 0);
    loop {
        let event = stream.next().unwrap();
        match event.kind.as_str() {
            "stdout" => told += event.data["text"].as_str().unwrap().len(),
            "gap" => left_out += event.data["left_out"].as_u64().unwrap(),
            "end" => break,
            other => panic!("{other}"),
        }
    }
    assert_eq!(told as u64 + left_out, 300_000);
    let (said, _) = rest(&mut follow(&door, &path, None));
    let gaps: Vec<_> = said.iter().filter(|(kind, _)| kind == "gap").collect();
    assert_eq!(gaps.len(), 1, "{}", said.len());
    assert_eq!(gaps[0].1, r#"{"left_out":200000}"#);
}

#[test]
fn a_place_that_no_run_has_is_no_trouble() {
    let (place, _daemon, door) = start();
    let path = trigger(&door, "slow");
    let far = ["4294967295:0", "4294967295:18446744073709551615"];
    let mut streams: Vec<_> = far.map(|id| follow(&door, &path, Some(id))).into();
    streams.push(follow(&door, &path, Some("1:18446744073709551615")));
    // One that came later has been told something, so the others were looked after.
    follow(&door, &path, None).next_of("stdout");
    std::fs::write(place.path("go"), "").unwrap();
    for stream in &mut streams {
        assert_eq!(rest(stream), (vec![], "failed".to_owned()));
    }
    let of_another = format!("{path}?attempt=1");
    let asked = door
        .get(&of_another)
        .header("Accept", "text/event-stream")
        .header("Last-Event-ID", "2:0");
    assert_eq!(asked.status(), 400);
}

#[test]
fn an_attempt_that_never_comes_is_told() {
    let (place, _daemon, door) = start();
    let path = trigger(&door, "twice");
    let of = |attempt: u32| format!("{path}?attempt={attempt}");
    let refused = |attempt: u32| {
        let asked = door.get(&of(attempt));
        let asked = asked.header("Accept", "text/event-stream");
        // Else it would go on.
        assert_eq!(asked.open().head.status, 404, "{attempt}");
        asked.send().json()["detail"].as_str().unwrap().to_owned()
    };
    let mut first = follow(&door, &path, None);
    first.next_of("stdout");
    // Beyond its retries there will be none.
    assert!(refused(4).contains("max_retries of its job is 2"));
    refused(0);
    refused(u32::MAX);
    // One that may come is waited for.
    let (mut second, mut third) = (follow(&door, &of(2), None), follow(&door, &of(3), None));
    std::fs::write(place.path("1"), "").unwrap();
    let said = second.next().unwrap();
    assert_eq!((said.kind.as_str(), said.id.as_str()), ("stdout", "2:2"));
    let run = path.strip_suffix("/output").unwrap();
    assert_eq!(door.post(&format!("{run}/cancel")).status(), 202);
    assert_eq!(rest(&mut second), (vec![], "cancelled".to_owned()));
    let told = third.next().unwrap();
    assert_eq!(told.kind, "error");
    let detail = told.data["detail"].as_str().unwrap();
    assert!(
        detail.contains("no attempt 3, it has 2 attempts"),
        "{detail}"
    );
    assert!(third.next().is_none());
    // Of a run that is over, the same as without a stream.
    assert_eq!(refused(3), door.get(&of(3)).send().json()["detail"]);
}

#[test]
fn a_stream_ends_with_the_daemon() {
    let (_place, daemon, door) = start();
    let path = trigger(&door, "slow");
    let mut stream = follow(&door, &path, None);
    stream.next_of("stdout");
    let mut events = door.get("/api/v1/events").open();
    let stopped = std::thread::spawn(move || daemon.terminate());
    let (_, end) = rest(&mut stream);
    assert_eq!(end, "cancelled");
    while events.next().is_some() {}
    assert!(stopped.join().unwrap().success());
}

/// Waits until a run is over.
fn over(door: &Door, output: &str) {
    let mut stream = follow(door, output, None);
    stream.next_of("end");
}

#[test]
fn a_part_of_it_can_be_asked_for() {
    let place = Place::new("[jobs.ten]\nevery = \"1000d\"\nshell = \"printf 0123456789\"\n");
    let _daemon = place.start();
    let door = Door::Unix(place.path("punctual.sock"));
    let path = trigger(&door, "ten");
    over(&door, &path);
    let whole = door.get(&path).send();
    assert_eq!((whole.status, whole.text().as_str()), (200, "0123456789"));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let tag = whole.header("etag").unwrap().to_owned();
    let part = |range: &str| door.get(&path).with("Range", range).send();
    let middle = part("bytes=3-5");
    assert_eq!((middle.status, middle.text().as_str()), (206, "345"));
    assert_eq!(middle.header("content-range"), Some("bytes 3-5/10"));
    assert_eq!(middle.header("content-type"), whole.header("content-type"));
    assert_eq!(part("bytes=-2").text(), "89");
    assert_eq!(part("bytes=0-1,5-6").status, 200);
    let behind = part("bytes=10-");
    assert_eq!(behind.status, 416);
    assert_eq!(behind.header("content-range"), Some("bytes */10"));
    assert_eq!(behind.json()["type"], "urn:punctual:problem:no-such-range");
    // What the client has comes first, and a range means something with GET alone.
    let known = door.get(&path).with("Range", "bytes=10-");
    assert_eq!(known.with("If-None-Match", &tag).status(), 304);
    let head = door.ask("HEAD", &path).with("Range", "bytes=3-5");
    assert_eq!(head.status(), 200);
    let other = door
        .get(&path)
        .with("Range", "bytes=1-")
        .with("If-Range", "\"x\"");
    assert_eq!(other.send().status, 200);
    let same = door
        .get(&path)
        .with("Range", "bytes=1-")
        .with("If-Range", &tag);
    assert_eq!(same.send().text(), "123456789");
    let known = door.get(&path).with("If-None-Match", &tag).send();
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(known.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn a_tag_names_the_bytes_and_a_part_is_cut_from_them() {
    let (place, daemon, door) = start();
    let (slow, much) = (trigger(&door, "slow"), trigger(&door, "much"));
    let tag_of = |door: &Door, path: &str| {
        let answer = door.get(path).send();
        assert_eq!(answer.status, 200, "{path}");
        (answer.header("etag").unwrap().to_owned(), answer.body)
    };

    // While it runs, a tag holds until more is printed.
    follow(&door, &slow, None).next_of("stdout");
    let (first, body) = tag_of(&door, &slow);
    assert_eq!(body, b"one\n");
    assert_eq!(tag_of(&door, &slow).0, first);
    let rest = |tag: &str| {
        let asked = door.get(&slow).with("Range", "bytes=4-");
        asked.with("If-Range", tag).send()
    };
    assert_eq!(rest(&first).status, 416, "there is no more");
    std::fs::write(place.path("go"), "").unwrap();
    over(&door, &slow);
    let (second, body) = tag_of(&door, &slow);
    assert_ne!(second, first);
    assert_eq!(body, b"one\ntwo \xff\n");
    assert_eq!((rest(&first).status, rest(&second).status), (200, 206));
    assert_eq!(rest(&second).body, b"two \xff\n");

    // Each stream has its own, and every part is that of the whole, around what was left out, too.
    over(&door, &much);
    let (whole_tag, whole) = tag_of(&door, &much);
    assert!(whole.len() > 100_000 && whole.len() < 100_100);
    let streams = ["stdout", "stderr"].map(|stream| {
        let (tag, body) = tag_of(&door, &format!("{much}?stream={stream}"));
        (tag, body.len())
    });
    assert_eq!(streams.each_ref().map(|of| of.1), [whole.len(), 0]);
    assert!(streams[0].0 != streams[1].0 && streams.iter().all(|of| of.0 != whole_tag));
    for range in [0..1, 49_990..50_010, 50_001..50_001 + 60, 50_003..99_000] {
        let wanted = format!("bytes={}-{}", range.start, range.end - 1);
        let part = door.get(&much).with("Range", &wanted).send();
        assert_eq!(
            (part.status, &part.body[..]),
            (206, &whole[range]),
            "{wanted}"
        );
    }
    let head = door.ask("HEAD", &much).send();
    let length = whole.len().to_string();
    assert_eq!(head.header("content-length"), Some(length.as_str()));
    assert_eq!(
        (head.header("etag"), head.body.len()),
        (Some(&*whole_tag), 0)
    );

    // What is over has the same tag in the next life.
    assert!(daemon.terminate().success());
    let _daemon = place.start();
    assert_eq!(tag_of(&door, &much), (whole_tag, whole));
    assert_eq!(tag_of(&door, &slow).0, second);
}

/// The most memory that a daemon had at once, in KiB.
fn most_memory(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_small_part_of_large_output_is_read_without_the_rest() {
    let place = Place::new(
        "[jobs.large]\nevery = \"1000d\"\nshell = \"head -c 100000000 /dev/zero\"\n\
         output = { max_bytes = \"100MB\" }\n",
    );
    let daemon = place.start();
    let door = Door::Unix(place.path("punctual.sock"));
    let path = trigger(&door, "large");
    door.ended(path.strip_suffix("/output").unwrap());
    // The life that captured it had all of it in memory.
    assert!(daemon.terminate().success());
    let daemon = place.start();
    let part = |range: &str| door.get(&path).with("Range", range).send();
    for range in ["bytes=0-0", "bytes=-1", "bytes=60000000-60000000"] {
        assert_eq!(
            (part(range).status, part(range).body.len()),
            (206, 1),
            "{range}"
        );
    }
    assert_eq!(part("bytes=100000000-").status, 416);
    let head = door.ask("HEAD", &path).send();
    assert_eq!(head.header("content-length"), Some("100000000"));
    let tag = head.header("etag").unwrap();
    let known = door.get(&path).with("If-None-Match", tag).send();
    assert_eq!(known.status, 304);
    // Who has all of it is told the end, and nothing is read.
    let told = rest(&mut follow(&door, &path, Some("1:100000000")));
    assert_eq!(told, (vec![], "succeeded".to_owned()));
    let most = most_memory(&daemon);
    assert!(most < 90_000, "{most} KiB");
}

#[test]
fn what_a_client_has_is_not_sent_again_until_it_changes() {
    let place = Place::new("[jobs.rare]\nevery = \"1000d\"\nshell = \"true\"\n");
    let _daemon = place.start();
    let door = Door::Unix(place.path("punctual.sock"));
    let list = "/api/v1/jobs?limit=5";
    let first = door.get(list).send();
    let tag = first.header("etag").unwrap().to_owned();
    let again = |tag: &str| door.get(list).with("If-None-Match", tag).send();
    assert_eq!((again(&tag).status, again(&tag).body.len()), (304, 0));
    let paused = door.post("/api/v1/jobs/rare/pause").send();
    assert_eq!(paused.status, 200);
    assert_eq!(paused.header("etag"), None, "only what is read has one");
    let changed = again(&tag);
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(tag.as_str()));
}
