//! Bind mounts, propagation, read-only mounts, volumes.
