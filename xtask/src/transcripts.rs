//! Console blocks say above them who runs them; how they are run is told in `tests/book`.

/// The page with a line above each block that somebody else than root runs, and without our words
/// behind `console`.
pub fn captioned(page: &str) -> String {
    let mut text = String::new();
    for line in page.split_inclusive('\n') {
        match line.trim_end().strip_prefix("```console") {
            Some(words) => {
                if let Some(who) = words.split(',').find_map(who) {
                    text += &format!("<p class=\"who\">{who}:</p>\n\n");
                }
                text += "```console\n";
            }
            None => text += line,
        }
    }
    text
}

fn who(word: &str) -> Option<&'static str> {
    Some(match word {
        "user" => "As an ordinary user",
        "subids" => "As an ordinary user with subordinate ids",
        "v2" => "As root, where there is only cgroup v2",
        "v2user" => "As an ordinary user, where there is only cgroup v2",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_says_who_runs_it() {
        let page = captioned("```console,user\n$ id\n```\n```console,list\n$ id\n```\n");
        assert_eq!(page.matches("As an ordinary user:").count(), 1);
        assert!(!page.contains("console,"));
    }
}
