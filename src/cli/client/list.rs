//! Lists, which come in parts.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Client, ClientError, PROMPT, Query, read};

/// The most items that are asked for at once.
const PAGE: usize = 500;

/// A list, or a part of one.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::cli) struct Page {
    items: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

impl Page {
    /// What the items are.
    pub(in crate::cli) fn read<T: DeserializeOwned>(&self) -> Result<Vec<T>, ClientError> {
        let items = self.items.iter();
        items.map(|item| read(item.get(), "the daemon")).collect()
    }

    /// The list as the API writes it.
    pub(in crate::cli) fn text(&self) -> String {
        serde_json::to_string(self).expect("JSON as it came is JSON")
    }

    /// Whether there are more items.
    pub(in crate::cli) fn is_part(&self) -> bool {
        self.next_cursor.is_some()
    }
}

impl Client {
    /// GETs at most so many items of a list, part by part.
    pub(in crate::cli) fn list(
        &self,
        path: &str,
        query: &Query,
        most: usize,
    ) -> Result<Page, ClientError> {
        let mut whole = Page {
            items: Vec::new(),
            next_cursor: None,
        };
        loop {
            let wanted = (most - whole.items.len()).min(PAGE);
            let mut query = query.clone();
            query.add("limit", &wanted.to_string());
            if let Some(cursor) = &whole.next_cursor {
                query.add("cursor", cursor);
            }
            let part: Page = self.get(&format!("{path}{query}"), PROMPT)?.read()?;
            let came = part.items.len();
            whole.items.extend(part.items);
            whole.next_cursor = part.next_cursor;
            if came == 0 || whole.items.len() >= most || whole.next_cursor.is_none() {
                return Ok(whole);
            }
        }
    }
}
