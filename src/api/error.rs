//! What goes wrong, as an answer: the only mapping of errors to HTTP statuses.
//!
//! Errors are RFC 9457 problems. The `type` of each is stable: programs may rely on it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::LocatedProblem;
use crate::daemon::{AskError, ReloadError};
use crate::dispatch::Refusal;
use crate::job::RunId;
use crate::store::StoreError;

/// A request that is answered with an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    kind: Kind,
    /// What happened and what to do.
    detail: String,
    /// Each error of a configuration, with its place.
    errors: Vec<LocatedProblem>,
}

/// The kinds of errors, one a `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    BadRequest,
    BadQuery,
    BadBody,
    Unauthorised,
    Forbidden,
    CrossSite,
    UnknownRoute,
    UnknownJob,
    UnknownRun,
    NoOutput,
    MethodNotAllowed,
    BodyTimeout,
    MaxConcurrent,
    QueueFull,
    NotActive,
    OnlyScheduled,
    Decided,
    BodyTooLarge,
    TargetTooLong,
    NotJson,
    NoSuchRange,
    WrongHost,
    WrongBody,
    BadParams,
    KeyReused,
    UntilPassed,
    BadConfig,
    TooManyGuesses,
    HeadersTooLarge,
    Internal,
    Busy,
    ShuttingDown,
    TimedOut,
    Ledger,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 34] = [
        Self::BadRequest,
        Self::BadQuery,
        Self::BadBody,
        Self::Unauthorised,
        Self::Forbidden,
        Self::CrossSite,
        Self::UnknownRoute,
        Self::UnknownJob,
        Self::UnknownRun,
        Self::NoOutput,
        Self::MethodNotAllowed,
        Self::BodyTimeout,
        Self::MaxConcurrent,
        Self::QueueFull,
        Self::NotActive,
        Self::OnlyScheduled,
        Self::Decided,
        Self::BodyTooLarge,
        Self::TargetTooLong,
        Self::NotJson,
        Self::NoSuchRange,
        Self::WrongHost,
        Self::WrongBody,
        Self::BadParams,
        Self::KeyReused,
        Self::UntilPassed,
        Self::BadConfig,
        Self::TooManyGuesses,
        Self::HeadersTooLarge,
        Self::Internal,
        Self::Busy,
        Self::ShuttingDown,
        Self::TimedOut,
        Self::Ledger,
    ];

    /// Status, last part of the type, and title.
    pub(super) fn facts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadRequest => (S::BAD_REQUEST, "bad-request", "Bad request"),
            Self::BadQuery => (S::BAD_REQUEST, "bad-query", "Bad query"),
            Self::BadBody => (S::BAD_REQUEST, "bad-body", "The body is not JSON"),
            Self::Unauthorised => (S::UNAUTHORIZED, "unauthorised", "A token is needed"),
            Self::Forbidden => (S::FORBIDDEN, "forbidden", "Not allowed"),
            Self::CrossSite => (S::FORBIDDEN, "cross-site", "Cross-site request"),
            Self::UnknownRoute => (S::NOT_FOUND, "unknown-route", "No such page"),
            Self::UnknownJob => (S::NOT_FOUND, "unknown-job", "No such job"),
            Self::UnknownRun => (S::NOT_FOUND, "unknown-run", "No such run"),
            Self::NoOutput => (S::NOT_FOUND, "no-output", "No output"),
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
            ),
            Self::BodyTimeout => (S::REQUEST_TIMEOUT, "body-timeout", "The body is too slow"),
            Self::MaxConcurrent => (S::CONFLICT, "max-concurrent", "The job runs already"),
            Self::QueueFull => (S::CONFLICT, "queue-full", "Too many runs wait"),
            Self::NotActive => (S::CONFLICT, "not-active", "The run is not active"),
            Self::OnlyScheduled => (S::CONFLICT, "only-scheduled", "The run is only scheduled"),
            Self::Decided => (S::CONFLICT, "decided", "The run exists already"),
            Self::BodyTooLarge => (
                S::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "The body is too large",
            ),
            Self::TargetTooLong => (S::URI_TOO_LONG, "target-too-long", "The path is too long"),
            Self::NotJson => (S::UNSUPPORTED_MEDIA_TYPE, "not-json", "Not JSON"),
            Self::NoSuchRange => (S::RANGE_NOT_SATISFIABLE, "no-such-range", "No such range"),
            Self::WrongHost => (S::MISDIRECTED_REQUEST, "wrong-host", "Unknown host"),
            Self::WrongBody => (S::UNPROCESSABLE_ENTITY, "wrong-body", "Wrong body"),
            Self::BadParams => (S::UNPROCESSABLE_ENTITY, "bad-params", "Bad parameters"),
            Self::KeyReused => (S::UNPROCESSABLE_ENTITY, "key-reused", "Key used before"),
            Self::UntilPassed => (S::UNPROCESSABLE_ENTITY, "until-passed", "Time has passed"),
            Self::BadConfig => (S::UNPROCESSABLE_ENTITY, "bad-config", "Bad configuration"),
            Self::TooManyGuesses => (S::TOO_MANY_REQUESTS, "too-many-guesses", "Too many guesses"),
            Self::HeadersTooLarge => (
                S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "headers-too-large",
                "The headers are too large",
            ),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
            Self::Busy => (S::SERVICE_UNAVAILABLE, "busy", "Too much at once"),
            Self::ShuttingDown => (S::SERVICE_UNAVAILABLE, "shutting-down", "Shutting down"),
            Self::TimedOut => (S::SERVICE_UNAVAILABLE, "timed-out", "No answer in time"),
            Self::Ledger => (S::SERVICE_UNAVAILABLE, "ledger", "The ledger fails"),
        }
    }
}

/// A problem as it is sent (RFC 9457).
#[derive(Serialize, JsonSchema)]
pub(super) struct WrittenProblem<'a> {
    /// What kind of problem it is; programs may rely on it.
    r#type: String,
    /// The kind for people.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What happened and what to do.
    detail: &'a str,
    /// The path that was asked for.
    instance: &'a str,
    /// Each error of a configuration.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [LocatedProblem],
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// The same kind of error, told so that nothing of the request is quoted.
    pub(super) fn in_other_words(self, detail: &str) -> Self {
        Self {
            detail: detail.to_owned(),
            ..self
        }
    }

    /// There is no job of this name, or none that the caller may see.
    pub(super) fn unknown_job(name: &str) -> Self {
        let detail = format!("there is no job {name}; GET /api/v1/jobs lists the jobs");
        Self::new(Kind::UnknownJob, detail)
    }

    /// There is no run of this id, or none that the caller may see.
    pub(super) fn unknown_run(id: &str) -> Self {
        let detail = format!("there is no run {id}; GET /api/v1/runs lists the runs");
        Self::new(Kind::UnknownRun, detail)
    }

    pub(super) fn no_output(id: RunId, why: &str) -> Self {
        Self::new(Kind::NoOutput, format!("run {id} has no output: {why}"))
    }

    pub(super) fn status(&self) -> StatusCode {
        self.kind.facts().0
    }

    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// The answer's body, for a request to the path `instance`.
    pub(super) fn body(&self, instance: &str) -> Vec<u8> {
        let (status, slug, title) = self.kind.facts();
        let body = WrittenProblem {
            r#type: format!("urn:punctual:problem:{slug}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            instance,
            errors: &self.errors,
        };
        serde_json::to_vec(&body).expect("texts and a number are JSON")
    }
}

/// The body is filled in by [`super::seal`], which knows the path.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        match self.status() {
            StatusCode::UNAUTHORIZED => {
                let scheme = HeaderValue::from_static("Bearer realm=\"punctual\"");
                headers.insert(header::WWW_AUTHENTICATE, scheme);
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        let detail = error.to_string();
        let kind = match error {
            AskError::Refused(refusal) => return refusal.into(),
            AskError::Gone => Kind::ShuttingDown,
            AskError::TimedOut => Kind::TimedOut,
        };
        Self::new(kind, detail)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        let kind = match refusal {
            Refusal::UnknownJob(job) => return Self::unknown_job(job.as_str()),
            Refusal::NotActive(_) => Kind::NotActive,
            Refusal::OnlyScheduled(_) => Kind::OnlyScheduled,
            Refusal::MaxConcurrent { .. } => Kind::MaxConcurrent,
            Refusal::QueueFull { .. } => Kind::QueueFull,
            Refusal::KeyReused(_) => Kind::KeyReused,
            Refusal::BadParams(_) => Kind::BadParams,
            Refusal::Decided(_) => Kind::Decided,
            Refusal::UntilPassed(_) => Kind::UntilPassed,
            Refusal::Draining => Kind::ShuttingDown,
        };
        Self::new(kind, detail)
    }
}

impl From<ReloadError> for Problem {
    fn from(error: ReloadError) -> Self {
        let detail = error.to_string();
        match error {
            ReloadError::Config(report) => Self {
                errors: report.problems(),
                ..Self::new(Kind::BadConfig, detail)
            },
            ReloadError::Gone => Self::new(Kind::ShuttingDown, detail),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::new(Kind::Ledger, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobName;

    #[test]
    fn refusals_have_the_statuses_of_the_contract() {
        let job = JobName::new("a").unwrap();
        let status = |refusal: Refusal| Problem::from(AskError::Refused(refusal)).status();
        let full = Refusal::MaxConcurrent {
            job: job.clone(),
            active: 1,
            max: 1,
        };
        assert_eq!(status(full), StatusCode::CONFLICT);
        assert_eq!(status(Refusal::UnknownJob(job)), StatusCode::NOT_FOUND);
        let params = Refusal::BadParams("x".into());
        assert_eq!(status(params), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(status(Refusal::Draining), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn a_problem_is_rfc_9457() {
        let problem = Problem::unknown_job("x\"y");
        let body: serde_json::Value = serde_json::from_slice(&problem.body("/a")).unwrap();
        assert_eq!(body["type"], "urn:punctual:problem:unknown-job");
        assert_eq!(body["status"], 404);
        assert_eq!(body["instance"], "/a");
        assert!(body["detail"].as_str().unwrap().contains("x\"y"));
        assert!(body["title"].is_string());
    }

    #[test]
    fn the_manual_lists_every_problem_and_no_other() {
        let page = include_str!("../../docs/api.md");
        let (_, table) = page.split_once("\n## Errors\n").unwrap();
        let (table, _) = table.split_once("\n## ").unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| "));
        let rows = rows.filter_map(|row| {
            let mut cells = row.split(" | ");
            let status: u16 = cells.next()?.trim_start_matches("| ").parse().ok()?;
            // What is in parentheses names headers.
            let slugs = cells.next()?.split(" (").next()?;
            let slugs = slugs.split('`').skip(1).step_by(2).map(str::to_owned);
            Some(slugs.map(move |slug| (status, slug)).collect::<Vec<_>>())
        });
        let mut told: Vec<_> = rows.flatten().collect();
        let mut there: Vec<_> = Kind::ALL
            .map(Kind::facts)
            .map(|(status, slug, _)| (status.as_u16(), slug.to_owned()))
            .into();
        told.sort();
        there.sort();
        assert_eq!(told, there);
    }
}
