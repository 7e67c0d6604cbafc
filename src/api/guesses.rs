//! Wrong tokens are answered late, and looked at few at a time: whoever tries tokens gets nowhere,
//! however many connections they have.
//!
//! A token that `punctual token new` made cannot be guessed. So one of that form is looked at at once,
//! whoever else is guessing: nobody can lock its holder out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{Kind, Problem};
use crate::clock;
use crate::token;

/// How long the answer to a wrong token is held back.
const WRONG_TOKEN: Duration = Duration::from_millis(500);

/// How many wrong tokens are held back at once.
const PLACES: usize = 8;

/// How long a token waits to be looked at.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a token is looked at with; empty for one that nobody can have guessed.
#[derive(Debug)]
pub(super) struct Look {
    /// Free again when dropped.
    _place: Option<OwnedSemaphorePermit>,
}

/// The places.
#[derive(Debug)]
pub(super) struct Guesses(Arc<Semaphore>);

impl Guesses {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(PLACES)))
    }

    /// Waits until this token may be looked at.
    pub(super) async fn look(&self, token: &[u8]) -> Result<Look, Problem> {
        if token::is_ours(token) {
            return Ok(Look { _place: None });
        }
        tokio::select! {
            place = Arc::clone(&self.0).acquire_owned() => Ok(Look { _place: place.ok() }),
            () = clock::elapse(PATIENCE) => Err(Problem::new(
                Kind::TooManyGuesses,
                "too many wrong tokens are being tried; try again, or use a token made by `punctual \
                 token new`, which does not wait for this",
            )),
        }
    }
}

impl Look {
    /// The token was wrong: the answer waits, and its place too, even if whoever asked goes away.
    pub(super) async fn was_wrong(self) {
        let held = tokio::spawn(async move {
            clock::elapse(WRONG_TOKEN).await;
            drop(self);
        });
        // It does not panic; at the end of the runtime nobody waits any more.
        let _ = held.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn guesses_wait_for_one_another_and_for_nobody_else() {
        let guesses = Guesses::new();
        let mut taken = Vec::new();
        for _ in 0..PLACES {
            taken.push(guesses.look(b"guess").await.unwrap());
        }
        let made = token::new().unwrap();
        guesses
            .look(made.as_bytes())
            .await
            .unwrap()
            .was_wrong()
            .await;
        let began = clock::monotonic();
        // Whoever guessed hangs up, and the place is held all the same.
        let last = taken.pop().unwrap();
        tokio::select! {
            biased;
            () = last.was_wrong() => panic!("it waits"),
            () = tokio::task::yield_now() => {}
        }
        let next = guesses.look(b"guess").await;
        let waited = began.elapsed();
        assert!(next.is_ok() && waited >= WRONG_TOKEN, "{waited:?}");
        let refused = guesses.look(b"guess").await.unwrap_err();
        assert_eq!(refused.status().as_u16(), 429);
        // One that was right makes room at once.
        drop(taken.pop());
        assert!(guesses.look(b"guess").await.is_ok());
    }
}
