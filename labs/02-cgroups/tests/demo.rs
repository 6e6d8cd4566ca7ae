//! The demonstration in every place, its plan, and its events.

testbed::demo_tests!(
    "lab-02",
    [
        // The groups of this run, and those that the machine put us into.
        (r"\blab-\d+-", "lab-[RUN]-"),
        (r"\.\.\S*[0-9a-f]{12,20}\b", "..[GROUP]"),
        // What depends on the kernel's version or on the moment.
        (r"\b\d+ files", "[N] files"),
        (r"got \d\.\d times", "got [N] times"),
        (r"counts \(\d+ more", "counts ([N] more"),
        (r"\b\d\d of \d\d periods", "[N] of [N] periods"),
        (r"((?:lscpu|top|glibc)\) +│) \d+ +│ \d+ +│", "$1 [CPUS] │ [CPUS] │"),
        (r"(nproc\) +│) \d+ +│ \d+ +│ \d+ +│", "$1 [CPUS] │ [CPUS] │ [CPUS] │"),
        (r"(outside +│) \d+ MiB", "$1 [N] MiB"),
    ]
);
