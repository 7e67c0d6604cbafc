//! What the description says of headers: tags and what is not sent again, where something new is, and the
//! cookie of a session.

use axum::http::Method;
use serde_json::{Map, Value, json};

use crate::api::routes::Route;

/// Where the answer is described that has nothing in it.
const NOT_MODIFIED: &str = "#/components/responses/304";

/// The answer of whatever has a tag to who has it already.
pub(super) fn not_modified() -> Value {
    json!({
        "description": "Not Modified: it is what `If-None-Match` names.",
        "headers": { "ETag": tag() },
    })
}

fn tag() -> Value {
    header("Stands for these very bytes; `If-None-Match` takes it. Answers beyond 8 MiB have none.")
}

fn header(description: &str) -> Value {
    json!({ "description": description, "schema": { "type": "string" } })
}

/// Adds to the answers of a route what their headers are.
pub(super) fn describe(answers: &mut Map<String, Value>, route: &Route) {
    let tagged = route.path.ends_with("/output") || answers.get("200").is_some_and(is_json);
    if route.method == Method::GET && tagged {
        answers["200"]["headers"]["ETag"] = tag();
        answers.insert("304".to_owned(), json!({ "$ref": NOT_MODIFIED }));
    }
    if route.path.ends_with("/trigger") {
        for status in ["200", "202"] {
            let location = &mut answers[status]["headers"]["Location"];
            *location = header("The run: `/api/v1/runs/{id}`.");
            location["required"] = json!(true);
        }
    }
    if route.path == "/session" {
        let (status, text) = match route.method {
            Method::POST => (
                "200",
                "The cookie of the session; its name has the port in it.",
            ),
            Method::DELETE => ("204", "Takes the cookie away."),
            _ => return,
        };
        answers[status]["headers"]["Set-Cookie"] = header(text);
    }
}

fn is_json(answer: &Value) -> bool {
    answer["content"].get("application/json").is_some()
}
