//! The admin API: HTTP in, commands and snapshots out.
