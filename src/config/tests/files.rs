//! Files on a disk: `conf.d`, bounds, rights.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A folder with the given files.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn load_in(folder: &tempfile::TempDir) -> Result<Config, Report> {
    load(&folder.path().join("config.toml"), &ordinary())
}

#[track_caller]
fn refused(folder: &tempfile::TempDir) -> Vec<LocatedProblem> {
    load_in(folder)
        .map(drop)
        .expect_err("this ought to be refused")
        .problems()
}

const A: &[u8] = b"[jobs.a]\nevery = '1h'\nshell = 'a'\n";
const B: &[u8] = b"[jobs.b]\nevery = '1h'\nshell = 'b'\npool = 'p'\n";

#[test]
fn conf_d_is_read_in_name_order() {
    let folder = folder(&[
        ("config.toml", A),
        ("conf.d/10-b.toml", B),
        (
            "conf.d/20-pools.toml",
            b"[pools.p]\nslots = 2\n[defaults]\ntimeout = '1m'\n",
        ),
        ("conf.d/.hidden.toml", b"not read"),
        ("conf.d/notes.txt", b"not read"),
        ("conf.d/sub/c.toml", b"not read"),
    ]);
    let config = load_in(&folder).unwrap();
    assert_eq!(config.jobs.len(), 2);
    assert_eq!(config.pools["p"].slots, 2);
    assert_eq!(config.jobs["a"].shown["timeout"], "1m");
}

#[test]
fn a_name_in_two_files_names_both_places() {
    let folder = folder(&[
        ("config.toml", A),
        ("conf.d/1.toml", A),
        ("conf.d/2.toml", b"[pools.x]\n[pools.default]\n"),
        ("conf.d/3.toml", b"[pools.x]\n"),
    ]);
    let report = load_in(&folder).unwrap_err();
    let problems = report.problems();
    let said: Vec<_> = problems
        .iter()
        .map(|problem| problem.message.as_str())
        .collect();
    assert_eq!(
        said,
        [
            "[jobs.a] stands here a second time",
            "[pools.x] stands here a second time"
        ]
    );
    assert_eq!(problems[0].file, folder.path().join("conf.d/1.toml"));
    assert_eq!((problems[0].line, problems[0].column), (Some(1), Some(7)));
    let text = report.to_string();
    assert!(
        text.contains("/conf.d/1.toml:1:7") && text.contains("/config.toml:1:7"),
        "{text}"
    );
}

#[test]
fn a_setting_stands_once_over_all_files() {
    let folder = folder(&[
        (
            "config.toml",
            b"[server]\nauth = 'token'\n[store.retention]\nmax_age = '1d'\n",
        ),
        (
            "conf.d/1.toml",
            b"[server]\nlisten = []\nauth = 'token'\n[store]\nurl = 'sqlite:x'\n",
        ),
        (
            "conf.d/2.toml",
            b"[store.retention]\nmax_age = '1d'\nmax_runs_per_job = 3\n",
        ),
    ]);
    let said: Vec<_> = refused(&folder)
        .into_iter()
        .map(|problem| problem.message)
        .collect();
    assert_eq!(
        said,
        [
            "`auth` of [server] stands in two files",
            "`max_age` of [store.retention] stands in two files"
        ]
    );
}

#[test]
fn errors_of_all_files_come_at_once_in_their_order() {
    let folder = folder(&[
        ("config.toml", b"x = 1\n"),
        ("conf.d/a.toml", b"= broken\n"),
        ("conf.d/b.toml", b"[jobs.A]\nevery = '1h'\nshell = 'true'\n"),
    ]);
    let files: Vec<_> = refused(&folder)
        .into_iter()
        .map(|problem| problem.file)
        .collect();
    let path = |name| folder.path().join(name);
    assert_eq!(
        files,
        [
            path("config.toml"),
            path("conf.d/a.toml"),
            path("conf.d/b.toml")
        ]
    );
}

#[test]
fn what_cannot_be_read_is_told() {
    let none = folder(&[]);
    assert!(
        refused(&none)[0]
            .message
            .starts_with("cannot read this file: No such file")
    );

    let folder_for_file = folder(&[("config.toml/x", b"")]);
    assert_eq!(refused(&folder_for_file)[0].message, "this is not a file");

    let latin = folder(&[("config.toml", b"# ok\n# a caf\xe9\n")]);
    let problem = &refused(&latin)[0];
    assert_eq!(problem.message, "this is not UTF-8 text");
    assert_eq!((problem.line, problem.column), (Some(2), Some(8)));
}

#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let folder = folder(&[]);
    let path = folder.path().join("config.toml");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert_eq!(refused(&folder)[0].message, "this is not a file");
}

#[test]
fn files_are_bounded() {
    let full = vec![b'#'; 4 << 20];
    let over = vec![b'#'; (4 << 20) + 1];
    load_in(&folder(&[("config.toml", &full)])).unwrap();
    let problem = &refused(&folder(&[("config.toml", &over)]))[0];
    assert_eq!(
        problem.message,
        "this file is larger than 4 MiB, the most that is read"
    );
    let five = folder(&[
        ("config.toml", &full),
        ("conf.d/1.toml", &full),
        ("conf.d/2.toml", &full),
        ("conf.d/3.toml", &full),
        ("conf.d/4.toml", b"#"),
    ]);
    let problem = &refused(&five)[0];
    assert!(
        problem.message.contains("larger than 16 MiB"),
        "{}",
        problem.message
    );
    assert_eq!(problem.file, five.path().join("conf.d/4.toml"));
}

#[test]
fn root_refuses_what_others_may_write() {
    let folder = folder(&[("config.toml", A), ("conf.d/b.toml", b"")]);
    let root = Environment {
        euid: 0,
        ..ordinary()
    };
    let config = folder.path().join("config.toml");
    let problems = |()| match load(&config, &root) {
        Ok(_) => Vec::new(),
        Err(report) => report
            .problems()
            .into_iter()
            .map(|problem| problem.file)
            .collect(),
    };
    // Who runs the tests decides whether the files are root's. Of a way, the first that is not is told.
    let foreign = !problems(()).is_empty();
    for name in ["", "config.toml", "conf.d", "conf.d/b.toml"] {
        let path = folder.path().join(name);
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, PermissionsExt::from_mode(before.mode() | 0o020)).unwrap();
        let found: Vec<PathBuf> = problems(());
        assert!(
            found.contains(&folder.path().join(name)) || foreign,
            "{name}: {found:?}"
        );
        assert!(foreign || found.len() == 1, "{found:?}");
        assert!(load(&config, &ordinary()).is_ok());
        fs::set_permissions(&path, before).unwrap();
    }
    // Nobody needs to replace a file of conf.d: another one is enough.
    let jobs = folder.path().join("conf.d");
    fs::set_permissions(&jobs, PermissionsExt::from_mode(0o1777)).unwrap();
    let found: Vec<PathBuf> = problems(());
    assert!(found.contains(&jobs) || foreign, "{found:?}");
    fs::set_permissions(&jobs, PermissionsExt::from_mode(0o755)).unwrap();

    // A link into a folder of everybody.
    let tmp = folder.path().join("tmp");
    fs::create_dir(&tmp).unwrap();
    fs::write(tmp.join("c.toml"), "").unwrap();
    fs::set_permissions(&tmp, PermissionsExt::from_mode(0o1777)).unwrap();
    std::os::unix::fs::symlink("../tmp/c.toml", jobs.join("c.toml")).unwrap();
    let found: Vec<PathBuf> = problems(());
    assert!(found.contains(&tmp) || foreign, "{found:?}");
}
