//! The whole book is played: every block of every page, each page on a stage of its own.

use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use crate::{
    page::{self, Block, Page, Place, Step},
    pattern,
    ready::Ready,
    said, stage,
};

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("a workspace")
}

/// A page, and what was said: for each block, for each step, the lines. A block that is not run has none.
#[derive(Debug)]
pub struct Played {
    /// The page.
    pub page: Page,
    /// What was said.
    pub said: Vec<Vec<Vec<String>>>,
}

/// Plays pages whose name contains one of these words, or all of them.
///
/// # Panics
/// When a stage breaks down.
pub fn play(only: &[String]) -> Vec<Played> {
    let wanted = |page: &Page| only.is_empty() || only.iter().any(|word| page.name.contains(word));
    play_pages(&page::all(&root()).into_iter().filter(wanted).collect::<Vec<_>>())
}

/// Plays these pages, two at a time.
///
/// # Panics
/// When a stage breaks down.
pub fn play_pages(pages: &[Page]) -> Vec<Played> {
    let ready = Ready::make();
    let next = AtomicUsize::new(0);
    let played = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(page) = pages.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let started = Instant::now();
                    let page = Played { said: said(page, ready.path()), page: page.clone() };
                    say(&format!("{}: {:.1} s", page.page.name, started.elapsed().as_secs_f32()));
                    played.lock().expect("nobody panics here").push(page);
                }
            });
        }
    });
    let mut played = played.into_inner().expect("nobody panics here");
    played.sort_by(|a, b| a.page.name.cmp(&b.page.name));
    played
}

/// Past the harness, which would show it only for a test that fails.
pub fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

fn said(page: &Page, ready: &Path) -> Vec<Vec<Vec<String>>> {
    let mut said = vec![Vec::new(); page.blocks.len()];
    let run = |block: &&Block| block.norun.is_none();
    let places: BTreeSet<Place> = page.blocks.iter().filter(run).map(|it| it.place).collect();
    for place in places {
        let here = |block: &Block| block.place == place && block.norun.is_none();
        let blocks: Vec<_> =
            page.blocks.iter().enumerate().filter(|(_, block)| here(block)).collect();
        let steps: Vec<_> = blocks.iter().flat_map(|(_, it)| &it.steps).map(typed).collect();
        let mut raw = stage::play(place, &steps, ready).into_iter();
        for (at, block) in blocks {
            let steps: Vec<_> = raw.by_ref().take(block.steps.len()).collect();
            said[at] = said::shown(&steps);
        }
    }
    said
}

/// The step as bash is told it.
fn typed(step: &Step) -> String {
    if step.typed.is_empty() {
        return step.command.clone();
    }
    // In braces, so that a redirection of the command's own comes later and wins.
    format!("{{ {}\n}} <<'TYPED INTO IT'\n{}\nTYPED INTO IT", step.command, step.typed.join("\n"))
}

impl Played {
    /// Where the page is wrong, as a reader of messages wants it.
    pub fn complaints(&self) -> Vec<String> {
        self.steps()
            .filter(|(block, step, said)| !holds(block, step, said))
            .map(|(block, step, said)| {
                let (name, line, place) = (&self.page.name, step.line, block.place);
                let shown = step.expected().join("\n");
                let (command, said) = (&step.command, said.join("\n"));
                format!("{name}:{line} ({place:?}): $ {command}\n--- the page\n{shown}\n--- said\n{said}\n")
            })
            .collect()
    }

    /// The steps that were run, with their blocks and what they said.
    pub fn steps(&self) -> impl Iterator<Item = (&Block, &Step, &[String])> {
        self.page.blocks.iter().zip(&self.said).flat_map(|(block, said)| {
            block.steps.iter().zip(said).map(move |(step, said)| (block, step, &**said))
        })
    }

    /// The page's text with what was said.
    pub fn renewed(&self) -> String {
        self.page.with(&|b, s| {
            let block = &self.page.blocks[b];
            let (step, said) = (block.steps.get(s)?, self.said[b].get(s)?);
            if block.list || holds(block, step, said) {
                return None;
            }
            let said: Vec<_> = said.iter().map(String::as_str).collect();
            let typed = step.said.iter().filter(|line| line.starts_with("# ")).cloned();
            Some(typed.chain(pattern::renewed(&step.expected(), &said)).collect())
        })
    }
}

/// Whether a page may show this for what was said.
pub fn holds(block: &Block, step: &Step, said: &[String]) -> bool {
    if block.list {
        let status = |line: Option<&str>| line.filter(|it| is_status(it)).map(str::to_owned);
        return status(step.expected().last().copied()) == status(said.last().map(String::as_str));
    }
    let said: Vec<_> = said.iter().map(String::as_str).collect();
    pattern::matches(&step.expected(), &said)
}

/// `[7]`
fn is_status(line: &str) -> bool {
    let digits = line.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    digits.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()))
}
