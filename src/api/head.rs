//! The head of a request, bounded well below what hyper bounds: what hyper refuses it answers by itself,
//! without a body and before anything of ours knows of it.

use axum::extract::Request;

use super::error::{Kind, Problem};

/// The longest path with its query, in bytes.
const MAX_TARGET: usize = 16 << 10;

/// The largest header section, in bytes.
const MAX_HEADERS: usize = 32 << 10;

/// The most headers.
const MAX_COUNT: usize = 100;

/// Whether the head of a request is within its bounds.
pub(super) fn fits(request: &Request) -> Result<(), Problem> {
    let target = request.uri().path_and_query();
    let length = target.map_or(0, |target| target.as_str().len());
    if length > MAX_TARGET {
        let detail = format!("a path and its query have at most {MAX_TARGET} bytes, not {length}");
        return Err(Problem::new(Kind::TargetTooLong, detail));
    }
    let headers = request.headers();
    // Each as a line: a colon, a space and the end of the line.
    let lines = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    let (count, size) = (headers.len(), lines.sum::<usize>());
    if count > MAX_COUNT || size > MAX_HEADERS {
        let detail = format!(
            "there are at most {MAX_COUNT} headers and {MAX_HEADERS} bytes of them, not {count} and \
             {size}; cookies of other programs under the same host name may be among them"
        );
        return Err(Problem::new(Kind::HeadersTooLarge, detail));
    }
    Ok(())
}
