//! The real daemon, from outside.
