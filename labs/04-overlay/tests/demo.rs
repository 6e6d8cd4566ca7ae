//! The demonstration in every place; digests hold times, so they are others in every run.

testbed::demo_tests!("lab-04", [(r"\b[0-9a-f]{16}\b", "[DIGEST]")]);
