//! Sessions of browsers: who has shown a token once has a cookie instead, for a while.
//!
//! Only the digest of a cookie's value is kept, in memory alone: a restart ends all sessions. What a
//! session may do is what its token may do at that moment; a token that the config does not have any
//! more opens nothing, and its sessions are over.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use tokio::sync::watch;

use super::access::Peer;
use crate::clock;
use crate::token;

/// A session that nobody uses is over after this.
const IDLE: Duration = Duration::from_hours(12);

/// Any session is over after this.
const LIFE: Duration = Duration::from_hours(7 * 24);

/// The most sessions at once; the one that was not used for longest makes room.
const MOST: usize = 1_000;

/// How often an answer that goes on looks whether its session does, too.
const LOOK: Duration = Duration::from_mins(1);

/// What a session is known by: the digest of its cookie's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SessionKey([u8; 32]);

#[derive(Debug, Clone, Copy)]
struct Session {
    /// The digest of the token that was shown.
    token: [u8; 32],
    begun: Timestamp,
    used: Timestamp,
}

impl Session {
    fn is_over(&self, now: Timestamp) -> bool {
        // Negative where the clock went back: then it is as young as can be.
        let since = |then: Timestamp| Duration::try_from(now.duration_since(then));
        since(self.used).is_ok_and(|idle| idle >= IDLE)
            || since(self.begun).is_ok_and(|age| age >= LIFE)
    }
}

/// All sessions of this life of the daemon.
#[derive(Debug)]
pub(super) struct Sessions {
    known: Mutex<HashMap<SessionKey, Session>>,
    /// Changes when one is ended before its time.
    ended: watch::Sender<u64>,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self {
            known: Mutex::default(),
            ended: watch::Sender::new(0),
        }
    }

    /// Begins a session for whoever has shown this token; answers the value of its cookie.
    pub(super) fn begin(&self, token: [u8; 32], now: Timestamp) -> io::Result<String> {
        let value = token::unnamed()?;
        let mut known = self.known();
        known.retain(|_, session| !session.is_over(now));
        if known.len() >= MOST {
            let oldest = known.iter().min_by_key(|(_, session)| session.used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                known.remove(&oldest);
            }
        }
        let session = Session {
            token,
            begun: now,
            used: now,
        };
        known.insert(key_of(value.as_bytes()), session);
        Ok(value)
    }

    /// The session of a cookie, as long as it goes on, and the token behind it. That is a use of it.
    pub(super) fn find(&self, cookie: &[u8], now: Timestamp) -> Option<(SessionKey, [u8; 32])> {
        let key = key_of(cookie);
        self.touch(key, now).map(|token| (key, token))
    }

    fn touch(&self, key: SessionKey, now: Timestamp) -> Option<[u8; 32]> {
        let mut known = self.known();
        let session = known.get_mut(&key)?;
        if session.is_over(now) {
            known.remove(&key);
            return None;
        }
        session.used = now;
        Some(session.token)
    }

    /// Ends a session for good.
    pub(super) fn end(&self, key: SessionKey) {
        if self.known().remove(&key).is_some() {
            self.ended.send_modify(|count| *count += 1);
        }
    }

    /// Ends those whose token the config does not have any more.
    pub(super) fn keep_only(&self, is_known: impl Fn(&[u8; 32]) -> bool) {
        self.known().retain(|_, session| is_known(&session.token));
        self.ended.send_modify(|count| *count += 1);
    }

    /// Returns once a session is over. An answer that goes on uses it.
    pub(super) async fn until_over(&self, key: SessionKey) {
        let mut ended = self.ended.subscribe();
        while self.touch(key, clock::now()).is_some() {
            tokio::select! {
                // The sender is here, so there is no error.
                _ = ended.changed() => {}
                () = clock::elapse(LOOK) => {}
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<SessionKey, Session>> {
        // Every change leaves it whole, so a panic elsewhere does too.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key_of(value: &[u8]) -> SessionKey {
    SessionKey(token::digest(value))
}

/// The name of the cookie. Browsers keep those of all ports of a name together: the port tells two
/// daemons apart.
pub(super) fn cookie_name(peer: Peer) -> String {
    match peer {
        Peer::Tcp { local, .. } => format!("punctual_session_{}", local.port()),
        Peer::Unix { .. } => "punctual_session".to_owned(),
    }
}

/// The value of the cookie that came with a request.
pub(super) fn cookie(peer: Peer, headers: &HeaderMap) -> Option<&[u8]> {
    let name = cookie_name(peer);
    let values = headers.get_all(header::COOKIE).iter();
    let pairs = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b';'));
    let mut ours = pairs.filter_map(|pair| {
        let rest = pair.trim_ascii().strip_prefix(name.as_bytes())?;
        rest.strip_prefix(b"=")
    });
    ours.next()
}

/// The header that gives a browser its cookie. `secure`: the page came by HTTPS.
pub(super) fn give(peer: Peer, value: &str, secure: bool) -> String {
    set(peer, value, LIFE, secure)
}

/// The header that takes the cookie away.
pub(super) fn take(peer: Peer, secure: bool) -> String {
    set(peer, "", Duration::ZERO, secure)
}

fn set(peer: Peer, value: &str, life: Duration, secure: bool) -> String {
    let (name, life) = (cookie_name(peer), life.as_secs());
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={life}; HttpOnly; SameSite=Strict{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: [u8; 32] = [1; 32];

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_000_000_000 + hours * 3_600).unwrap()
    }

    fn finds(sessions: &Sessions, value: &str, hours: i64) -> bool {
        sessions.find(value.as_bytes(), at(hours)).is_some()
    }

    #[test]
    fn a_session_is_over_when_it_was_idle_or_is_old() {
        let sessions = Sessions::new();
        let (one, other) = (sessions.begin(TOKEN, at(0)), sessions.begin(TOKEN, at(0)));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_ne!(one, other);
        let found = sessions.find(one.as_bytes(), at(0)).unwrap();
        assert_eq!(found.1, TOKEN);
        // Used every 11 hours, it lasts a week and no longer.
        for hours in (11..7 * 24).step_by(11) {
            assert!(finds(&sessions, &one, hours), "{hours}");
        }
        assert!(finds(&sessions, &one, 7 * 24 - 1));
        assert!(!finds(&sessions, &one, 7 * 24));
        assert!(!finds(&sessions, &one, 0), "and it does not come back");
        assert!(!finds(&sessions, &other, 12));
        // The clock goes back: nothing is over for that.
        let young = sessions.begin(TOKEN, at(50)).unwrap();
        assert!(finds(&sessions, &young, 0) && finds(&sessions, &young, 11));
        for wrong in ["", "x", &young[1..]] {
            assert!(!finds(&sessions, wrong, 50), "{wrong:?}");
        }
    }

    #[test]
    fn sessions_are_bounded_and_end_for_good() {
        let sessions = Sessions::new();
        let first = sessions.begin(TOKEN, at(0)).unwrap();
        let second = sessions.begin(TOKEN, at(0)).unwrap();
        assert!(finds(&sessions, &first, 1));
        for _ in 2..=MOST {
            sessions.begin(TOKEN, at(2)).unwrap();
        }
        assert_eq!(sessions.known().len(), MOST);
        assert!(finds(&sessions, &first, 2) && !finds(&sessions, &second, 2));
        let (key, _) = sessions.find(first.as_bytes(), at(2)).unwrap();
        sessions.end(key);
        assert!(!finds(&sessions, &first, 2));
        sessions.keep_only(|token| *token != TOKEN);
        assert!(sessions.known().is_empty());
    }

    #[tokio::test]
    async fn an_answer_that_goes_on_hears_of_the_end() {
        let sessions = Sessions::new();
        let value = sessions.begin(TOKEN, clock::now()).unwrap();
        let (key, _) = sessions.find(value.as_bytes(), clock::now()).unwrap();
        let ending = async {
            tokio::task::yield_now().await;
            sessions.end(key);
        };
        tokio::join!(sessions.until_over(key), ending);
        sessions.until_over(key).await;
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let tcp = Peer::Tcp {
            local: "127.0.0.1:7878".parse().unwrap(),
            remote: "127.0.0.1:2".parse().unwrap(),
        };
        let mut headers = HeaderMap::new();
        let shown = |headers: &HeaderMap| cookie(tcp, headers).map(<[u8]>::to_vec);
        assert_eq!(shown(&headers), None);
        let mut add = |value: &'static str| headers.append(header::COOKIE, value.parse().unwrap());
        add("a=b; punctual_session_7879=no;punctual_session=no; xpunctual_session_7878=no");
        add("c=d;  punctual_session_7878=yes ; punctual_session_7878=second");
        assert_eq!(shown(&headers).as_deref(), Some(&b"yes"[..]));
        let unix = Peer::Unix { uid: None };
        assert_eq!(cookie(unix, &headers), Some(&b"no"[..]));
        assert_eq!(
            give(tcp, "v", false),
            "punctual_session_7878=v; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict"
        );
        assert_eq!(
            take(unix, true),
            "punctual_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure"
        );
    }
}
