//! DECIDES: what happens to each fire, as one pure step function.
