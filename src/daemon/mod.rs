//! Puts the parts together: start order, driver loop, effects into IO, recovery, shutdown.
