//! The demonstration in every place; the names of a machine are its own.

testbed::demo_tests!(
    "lab-05",
    [(
        r"((?:before|after) setns +│ net:\[\d+\] +│ )[^│]+(│ )\S+( *│)",
        "$1[INTERFACES] $2[HOST]$3"
    ),]
);
