//! From files to a checked configuration: as written, then as meant, all complaints at once.
