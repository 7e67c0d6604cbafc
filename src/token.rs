//! Tokens of the API and ids of sessions: how they are made, and what is kept of them.

use std::fmt::Write as _;
use std::io;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest, Sha256};

/// What a token begins with, so that people and scanners for leaked secrets know one when they see
/// it.
const PREFIX: &str = "punctual_";

/// How many random bytes there are in one: more than anybody can guess.
const BYTES: usize = 32;

/// A new token, from the kernel's random numbers.
pub fn new() -> io::Result<String> {
    Ok(format!("{PREFIX}{}", hex(&random()?)))
}

/// A new secret without a prefix, for those who never see it.
pub fn unnamed() -> io::Result<String> {
    random().map(|bytes| hex(&bytes))
}

/// Whether this has the form of a token that [`new`] makes. Nobody guesses one of those.
pub fn is_ours(token: &[u8]) -> bool {
    let digits = token.strip_prefix(PREFIX.as_bytes());
    digits.is_some_and(|digits| {
        digits.len() == 2 * BYTES
            && digits
                .iter()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// What is kept of a secret: it cannot be turned back.
pub fn digest(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// A digest as the config has it.
pub fn written(digest: &[u8; 32]) -> String {
    format!("sha256:{}", hex(digest))
}

fn random() -> io::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    let mut filled = 0;
    while filled < BYTES {
        match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(more) => filled += more,
            Err(Errno::INTR) => {}
            Err(why) => return Err(why.into()),
        }
    }
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tokens_are_alike_and_each_is_known() {
        let (one, other) = (new().unwrap(), new().unwrap());
        assert_ne!(one, other);
        assert_ne!(unnamed().unwrap(), unnamed().unwrap());
        assert!(
            is_ours(one.as_bytes()) && is_ours(other.as_bytes()),
            "{one}"
        );
        let longer = format!("{one}0");
        for text in [
            "",
            PREFIX,
            "punctual_0",
            &one[1..],
            &longer,
            &one.to_uppercase(),
        ] {
            assert!(!is_ours(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_digest_is_what_sha256sum_prints() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(written(&digest(b"")), empty);
    }
}
