//! Who may do what: every request passes here, before anything else looks at it.
//!
//! What is not in the table of routes needs a token as well, so that nothing can be left open by
//! being forgotten.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::credentials::{self, Sent};
use super::error::{Kind, Problem};
use super::guesses::Guesses;
use super::host::{self, HostError};
use super::pattern;
use super::routes::{Need, Pace, Route};
use super::sessions::{self, SessionKey, Sessions};
use crate::clock;
use crate::config::{Auth, Role, Server, Token};
use crate::job::JobName;
use crate::token;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// Over TCP, to this address of ours, from that one.
    Tcp {
        local: SocketAddr,
        remote: SocketAddr,
    },
    /// Over the Unix socket, from a process of this user; none: the system does not tell.
    Unix { uid: Option<u32> },
}

/// Who asks, known and admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// For the log and the ledger.
    pub(super) by: String,
    pub(super) role: Role,
    /// Patterns of the jobs that it sees and steers; none: all.
    pub(super) jobs: Option<Arc<[String]>>,
    /// The session that it came with, if it showed no token.
    pub(super) session: Option<SessionKey>,
}

impl Caller {
    fn all_powerful(by: String) -> Self {
        Self {
            by,
            role: Role::Admin,
            jobs: None,
            session: None,
        }
    }

    /// Whether it may know of this job.
    pub(super) fn sees(&self, job: &JobName) -> bool {
        self.jobs.as_ref().is_none_or(|patterns| {
            let mut patterns = patterns.iter();
            patterns.any(|pattern| pattern::matches(pattern, job.as_str()))
        })
    }

    /// Whether it sees every job.
    pub(super) fn sees_all(&self) -> bool {
        self.jobs.is_none()
    }
}

/// The caller that [`Gate::admit`] put into the request. Routes that are open to everybody have
/// none.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::new(Kind::Internal, "this page does not know who asks"))
    }
}

/// The peer that the connection put into the request.
impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Self>().copied();
        peer.ok_or_else(|| Problem::new(Kind::Internal, "the connection has no known peer"))
    }
}

/// The rules of the daemon.
#[derive(Debug)]
pub(super) struct Gate {
    auth: Auth,
    allowed_hosts: Vec<String>,
    tokens: Vec<KnownToken>,
    /// The user that the daemon runs as.
    own_uid: u32,
    rules: Vec<Rule>,
    memory: Arc<Memory>,
}

/// What outlives the rules, when a reload changes them.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) sessions: Sessions,
    guesses: Guesses,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            sessions: Sessions::new(),
            guesses: Guesses::new(),
        }
    }
}

/// A token of the config, and who has it.
#[derive(Debug, Clone)]
pub(super) struct KnownToken {
    pub(super) hash: [u8; 32],
    pub(super) caller: Caller,
}

#[derive(Debug)]
struct Rule {
    method: Method,
    path: &'static str,
    need: Need,
    pace: Pace,
}

impl Gate {
    pub(super) fn new(
        settings: &Server,
        own_uid: u32,
        routes: &[Route],
        memory: Arc<Memory>,
    ) -> Self {
        let known = |token: &Token| KnownToken {
            hash: token.hash,
            caller: Caller {
                by: format!("token:{}", token.name),
                role: token.role,
                jobs: token.jobs.as_deref().map(Arc::from),
                session: None,
            },
        };
        let tokens: Vec<_> = settings.tokens.iter().map(known).collect();
        let is_known = |hash: &[u8; 32]| tokens.iter().any(|token| token.hash == *hash);
        memory.sessions.keep_only(is_known);
        Self {
            auth: settings.auth,
            allowed_hosts: settings.allowed_hosts.clone(),
            tokens,
            own_uid,
            memory,
            rules: routes
                .iter()
                .map(|route| Rule {
                    method: route.method.clone(),
                    path: route.path,
                    need: route.need,
                    pace: route.pace,
                })
                .collect(),
        }
    }

    /// Lets a request in, or says why not. Returns how long its answer may take.
    pub(super) async fn admit(&self, request: &mut Request) -> Result<Pace, Problem> {
        let peer = *request
            .extensions()
            .get::<Peer>()
            .ok_or_else(|| Problem::new(Kind::Internal, "the connection has no known peer"))?;
        if let Peer::Tcp { local, .. } = peer {
            host::check(request.uri(), request.headers(), local, &self.allowed_hosts)
                .map_err(wrong_host)?;
        }
        if host::is_cross_site(request.headers()) {
            return Err(Problem::new(
                Kind::CrossSite,
                "this is a browser's request from another site or program, which may not use the \
                 API; open the daemon's own address",
            ));
        }
        let headers = request.headers();
        if is_change(request.method())
            && !headers.contains_key(header::AUTHORIZATION)
            && sessions::cookie(peer, headers).is_some()
            && !host::is_of_our_page(headers)
            && !(is_of_session(request) && host::is_no_browsers(headers))
        {
            return Err(Problem::new(
                Kind::CrossSite,
                "a cookie alone changes nothing: the browser must say that it is for a page of this \
                 daemon (`Origin` or `Sec-Fetch-Site`); programs send `Authorization: Bearer TOKEN`",
            ));
        }
        let (need, pace) = self.rule(request);
        if need == Need::Nothing {
            return Ok(pace);
        }
        let caller = self.identify(peer, request.headers()).await?;
        let may = require(&caller, need);
        // Before it is refused, so that the log can say who it was.
        request.extensions_mut().insert(caller);
        may.map(|()| pace)
    }

    /// What the route of a request needs; a page that does not exist is for those who may read.
    fn rule(&self, request: &Request) -> (Need, Pace) {
        let path = request.extensions().get::<MatchedPath>();
        let method = match *request.method() {
            Method::HEAD => &Method::GET,
            ref other => other,
        };
        let found = self
            .rules
            .iter()
            .find(|rule| rule.method == *method && path.is_some_and(|p| p.as_str() == rule.path));
        found.map_or((Need::Jobs(Role::Viewer), Pace::Prompt), |rule| {
            (rule.need, rule.pace)
        })
    }

    /// Tells who asks. Where tokens count, one that is shown decides alone, and before a session.
    pub(super) async fn identify(
        &self,
        peer: Peer,
        headers: &HeaderMap,
    ) -> Result<Caller, Problem> {
        let named = match peer {
            Peer::Tcp { .. } => "loopback".to_owned(),
            Peer::Unix { uid: Some(uid) } => format!("unix:uid={uid}"),
            Peer::Unix { uid: None } => "unix".to_owned(),
        };
        if self.auth == Auth::None {
            // What listens beyond loopback was opened under other rules, before a reload.
            return match peer {
                Peer::Tcp { local, .. } if !local.ip().to_canonical().is_loopback() => {
                    Err(unauthorised(
                        "with `auth = \"none\"` the API answers on loopback addresses only; restart \
                         the daemon to have it listen there alone",
                    ))
                }
                _ => Ok(Caller::all_powerful(named)),
            };
        }
        match credentials::shown(headers) {
            Ok(None) => {}
            Ok(Some(token)) => return self.judge(token).await.map(|known| known.caller),
            Err(unusable) => return Err(unauthorised(&unusable.to_string())),
        }
        if let Some(caller) = self.of_session(peer, headers) {
            return Ok(caller);
        }
        match peer {
            Peer::Unix { uid: Some(uid) } if uid == 0 || uid == self.own_uid => {
                Ok(Caller::all_powerful(named))
            }
            _ if sessions::cookie(peer, headers).is_some() => {
                Err(unauthorised("the session is over"))
            }
            _ => Err(unauthorised("there is no token with this request")),
        }
    }

    /// Whoever has a session: its token as it is in the config now.
    pub(super) fn of_session(&self, peer: Peer, headers: &HeaderMap) -> Option<Caller> {
        let cookie = sessions::cookie(peer, headers)?;
        let (key, hash) = self.memory.sessions.find(cookie, clock::now())?;
        let known = self.tokens.iter().find(|known| known.hash == hash)?;
        Some(Caller {
            session: Some(key),
            ..known.caller.clone()
        })
    }

    /// Whose token somebody signs in with; none: nobody needs one here.
    pub(super) async fn sign_in(&self, token: &str) -> Result<Option<KnownToken>, Problem> {
        if self.auth == Auth::None {
            return Ok(None);
        }
        let token = Sent::new(token.as_bytes());
        let token = token
            .ok_or_else(|| Problem::new(Kind::WrongBody, "there is no `token` in the body"))?;
        self.judge(token).await.map(Some)
    }

    /// The sessions, whatever the rules are.
    pub(super) fn sessions(&self) -> &Sessions {
        &self.memory.sessions
    }

    /// How clients show who they are.
    pub(super) fn auth(&self) -> Auth {
        self.auth
    }

    /// Whose token this is; who has none of ours waits for the answer.
    async fn judge(&self, token: Sent<'_>) -> Result<KnownToken, Problem> {
        let look = self.memory.guesses.look(token.bytes()).await?;
        if let Some(known) = self.holder(token) {
            return Ok(known.clone());
        }
        look.was_wrong().await;
        Err(unauthorised(
            "no token of the config is the one that was sent",
        ))
    }

    /// Whose token this is. Takes as long whichever it is, and none.
    fn holder(&self, token: Sent<'_>) -> Option<&KnownToken> {
        let hash = token::digest(token.bytes());
        let mut found = u64::MAX;
        for (at, known) in (0_u64..).zip(&self.tokens) {
            found.conditional_assign(&at, known.hash.ct_eq(&hash));
        }
        self.tokens.get(usize::try_from(found).ok()?)
    }
}

/// Whether a request of this method may change something.
fn is_change(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether it signs in or out. That needs no cookie, so a cookie, a dead one too, is no reason to
/// refuse it.
fn is_of_session(request: &Request) -> bool {
    let path = request.extensions().get::<MatchedPath>();
    path.is_some_and(|path| path.as_str() == "/session")
}

fn require(caller: &Caller, need: Need) -> Result<(), Problem> {
    let (Need::Jobs(role) | Need::Everything(role)) = need else {
        return Ok(());
    };
    if caller.role < role {
        let detail = format!(
            "{} has the role {}, and this needs {}; use another token, or change its role in the \
             config",
            caller.by,
            caller.role.as_str(),
            role.as_str()
        );
        return Err(Problem::new(Kind::Forbidden, detail));
    }
    if matches!(need, Need::Everything(_)) && !caller.sees_all() {
        let detail = format!(
            "{} is for some jobs only, and this concerns all of them; use a token without `jobs`",
            caller.by
        );
        return Err(Problem::new(Kind::Forbidden, detail));
    }
    Ok(())
}

fn unauthorised(why: &str) -> Problem {
    Problem::new(
        Kind::Unauthorised,
        format!(
            "{why}; send `Authorization: Bearer TOKEN` with a token of [[server.tokens]], or use the \
             Unix socket as root or as the daemon's user"
        ),
    )
}

fn wrong_host(error: HostError) -> Problem {
    match error {
        HostError::Malformed => Problem::new(
            Kind::BadRequest,
            "a request has exactly one Host header, a name or an address",
        ),
        HostError::Unknown(host) => Problem::new(
            Kind::WrongHost,
            format!(
                "the daemon is not known as {host:?}; use localhost or the address it listens on, \
                 or add the name to `allowed_hosts` of [server]"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, role: Role, jobs: Option<&[&str]>) -> Token {
        Token {
            name: name.into(),
            hash: token::digest(format!("{name}-secret").as_bytes()),
            role,
            jobs: jobs.map(|jobs| jobs.iter().map(ToString::to_string).collect()),
        }
    }

    fn gate(auth: Auth) -> Gate {
        let settings = Server {
            listen: Vec::new(),
            unix_socket: "/x".into(),
            unix_socket_mode: 0o660,
            auth,
            allowed_hosts: Vec::new(),
            tokens: vec![
                token("view", Role::Viewer, None),
                token("deploy", Role::Operator, Some(&["backup-*"])),
                token("root", Role::Admin, None),
                // No config has it; here it shows what an empty token would be taken for.
                Token {
                    name: "nothing".into(),
                    hash: token::digest(b""),
                    role: Role::Admin,
                    jobs: None,
                },
            ],
        };
        Gate::new(
            &settings,
            1000,
            &super::super::routes::table(),
            Arc::new(Memory::new()),
        )
    }

    fn authorization(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append(header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    const TCP: Peer = Peer::Tcp {
        local: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1),
        remote: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 2),
    };

    async fn by(gate: &Gate, peer: Peer, headers: &HeaderMap) -> Option<String> {
        let caller = gate.identify(peer, headers).await;
        caller.ok().map(|caller| caller.by)
    }

    #[tokio::test]
    async fn a_token_is_whose_it_is() {
        let gate = gate(Auth::Token);
        let found = async |value: &str| by(&gate, TCP, &authorization(value)).await;
        assert_eq!(
            found("Bearer view-secret").await.as_deref(),
            Some("token:view")
        );
        assert_eq!(
            found("bearer  deploy-secret ").await.as_deref(),
            Some("token:deploy")
        );
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer x",
            "Basic view-secret",
            "view-secret",
        ] {
            assert_eq!(found(wrong).await, None, "{wrong}");
        }
        assert_eq!(by(&gate, TCP, &HeaderMap::new()).await, None);
        let mut two = authorization("Bearer view-secret");
        two.append(header::AUTHORIZATION, "Bearer root-secret".parse().unwrap());
        assert_eq!(by(&gate, TCP, &two).await, None);
    }

    #[tokio::test]
    async fn the_socket_knows_its_peers() {
        let gate = gate(Auth::Token);
        let none = HeaderMap::new();
        let unix = |uid| Peer::Unix { uid };
        assert_eq!(
            by(&gate, unix(Some(0)), &none).await.as_deref(),
            Some("unix:uid=0")
        );
        assert_eq!(
            by(&gate, unix(Some(1000)), &none).await.as_deref(),
            Some("unix:uid=1000")
        );
        assert_eq!(by(&gate, unix(Some(1001)), &none).await, None);
        assert_eq!(by(&gate, unix(None), &none).await, None);
        let shown = authorization("Bearer view-secret");
        assert_eq!(
            by(&gate, unix(Some(0)), &shown).await.as_deref(),
            Some("token:view")
        );
        assert_eq!(
            by(&gate, unix(Some(0)), &authorization("Bearer x")).await,
            None
        );
    }

    #[tokio::test]
    async fn without_authentication_everybody_on_loopback_is_let_in() {
        let gate = gate(Auth::None);
        let none = HeaderMap::new();
        assert_eq!(by(&gate, TCP, &none).await.as_deref(), Some("loopback"));
        let other = Peer::Unix { uid: Some(1001) };
        assert_eq!(
            by(&gate, other, &none).await.as_deref(),
            Some("unix:uid=1001")
        );
        // A socket that was opened while tokens counted, and a reload that turned them off.
        let outside = Peer::Tcp {
            local: "192.0.2.1:7878".parse().unwrap(),
            remote: "192.0.2.2:7878".parse().unwrap(),
        };
        assert_eq!(by(&gate, outside, &none).await, None);
    }

    #[test]
    fn roles_include_those_before_them_and_limited_tokens_concern_no_others() {
        let gate = gate(Auth::Token);
        let holder = |name: &str| {
            let token = format!("{name}-secret");
            let known = gate.holder(Sent::new(token.as_bytes()).unwrap());
            known.unwrap().caller.clone()
        };
        let may = |name: &str, need| require(&holder(name), need).is_ok();
        for (name, expected) in [
            ("view", [true, false, false, false]),
            ("deploy", [true, true, false, false]),
            ("root", [true, true, true, true]),
        ] {
            let found = [
                may(name, Need::Jobs(Role::Viewer)),
                may(name, Need::Jobs(Role::Operator)),
                may(name, Need::Everything(Role::Operator)),
                may(name, Need::Everything(Role::Admin)),
            ];
            assert_eq!(found, expected, "{name}");
        }
        let job = |name| JobName::new(name).unwrap();
        assert!(holder("deploy").sees(&job("backup-home")));
        assert!(!holder("deploy").sees(&job("report")));
        assert!(holder("view").sees(&job("report")) && holder("view").sees_all());
    }
}
