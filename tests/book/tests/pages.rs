//! Every console block of the book and the READMEs, run.
//!
//! `UNBOXED_PAGES='verbs/ps lab-04'` plays only pages with these words in their names;
//! `UNBOXED_RECORD=1` rewrites what they show: read the difference before you believe it.
#![allow(missing_docs, reason = "a test's name is its sentence")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{env, fs, sync::LazyLock};

use book::{
    page::{self, Block, Step},
    pattern::matches,
    play::{Played, holds, play, play_pages, root, say},
};
use testbed::needs;

/// More blocks than these may not be left out.
const MOST_NOT_RUN: usize = 4;

/// Of a hundred lines that are shown, so many may hold a wildcard.
const MOST_OPEN: usize = 15;

/// What the pages' commands take.
macro_rules! needs_what_pages_need {
    () => {
        needs!(
            Root,
            Guest,
            NewUidMap,
            Program("busybox"),
            Program("docker-registry"),
            Program("skopeo")
        );
    };
}

/// The book is played once.
fn book() -> &'static [Played] {
    // Poisoned by a stage that breaks down: no second try.
    static BOOK: LazyLock<Vec<Played>> = LazyLock::new(|| {
        let only = env::var("UNBOXED_PAGES").unwrap_or_default();
        play(&only.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    });
    &BOOK
}

#[test]
fn what_a_page_shows_is_what_is_said() {
    needs_what_pages_need!();
    let complaints: Vec<_> = book().iter().flat_map(Played::complaints).collect();
    if env::var_os("UNBOXED_RECORD").is_some() {
        for played in book() {
            fs::write(&played.page.path, played.renewed()).unwrap();
        }
        return;
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn all_blocks_are_run_but_a_few_that_say_why() {
    needs_what_pages_need!();
    let blocks = || book().iter().flat_map(|it| &it.page.blocks);
    let steps: Vec<_> = book().iter().flat_map(Played::steps).collect();
    let lines = || steps.iter().filter(|(block, ..)| !block.list).flat_map(|it| it.1.expected());
    let open = lines().filter(|line| *line == "..." || line.contains("[..]")).count();
    let not_run: Vec<_> = blocks().filter_map(|block| block.norun.as_deref()).collect();
    let lists = blocks().filter(|block| block.list).count();
    say(&format!(
        "console blocks: {} on {} pages, {} run with {} steps, {lists} of them lists; {} lines shown, {open} open; \
         not run: {}",
        blocks().count(),
        book().len(),
        blocks().count() - not_run.len(),
        steps.len(),
        lines().count(),
        not_run.join("; "),
    ));
    assert!(not_run.len() <= MOST_NOT_RUN, "{not_run:?}");
    assert!(
        open * 100 <= lines().count() * MOST_OPEN,
        "{open} of {} lines are open",
        lines().count()
    );
}

/// The last page of each lab breaks something in a block that is run, and the kernel's answer is there; and it names the lab's
/// rows of the escape arcade. Lab 07 is broken by tests of its own.
#[test]
fn every_lab_is_broken_where_its_part_says_so() {
    let pages = page::all(&root());
    for lab in 1..=6 {
        let name = format!("book/src/lab-0{lab}-real.md");
        let page = pages.iter().find(|page| page.name == name).unwrap();
        let run = page.blocks.iter().filter(|it| it.norun.is_none() && !it.list);
        let mut steps = run.flat_map(|it| &it.steps);
        assert!(steps.any(|it| !it.expected().is_empty()), "{name} breaks nothing");
    }
    for lab in 1..=7 {
        let name = format!("book/src/lab-0{lab}-real.md");
        let text = fs::read_to_string(root().join(&name)).unwrap();
        assert!(text.contains("](security.md#"), "{name} names no row of the arcade");
    }
}

/// The pages' image is made for each stage. A reader makes one as "How to use this book" says, and sees the same with it.
#[test]
fn the_image_that_a_reader_makes_will_do() {
    needs_what_pages_need!();
    let pages = page::all(&root());
    let of = |name: &str| pages.iter().find(|page| page.name.ends_with(name)).unwrap();
    let makes = |block: &&Block| block.steps.iter().any(|it| it.command.contains("unboxed:1"));
    let block = of("book/src/how-to.md").blocks.iter().find(makes).unwrap();
    let after_it = |name| {
        let mut page = of(name).clone();
        page.blocks.insert(0, block.clone());
        page
    };
    let played =
        play_pages(&["docker/volumes.md", "notes/ports.md", "verbs/diff.md"].map(after_it));
    let complaints: Vec<_> = played.iter().flat_map(Played::complaints).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Each letter of each line that is shown is changed, left out and joined by another one, each line is left out and said twice,
/// each exit status of a list is another one; and the page must be found wrong.
#[test]
fn a_changed_character_is_noticed() {
    needs_what_pages_need!();
    let (mut tried, mut missed) = (0, Vec::new());
    for played in book() {
        for (block, step, said) in played.steps() {
            let wrong = match block.list {
                true => statuses(step),
                false => mutants(step).into_iter().filter(|it| says_another(step, it)).collect(),
            };
            tried += wrong.len();
            let held = wrong.into_iter().filter(|wrong| holds(block, wrong, said));
            missed.extend(
                held.map(|it| format!("{}:{}: {:?}", played.page.name, step.line, it.said)),
            );
        }
    }
    say(&format!("changed characters: {tried} tried, {} missed", missed.len()));
    assert!(missed.is_empty(), "\n{}", missed.join("\n"));
}

/// The step with one character changed, left out or put in, for every character of what is said; and with a line left out or
/// said twice, for every line.
fn mutants(step: &Step) -> Vec<Step> {
    let lines = step.said.iter().enumerate().filter(|(_, line)| !line.starts_with("# "));
    let wrong = |change: &dyn Fn(&mut Vec<String>)| {
        let mut wrong = step.clone();
        change(&mut wrong.said);
        wrong
    };
    let mut mutants = Vec::new();
    for (at, line) in lines {
        mutants.push(wrong(&|said| drop(said.remove(at))));
        // One of several lines like it may have been left out below.
        if !line.contains("[..]") {
            mutants.push(wrong(&|said| said.insert(at, line.clone())));
        }
        for (byte, old) in line.char_indices() {
            let (end, other) = (byte + old.len_utf8(), if old == 'x' { "y" } else { "x" });
            for (end, new) in [(end, other), (end, ""), (byte, other)] {
                mutants.push(wrong(&|said| said[at].replace_range(byte..end, new)));
            }
        }
    }
    mutants
}

/// Whether it says something else to a reader: not where a gap between columns has become wider, and not where a wildcard beside
/// the change stands for what was there as well.
fn says_another(step: &Step, wrong: &Step) -> bool {
    !matches(&wrong.expected(), &step.expected())
}

/// The command of a list with another exit status than the one that is shown, or with one where none is.
fn statuses(step: &Step) -> Vec<Step> {
    let shown = step.said.iter().position(|line| line.starts_with('['));
    let mut wrong = vec![step.clone(); 2];
    match shown {
        Some(at) => {
            wrong[0].said.remove(at);
            wrong[1].said[at] = "[99]".to_owned();
        }
        None => {
            wrong[0].said.push("[1]".to_owned());
            wrong[1].said.push("[99]".to_owned());
        }
    }
    wrong
}
