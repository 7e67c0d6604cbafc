//! Looks for a text in a body as it comes. Pure.

/// A search that keeps no more of the body than the text is long.
#[derive(Debug)]
pub(super) struct Search {
    wanted: Vec<u8>,
    /// The end of what was seen, which may be the beginning of the text.
    seen: Vec<u8>,
    found: bool,
}

impl Search {
    /// A search in a body of which nothing has come yet.
    pub(super) fn new(wanted: &str) -> Self {
        Self {
            wanted: wanted.into(),
            seen: Vec::new(),
            found: wanted.is_empty(),
        }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.found {
            return;
        }
        self.seen.extend_from_slice(bytes);
        let mut places = self.seen.windows(self.wanted.len());
        self.found = places.any(|place| place == self.wanted);
        let keep = (self.wanted.len() - 1).min(self.seen.len());
        self.seen.drain(..self.seen.len() - keep);
    }

    /// Whether the text has come.
    pub(super) fn found(&self) -> bool {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_is_found_wherever_it_is_cut(
            body in "[ab]{0,40}",
            wanted in "[ab]{0,5}",
            step in 1_usize..8,
        ) {
            let mut search = Search::new(&wanted);
            for bytes in body.as_bytes().chunks(step) {
                search.push(bytes);
            }
            prop_assert_eq!(search.found(), body.contains(&wanted));
            prop_assert!(search.seen.len() < wanted.len().max(1));
        }
    }
}
