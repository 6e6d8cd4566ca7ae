//! A page and its console blocks, read and written back without changing a letter of the rest.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where a block is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// This machine, as root.
    Root,
    /// This machine, as an ordinary user without subordinate ids.
    User,
    /// This machine, as an ordinary user with subordinate ids.
    Subids,
    /// A kernel with cgroup v2 only, as root.
    V2,
    /// The same as an ordinary user with subordinate ids and a delegated group.
    V2User,
}

impl Place {
    fn parse(word: &str) -> Option<Self> {
        let places = [
            ("root", Self::Root),
            ("user", Self::User),
            ("subids", Self::Subids),
            ("v2", Self::V2),
            ("v2user", Self::V2User),
        ];
        places.into_iter().find(|(name, _)| *name == word).map(|(_, place)| place)
    }

    /// Whether it is a kernel of its own.
    pub fn is_guest(self) -> bool {
        matches!(self, Self::V2 | Self::V2User)
    }
}

/// A command, and what it says according to the page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// The number of its line in the file, from 1.
    pub line: usize,
    /// The lines as they stand there, from `$ ` on; the first of [`said`](Self::said) comes after them.
    pub command: String,
    /// What is typed into the program.
    pub typed: Vec<String>,
    /// What is expected, line by line, the status in brackets included; `# ` lines are among them.
    pub said: Vec<String>,
}

impl Step {
    /// What is expected without what is typed.
    pub fn expected(&self) -> Vec<&str> {
        let said = self.said.iter().map(String::as_str);
        said.filter(|line| !line.starts_with("# ")).collect()
    }
}

/// A console block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The number of the line with its fence, from 1.
    pub line: usize,
    /// Where it is run.
    pub place: Place,
    /// Whether what is said is not shown.
    pub list: bool,
    /// Why it is not run, if it is not.
    pub norun: Option<String>,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// A file and its blocks.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where it lies.
    pub path: PathBuf,
    /// As a reader of messages knows it.
    pub name: String,
    /// What is in it.
    pub text: String,
    /// The console blocks, in order.
    pub blocks: Vec<Block>,
}

/// All pages of the workspace: the book's, the README, and the labs' READMEs.
///
/// # Panics
/// When one cannot be read or has a block that makes no sense.
pub fn all(root: &Path) -> Vec<Page> {
    let mut files = vec![root.join("README.md")];
    collect(&root.join("book/src"), &|_| true, &mut files);
    collect(&root.join("labs"), &|name| name == "README.md", &mut files);
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            let blocks = blocks(&text).unwrap_or_else(|wrong| panic!("{name}:{wrong}"));
            Page { path, name, text, blocks }
        })
        .filter(|page| !page.blocks.is_empty())
        .collect()
}

fn collect(directory: &Path, wanted: &dyn Fn(&str) -> bool, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of ours").flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() && name != "target" {
            collect(&path, wanted, files);
        } else if name.ends_with(".md") && wanted(&name) {
            files.push(path);
        }
    }
}

/// The console blocks of a text.
///
/// # Errors
/// The line and what is wrong with it.
pub fn blocks(text: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().zip(1..);
    let mut before = "";
    while let Some((line, number)) = lines.next() {
        if let Some(fence) = line.strip_prefix("```") {
            let inside: Vec<_> = lines.by_ref().take_while(|(it, _)| *it != "```").collect();
            if let Some(words) = fence.strip_prefix("console") {
                let wrong = |what| format!("{number}: {what}");
                let mut block = heading(words, before).map_err(wrong)?;
                block.line = number;
                block.steps = steps(&inside).map_err(wrong)?;
                blocks.push(block);
            } else if let Some((_, at)) = inside.iter().find(|it| hides(fence, it.0)) {
                return Err(format!(
                    "{at}: what is typed belongs into a console block, which is run"
                ));
            }
        } else if line.contains("```console") {
            return Err(format!("{number}: a console block has to begin at the margin"));
        }
        before = line;
    }
    Ok(blocks)
}

/// Whether a block without a program's language shows this line as typed: nobody would run it.
fn hides(fence: &str, line: &str) -> bool {
    let plain = matches!(fence, "" | "text" | "sh" | "bash" | "shell");
    plain && (line.starts_with("$ ") || line.starts_with("# "))
}

/// What the fence says: `,user,list`; `before` is the line above it.
fn heading(words: &str, before: &str) -> Result<Block, String> {
    let (line, steps) = (0, Vec::new());
    let mut block = Block { line, place: Place::Root, list: false, norun: None, steps };
    for word in words.split(',').filter(|word| !word.is_empty()) {
        match (word, Place::parse(word)) {
            (_, Some(place)) => block.place = place,
            ("list", _) => block.list = true,
            ("norun", _) => {
                let reason =
                    before.strip_prefix("<!-- norun: ").and_then(|it| it.strip_suffix(" -->"));
                block.norun = Some(reason.ok_or("no <!-- norun: reason --> above it")?.to_owned());
            }
            _ => return Err(format!("what is {word:?}?")),
        }
    }
    Ok(block)
}

fn steps(lines: &[(&str, usize)]) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for &(text, line) in lines {
        if let Some(command) = text.strip_prefix("$ ") {
            steps.push(Step { line, command: command.to_owned(), ..Step::default() });
            continue;
        }
        let step = steps.last_mut().ok_or("a block begins with `$ command`")?;
        match text.strip_prefix("> ") {
            Some(more) if step.said.is_empty() => step.command += &format!("\n{more}"),
            _ => {
                step.typed.extend(text.strip_prefix("# ").map(str::to_owned));
                step.said.push(text.to_owned());
            }
        }
    }
    Ok(steps)
}

impl Page {
    /// The text of the page with these lines after the steps, one list for each step of each block.
    pub fn with(&self, said: &dyn Fn(usize, usize) -> Option<Vec<String>>) -> String {
        let mut lines: Vec<_> = self.text.lines().map(str::to_owned).collect();
        for (b, block) in self.blocks.iter().enumerate().rev() {
            for (s, step) in block.steps.iter().enumerate().rev() {
                let Some(new) = said(b, s) else { continue };
                let first = step.line + step.command.matches('\n').count();
                lines.splice(first..first + step.said.len(), new);
            }
        }
        lines.join("\n") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "words\n```console,user\n$ a \\\n> b\nsaid\n[1]\n$ sh\n# exit\n```\n\n\
                        ```rust\n$ no\n```\n<!-- norun: slow -->\n```console,norun\n$ c\n```\n";

    #[test]
    fn a_block_is_read_as_it_is_written() {
        let blocks = blocks(PAGE).unwrap();
        assert_eq!((blocks.len(), blocks[0].place, blocks[0].line), (2, Place::User, 2));
        let steps = &blocks[0].steps;
        assert_eq!((&*steps[0].command, steps[0].line), ("a \\\nb", 3));
        assert_eq!(steps[0].expected(), ["said", "[1]"]);
        assert_eq!((&*steps[1].typed, steps[1].expected().len()), (&["exit".to_owned()][..], 0));
        assert_eq!(blocks[1].norun.as_deref(), Some("slow"));
    }

    #[test]
    fn new_words_replace_the_old_ones_and_nothing_else() {
        let page = Page {
            path: "p".into(),
            name: "p".into(),
            text: PAGE.into(),
            blocks: blocks(PAGE).unwrap(),
        };
        assert_eq!(page.with(&|_, _| None), PAGE);
        let said = page.with(&|b, s| ((b, s) == (0, 0)).then(|| vec!["new".to_owned()]));
        assert_eq!(said, PAGE.replace("said\n[1]", "new"));
    }

    #[test]
    fn a_block_that_makes_no_sense_is_named() {
        assert!(blocks("```console,moon\n```\n").unwrap_err().contains("moon"));
        assert!(blocks("```console,norun\n$ a\n```\n").unwrap_err().contains("reason"));
        assert!(blocks("```console\nwords\n```\n").unwrap_err().contains("begins"));
        assert!(blocks("- ```console\n").unwrap_err().contains("margin"));
        for hidden in
            ["```text\nwords\n# root types\n```\n", "```sh\n$ a\n```\n", "```\n$ a\n```\n"]
        {
            assert!(blocks(hidden).unwrap_err().contains("is run"), "{hidden}");
        }
        assert!(blocks("```text\n#1 $ words\n```\n```toml\n# words\n```\n").unwrap().is_empty());
    }
}
