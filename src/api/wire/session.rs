//! Who asks, as the daemon sees them.

use schemars::JsonSchema;
use serde::Serialize;

/// Who asks, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Who {
    /// The name of the token, or how they came in without one.
    pub name: String,
    /// `viewer`, `operator` or `admin`.
    pub role: &'static str,
    /// Patterns of the jobs that they see and steer; none: all.
    pub jobs: Option<Vec<String>>,
    /// How clients show who they are: `token`, or `none`: they do not.
    pub auth: &'static str,
    /// Whether they came with a cookie, and can sign out.
    pub session: bool,
}
