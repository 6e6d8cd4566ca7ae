//! The demonstration in every place, its plan, and its events.

testbed::demo_tests!(
    "lab-02",
    [
        // The groups of this run, and those that the machine put us into.
        (r"\blab-\d+-", "lab-[RUN]-"),
        (r"/\S*[0-9a-f]{32}", "/[GROUP]"),
        // What depends on the kernel's version or on the moment.
        (r"\b\d+ files", "[N] files"),
        (r"counts \(\d+ more", "counts ([N] more"),
        (r"\b\d\d of \d\d\b", "[N] of [N]"),
        (r"the machine's \d+( |$)", "the machine's [N]$1"),
    ]
);
