//! The pure core in simulated time.
