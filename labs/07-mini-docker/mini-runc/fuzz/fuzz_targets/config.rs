//! Any bytes as config.json: planned as `create --explain` does, or refused with a reason.
#![no_main]

use std::{fs, path::PathBuf, sync::LazyLock};

use libfuzzer_sys::fuzz_target;

static BUNDLE: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = std::env::temp_dir().join(format!("mini-runc-fuzz-{}", std::process::id()));
    fs::create_dir_all(dir.join("rootfs")).expect("a temporary directory");
    dir
});

fuzz_target!(|config: &[u8]| {
    if let Err(error) = mini_runc::explain(&BUNDLE, config.to_vec()) {
        assert!(!error.what.is_empty() && error.why.is_some(), "{error}");
    }
});
