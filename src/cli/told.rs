//! What a stream of a run's output tells, event by event.

use serde::Deserialize;

use super::client::{ClientError, ServerEvent};
use crate::api::wire::Run;

/// One event of the output of a run.
#[derive(Debug)]
pub(super) enum Told {
    /// Bytes of standard output.
    Stdout(Vec<u8>),
    /// Bytes of standard error.
    Stderr(Vec<u8>),
    /// So many bytes were not kept.
    LeftOut(u64),
    /// A further attempt begins.
    Attempt(u32),
    /// The run has ended.
    End(Box<Run>),
    /// Nothing that is known here.
    Else,
}

/// Bytes, as text where they are.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Text(String),
    Base64(String),
}

#[derive(Deserialize)]
struct Gap {
    left_out: u64,
}

#[derive(Deserialize)]
struct Attempt {
    number: u32,
}

#[derive(Deserialize)]
struct Trouble {
    detail: String,
}

impl Told {
    /// What an event tells; trouble that the daemon has with it is an error.
    pub(super) fn read(event: &ServerEvent) -> Result<Self, ClientError> {
        Ok(match event.kind.as_str() {
            "stdout" => Self::Stdout(bytes(event)?),
            "stderr" => Self::Stderr(bytes(event)?),
            "gap" => Self::LeftOut(event.read::<Gap>()?.left_out),
            "attempt" => Self::Attempt(event.read::<Attempt>()?.number),
            "end" => Self::End(event.read()?),
            "error" => return Err(ClientError::trouble(event.read::<Trouble>()?.detail)),
            _ => Self::Else,
        })
    }
}

fn bytes(event: &ServerEvent) -> Result<Vec<u8>, ClientError> {
    match event.read()? {
        Said::Text(text) => Ok(text.into_bytes()),
        Said::Base64(text) => unbase64(&text).ok_or_else(|| ClientError::Garbled {
            place: "the daemon".to_owned(),
            why: "output that is no base64".to_owned(),
        }),
    }
}

/// The bytes of a text in base64 (RFC 4648, with padding).
fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let (mut bits, mut have) = (0_u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xff_ffff;
        have += 6;
        if have >= 8 {
            have -= 8;
            let [.., byte] = (bits >> have).to_be_bytes();
            bytes.push(byte);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: &str, data: &str) -> Result<Told, ClientError> {
        Told::read(&ServerEvent {
            id: None,
            kind: kind.to_owned(),
            data: data.to_owned(),
        })
    }

    #[test]
    fn bytes_come_as_text_or_base64() {
        for (data, expected) in [
            (r#"{"text": "über\n"}"#, "über\n".as_bytes()),
            (r#"{"base64": ""}"#, b""),
            (r#"{"base64": "Zg=="}"#, b"f"),
            (r#"{"base64": "Zm8="}"#, b"fo"),
            (r#"{"base64": "Zm9vYmFy"}"#, b"foobar"),
            (r#"{"base64": "+//+"}"#, b"\xfb\xff\xfe"),
        ] {
            let Ok(Told::Stdout(bytes)) = told("stdout", data) else {
                panic!("{data}")
            };
            assert_eq!(bytes, expected, "{data}");
        }
        for data in [
            r#"{"base64": "Zg"}"#,
            r#"{"base64": "Z==="}"#,
            r#"{"base64": "Z g="}"#,
            "7",
        ] {
            assert!(told("stderr", data).is_err(), "{data}");
        }
    }

    #[test]
    fn trouble_is_an_error_and_what_is_new_is_let_pass() {
        assert!(matches!(
            told("gap", r#"{"left_out": 7}"#),
            Ok(Told::LeftOut(7))
        ));
        assert!(matches!(
            told("attempt", r#"{"number": 2}"#),
            Ok(Told::Attempt(2))
        ));
        assert!(matches!(told("weather", "fine"), Ok(Told::Else)));
        let error = told("error", r#"{"detail": "the ledger fails"}"#).unwrap_err();
        assert_eq!(error.to_string(), "the ledger fails");
    }
}
