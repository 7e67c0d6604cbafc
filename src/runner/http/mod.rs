//! An HTTP job's attempt: from the request to the verdict on its answer.
//!
//! The spawner thread reads the secrets and writes the start mark, as for a process; from there on
//! a task on the service's runtime has it. What is kept as output: the status lines as standard
//! error, the body as standard output.

mod client;
mod expected;
mod redirect;
mod request;
mod trouble;

use std::future::pending;
use std::sync::{Arc, MutexGuard, PoisonError};

use reqwest::{Response, StatusCode, Version};
use tokio::sync::watch;

use super::attempt::{Live, Order};
use super::cannot_start::CannotStart;
use super::output::{Capture, Stream};
use super::redact::Redactor;
use super::tree::Pipes;
use super::{Report, Shared, start};
use crate::clock;
use crate::job::{AttemptEnd, Expected, Figures, HttpCall, StopCause};
use crate::schedule::format_duration;
use expected::Search;
use trouble::About;

pub(super) use client::Client;
pub(super) use request::Ready;

/// Reads what the request is made of and marks its start: what happens on a spawner thread.
pub(super) fn prepare(
    shared: &Shared,
    live: &Live,
    call: &HttpCall,
) -> Result<(Ready, Client), CannotStart> {
    let launch = &live.launch;
    let ready = Ready::of(call, launch, &shared.environment)?;
    let client = shared.http.get_or_init(Client::new).clone();
    let client = client.map_err(CannotStart::Client)?;
    let marked = shared
        .marks
        .start(launch.run, launch.attempt, Pipes::default());
    marked.map_err(CannotStart::Mark)?;
    Ok((ready, client))
}

/// Sends the request, and reports what becomes of it.
pub(super) async fn run(
    shared: Arc<Shared>,
    live: Arc<Live>,
    call: Arc<HttpCall>,
    ready: Ready,
    client: Client,
) {
    let at = clock::now();
    let started = Report::Started {
        run: live.launch.run,
        attempt: live.launch.attempt,
        pid: None,
        at,
    };
    let asked = async {
        let end = Exchange::new(Arc::clone(&live), &call, ready, client)
            .end()
            .await;
        // Made at once, so that it carries the time of the end and not that of a free place.
        start::ended(&live, (end, Figures::default()), Some(at))
    };
    let (ended, ()) = tokio::join!(asked, shared.report(started));
    shared.report(ended).await;
    shared.over(&live);
}

/// A request under way.
struct Exchange<'c> {
    live: Arc<Live>,
    call: &'c HttpCall,
    ready: Ready,
    client: Client,
    server: String,
    body: Redactor,
    /// Of the answer, once its headers are there.
    status: Option<StatusCode>,
    /// How much of the answer's body has come, in bytes.
    read: u64,
}

impl<'c> Exchange<'c> {
    fn new(live: Arc<Live>, call: &'c HttpCall, ready: Ready, client: Client) -> Self {
        Self {
            live,
            call,
            server: ready.server(),
            body: Redactor::new(ready.secrets.clone(), Vec::new()),
            ready,
            client,
            status: None,
            read: 0,
        }
    }

    /// How it ends: by itself, by its time-out, or because it is told to. In the last two the
    /// request is dropped, and its connection closed with it.
    async fn end(mut self) -> AttemptEnd {
        let mut orders = self.live.order.subscribe();
        orders.mark_changed();
        let limit = async {
            match self.call.timeout {
                Some(limit) => {
                    clock::elapse(limit).await;
                    limit
                }
                None => pending().await,
            }
        };
        let end = tokio::select! {
            biased;
            verdict = self.verdict() => AttemptEnd::Answered {
                status: self.status(),
                failure: verdict.err().map(|why| self.ready.secrets.masked(&why)),
            },
            cause = told_to_stop(&mut orders) => AttemptEnd::Dropped {
                cause,
                status: self.status(),
            },
            limit = limit => AttemptEnd::TooSlow {
                status: self.status(),
                why: self.how_far(&format_duration(limit)),
            },
        };
        let mut capture = capture(&self.live);
        self.body
            .finish(|bytes| capture.push(Stream::Stdout, bytes));
        end
    }

    fn status(&self) -> Option<u16> {
        self.status.map(|status| status.as_u16())
    }

    /// Where it stands when its time is over.
    fn how_far(&self, limit: &str) -> String {
        let server = &self.server;
        let acted = "it may have acted on the request";
        match self.status {
            None => format!("{server} did not answer within {limit}; {acted}"),
            Some(_) => format!(
                "the answer of {server} was not whole within {limit} ({} bytes of its body had \
                 come); {acted}",
                self.read
            ),
        }
    }

    /// Asks, and says why the answer does not please, if it does not.
    async fn verdict(&mut self) -> Result<(), String> {
        let response = self.answer().await?;
        let status = response.status();
        let mut search = self.call.expect_body.as_deref().map(Search::new);
        let body = self.read_body(response, search.as_mut()).await;
        let expected = &self.call.expect_status;
        if !expected.iter().any(|it| it.covers(status.as_u16())) {
            let expected: Vec<_> = expected.iter().map(Expected::to_string).collect();
            let expected = expected.join(" or ");
            return Err(format!("expected status {expected}, got {status}"));
        }
        let whole = body?;
        if search.is_none_or(|search| search.found()) {
            return Ok(());
        }
        let wanted = quoted(self.call.expect_body.as_deref().unwrap_or_default());
        Err(if whole {
            format!("the answer does not contain {wanted}")
        } else {
            let read = self.read;
            format!("the first {read} bytes of the answer do not contain {wanted}")
        })
    }

    /// The headers of the answer, redirects followed.
    async fn answer(&mut self) -> Result<Response, String> {
        for _ in 0..=redirect::MOST {
            let sent = self.client.inner.execute(self.ready.request()).await;
            let response = sent.map_err(|why| self.trouble(&why))?;
            let status = response.status();
            self.status = Some(status);
            let version = version(response.version());
            self.note(&format!("{version} {status}"));
            let mut expected = self.call.expect_status.iter();
            if expected.any(|it| it.covers(status.as_u16()))
                || !redirect::follow(&response, &mut self.ready)?
            {
                return Ok(response);
            }
        }
        Err(format!(
            "{} redirects again and again; after {} redirects it was asked no more",
            self.server,
            redirect::MOST
        ))
    }

    /// Reads the body up to the limit, and says whether that was all of it.
    async fn read_body(
        &mut self,
        mut response: Response,
        mut search: Option<&mut Search>,
    ) -> Result<bool, String> {
        let most = self.call.max_response_bytes;
        while let Some(chunk) = response.chunk().await.map_err(|why| self.trouble(&why))? {
            let room = usize::try_from(most - self.read).unwrap_or(usize::MAX);
            let taken = &chunk[..chunk.len().min(room)];
            self.read += taken.len() as u64;
            if let Some(search) = &mut search {
                search.push(taken);
            }
            let mut capture = capture(&self.live);
            self.body
                .push(taken, |bytes| capture.push(Stream::Stdout, bytes));
            if taken.len() < chunk.len() {
                let text = format!(
                    "[punctual: the answer is longer than {most} bytes (max_response_bytes); the \
                     rest was not read]"
                );
                let text = format!("\n{text}\n");
                self.body
                    .finish(|bytes| capture.push(Stream::Stdout, bytes));
                capture.push(Stream::Stderr, text.as_bytes());
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn trouble(&self, error: &reqwest::Error) -> String {
        let about = About {
            server: &self.server,
            has_roots: self.client.has_roots,
        };
        trouble::sentence(error, &about)
    }

    /// A line of standard error.
    fn note(&self, line: &str) {
        capture(&self.live).push(Stream::Stderr, format!("{line}\n").as_bytes());
    }
}

fn capture(live: &Live) -> MutexGuard<'_, Capture> {
    live.capture.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until somebody wants it to stop.
async fn told_to_stop(orders: &mut watch::Receiver<Order>) -> StopCause {
    loop {
        if orders.changed().await.is_err() {
            // The sender lives as long as the attempt.
            return pending().await;
        }
        match *orders.borrow_and_update() {
            Order::Run => {}
            Order::Stop(cause) | Order::Kill(cause) => return cause,
        }
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// A text in quotes, cut if it is too long for a sentence.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
