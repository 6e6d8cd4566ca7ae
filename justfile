# Shorthands; each is a line you can type as well. `just` alone lists them.

[private]
default:
    @just --list

# What a change must pass before it is sent
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test

# Everything, as CI has it: a Debian machine, root
ci:
    .ci/run

# A lab's demonstration: just lab 4
lab NUMBER *ARGS:
    cargo run -q -p lab-0{{NUMBER}} -- {{ARGS}}

# A lab's demonstration where there is only cgroup v2: just guest 2
guest NUMBER *ARGS:
    cargo build -q -p lab-0{{NUMBER}}
    tests/guest/run -b target/debug -- target/debug/lab-0{{NUMBER}} {{ARGS}}

# Accept changed snapshots of a package, then read the difference
accept PACKAGE:
    INSTA_UPDATE=always cargo test -p {{PACKAGE}}
    git diff --stat -- '*.snap'

# The book, with its links checked
book:
    cargo xtask book

# Licences, advisories, duplicates (needs cargo-deny)
deny:
    cargo deny check
