//! What a shell offers at Tab, asked of the shells themselves, and what man(1) shows.

use testbed::{Place, needs};

use crate::world::says;

/// A container, an image and a volume, where mini-docker looks when no flag says where; and the
/// program by its name, as people type it.
const WORLD: &str = r#"
    md pull -q $I > /dev/null; md tag $I box:1; md rmi $I > /dev/null
    md create --name builder box:1 true > /dev/null; md volume create papers > /dev/null
    mkdir -p settings/mini-docker; export XDG_CONFIG_HOME=$PWD/settings PATH=${BIN%/*}:$PATH
    echo '{"data-root": "'$PWD/data'"}' > settings/mini-docker/daemon.json
    # Another store, which only a flag names.
    "$BIN" --root "$PWD/other" pull -q $I > /dev/null; "$BIN" --root "$PWD/other" create --name badger --network none $I true > /dev/null
    shows() { "$@"; "$BIN" --root "$home/other" rm badger > /dev/null; "$BIN" --root "$home/other" rmi $I > /dev/null; md rm builder > /dev/null; md volume rm papers > /dev/null; }
"#;

#[test]
fn bash_offers_verbs_flags_and_names() {
    needs!(In(Place::Root), Program("bash"));
    says(
        Place::Root,
        &format!(
            r#"{WORLD}
            cat > offers <<'END'
            . <(mini-docker completion bash)
            # As readline does it (man 1 bash, "Programmable Completion").
            offers() {{
                COMP_WORDS=(mini-docker "$@"); COMP_CWORD=$#; COMP_LINE="mini-docker $*"; COMP_TYPE=9
                COMP_POINT=${{#COMP_LINE}}; COMPREPLY=()
                $(complete -p mini-docker | sed 's/.*-F \([^ ]*\) .*/\1/') mini-docker "${{@: -1}}" "${{@: -2:1}}"
                echo "$*: ${{COMPREPLY[*]}}"
            }}
            offers pau; offers run --memory-s; offers rm b; offers inspect p; offers history b
            offers volume insp; offers nonsense nothing
            # bash takes = for a word of its own, and leaves the rest as it was typed.
            offers --root other rm b; offers --root = ./other rm b; offers rm --root '"$PWD"/other' b
END
            shows bash --norc offers
        "#
        ),
        "
            pau: pause
            run --memory-s: --memory-swap --memory-swappiness
            rm b: builder
            inspect p: papers
            history b: box:1
            volume insp: inspect
            nonsense nothing:
            --root other rm b: badger
            --root = ./other rm b: badger
            rm --root \"$PWD\"/other b: badger
        ",
    );
}

#[test]
fn fish_offers_verbs_flags_and_names() {
    needs!(In(Place::Root), Program("fish"));
    says(
        Place::Root,
        &format!(
            r#"{WORLD}
            HOME=$PWD shows fish --no-config -c '
                mini-docker completion fish | source
                for line in "pau" "run --memory-s" "rm b" "inspect p" "--root other rm b" "rm --root=other b"
                    complete -C "mini-docker $line"
                end' | sed "s,$I,IMAGE,"
        "#
        ),
        "
            pause\tPause all processes within one or more containers
            --memory-swap\tSwap limit equal to memory plus swap: -1 to enable unlimited swap
            --memory-swappiness\tTune container memory swappiness (0 to 100; -1 for the machine's)
            builder\tbox:1 (created)
            papers
            badger\tIMAGE (created)
            badger\tIMAGE (created)
        ",
    );
}

#[test]
fn zsh_offers_verbs_flags_and_names() {
    needs!(In(Place::Root), Program("zsh"));
    says(
        Place::Root,
        &format!(
            r#"{WORLD}
            cat > offers <<'END'
            # What the completion system would do with the answer.
            compdef() {{ completer=$1; }}
            _describe() {{ print -rl -- "${{(@P)@[-1]}}"; }}
            . <(mini-docker completion zsh)
            offers() {{ words=(mini-docker "$@"); CURRENT=$#words; $completer; }}
            offers pau; offers run --memory-s; offers rm b; offers inspect p
            offers --root ./other rm b; offers rm '--root="$PWD"/other' b
END
            shows zsh -f offers | sed "s,$I,IMAGE,"
        "#
        ),
        "
            pause:Pause all processes within one or more containers
            --memory-swap:Swap limit equal to memory plus swap: -1 to enable unlimited swap
            --memory-swappiness:Tune container memory swappiness (0 to 100; -1 for the machine's)
            builder:box:1 (created)
            papers
            badger:IMAGE (created)
            badger:IMAGE (created)
        ",
    );
}

#[test]
fn every_page_of_the_manual_is_set_without_a_warning() {
    needs!(In(Place::Root), Program("groff"));
    says(
        Place::Root,
        r#"
            "$BIN" man pages | sed 's/[^ ]*$/../'
            for page in pages/*; do groff -man -Tutf8 -ww -z $page 2>&1; done
            # One for the program, for each verb, and for each verb of a noun.
            for page in mini-docker mini-docker-run mini-docker-volume-create; do
                groff -man -Tutf8 -P-cbou pages/$page.1 | grep -A1 '^NAME' | tail -1 | tr -s ' '
            done
            # What apropos(1) finds a page by: its name, a dash, and a few words (man 7 man-pages).
            for page in pages/*; do
                name=${page#pages/}; name=${name%.1}
                sed -n '/^.SH NAME/{n;s/\\-/-/g;p}' $page | grep -qE "^$name - [A-Z][^:]+(: [^:]+)?$" || echo "$page: $(sed -n '/^.SH NAME/{n;p}' $page)"
                [ -z "$(command -v lexgrog)" ] || lexgrog $page > /dev/null || echo "$page is not found"
            done
            groff -man -Tutf8 -P-cbou pages/mini-docker-run.1 | grep -e '-v, --volume'
        "#,
        "
            man -l pages/mini-docker.1 shows the first of ..
            mini-docker - Pull, run, commit, push: containers without a daemon
            mini-docker-run - Create and run a new container from an image
            mini-docker-volume-create - Create a volume
            -v, --volume <SRC:DST[:OPTIONS]>
        ",
    );
}
