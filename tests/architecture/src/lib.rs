//! Holds the floors and the nevers of ARCHITECTURE.md.
