//! Log lines, from events and errors.
