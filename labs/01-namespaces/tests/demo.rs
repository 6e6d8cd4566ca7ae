//! The demonstration in every place; the names and groups of a machine are its own.

testbed::demo_tests!(
    "lab-01",
    [
        (r"(outside, (?:before|now) +│ )\S+", "$1[HOST]"),
        (r"(getifaddrs\(\) outside +│ )[^│\n]+?( *│)", "$1[INTERFACES]$2"),
        (r"(outside +│ )\S*:/[^│\n]*?( *│)", "$1[GROUPS]$2"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[BOOT]"),
        (r"(max_user_namespaces +│ )\d+", "$1[LIMIT]"),
    ]
);
