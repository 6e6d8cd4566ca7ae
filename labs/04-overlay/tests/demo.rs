//! The demonstration in every place.

testbed::demo_tests!("lab-04");
