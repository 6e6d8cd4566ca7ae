//! Joining the namespaces of a running process.
