//! Progress: bars where a person looks, plain lines where none does.

use testbed::{Place, needs};

use crate::world::says;

/// A terminal's lines, made of all that was written to it.
const SCREEN: &str = include_str!("screen.py");

/// Bars are drawn while bytes move, and at the end the terminal shows what a pipe gets.
#[test]
fn a_pull_draws_bars_at_a_terminal_and_leaves_the_lines_of_a_pipe() {
    needs!(In(Place::Root), Program("script"), Program("python3"));
    let script = format!(
        r#"
        cat > screen.py <<'END'
{SCREEN}
END
        bars() {{ grep -ac 'Downloading .*\[.*\]\|Download complete .*\[.*\]\|Extracting .*\[.*\]' $1 || true; }}
        escapes() {{ grep -c "$(printf '\033')" $1 || true; }}
        md pull $I > piped
        echo "$(bars piped) bars and $(escapes piped) escapes in a pipe"
        md rmi -f $I > /dev/null
        at_terminal() {{
            script -qec "stty cols 120 rows 40; TERM=$1 exec $BIN --root $home/data pull $2 $I" /dev/null < /dev/null > written
            python3 screen.py 120 < written > seen
            md rmi -f $I > /dev/null
        }}
        at_terminal xterm ''
        [ $(bars written) -gt 0 ] && echo "bars at a terminal"
        diff piped seen && echo "and none is left"
        at_terminal dumb ''
        echo "$(bars written) bars where no line can be gone back in"
        diff piped seen && echo "and the same lines"
        at_terminal xterm -q
        echo "$(bars written) bars when quiet"
        "#
    );
    let expected = "0 bars and 0 escapes in a pipe
        bars at a terminal
        and none is left
        0 bars where no line can be gone back in
        and the same lines
        0 bars when quiet";
    says(Place::Root, &script, expected);
}
