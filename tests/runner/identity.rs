//! As whom a process runs, and what it has otherwise than the daemon. Most of it needs root.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use punctual::config::{Accounts, Member};
use punctual::job::{AttemptEnd, CommandLine, Ids, Process, Terms};
use rustix::process::Resource;

use crate::desk::{alive_of, command, launch, lives, numbers, run, shell, until};

/// Who is root can become anybody. A test that cannot is no proof, and says so.
fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        let name = std::thread::current().name().unwrap_or("?").to_owned();
        eprintln!("NOT TESTED: {name} needs root");
    }
    is_root
}

/// A user that every system has, without rights.
fn nobody() -> Member {
    Accounts::System.user("nobody").unwrap().unwrap()
}

/// Has a process run as nobody, with two groups more than their own.
fn as_nobody(mut process: Process) -> Process {
    let member = nobody();
    let mut groups = member.groups;
    groups.extend([1, 6]);
    process.terms = Terms {
        user: Some(member.account),
        ids: Some(Ids {
            user: member.id,
            group: member.group,
            groups,
        }),
        ..Terms::default()
    };
    process
}

fn with(mut process: Process, terms: Terms) -> Process {
    process.terms = terms;
    process
}

#[track_caller]
fn refusal(process: Process) -> String {
    let ended = run(process);
    assert!(!ended.started);
    let AttemptEnd::NotStarted(why) = ended.end else {
        panic!("it started: {ended:?}");
    };
    why
}

/// A folder that anybody may enter, whatever the umask.
fn open_folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

#[test]
fn it_has_the_ids_and_groups_of_its_user_and_no_others() {
    if !is_root() {
        return;
    }
    let text = run(as_nobody(shell("id -ru; id -u; id -rg; id -g; id -G"))).text();
    let (user, group) = (nobody().id.to_string(), nobody().group.to_string());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..4], [&user[..], &user, &group, &group]);
    let mut groups: Vec<&str> = lines[4].split(' ').collect();
    groups.sort_unstable();
    let mut expected = vec!["1", "6", &group];
    expected.sort_unstable();
    assert_eq!(groups, expected);
}

#[test]
fn what_it_gave_up_it_cannot_have_again() {
    if !is_root() {
        return;
    }
    let text = run(as_nobody(command(&["/bin/cat", "/proc/self/status"]))).text();
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let words = line.unwrap().split_whitespace();
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    // Real, effective, saved, and that of file systems.
    assert_eq!(of("Uid:"), vec![nobody().id.to_string(); 4]);
    assert_eq!(of("Gid:"), vec![nobody().group.to_string(); 4]);
    for set in ["CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(of(set), ["0000000000000000"], "{set}");
    }
    let tries = "setpriv --reuid 0 --clear-groups true 2>/dev/null && echo again; \
                 cat /etc/shadow 2>/dev/null && echo read; : > /etc/passwd; id -u";
    let ended = run(as_nobody(shell(tries)));
    let output = ended.text();
    assert!(
        !output.contains("again") && !output.contains("read"),
        "{output}"
    );
    assert!(output.contains("ermission denied"), "{output}");
}

#[test]
fn a_group_alone_leaves_the_user_as_it_is() {
    if !is_root() {
        return;
    }
    let ids = Ids {
        user: 0,
        group: 6,
        groups: vec![6],
    };
    let terms = Terms {
        ids: Some(ids),
        ..Terms::default()
    };
    let text = run(with(shell("id -u; id -g; id -G"), terms)).text();
    assert_eq!(text, "0\n6\n6\n");
}

#[test]
fn it_has_the_variables_of_its_user_and_env_goes_over_them() {
    if !is_root() {
        return;
    }
    let mut process = as_nobody(shell("echo $USER,$LOGNAME,$HOME,$SHELL"));
    let account = nobody().account;
    let (home, shell) = (account.home.display(), account.shell.display());
    assert_eq!(
        run(process.clone()).text(),
        format!("nobody,nobody,{home},{shell}\n")
    );
    process.inherit_env = true;
    assert_eq!(
        run(process.clone()).text(),
        format!("nobody,nobody,{home},{shell}\n")
    );
    let value = punctual::job::Value::Plain("/here".into());
    process.env = [("HOME".to_owned(), value)].into();
    assert_eq!(
        run(process).text(),
        format!("nobody,nobody,/here,{shell}\n")
    );
}

#[test]
fn the_environment_of_the_job_does_not_reach_the_stage() {
    // What the loader is asked for it writes to standard error: once, for the program itself.
    let mut process = with(
        command(&["/bin/echo", "done"]),
        Terms {
            umask: Some(0o22),
            ..Terms::default()
        },
    );
    let value = punctual::job::Value::Plain("statistics".into());
    process.env = [("LD_DEBUG".to_owned(), value)].into();
    let text = run(process).text();
    assert!(text.contains("done\n"), "{text}");
    let loaded: Vec<_> = text.matches("total startup time").collect();
    assert_eq!(loaded.len(), 1, "{text}");
}

#[test]
fn umask_niceness_and_open_files_are_those_of_the_job() {
    let own = rustix::process::getpriority_process(None).unwrap();
    let terms = Terms {
        umask: Some(0o027),
        nice: Some(own.max(10) + 1),
        open_files: Some(123),
        ..Terms::default()
    };
    let process = shell("umask; nice; ulimit -Sn; ulimit -Hn; exit 7");
    let ended = run(with(process.clone(), terms));
    let nice = own.max(10) + 1;
    assert_eq!(ended.text(), format!("0027\n{nice}\n123\n123\n"));
    assert_eq!(ended.end, AttemptEnd::Exited { code: 7, ok: false });
    // What the job does not say is as the daemon has it.
    let terms = Terms {
        umask: Some(0o077),
        ..Terms::default()
    };
    let text = run(with(process, terms)).text();
    let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
    let hard = hard.map_or("unlimited".into(), |hard| hard.to_string());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["0077", &own.to_string()]);
    assert_eq!(lines[3], hard);
}

#[test]
fn only_three_descriptors_reach_the_program() {
    // A descriptor that any process would inherit.
    let open = fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let terms = Terms {
        umask: Some(0o22),
        ..Terms::default()
    };
    let listing = run(with(command(&["/bin/ls", "/proc/self/fd"]), terms.clone())).text();
    // The fourth is what `ls` reads the folder by.
    assert_eq!(
        listing.split_whitespace().collect::<Vec<_>>(),
        ["0", "1", "2", "3"]
    );
    let masks = run(with(
        command(&["/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]),
        terms.clone(),
    ));
    let text = masks.text();
    let sets = text.split_whitespace().skip(1).step_by(2);
    let of_programs = !(0b11_u64 << 31);
    for set in sets {
        let set = u64::from_str_radix(set, 16).unwrap();
        assert_eq!(set & of_programs, 0, "{text}");
    }
    let mut process = with(
        shell("echo $$; cut -d' ' -f1,5,6 /proc/$$/stat; cat; echo problem >/dev/stderr"),
        terms,
    );
    process.stdin = Some("some text\n".to_owned());
    let text = run(process).text();
    let pid = text.lines().next().unwrap();
    assert!(text.contains(&format!("\n{pid} {pid} {pid}\n")), "{text}");
    assert!(
        text.contains("some text\n") && text.contains("problem\n"),
        "{text}"
    );
}

#[test]
fn another_user_may_open_its_own_output() {
    if !is_root() {
        return;
    }
    let mut process = as_nobody(shell(
        "echo o >/dev/stdout; echo e >/dev/stderr; cat /dev/stdin",
    ));
    process.stdin = Some("i".to_owned());
    let ended = run(process);
    assert_eq!(ended.end, AttemptEnd::Exited { code: 0, ok: true });
    let text = ended.text();
    assert!(
        ["o\n", "e\n", "i"].iter().all(|part| text.contains(part)),
        "{text}"
    );
}

#[test]
fn what_the_user_may_not_execute_or_enter_is_told() {
    if !is_root() {
        return;
    }
    let dir = open_folder();
    let program = dir.path().join("for-root");
    fs::write(&program, "#!/bin/sh\necho ran\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let name = program.to_str().unwrap();
    let why = refusal(as_nobody(command(&[name])));
    assert!(
        why.contains("for-root") && why.contains("executed by the user nobody"),
        "{why}"
    );
    // In PATH too, where root finds it.
    let mut found = as_nobody(command(&["for-root"]));
    let path = punctual::job::Value::Plain(dir.path().to_str().unwrap().to_owned());
    found.env = [("PATH".to_owned(), path)].into();
    assert!(refusal(found).contains("executed by the user nobody"));
    // Once they may, they do.
    chown(&program, Some(nobody().id), None).unwrap();
    assert_eq!(run(as_nobody(command(&[name]))).text(), "ran\n");

    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let mut process = as_nobody(command(&["/bin/pwd"]));
    process.working_dir = Some(closed.clone());
    let why = refusal(process.clone());
    assert!(
        why.contains("closed") && why.contains("entered by the user nobody"),
        "{why}"
    );
    chown(&closed, Some(nobody().id), None).unwrap();
    assert_eq!(run(process).text().trim_end(), closed.to_str().unwrap());
}

#[test]
fn what_is_missing_or_no_program_is_told_as_without_a_stage() {
    let terms = Terms {
        umask: Some(0o22),
        ..Terms::default()
    };
    let dir = open_folder();
    let text = dir.path().join("text");
    fs::write(&text, "echo no first line\n").unwrap();
    fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
    let orphan = dir.path().join("orphan");
    fs::write(&orphan, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&orphan, fs::Permissions::from_mode(0o755)).unwrap();
    let programs: [&Path; 4] = [Path::new("/no/such/program"), &text, &orphan, dir.path()];
    for program in programs {
        let plain = command(&[program.to_str().unwrap()]);
        let staged = with(plain.clone(), terms.clone());
        assert_eq!(refusal(staged), refusal(plain), "{}", program.display());
    }
    let mut plain = command(&["true"]);
    plain.working_dir = Some(dir.path().join("gone"));
    assert_eq!(refusal(with(plain.clone(), terms.clone())), refusal(plain));
    // More than the exec takes, and far more than a socket holds.
    let mut plain = command(&["true"]);
    if let CommandLine::Command(words) = &mut plain.command {
        words.extend(vec!["x".repeat(100_000); 100]);
    }
    assert_eq!(refusal(with(plain.clone(), terms)), refusal(plain));
}

#[test]
fn nothing_is_left_of_a_start_that_failed() {
    let terms = Terms {
        umask: Some(0o22),
        ..Terms::default()
    };
    let running = launch(with(command(&["/no/such/program"]), terms));
    assert!(matches!(running.end().end, AttemptEnd::NotStarted(_)));
    assert_eq!(alive_of(running.run), Vec::<u32>::new());
    let children = || {
        let own = fs::read_dir("/proc/self/task").unwrap().flatten();
        let lists = own.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let mut pids: Vec<String> = Vec::new();
        for list in lists {
            pids.extend(list.split_whitespace().map(str::to_owned));
        }
        pids
    };
    // Nor a zombie of the stage, which alone has no name of a program.
    let is_stage = |pid: &String| {
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains("(4) Z"))
    };
    assert!(!children().iter().any(is_stage));
}

#[test]
fn a_timeout_stops_the_whole_tree_of_another_user() {
    if !is_root() {
        return;
    }
    let mut process = as_nobody(shell(
        "(setsid sleep 1000 & echo pid=$!); sleep 1000 & echo pid=$!; echo pid=$$; wait",
    ));
    process.timeout = Some(Duration::from_secs(1));
    let running = launch(process);
    running.says("pid=");
    let ended = running.end();
    assert!(
        matches!(ended.end, AttemptEnd::TimedOut { .. }),
        "{ended:?}"
    );
    let pids = numbers(&ended.text(), "pid");
    assert_eq!(pids.len(), 3);
    until("their end", || !pids.iter().any(|&pid| lives(pid)));
    until("nothing of the run", || alive_of(running.run).is_empty());
}

#[test]
fn the_stage_is_not_for_people() {
    let program = env!("CARGO_BIN_EXE_punctual");
    let script = "exec -a punctual-stage \"$0\" 3>&- 4>&-";
    let called = Command::new("bash").args(["-c", script, program]).output();
    let called = called.expect("bash is there");
    assert_eq!(called.status.code(), Some(1));
    let said = String::from_utf8(called.stderr).unwrap();
    assert!(
        said.contains("for processes that a running daemon starts"),
        "{said}"
    );
}
