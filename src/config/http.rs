//! `http`: what a request is, and which answers please it.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};

use super::Ground;
use super::action::PROCESS_KEYS;
use super::fields::Fields;
use super::report::{Complaints, Problem};
use super::tree::{Node, Table, Written};
use super::{secret, value, words};
use crate::job::{Expected, HttpCall, Method, OutputLimits, Retry, Value, address};

/// The most headers, and the most statuses.
const MAX_LIST: usize = 100;

/// The longest address, header and expected text, in bytes.
const MAX_LINE: usize = 8 * 1024;

/// The longest body, in bytes.
const MAX_BODY: usize = 1 << 20;

/// Headers that belong to the connection, or follow from the address and the body.
const NOT_YOURS: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
];

/// Reads the table.
pub(super) fn read(
    node: &Node,
    timeout: Option<Duration>,
    output: OutputLimits,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> Option<HttpCall> {
    let Written::Table(table) = &node.value else {
        value::mistaken(node, "`http` is a table", complaints);
        return None;
    };
    let mut fields = Fields::over(vec![table]);
    let url = url(table, &mut fields, ground, complaints);
    let method = fields.choice("method", &Method::ALL, complaints);
    let headers = headers(&mut fields, ground, complaints);
    let body = body(&mut fields, ground, complaints);
    let expected = fields.node("expect_status");
    let expected = expected.and_then(|node| statuses(node, complaints));
    let expect_body = expect_body(method, &mut fields, complaints);
    let most = fields.size("max_response_bytes", &(1..=64 << 20), complaints);
    fields.finish(complaints);
    Some(HttpCall {
        method: method.unwrap_or(Method::Get),
        url: url?,
        headers,
        body,
        expect_status: expected.unwrap_or_else(|| vec![Expected::Class(2)]),
        expect_body,
        max_response_bytes: most.unwrap_or(64 << 10),
        timeout,
        output,
    })
}

/// Complains about what the job itself says of a process that it does not have. What the defaults
/// say of all jobs is not applied to this one.
pub(super) fn refuse_process_keys(fields: &mut Fields<'_>, complaints: &mut Complaints) {
    for key in PROCESS_KEYS {
        if let Some(node) = fields.own(key) {
            complaints.error(
                Problem::at(
                    node.key,
                    format!("`{key}` is about a process, and a job with `http` has none"),
                )
                .help("remove it"),
            );
        }
    }
}

/// The same of exit codes to retry after.
pub(super) fn refuse_exit_codes(
    retry: &mut Retry,
    fields: &mut Fields<'_>,
    complaints: &mut Complaints,
) {
    retry.on_exit_codes.clear();
    if let Some(node) = fields.own("retry")
        && let Written::Table(table) = &node.value
        && let Some(codes) = table.entries.get("on_exit_codes")
    {
        complaints.error(
            Problem::at(
                codes.key,
                "`on_exit_codes` is about a process, and a job with `http` has no exit codes",
            )
            .help("remove it; `expect_status` says which answers are failures"),
        );
    }
}

fn url(
    table: &Table,
    fields: &mut Fields<'_>,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> Option<Value> {
    let Some(node) = fields.node("url") else {
        let problem = Problem::at(table.place, "`http` needs a `url`");
        complaints.doubtful(problem.help("such as `url = \"https://example.org/health\"`"));
        return None;
    };
    let url = secret::located("url", node, ground, complaints)?;
    if let Value::Plain(text) = &url {
        let why = match address(text) {
            Ok(_) if text.len() > MAX_LINE => Some("it is longer than 8 KiB".to_owned()),
            Ok(_) => None,
            Err(why) => Some(why.to_string()),
        };
        if let Some(why) = why {
            complaints.error(Problem::at(node.place, format!("`url`: {why}")));
            return None;
        }
    }
    Some(url)
}

fn headers(
    fields: &mut Fields<'_>,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> BTreeMap<String, Value> {
    let mut headers = BTreeMap::new();
    let Some(written) = fields.table("headers", complaints) else {
        return headers;
    };
    for (name, node) in written.named() {
        let Some(value) = secret::located(name, node, ground, complaints) else {
            continue;
        };
        if let Some(why) = refusal(name, &value, &headers) {
            complaints.error(Problem::at(node.key, why));
        } else {
            headers.insert(name.to_owned(), value);
        }
    }
    headers
}

/// Why a header is not taken.
fn refusal(name: &str, value: &Value, others: &BTreeMap<String, Value>) -> Option<String> {
    let quoted = words::quoted(name);
    let lower = name.to_ascii_lowercase();
    if HeaderName::from_bytes(name.as_bytes()).is_err() || name.len() > MAX_LINE {
        return Some(format!("{quoted} is no header's name"));
    }
    if NOT_YOURS.contains(&lower.as_str()) {
        return Some(format!(
            "the header {quoted} follows from the request; remove it"
        ));
    }
    if lower.starts_with("punctual-") {
        return Some(format!(
            "headers that begin with Punctual- are set by punctual itself; name {quoted} otherwise"
        ));
    }
    if others.keys().any(|other| other.eq_ignore_ascii_case(name)) {
        return Some(format!("the header {quoted} stands here a second time"));
    }
    if others.len() >= MAX_LIST {
        return Some(format!("a request has at most {MAX_LIST} headers"));
    }
    match value {
        Value::Plain(text) if text.len() > MAX_LINE => {
            Some(format!("the value of {quoted} is longer than 8 KiB"))
        }
        Value::Plain(text) if HeaderValue::from_bytes(text.as_bytes()).is_err() => Some(format!(
            "the value of {quoted} holds a character that no header can carry"
        )),
        _ => None,
    }
}

fn body(
    fields: &mut Fields<'_>,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> Option<Value> {
    let node = fields.node("body")?;
    let body = secret::located("body", node, ground, complaints)?;
    match &body {
        Value::Plain(text) if text.is_empty() => None,
        Value::Plain(text) if text.len() > MAX_BODY => {
            complaints.error(Problem::at(node.place, "`body` has at most 1 MiB"));
            None
        }
        _ => Some(body),
    }
}

/// A list of statuses, and of classes of them.
fn statuses(node: &Node, complaints: &mut Complaints) -> Option<Vec<Expected>> {
    let Written::List(items) = &node.value else {
        let sentence = "`expect_status` is a list such as [200, 204] or [\"2xx\"]";
        value::mistaken(node, sentence, complaints);
        return None;
    };
    if items.is_empty() || items.len() > MAX_LIST {
        let sentence = format!("`expect_status` has 1 to {MAX_LIST} statuses");
        complaints.error(Problem::at(node.place, sentence));
        return None;
    }
    let read: Vec<_> = items
        .iter()
        .filter_map(|item| status(item, complaints))
        .collect();
    (read.len() == items.len()).then_some(read)
}

fn status(item: &Node, complaints: &mut Complaints) -> Option<Expected> {
    let classes = ["2xx", "3xx", "4xx", "5xx"];
    let read = match &item.value {
        Written::Whole(Some(number)) => u16::try_from(*number)
            .ok()
            .filter(|status| (200..=599).contains(status))
            .map(Expected::Status),
        Written::Text(text) => classes
            .iter()
            .zip(2..)
            .find(|(class, _)| text.eq_ignore_ascii_case(class))
            .map(|(_, digit)| Expected::Class(digit)),
        _ => None,
    };
    if read.is_none() {
        complaints.error(Problem::at(
            item.place,
            "a status is a number between 200 and 599, or one of \"2xx\", \"3xx\", \"4xx\", \"5xx\"",
        ));
    }
    read
}

fn expect_body(
    method: Option<Method>,
    fields: &mut Fields<'_>,
    complaints: &mut Complaints,
) -> Option<String> {
    let text = fields.text("expect_body", complaints)?;
    let node = fields.node("expect_body")?;
    let why = if text.is_empty() || text.len() > MAX_LINE {
        "`expect_body` is a text of 1 byte to 8 KiB"
    } else if method == Some(Method::Head) {
        "the answer to a HEAD has no body; remove `expect_body`, or use GET"
    } else {
        return Some(text.to_owned());
    };
    complaints.error(Problem::at(node.place, why));
    None
}
