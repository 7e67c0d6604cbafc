//! `punctual audit` against the real daemon.

use std::process::{Command, Output};

use rusqlite::Connection;
use serde_json::Value;

use super::api::Api;
use super::daemon::wait_until;
use super::http::Door;

pub fn audit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_punctual"))
        .arg("audit")
        .args(arguments)
        .env_remove("PUNCTUAL_SERVER")
        .env_remove("PUNCTUAL_TOKEN")
        .env_remove("PUNCTUAL_TOKEN_FILE")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn it_proves_the_account_and_finds_what_is_amiss() {
    let api = Api::start("token");
    let server = format!("unix:{}", api.place.path("punctual.sock").display());
    wait_until("some beats", || {
        let runs = api.unix.get("/api/v1/runs?job=beat&status=succeeded").ok();
        (runs["items"].as_array().unwrap().len() >= 5).then_some(())
    });
    let whole = audit(&["--server", &server]);
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    let said = text(&whole.stdout);
    assert!(
        said.starts_with("account whole: ") && said.contains(" of 4 jobs, from "),
        "{said}"
    );

    let ledger = Connection::open(api.place.path("state/punctual.db")).unwrap();
    ledger.busy_timeout(super::daemon::PATIENCE).unwrap();
    let removed = ledger.execute(
        "DELETE FROM runs WHERE seq = (SELECT min(seq) FROM runs WHERE status = 'succeeded')",
        [],
    );
    assert_eq!(removed.unwrap(), 1);
    let found = audit(&["--server", &server, "--job", "beat"]);
    assert_eq!(found.status.code(), Some(1), "{found:?}");
    let said = text(&found.stdout);
    assert!(
        said.contains("no row has this instant") && said.contains("1 problem in"),
        "{said}"
    );

    let json = audit(&["--server", &server, "--json"]);
    assert_eq!(json.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&report["clean"], &report["total_problems"]),
        (&false.into(), &1.into())
    );
    assert_eq!(report["problems"][0]["problem"], "missing");
    assert_eq!(report["problems"][0]["job"], "beat");
}

#[test]
fn its_exit_code_tells_what_went_wrong() {
    let api = Api::start("token");
    let Door::Tcp(address) = &api.tcp else {
        unreachable!("it is the door of TCP")
    };
    let server = format!("http://{address}");
    let folder = api.place.folder.path().to_owned();
    let token = folder.join("token");
    let file = token.to_str().unwrap();

    let anonymous = audit(&["--server", &server]);
    assert_eq!(anonymous.status.code(), Some(4), "{anonymous:?}");
    assert!(
        text(&anonymous.stderr).contains("[[server.tokens]]"),
        "{anonymous:?}"
    );
    std::fs::write(&token, "viewer-secret\n").unwrap();
    let known = audit(&["--server", &server, "--token-file", file, "--since", "1h"]);
    assert_eq!(known.status.code(), Some(0), "{known:?}");
    std::fs::write(&token, "wrong").unwrap();
    let unknown = audit(&["--server", &server, "--token-file", file]);
    assert_eq!(unknown.status.code(), Some(4), "{unknown:?}");
    let no_job = audit(&["--server", &server, "--token-file", file, "--job", "UPPER"]);
    assert_eq!(no_job.status.code(), Some(2), "{no_job:?}");
    for (server, code) in [("https://localhost", 2), ("unix:/nowhere/punctual.sock", 3)] {
        let failed = audit(&["--server", server]);
        assert_eq!(failed.status.code(), Some(code), "{failed:?}");
        assert_eq!(text(&failed.stderr).lines().count(), 1, "{failed:?}");
    }
    std::fs::write(&token, "viewer-secret").unwrap();
    let nothing = audit(&[
        "--server",
        &server,
        "--token-file",
        file,
        "--job",
        "nothing",
    ]);
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
    assert!(
        text(&nothing.stderr).contains("there is no job nothing"),
        "{nothing:?}"
    );
}
