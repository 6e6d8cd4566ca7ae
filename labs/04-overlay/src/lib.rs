//! Overlay file systems: the mount, copy-up, whiteouts, the diff of an upper directory.
