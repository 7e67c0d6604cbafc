//! Bytes that a program printed, as JSON that loses none: text where they are, base64 where not.

use serde::Serialize;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Some bytes.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
    /// They are UTF-8.
    Text(String),
    /// They are not (RFC 4648, with padding).
    Base64(String),
}

/// Whether more bytes may come behind those that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// A character that is not whole yet waits for the rest.
    GoesOn,
    /// What is there is all.
    Over,
}

/// The bytes in order, each part with its length in bytes.
pub(super) fn say(bytes: &[u8], course: Course) -> Vec<(Said, usize)> {
    let error = match std::str::from_utf8(bytes) {
        Ok("") => return Vec::new(),
        Ok(text) => return vec![(Said::Text(text.to_owned()), bytes.len())],
        Err(error) => error,
    };
    let (text, rest) = bytes.split_at(error.valid_up_to());
    let mut said = say(text, Course::Over);
    let not_whole = error.error_len().is_none() && course == Course::GoesOn;
    if !not_whole {
        said.push((Said::Base64(base64(rest)), rest.len()));
    }
    said
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = bits >> (18 - 6 * at) & 63;
            text.push(if at <= three.len() {
                char::from(ALPHABET[digit as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn text_is_text_and_half_a_character_waits() {
        let text = |text: &str, length| (Said::Text(text.into()), length);
        let coded = |text: &str, length| (Said::Base64(text.into()), length);
        assert_eq!(say(b"", Course::Over), []);
        assert_eq!(say("aü".as_bytes(), Course::GoesOn), [text("aü", 3)]);
        assert_eq!(say(b"a\xc3", Course::GoesOn), [text("a", 1)]);
        assert_eq!(say(b"\xc3", Course::GoesOn), []);
        assert_eq!(
            say(b"a\xc3", Course::Over),
            [text("a", 1), coded("ww==", 1)]
        );
        assert_eq!(
            say(b"a\xffb", Course::GoesOn),
            [text("a", 1), coded("/2I=", 2)]
        );
    }
}
