//! Where the tests stand: places to run a binary in, shared filters, the host before and after.
