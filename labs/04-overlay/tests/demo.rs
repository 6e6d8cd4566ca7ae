//! The demonstration in every place.

testbed::demo_tests!("lab-04");

#[test]
fn it_waits_for_a_key_between_scenes() {
    let place = testbed::Place::unprivileged();
    testbed::needs!(In(place), Program("script"));
    testbed::paused(place, env!("CARGO_BIN_EXE_lab-04"));
}
