//! Job names: `[a-z0-9][a-z0-9._-]{0,63}`, cheap to copy around.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest name, in bytes.
const MAX_LEN: usize = 64;

/// The name of a job, known to be well-formed.
///
/// Jobs are kept in maps by name, and looked up several times a fire. So a name carries its first 16
/// bytes with it, which tell most names apart without a look at the text itself.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobName {
    /// The first 16 bytes, the first of them the most significant, filled up with zeros. No name has
    /// a zero byte, so heads are in the order of names as far as they differ.
    head: u128,
    text: Arc<str>,
}

impl PartialEq for JobName {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head && self.text == other.text
    }
}

impl Eq for JobName {}

impl PartialOrd for JobName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for JobName {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_head = self.head.cmp(&other.head);
        by_head.then_with(|| self.text.cmp(&other.text))
    }
}

/// As its text has it, which it may be looked up by.
impl Hash for JobName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The empty name.
    #[error("a job name must not be empty")]
    Empty,
    /// More than 64 bytes.
    #[error("a job name has at most {MAX_LEN} characters, this one has {0}")]
    TooLong(usize),
    /// A first character outside `[a-z0-9]`.
    #[error("a job name starts with a lower-case letter or a digit, not with {0:?}")]
    BadStart(char),
    /// A later character outside `[a-z0-9._-]`.
    #[error("a job name holds lower-case letters, digits, '.', '_' and '-', not {0:?}")]
    BadCharacter(char),
}

impl JobName {
    /// Checks a name and takes it.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let first = name.chars().next().ok_or(NameError::Empty)?;
        if name.len() > MAX_LEN {
            return Err(NameError::TooLong(name.chars().count()));
        }
        if !(first.is_ascii_lowercase() || first.is_ascii_digit()) {
            return Err(NameError::BadStart(first));
        }
        let allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        match name.chars().find(|&c| !allowed(c)) {
            Some(c) => Err(NameError::BadCharacter(c)),
            None => Ok(Self {
                head: head(name),
                text: name.into(),
            }),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn head(name: &str) -> u128 {
    let mut bytes = [0; 16];
    for (byte, of_name) in bytes.iter_mut().zip(name.bytes()) {
        *byte = of_name;
    }
    u128::from_be_bytes(bytes)
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl Borrow<str> for JobName {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl FromStr for JobName {
    type Err = NameError;
    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl TryFrom<String> for JobName {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(&name)
    }
}

impl From<JobName> for String {
    fn from(name: JobName) -> Self {
        name.text.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_their_texts() {
        let long = "a".repeat(15);
        let texts = [
            "0",
            "a",
            "a-",
            "a.b",
            "a0",
            "aa",
            &long,
            &format!("{long}a"),
            &format!("{long}a0"),
            &format!("{long}a00"),
            &format!("{long}ab"),
            "b",
            "z",
        ];
        let mut sorted = texts.to_vec();
        sorted.sort_unstable();
        let mut names: Vec<_> = texts
            .iter()
            .map(|text| JobName::new(text).unwrap())
            .collect();
        names.sort();
        let names: Vec<_> = names.iter().map(JobName::as_str).collect();
        assert_eq!(names, sorted);
        let map: std::collections::HashMap<_, _> = texts
            .iter()
            .map(|text| (JobName::new(text).unwrap(), *text))
            .collect();
        assert!(texts.iter().all(|text| map.get(*text) == Some(text)));
    }

    #[test]
    fn names_follow_the_contract() {
        for good in ["a", "0", "backup-home", "a.b_c-9", &"x".repeat(64)] {
            assert!(JobName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            ".a",
            "A",
            "a b",
            "a/b",
            "é",
            "a\0",
            &"x".repeat(65),
        ] {
            assert!(JobName::new(bad).is_err(), "{bad:?}");
        }
    }
}
