//! The description of the API (OpenAPI 3.1), made from the table of routes and the types of the
//! handlers in it: nothing of it is written twice.

mod headers;

use std::fmt::Write as _;

use aide::generate::GenContext;
use aide::openapi::{OpenApi, Operation, Response as Answer};
use aide::operation::OperationOutput;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::api::asked::{Asked, Nothing};
use crate::api::error::{Kind, WrittenProblem};
use crate::api::routes::{Need, Pace, Route};
use crate::api::{Context, described};

/// GET `/openapi.json`
pub(super) async fn document(State(context): State<Context>, _: Asked<Nothing>) -> Document {
    Document(context.openapi)
}

/// The OpenAPI document, as an answer.
pub(super) struct Document(Bytes);

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, json)], self.0).into_response()
    }
}

impl OperationOutput for Document {
    type Inner = Self;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Answer)> {
        let document = json!({ "type": "object" });
        let text = "The OpenAPI document.";
        vec![(
            Some(200),
            described::answer(text, "application/json", &document),
        )]
    }
}

/// Has what describes itself from here on, in this thread, do so in the words of OpenAPI 3.1.
pub(super) fn begin() {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        settings.contract = Contract::Serialize;
    });
    aide::generate::in_context(|ctx| ctx.schema = SchemaGenerator::new(settings));
}

/// The whole document: what the handlers tell of themselves, with what the table says of them.
pub(super) fn complete(api: &OpenApi, routes: &[Route]) -> Bytes {
    let mut document = serde_json::to_value(api).expect("texts and numbers are JSON");
    document["openapi"] = json!("3.1.0");
    document["info"] = json!({
        "title": "punctual",
        "version": env!("CARGO_PKG_VERSION"),
        "summary": "The admin API of a job scheduler daemon",
        "description": ABOUT,
        "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
    });
    for route in routes {
        if let Some(operation) = operation(&mut document, route) {
            extend(operation, route);
        }
    }
    link(&mut document, routes);
    document["components"]["securitySchemes"] = json!({
        "bearer": {
            "type": "http", "scheme": "bearer",
            "description": "A token of the config: `Authorization: Bearer TOKEN`. \
                            `punctual token new` makes one. Browsers show it to POST `/session` \
                            once, and have a cookie from then on.",
        },
    });
    document["components"]["schemas"]["Problem"] = problem_schema();
    document["components"]["responses"] = Value::Object(answers());
    as_enums(&mut document);
    serde_json::to_vec(&document)
        .expect("texts and numbers are JSON")
        .into()
}

const ABOUT: &str = "\
Requests list, pause, trigger and watch the jobs of the config; none can define one. Times are \
RFC 3339 in UTC with microseconds, durations (`…_s`) seconds. Lists come in parts: pass `next_cursor` \
as `?cursor=` to go on. Errors are RFC 9457 problems whose `type` is stable. With `auth = \"none\"`, \
and over the Unix socket for root and the daemon's own user, no token is needed. A token that is \
limited to some jobs sees and steers these alone.";

fn extend(operation: &mut Map<String, Value>, route: &Route) {
    operation.insert("operationId".into(), json!(operation_id(route)));
    operation.insert("summary".into(), json!(route.summary));
    operation.insert("tags".into(), json!([tag(route.path)]));
    operation.insert("description".into(), json!(needs(route)));
    let security = match route.need {
        Need::Nothing => json!([]),
        Need::Jobs(_) | Need::Everything(_) => json!([{ "bearer": [] }]),
    };
    operation.insert("security".into(), security);
    let takes_body = operation.contains_key("requestBody");
    let has_query = operation
        .get("parameters")
        .is_some_and(|all| !all.is_null());
    let answers = operation.entry("responses").or_insert_with(|| json!({}));
    if let Some(answers) = answers.as_object_mut() {
        headers::describe(answers, route);
    }
    for status in error_statuses(route, takes_body, has_query) {
        let reference = format!("#/components/responses/{status}");
        let known = answers.get(status.to_string()).is_some();
        if !known {
            answers[status.to_string()] = json!({ "$ref": reference });
        }
    }
}

/// Choices among words as `enum`, which tools make lists to choose from; what each word means goes
/// into the description.
fn as_enums(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(as_enums),
        Value::Object(object) => {
            if let Some((words, text)) = object.get("oneOf").and_then(choices) {
                object.remove("oneOf");
                object.insert("type".to_owned(), json!("string"));
                object.insert("enum".to_owned(), json!(words));
                let before = object.get("description").and_then(Value::as_str);
                let text = before.unwrap_or_default().to_owned() + &text;
                object.insert("description".to_owned(), json!(text));
            }
            object.values_mut().for_each(as_enums);
        }
        _ => {}
    }
}

/// The words that may be chosen and what they mean; none where something else may be.
fn choices(all: &Value) -> Option<(Vec<String>, String)> {
    let mut words = Vec::new();
    let mut text = String::new();
    for choice in all.as_array()? {
        let word = choice.get("const")?.as_str()?;
        let meaning = choice.get("description").and_then(Value::as_str);
        let meaning = meaning.unwrap_or_default();
        write!(text, "\n- `{word}`: {meaning}").expect("writing to a string does not fail");
        words.push(word.to_owned());
    }
    Some((words, text))
}

/// What the document has of a route; pages for people are not in it.
fn operation<'a>(document: &'a mut Value, route: &Route) -> Option<&'a mut Map<String, Value>> {
    let method = route.method.as_str().to_lowercase();
    let path = document.get_mut("paths")?.get_mut(route.path)?;
    path.get_mut(method)?.as_object_mut()
}

/// Answers that name jobs or runs, and where: schema, place, and the parameter that takes it.
const NAMED: [(&str, &str, &str); 4] = [
    ("JobList", "/items/0/name", "job"),
    ("RunList", "/items/0/id", "id"),
    ("Accepted", "/run_id", "id"),
    ("Run", "/id", "id"),
];

/// Tells which requests take what an answer names.
fn link(document: &mut Value, routes: &[Route]) {
    for route in routes {
        let operation = operation(document, route);
        let answers = operation.and_then(|of| of.get_mut("responses")?.as_object_mut());
        for (_, answer) in answers.into_iter().flatten() {
            let schema = answer.pointer("/content/application~1json/schema/$ref");
            let schema = schema.and_then(Value::as_str).unwrap_or_default();
            let name = schema.rsplit('/').next().unwrap_or_default();
            let Some((_, place, parameter)) = NAMED.iter().find(|named| named.0 == name) else {
                continue;
            };
            let taking = |other: &&Route| other.path.contains(&format!("{{{parameter}}}"));
            let links = routes.iter().filter(taking).map(|other| {
                let to = operation_id(other);
                let value = format!("$response.body#{place}");
                let link = json!({ "operationId": to, "parameters": { *parameter: value } });
                (to, link)
            });
            answer["links"] = Value::Object(links.collect());
        }
    }
}

/// `get_jobs_job_runs` for GET `/api/v1/jobs/{job}/runs`.
fn operation_id(route: &Route) -> String {
    let path = route.path.trim_start_matches("/api/v1");
    let words = path.split(['/', '.', '-']).filter(|word| !word.is_empty());
    let words = words.map(|word| word.trim_matches(['{', '}']));
    let method = route.method.as_str().to_lowercase();
    std::iter::once(method.as_str())
        .chain(words)
        .collect::<Vec<_>>()
        .join("_")
}

/// What a route belongs to.
fn tag(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/api/v1/") else {
        return "daemon";
    };
    match rest.split('/').next().unwrap_or_default() {
        "jobs" => "jobs",
        "runs" => "runs",
        _ => "scheduler",
    }
}

fn needs(route: &Route) -> String {
    let need = match route.need {
        Need::Nothing => "Open to everybody.".to_owned(),
        Need::Jobs(least) => format!("Needs the role {}.", least.as_str()),
        Need::Everything(least) => format!(
            "Needs the role {} and a token that is not limited to some jobs.",
            least.as_str()
        ),
    };
    let pace = match route.pace {
        Pace::Prompt => "",
        Pace::Thorough => " May take minutes: it reads much of the ledger.",
        Pace::Waits => " With `wait=true` it takes as long as the run.",
    };
    need + pace
}

/// The errors that a route may answer with, beside those that say more of it.
fn error_statuses(route: &Route, takes_body: bool, has_query: bool) -> Vec<u16> {
    let mut statuses = vec![400, 403, 421, 500, 503];
    if route.need != Need::Nothing {
        statuses.extend([401, 429]);
    }
    if route.path.contains('{') || has_query {
        statuses.push(404);
    }
    if route.method == Method::POST {
        statuses.extend([408, 409, 413, 415, 422]);
    }
    if takes_body || route.method == Method::DELETE {
        statuses.extend([408, 413, 415, 422]);
    }
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

/// One answer for each status that a problem may have, and the one that has nothing in it.
fn answers() -> Map<String, Value> {
    let mut answers = Map::new();
    for status in Kind::ALL.map(|kind| kind.facts().0) {
        let slugs = Kind::ALL.map(Kind::facts).into_iter();
        let slugs = slugs.filter(|facts| facts.0 == status);
        let slugs: Vec<String> = slugs.map(|(_, slug, _)| format!("`{slug}`")).collect();
        answers.insert(status.as_u16().to_string(), problem(status, &slugs));
    }
    answers.insert("304".to_owned(), headers::not_modified());
    answers
}

fn problem(status: StatusCode, slugs: &[String]) -> Value {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut answer = json!({
        "description": format!("{reason}: {}", slugs.join(", ")),
        "content": {
            "application/problem+json": {
                "schema": { "$ref": "#/components/schemas/Problem" },
            },
        },
    });
    if matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
    ) {
        answer["headers"] = json!({
            "Retry-After": {
                "description": "Seconds after which to try again.",
                "schema": { "type": "integer" },
            },
        });
    }
    answer
}

fn problem_schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
        settings.contract = Contract::Serialize;
    });
    WrittenProblem::json_schema(&mut SchemaGenerator::new(settings)).to_value()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::routes;

    fn document() -> Value {
        let (_, api) = routes::router(routes::table());
        serde_json::from_slice(&complete(&api, &routes::table())).unwrap()
    }

    /// Every `$ref` of a document.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get("$ref") {
                    found.insert(reference.clone());
                }
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_route_of_the_api_is_in_it_and_nothing_else() {
        let document = document();
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                described.insert((method.to_uppercase(), path.clone()));
                for part in ["operationId", "summary", "description", "responses", "tags"] {
                    assert!(operation.get(part).is_some(), "{part} of {method} {path}");
                }
                let answers = operation["responses"].as_object().unwrap();
                let good = answers.keys().any(|status| status.starts_with('2'));
                assert!(good, "{method} {path}: {:?}", answers.keys());
            }
        }
        let for_people = ["/docs", "/sign-in"];
        let of_api = |route: &Route| !for_people.iter().any(|it| route.path.starts_with(it));
        let table: BTreeSet<_> = routes::table()
            .iter()
            .filter(|route| of_api(route))
            .map(|route| (route.method.to_string(), route.path.to_owned()))
            .collect();
        assert_eq!(described, table);
    }

    #[test]
    fn it_is_whole() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 20, "{found:?}");
        for reference in found {
            let place = reference.strip_prefix('#').expect("all of it is here");
            assert!(
                document.pointer(place).is_some(),
                "{reference} leads nowhere"
            );
        }
        let paths = document["paths"].as_object().unwrap();
        let operations = paths
            .values()
            .flat_map(|path| path.as_object().unwrap().values());
        let ids: Vec<_> = operations
            .map(|operation| &operation["operationId"])
            .collect();
        let different: BTreeSet<_> = ids.iter().map(ToString::to_string).collect();
        assert_eq!(ids.len(), different.len(), "{ids:?}");
    }

    #[test]
    fn headers_are_described_where_they_are() {
        let document = document();
        let answers = |path: &str, method: &str| &document["paths"][path][method]["responses"];
        let run = answers("/api/v1/runs/{id}", "get");
        assert!(run["200"]["headers"]["ETag"].is_object() && run["304"].is_object());
        let output = answers("/api/v1/runs/{id}/output", "get");
        assert!(output["304"].is_object(), "{output}");
        for path in ["/api/v1/events", "/metrics"] {
            assert!(answers(path, "get").get("304").is_none());
        }
        let trigger = answers("/api/v1/jobs/{job}/trigger", "post");
        for status in ["200", "202"] {
            assert_eq!(trigger[status]["headers"]["Location"]["required"], true);
        }
        assert!(trigger.get("304").is_none());
        assert!(answers("/session", "delete")["204"]["headers"]["Set-Cookie"].is_object());
    }

    #[test]
    fn words_to_choose_from_are_a_list() {
        let document = document();
        let trigger = &document["components"]["schemas"]["Trigger"];
        let words = json!(["schedule", "catch_up", "manual", "startup", "after"]);
        assert_eq!(trigger["enum"], words, "{trigger}");
        assert!(!document.to_string().contains("oneOf"));
    }

    #[test]
    fn what_may_be_left_out_of_a_query_is_never_null() {
        let document = document();
        let limit = document["paths"]["/api/v1/runs"]["get"]["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .find(|parameter| parameter["name"] == "limit")
            .unwrap();
        assert_eq!(limit["schema"]["type"], "integer");
        assert_eq!(limit["schema"]["maximum"], 500);
        let run = &document["components"]["schemas"]["Run"];
        let required = run["required"].as_array().unwrap();
        // What is not there is null in an answer, and never absent.
        assert!(required.contains(&json!("finished_at")));
    }
}
