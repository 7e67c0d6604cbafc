//! What a process prints.

use punctual::job::{AttemptEnd, KeepOutput, OutputLimits, StopCause, Value};
use punctual::runner::Stream;

use crate::desk::{desk, launch, run, shell};

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

#[test]
fn both_streams_are_kept_apart_and_together() {
    let ended = run(shell("echo out; echo err >&2"));
    assert_eq!(ended.output.render(Some(Stream::Stdout)), b"out\n");
    assert_eq!(ended.output.render(Some(Stream::Stderr)), b"err\n");
    assert_eq!(ended.output.total_bytes, 8);
}

#[test]
fn any_bytes_are_kept_as_they_are() {
    let ended = run(shell("printf '\\377\\376\\000\\033[31mred\\200'"));
    assert_eq!(ended.output.bytes, b"\xff\xfe\0\x1b[31mred\x80");
}

#[test]
fn a_flood_costs_bounded_memory_and_starves_nobody() {
    let mut flood = shell("head -c 1000000000 /dev/zero; echo the end");
    flood.output = OutputLimits {
        max_bytes: 100_000,
        keep: KeepOutput::Both,
    };
    let before = resident();
    let floods: Vec<_> = (0..2).map(|_| launch(flood.clone())).collect();
    let quick = run(shell("echo quick"));
    assert_eq!(quick.text(), "quick\n");
    for flood in floods {
        let ended = flood.end();
        assert_eq!(ended.end, AttemptEnd::Exited { code: 0, ok: true });
        assert_eq!(ended.output.bytes.len(), 100_000);
        assert_eq!(ended.output.total_bytes, 1_000_000_008);
        assert_eq!(ended.output.left_out.stdout, 999_900_008);
        assert!(ended.output.bytes.ends_with(b"\0the end\n"));
    }
    // Other tests run beside this one; a flood kept whole would be 1 GB.
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown}");
}

#[test]
fn a_flood_can_be_stopped() {
    let running = launch(shell("yes"));
    running.says("y\ny\n");
    desk().runner.stop(running.run, 1, StopCause::Requested);
    let end = running.end().end;
    assert!(matches!(end, AttemptEnd::Stopped { .. }), "{end:?}");
}

#[test]
fn output_is_seen_while_it_runs() {
    let running = launch(shell("echo early; exec sleep 1000"));
    running.says("early\n");
    desk().runner.stop(running.run, 1, StopCause::Requested);
    assert_eq!(running.end().text(), "early\n");
    assert!(
        desk()
            .runner
            .live_output(crate::desk::new_run(), 1)
            .is_none()
    );
}

#[test]
fn a_process_that_closes_its_pipes_goes_on() {
    let ended = run(shell("echo said; exec >&- 2>&-; sleep 0.05; exit 9"));
    assert_eq!(ended.end, AttemptEnd::Exited { code: 9, ok: false });
    assert_eq!(ended.text(), "said\n");
}

#[test]
fn secrets_do_not_show_even_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "hunter22\n").unwrap();
    let line = "printf 'whole '; echo $KEY; printf 'pieces hunt'; sleep 0.05; echo er22; \
                echo $KEY >&2";
    let mut process = shell(line);
    process.env = [("KEY".to_owned(), Value::File(file))].into();
    let ended = run(process);
    assert_eq!(
        ended.output.render(Some(Stream::Stdout)),
        b"whole ***\npieces ***\n"
    );
    assert_eq!(ended.output.render(Some(Stream::Stderr)), b"***\n");
}
