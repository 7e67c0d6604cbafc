//! HTTP jobs: what is read, and what is refused in which words.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::job::{Action, Expected, HttpCall, Method, Value};

fn call(text: &str) -> HttpCall {
    match only_job(text).action {
        Action::Http(call) => HttpCall::clone(&call),
        other @ Action::Process(_) => panic!("no request: {other:?}"),
    }
}

/// A job with this table.
fn job(http: &str) -> String {
    format!("[jobs.a]\nevery = '1m'\nhttp = {{ {http} }}\n")
}

const ORDINARY: &str = "url = 'http://a.example/'";

#[test]
fn a_request_is_read_whole() {
    let plain = call(&job(ORDINARY));
    assert_eq!(plain.method, Method::Get);
    assert_eq!(plain.url, Value::Plain("http://a.example/".into()));
    assert_eq!((plain.body, plain.expect_body), (None, None));
    assert_eq!(plain.expect_status, [Expected::Class(2)]);
    assert_eq!(plain.max_response_bytes, 65_536);
    assert_eq!(plain.timeout, Some(Duration::from_hours(1)));

    let whole = call(&job(
        "method = 'POST', url = { credential = 'hook' }, body = { file = 'body.json' }, \
         headers = { Authorization = { env = 'TOK' }, Accept = 'a/b' }, \
         expect_status = [200, '3xx', '4XX'], expect_body = 'ok', max_response_bytes = '1MiB'",
    ));
    assert_eq!(whole.method, Method::Post);
    assert_eq!(whole.url, Value::Credential("hook".into()));
    let file = Value::File("/etc/punctual/body.json".into());
    assert_eq!(whole.body, Some(file));
    let headers = [
        ("Authorization".to_owned(), Value::Env("TOK".into())),
        ("Accept".to_owned(), Value::Plain("a/b".into())),
    ];
    assert_eq!(whole.headers, BTreeMap::from(headers));
    let expected = [
        Expected::Status(200),
        Expected::Class(3),
        Expected::Class(4),
    ];
    assert_eq!(whole.expect_status, expected);
    assert_eq!(whole.expect_body.as_deref(), Some("ok"));
    assert_eq!(whole.max_response_bytes, 1 << 20);
    // The contract's own example.
    call(&job(
        "method = \"GET\", url = \"https://example.org/health\", \
         headers = { Authorization = { env = \"TOK\" } }, body = \"\", expect_status = [200], \
         expect_body = \"ok\", max_response_bytes = \"64KiB\"",
    ));
}

#[test]
fn what_no_request_can_be_is_refused_at_its_place() {
    for (http, said) in [
        ("", "`http` needs a `url`"),
        (
            "url = 'a.example'",
            "`url`: an address begins with http:// or https://",
        ),
        (
            "url = 'ftp://a'",
            "`url`: an address begins with http:// or https://",
        ),
        (
            "url = 'http://'",
            "`url`: it is no well-formed address, such as https://example.org:8443/path?query; a host that is not ASCII stands there as punycode (xn--…)",
        ),
        (
            "url = 'http://ann:pw@a/'",
            "`url`: a name or password before the host would be shown with it; send an `Authorization` header, whose value is a secret",
        ),
        (
            "url = 'http://a/#b'",
            "`url`: what stands behind '#' is never sent; remove it, or write %23 for the character",
        ),
        (
            "url = 'http://a', method = 'get'",
            "`method` is one of \"GET\", \"HEAD\", \"POST\", \"PUT\", \"PATCH\", \"DELETE\", \"OPTIONS\"",
        ),
        (
            "url = 'http://a', method = 'TRACE'",
            "`method` is one of \"GET\", \"HEAD\", \"POST\", \"PUT\", \"PATCH\", \"DELETE\", \"OPTIONS\"",
        ),
        (
            "url = 'http://a', headers = { host = 'b' }",
            "the header \"host\" follows from the request; remove it",
        ),
        (
            "url = 'http://a', headers = { Content-Length = '1' }",
            "the header \"Content-Length\" follows from the request; remove it",
        ),
        (
            "url = 'http://a', headers = { Punctual-Job = 'b' }",
            "headers that begin with Punctual- are set by punctual itself; name \"Punctual-Job\" otherwise",
        ),
        (
            "url = 'http://a', headers = { 'a b' = 'c' }",
            "\"a b\" is no header's name",
        ),
        (
            "url = 'http://a', headers = { A = 'b', a = 'c' }",
            "the header \"a\" stands here a second time",
        ),
        (
            "url = 'http://a', headers = { A = \"b\\r\\nC: d\" }",
            "the value of \"A\" holds a character that no header can carry",
        ),
        (
            "url = 'http://a', headers = { A = { en = 'B' } }",
            "unknown key `en` in [jobs.a.http.headers.A]",
        ),
        (
            "url = 'http://a', expect_status = []",
            "`expect_status` has 1 to 100 statuses",
        ),
        (
            "url = 'http://a', expect_status = 200",
            "`expect_status` is a list such as [200, 204] or [\"2xx\"], not a number",
        ),
        (
            "url = 'http://a', expect_status = [100]",
            "a status is a number between 200 and 599, or one of \"2xx\", \"3xx\", \"4xx\", \"5xx\"",
        ),
        (
            "url = 'http://a', expect_status = ['20x']",
            "a status is a number between 200 and 599, or one of \"2xx\", \"3xx\", \"4xx\", \"5xx\"",
        ),
        (
            "url = 'http://a', expect_body = ''",
            "`expect_body` is a text of 1 byte to 8 KiB",
        ),
        (
            "url = 'http://a', method = 'HEAD', expect_body = 'x'",
            "the answer to a HEAD has no body; remove `expect_body`, or use GET",
        ),
        (
            "url = 'http://a', max_response_bytes = '65MiB'",
            "`max_response_bytes` lies between 1B and 64MiB",
        ),
        (
            "url = 'http://a', timeout = '1s'",
            "unknown key `timeout` in [jobs.a.http]",
        ),
    ] {
        let found = messages(&job(http));
        assert!(
            found.iter().any(|message| message == said),
            "{http}: {found:#?}"
        );
    }
}

#[test]
fn what_is_about_processes_is_refused_beside_it() {
    for line in [
        "working_dir = '/'",
        "env = { A = 'b' }",
        "env_file = 'a'",
        "inherit_env = true",
        "stdin = 'a'",
        "success_exit_codes = [1]",
        "kill_signal = 'TERM'",
        "kill_timeout = '1s'",
    ] {
        let (key, _) = line.split_once(' ').unwrap();
        let said = format!("`{key}` is about a process, and a job with `http` has none");
        assert_eq!(messages(&(job(ORDINARY) + line)), [said]);
    }
    let said = "`on_exit_codes` is about a process, and a job with `http` has no exit codes";
    assert_eq!(
        messages(&(job(ORDINARY) + "retry = { on_exit_codes = [1] }")),
        [said]
    );
    let said = "`http` cannot stand beside `command`";
    assert_eq!(messages(&(job(ORDINARY) + "command = ['a']")), [said]);
}

#[test]
fn what_the_defaults_say_of_processes_is_not_applied() {
    let text = format!(
        "[defaults]\nworking_dir = '/'\nenv = {{ A = 'b' }}\ntimeout = '5s'\n\
         retry = {{ max_retries = 2, on_exit_codes = [75] }}\noutput.max_bytes = '1KiB'\n{}",
        job(ORDINARY)
    );
    let plan = only_job(&text);
    assert_eq!(plan.retry.max_retries, 2);
    assert_eq!(plan.retry.on_exit_codes, Vec::<i32>::new());
    assert!(plan.shown.get("env").is_none() && plan.shown.get("working_dir").is_none());
    let call = call(&text);
    assert_eq!(call.timeout, Some(Duration::from_secs(5)));
    assert_eq!(call.output.max_bytes, 1024);
    // Nor does an action of the job's own leave anything of one of the defaults.
    let text =
        format!("[defaults]\nhttp = {{ {ORDINARY} }}\n[jobs.a]\nevery = '1m'\nshell = ':'\n");
    let plan = only_job(&text);
    assert!(matches!(plan.action, Action::Process(_)));
    assert!(plan.shown.get("http").is_none());
    // One of the defaults is a job's like any other.
    let text = format!("[defaults]\nhttp = {{ {ORDINARY} }}\n[jobs.a]\nevery = '1m'\n");
    assert!(matches!(only_job(&text).action, Action::Http(_)));
}

#[test]
fn the_words_of_others_lead_to_the_keys_of_a_request() {
    for (theirs, ours) in [
        ("uri", "url"),
        ("verb", "method"),
        ("payload", "body"),
        ("statusCode", "expect_status"),
        ("contains", "expect_body"),
    ] {
        let text = job(&format!("{ORDINARY}, {theirs} = 'x'"));
        let report = read(&text).map(drop).unwrap_err().to_string();
        let help = format!("did you mean `{ours}`?");
        assert!(report.contains(&help), "{theirs}: {report}");
    }
}
