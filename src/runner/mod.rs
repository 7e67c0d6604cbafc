//! RUNS: the only module that starts processes.
