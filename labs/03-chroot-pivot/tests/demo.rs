//! The demonstration in every place.

testbed::demo_tests!(
    "lab-03",
    [
        (r"(libraries +│ DT_NEEDED, and theirs │ )\d+", "$1[N]"),
        (r"(symbolic links +│ on the way to them +│ )\d+", "$1[N]"),
        (r#"(inode of "/" +│ )\d+( +│ )\d+ \(its"#, "$1[INODE]$2[INODE] (its"),
        (r"(mounts in its mountinfo +│ )\d+", "$1[N]"),
        (r"((?:host|new root) +│ )\d+:\d+/\d+ +", "$1[ITS OWN] "),
        (r"/lib(32|64)?/ld-[\w.-]+", "[LOADER]"),
        (r"=> /\S+ is there", "=> [SH] is there"),
    ]
);
