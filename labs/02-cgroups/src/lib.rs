//! Control groups v1, hybrid and v2: limits, accounting, the freezer.
