//! What a block's steps said, made fit for a page: without what differs in every run.
//!
//! The filters are those of all snapshots ([`testbed::redact`]), after a few for what only an
//! engine says. Equal things stay equal within a block: `[ID-1]` is the same container everywhere in it.

/// Times as ls(1) has them, ages as Docker tells them, and ids that stand in a column: these keep its width.
const ENGINE: [(&str, &str); 5] = [
    (r"/lab-\d+-([a-z]+)", "/lab-[RUN]-$1"),
    (r"\b[A-Z][a-z]{2} [ \d]\d \d\d:\d\d\b", "[DATE]"),
    (r"\b[0-9a-f]{12}(  )", "[ID]        $1"),
    (r"(?:Less than a|About an?|\d+) (?:second|minute|hour)s? ago", "[AGO]"),
    (r"\bUp (?:Less than a|About an?|\d+) (?:second|minute|hour)s?", "Up [TIME]"),
];

/// What a command said, and its exit status.
pub type Raw = (String, i32);

const CUT: &str = "\u{1e}\n";

/// The lines of each step of a block, the exit status in brackets last unless it is 0.
pub fn shown(steps: &[Raw]) -> Vec<Vec<String>> {
    let text: Vec<_> = steps.iter().map(|(said, _)| plain(said)).collect();
    let text = testbed::redact(&text.join(CUT), &ENGINE);
    let parts = text.split(CUT);
    parts.zip(steps).map(|(part, (_, status))| with_status(part, *status)).collect()
}

/// A terminal ends lines with CR LF; nobody sees spaces at the end of a line.
fn plain(said: &str) -> String {
    let lines = said.trim_end().lines();
    lines.map(|line| format!("{}\n", line.replace('\r', "").trim_end())).collect()
}

fn with_status(text: &str, status: i32) -> Vec<String> {
    let status = (status != 0).then(|| format!("[{status}]"));
    text.lines().map(str::to_owned).chain(status).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_same_in_all_steps_of_a_block() {
        let id = "0123456789ab";
        let steps = [(format!("{id}\n"), 0), (format!("in {id}\r\n\n"), 3)];
        assert_eq!(
            shown(&steps),
            [vec!["[ID-1]".to_owned()], vec!["in [ID-1]".into(), "[3]".into()]]
        );
    }

    #[test]
    fn columns_stay_below_their_headings() {
        let table = "CONTAINER ID   STATUS\n0123456789ab   Up 3 seconds\n";
        assert_eq!(shown(&[(table.into(), 0)])[0][1], "[ID]           Up [TIME]");
    }
}
