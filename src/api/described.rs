//! How requests and answers describe themselves: the pieces of the OpenAPI document that belong to a
//! type stand with that type, and are put together by `openapi`.

use aide::generate::GenContext;
use aide::openapi::{Operation, Parameter, ReferenceOr, RequestBody, Response};
use aide::operation::{OperationInput, OperationOutput, add_parameters, set_body};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::access::{Caller, Peer};
use super::asked::{Asked, IdempotencyKey, JobPath, RunPath, Sent};
use super::error::Problem;
use super::ranged::Wanted;
use super::sse;
use crate::job::{JobName, RunId};

/// What the connection tells is nothing that a request says.
impl OperationInput for Peer {}
/// Who asks is told by the document's security schemes.
impl OperationInput for Caller {}

impl OperationInput for JobPath {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let schema = schema_of::<JobName>(ctx);
        let text = "The name of a job.";
        add(ctx, operation, parameter("path", "job", text, &schema));
    }
}

impl OperationInput for RunPath {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let schema = schema_of::<RunId>(ctx);
        let text = "The id of a run.";
        add(ctx, operation, parameter("path", "id", text, &schema));
    }
}

/// Every field of the type is a parameter that may be left out.
impl<Q: JsonSchema> OperationInput for Asked<Q> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let schema = Q::json_schema(&mut ctx.schema).to_value();
        let fields = schema.get("properties").and_then(Value::as_object);
        for (name, field) in fields.into_iter().flatten() {
            let mut field = field.clone();
            never_null(&mut field);
            let text = field
                .as_object_mut()
                .and_then(|of| of.remove("description"));
            let text = text.as_ref().and_then(Value::as_str).unwrap_or_default();
            add(ctx, operation, parameter("query", name, text, &field));
        }
    }
}

/// A body that may be left out; none where nothing may stand in it.
impl<B: JsonSchema> OperationInput for Sent<B> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        // What is read may leave out more than what is written, which is what `ctx` is for.
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let schema = B::json_schema(&mut SchemaGenerator::new(settings)).to_value();
        if schema.get("properties").is_some() {
            let content = json!({ "application/json": { "schema": schema } });
            let body = json!({ "required": false, "content": content });
            set_body(ctx, operation, read::<RequestBody>(body));
        }
    }
}

impl OperationInput for IdempotencyKey {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let text = "Makes repeats safe: a request with the key of an earlier one is answered with \
                    the run of that one.";
        let schema = json!({
            "type": "string", "minLength": 1, "maxLength": Self::MAX, "pattern": "^[!-~]+$",
        });
        let key = parameter("header", "Idempotency-Key", text, &schema);
        add(ctx, operation, key);
    }
}

impl OperationInput for Wanted {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let text = "A part of the bytes alone, such as `bytes=1000-`.";
        let range = parameter("header", "Range", text, &json!({ "type": "string" }));
        add(ctx, operation, range);
    }
}

impl OperationInput for sse::LastEventId {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let text = "The `id` of the last event that was seen: the stream goes on behind it.";
        let id = parameter(
            "header",
            "Last-Event-ID",
            text,
            &json!({ "type": "string" }),
        );
        add(ctx, operation, id);
    }
}

/// Errors are the same everywhere; `openapi` adds them by what a route needs and takes.
impl OperationOutput for Problem {
    type Inner = Self;
}

/// An answer as a handler describes it.
pub(super) fn answer(text: &str, kind: &str, schema: &Value) -> Response {
    read(json!({ "description": text, "content": { kind: { "schema": schema } } }))
}

/// An error that only this handler answers with.
pub(super) fn problem(text: &str) -> Response {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    answer(text, "application/problem+json", &schema)
}

/// The schema of a type, or the reference to it.
pub(super) fn schema_of<T: JsonSchema>(ctx: &mut GenContext) -> Value {
    ctx.schema.subschema_for::<T>().to_value()
}

fn add(ctx: &mut GenContext, operation: &mut Operation, parameter: Parameter) {
    let known = |known: &ReferenceOr<Parameter>| *known == ReferenceOr::Item(parameter.clone());
    if !operation.parameters.iter().any(known) {
        add_parameters(ctx, operation, [parameter]);
    }
}

fn parameter(place: &str, name: &str, text: &str, schema: &Value) -> Parameter {
    read(json!({
        "in": place, "name": name, "description": text, "required": place == "path",
        "schema": schema,
    }))
}

/// What is left out of a query is not there, and never `null`.
fn never_null(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("default");
    if let Some(Value::Array(kinds)) = object.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            object.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(choice)] = choices.as_slice() {
            let choice = choice.clone();
            object.remove("anyOf");
            object.extend(choice);
        }
    }
}

fn read<T: DeserializeOwned>(written: Value) -> T {
    serde_json::from_value(written).expect("what stands in this file is OpenAPI")
}
