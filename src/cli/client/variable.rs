//! Variables of the environment that stand for options.

use std::ffi::OsString;

/// What a variable holds; an empty one is as good as none, as of `$PUNCTUAL_CONFIG`.
pub(super) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
