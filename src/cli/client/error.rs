//! Why a command got no good answer.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use hyper::StatusCode;
use serde::Deserialize;

use super::super::Exit;
use super::super::clean::printable;

/// Why the daemon gave no good answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ClientError {
    /// The server's name.
    #[error("{0:?} is no server: write `http://HOST:PORT` (a port up to 65535) or `unix:/path`")]
    Server(String),
    /// The file of the token.
    #[error("the token cannot be read from {}: {why}", path.display())]
    TokenFile {
        /// Which.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// What should be a token.
    #[error("what stands in {0} is no token: it is one line of letters, digits and signs")]
    Token(String),
    /// The variable for one, which is not even text.
    #[error(
        "what stands in $PUNCTUAL_TOKEN is not UTF-8 text, so it is no token: it is one line of \
         letters, digits and signs"
    )]
    TokenBytes,
    /// A parameter that was given twice.
    #[error("the parameter {0:?} is given twice: pass it once")]
    Twice(String),
    /// No daemon answers.
    #[error(
        "the daemon is not reachable: {0}; start it with `punctual serve`, or name its address with \
         --server"
    )]
    Unreachable(String),
    /// It knows the caller not, or not well enough.
    #[error("{}", .0.detail)]
    Unauthorised(Refused),
    /// It refused.
    #[error("{}", .0.detail)]
    Refused(Refused),
    /// It answered something else than it should.
    #[error("{place} answered what no daemon of this version does: {why}")]
    Garbled {
        /// Who.
        place: String,
        /// What.
        why: String,
    },
    /// No threads, no sockets.
    #[error("the system gives no runtime: {0}")]
    System(#[from] std::io::Error),
}

/// An answer that is an error: an RFC 9457 problem, as far as it is shown.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Refused {
    /// What kind of problem it is.
    #[serde(rename = "type", default)]
    kind: String,
    /// What happened and what to do.
    pub detail: String,
    /// The status of the answer.
    #[serde(skip)]
    pub status: StatusCode,
    /// The answer as it came.
    #[serde(skip)]
    pub body: String,
    /// What is wrong with a config that was refused.
    #[serde(default)]
    pub errors: Vec<ConfigError>,
}

/// One complaint about a config.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct ConfigError {
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    message: String,
    help: Option<String>,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&printable(&self.file))?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        write!(f, ": {}", printable(&self.message))?;
        match &self.help {
            Some(help) => write!(f, "\n    help: {}", printable(help)),
            None => Ok(()),
        }
    }
}

impl ClientError {
    /// Says what is wrong, on standard error.
    pub(in crate::cli) fn report(&self) -> Exit {
        let mut text = String::new();
        if let Self::Refused(refused) = self {
            for error in &refused.errors {
                let _ = writeln!(text, "{error}");
            }
        }
        // Whoever closed it does not want to know.
        let sentence = printable(&self.to_string());
        let _ = writeln!(std::io::stderr(), "{text}punctual: {sentence}");
        self.exit()
    }

    /// The daemon has trouble in the middle of a stream.
    pub(in crate::cli) fn trouble(detail: String) -> Self {
        Self::Refused(Refused {
            kind: String::new(),
            detail,
            status: StatusCode::INTERNAL_SERVER_ERROR,
            body: String::new(),
            errors: Vec::new(),
        })
    }

    /// The exit code that it means.
    pub(in crate::cli) fn exit(&self) -> Exit {
        match self {
            Self::Server(_)
            | Self::TokenFile { .. }
            | Self::Token(_)
            | Self::TokenBytes
            | Self::Twice(_) => Exit::Usage,
            Self::Unreachable(_) => Exit::Unreachable,
            Self::Unauthorised(_) => Exit::Unauthorised,
            // What was asked for, or the config, is wrong in itself.
            Self::Refused(refused)
                if matches!(
                    refused.status,
                    StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY
                ) =>
            {
                Exit::Usage
            }
            Self::Refused(_) | Self::Garbled { .. } | Self::System(_) => Exit::Failed,
        }
    }
}

/// Advice that the API gives to whoever sends requests, as advice to whoever types commands.
fn in_commands(kind: &str, detail: String) -> String {
    let (api, commands) = match kind.strip_prefix("urn:punctual:problem:") {
        Some("unknown-job") => ("; GET ", "`punctual jobs` lists the jobs"),
        Some("unknown-run") => ("; GET ", "`punctual runs` lists the runs"),
        Some("unauthorised") => (
            "; send `Authorization: ",
            "name the file of a token of [[server.tokens]] with --token-file, or put the token into \
             $PUNCTUAL_TOKEN; on the Unix socket, root and the daemon's user need none",
        ),
        _ => return detail,
    };
    match detail.split_once(api) {
        Some((what, _)) => format!("{what}; {commands}"),
        None => detail,
    }
}

/// What a status that is no success, with this body, comes to.
pub(super) fn of_answer(status: StatusCode, body: &[u8], place: String) -> ClientError {
    let Ok(mut refused) = serde_json::from_slice::<Refused>(body) else {
        return ClientError::Garbled {
            place,
            why: format!("status {status} without a problem in it"),
        };
    };
    refused.detail = in_commands(&refused.kind, refused.detail);
    refused.status = status;
    refused.body = String::from_utf8_lossy(body).into_owned();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ClientError::Unauthorised(refused),
        _ => ClientError::Refused(refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_tell_the_detail_and_the_exit_code() {
        let judged = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            of_answer(status, body.as_bytes(), "unix:/s".to_owned())
        };
        let problem = r#"{"type":"x","title":"y","status":1,"detail":"send a token"}"#;
        for (status, exit) in [
            (401, Exit::Unauthorised),
            (403, Exit::Unauthorised),
            (404, Exit::Failed),
            (409, Exit::Failed),
            (422, Exit::Usage),
            (503, Exit::Failed),
        ] {
            let error = judged(status, problem);
            assert_eq!(error.exit(), exit, "{status}");
            assert_eq!(error.to_string(), "send a token");
        }
        assert!(matches!(judged(502, "<html>"), ClientError::Garbled { .. }));
    }

    #[test]
    fn advice_is_about_commands() {
        let job = in_commands(
            "urn:punctual:problem:unknown-job",
            "there is no job x; GET /api/v1/jobs lists the jobs".to_owned(),
        );
        assert_eq!(job, "there is no job x; `punctual jobs` lists the jobs");
        let other = "its pool is full; GET up".to_owned();
        assert_eq!(in_commands("urn:punctual:problem:x", other.clone()), other);
        let untold = "there is no job x".to_owned();
        let kind = "urn:punctual:problem:unknown-job";
        assert_eq!(in_commands(kind, untold.clone()), untold);
    }

    #[test]
    fn complaints_about_a_config_keep_their_places() {
        let problem = r#"{"detail": "the config has 2 errors", "errors": [
            {"file": "/etc/c.toml", "line": 3, "column": 7, "message": "unknown key `crom`",
             "help": "did you mean `cron`?"},
            {"file": "/etc/d.toml", "line": null, "column": null, "message": "no such file",
             "help": null}]}"#;
        let error = of_answer(
            StatusCode::UNPROCESSABLE_ENTITY,
            problem.as_bytes(),
            "s".into(),
        );
        let ClientError::Refused(refused) = error else {
            panic!("{error:?}")
        };
        let lines: Vec<String> = refused.errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "/etc/c.toml:3:7: unknown key `crom`\n    help: did you mean `cron`?",
                "/etc/d.toml: no such file"
            ]
        );
    }
}
