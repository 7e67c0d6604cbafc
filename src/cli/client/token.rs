//! Who asks.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;

use hyper::header::HeaderValue;

use super::ClientError;
use super::variable::variable;

/// The largest file with a token, in bytes.
const MAX_TOKEN: u64 = 4096;

/// The token as a header. It never shows in a debug print.
pub(super) fn authorization(file: Option<&Path>) -> Result<Option<HeaderValue>, ClientError> {
    let (token, place) = match file {
        Some(path) => {
            let read = || {
                let mut text = String::new();
                let file = std::fs::File::open(path)?;
                file.take(MAX_TOKEN).read_to_string(&mut text)?;
                Ok(text)
            };
            let text = read().map_err(|why| ClientError::TokenFile {
                path: path.to_owned(),
                why,
            })?;
            (text, path.display().to_string())
        }
        None => match variable("PUNCTUAL_TOKEN").map(OsString::into_string) {
            Some(Ok(text)) => (text, "$PUNCTUAL_TOKEN".to_owned()),
            Some(Err(_)) => return Err(ClientError::TokenBytes),
            None => return Ok(None),
        },
    };
    let token = token.trim();
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(ClientError::Token(place));
    }
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    let mut value = value.map_err(|_| ClientError::Token(place))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_from_files_and_stay_hidden() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            authorization(Some(file.path()))
        };
        let value = read("s3cret\n").unwrap().unwrap();
        assert_eq!(value, "Bearer s3cret");
        assert!(!format!("{value:?}").contains("s3cret"));
        for bad in ["", "\n", "two words", "two\nlines", "ü"] {
            assert!(matches!(read(bad), Err(ClientError::Token(_))), "{bad:?}");
        }
        let absent = authorization(Some(Path::new("/nowhere/token")));
        assert!(matches!(absent, Err(ClientError::TokenFile { .. })));
    }
}
